// The database as an object in the program that opened it: the same node, its sessions called without a socket.

import { DbError } from '../base/errors.ts';
import { utf8 } from '../base/bytes.ts';
import { Decimal } from '../rows/decimal.ts';
import type { Datum } from '../rows/datum.ts';
import type { RowView } from '../rows/row-codec.ts';
import { BYTEA, DATE, JSON_TYPE, JSONB, TIMESTAMP, TIMESTAMPTZ } from '../rows/types.ts';
import { formatText } from '../rows/text-format.ts';
import type { ResultField, ResultSink, Session, SqlServer } from '../sql/api.ts';

export type QueryValue = null | boolean | number | bigint | string | Uint8Array | Date | object;

export interface QueryResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly fields: readonly { readonly name: string; readonly typeOid: number }[];
  /** 'INSERT 0 1' */
  readonly command: string;
}

/** One client: its statements run one after another, in its transaction. */
export class EmbeddedSession {
  readonly #session: Session;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(sql: SqlServer) {
    this.#session = sql.openSession({ user: 'root', database: 'defaultdb', parameters: {} });
  }

  /** One statement with values for $1, $2, … */
  query(text: string, values: readonly QueryValue[] = []): Promise<QueryResult> {
    const run = this.#last.then(() => this.#run(text, values));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#session.cancel();
    await this.#last;
    this.#session.close();
  }

  async #run(text: string, values: readonly QueryValue[]): Promise<QueryResult> {
    if (this.#closed) throw new DbError('08003', 'the session was closed');
    const session = this.#session;
    const sink = new CollectingSink();
    try {
      await session.parse('', text, []);
      await session.bind({
        portal: '',
        statement: '',
        parameterFormats: [],
        parameters: values.map(encodeValue),
        resultFormats: [],
      });
      sink.fields(session.portalShape('').fields ?? []);
      const outcome = await session.execute('', 0, sink);
      if (outcome.kind === 'copyIn') {
        outcome.copy.fail('COPY FROM STDIN needs a client connection');
        throw new DbError('0A000', 'COPY FROM STDIN is not supported here', {
          hint: 'Connect with a client, or INSERT.',
        });
      }
      await session.sync();
    } catch (error) {
      session.failed();
      await Promise.resolve(session.sync()).catch(() => undefined);
      throw error;
    }
    return sink.result();
  }
}

function encodeValue(value: QueryValue | undefined): Uint8Array | undefined {
  if (value === null || value === undefined) return undefined;
  if (value instanceof Uint8Array) return utf8(formatText({ oid: BYTEA, modifier: -1 }, value));
  if (value instanceof Date) return utf8(value.toISOString());
  if (typeof value === 'object') return utf8(JSON.stringify(value));
  return utf8(String(value));
}

class CollectingSink implements ResultSink {
  readonly full = false;
  #fields: readonly ResultField[] = [];
  #rows: Record<string, unknown>[] = [];
  #command = '';

  fields(fields: readonly ResultField[]): void {
    this.#fields = fields;
  }

  tuple(values: readonly Datum[]): void {
    const row: Record<string, unknown> = {};
    this.#fields.forEach((field, i) => {
      row[field.name] = decodeValue(field, values[i] as Datum);
    });
    this.#rows.push(row);
  }

  stored(view: RowView, positions: readonly number[]): void {
    this.tuple(positions.map((position) => view.datum(position)));
  }

  complete(tag: string): void {
    this.#command = tag;
  }

  emptyQuery(): void {}
  suspended(): void {}
  notice(): void {}
  parameterStatus(): void {}
  error(error: DbError): void {
    throw error;
  }
  copyOut(): void {}
  copyData(): void {
    throw new DbError('0A000', 'COPY TO STDOUT is not supported here', {
      hint: 'SELECT the rows.',
    });
  }
  copyOutDone(): void {}

  drained(): Promise<void> {
    return Promise.resolve();
  }

  result(): QueryResult {
    return {
      rows: this.#rows,
      fields: this.#fields.map(({ name, type }) => ({ name, typeOid: type.oid })),
      command: this.#command,
    };
  }
}

/** As the npm package pg gives them, but for int8, which is a number while it is exact and a bigint beyond. */
function decodeValue(field: ResultField, datum: Datum): unknown {
  if (datum === null) return null;
  switch (field.type.oid) {
    case TIMESTAMP:
    case TIMESTAMPTZ:
    case DATE: {
      const text = formatText(field.type, datum);
      const iso =
        field.type.oid === DATE ? text : `${text.replace(' ', 'T').replace(/\+00$/, '')}Z`;
      const date = new Date(iso);
      return Number.isNaN(date.getTime()) || field.type.oid === DATE ? text : date;
    }
    case JSON_TYPE:
    case JSONB:
      return JSON.parse(datum as string) as unknown;
    default:
      return datum instanceof Decimal
        ? datum.toString()
        : typeof datum === 'object' && !(datum instanceof Uint8Array)
          ? formatText(field.type, datum)
          : datum;
  }
}

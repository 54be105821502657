// A database for tests: tables that are declared in SQL, statements that are parsed, planned and run over the fake
// store, results as text.

import { DbError } from '../../../src/base/errors.ts';
import { isPromise } from '../../../src/base/maybe.ts';
import type { Datum } from '../../../src/rows/datum.ts';
import type { RowView } from '../../../src/rows/row-codec.ts';
import { layoutOf } from '../../../src/rows/row-codec.ts';
import { formatText, parseText } from '../../../src/rows/text-format.ts';
import { columnType, INT8 } from '../../../src/rows/types.ts';
import type { ResultField, ResultSink } from '../../../src/sql/api.ts';
import type { CatalogView } from '../../../src/sql/catalog/api.ts';
import {
  type ColumnDescriptor,
  PLAIN_COLUMN,
  PLAIN_TABLE,
  type TableDescriptor,
} from '../../../src/sql/catalog/descriptor.ts';
import type {
  CompiledPlan,
  ExecContext,
  ExecResult,
  SessionValues,
} from '../../../src/sql/exec/plan-api.ts';
import { compileStatement } from '../../../src/sql/exec/prepare.ts';
import type { CreateTableStatement, LiteralValue, Name } from '../../../src/sql/parse/ast.ts';
import {
  fingerprint,
  formatExpression,
  initParser,
  NUMERIC_LITERAL,
  parseExpressionText,
  parseStatements,
  STRING_LITERAL,
} from '../../../src/sql/parse/index.ts';
import { resolveTypeName } from '../../../src/sql/types/names.ts';
import { NO_SEQUENCES } from '../fakes/no-sequences.ts';
import { FakeStore, FakeTransaction } from './fake-store.ts';

await initParser();

export interface Result {
  readonly names: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly tag: string;
}

class FakeCatalog {
  readonly tables: Map<string, TableDescriptor> = new Map();
  readonly version: number = 1;

  find(name: Name): TableDescriptor | undefined {
    return name.schema === undefined || name.schema === 'public'
      ? this.tables.get(name.name)
      : undefined;
  }

  table(name: Name): TableDescriptor {
    const found = this.find(name);
    if (found !== undefined) return found;
    throw new DbError('42P01', `relation "${name.name}" does not exist`, { position: name.at + 1 });
  }

  all(): readonly TableDescriptor[] {
    return [...this.tables.values()];
  }
}

const SESSION: SessionValues = {
  currentUser: 'root',
  sessionUser: 'root',
  database: 'defaultdb',
  searchPath: ['public'],
  backendPid: 42,
  transactionMicros: 1_700_000_000_000_000,
  statementMicros: 1_700_000_000_000_001,
  clockMicros: () => 1_700_000_000_000_002,
  zoneOffsetMinutes: () => 0,
  version: 'PostgreSQL 15.0 (Meridian)',
  setting: (name) => (name === 'server_version' ? '15.0' : undefined),
  uint32: () => 0x9e3779b9,
  sequences: NO_SEQUENCES,
};

export class FakeDatabase {
  readonly store: FakeStore = new FakeStore();
  readonly catalog: FakeCatalog = new FakeCatalog();
  session: SessionValues = SESSION;
  /** Take literals out as the plan cache does. */
  fold: boolean = false;
  /** Rows after which the sink says that it is full; 0 never. */
  fullEvery: number = 0;
  #rowIds = 0;

  /** CREATE TABLE in SQL. */
  create(sql: string): TableDescriptor {
    const [parsed] = parseStatements(sql);
    const table = descriptorOf(parsed?.statement as CreateTableStatement, this.catalog.tables.size);
    this.catalog.tables.set(table.name, table);
    return table;
  }

  plan(sql: string, parameterTypes: readonly number[] = []): CompiledPlan {
    return this.#compile(sql, parameterTypes).plan;
  }

  explain(sql: string): readonly string[] {
    return this.plan(sql).explain();
  }

  context(): ExecContext {
    const txn = new FakeTransaction(this.store);
    return {
      view: txn,
      txn,
      session: this.session,
      catalog: this.catalog as unknown as CatalogView,
      nextRowId: () => ++this.#rowIds,
      checkCancelled: () => undefined,
      pause: () => Promise.resolve(),
      monotonicMicros: () => 0,
    };
  }

  /** `params` are texts of the types that the plan settles on. */
  async run(sql: string, params: readonly (string | null)[] = []): Promise<Result> {
    const { plan, literals } = this.#compile(sql, []);
    const texts = [...params, ...literals];
    const datums = texts.map((text, i): Datum => {
      const type = plan.parameterTypes[i];
      if (type === undefined) throw new Error('more parameters than the statement has');
      if (text === null) return null;
      try {
        return parseText(type, text);
      } catch (error) {
        if (!(error instanceof DbError) || i < params.length) throw error;
        throw error.at(fingerprint(sql).start(i - params.length) + 1);
      }
    });
    return await this.execute(plan, datums);
  }

  async execute(plan: CompiledPlan, params: readonly Datum[]): Promise<Result> {
    const sink = new TextSink(plan.fields, this.fullEvery);
    const running = plan.execute(this.context(), params, sink, 0);
    const tag = isPromise(running) ? await running : running;
    return { names: (plan.fields ?? []).map((f) => f.name), rows: sink.rows, tag: tag as string };
  }

  /** In pieces of `maxRows`; the rows of each and the final tag. */
  async portal(sql: string, maxRows: number): Promise<{ pieces: number[]; tag: string }> {
    const plan = this.plan(sql);
    const sink = new TextSink(plan.fields, 0);
    const pieces: number[] = [];
    let result: ExecResult = await plan.execute(this.context(), [], sink, maxRows);
    let seen = 0;
    for (;;) {
      pieces.push(sink.rows.length - seen);
      seen = sink.rows.length;
      if (typeof result === 'string') return { pieces, tag: result };
      result = await result.resume(sink, maxRows);
    }
  }

  /** 'CODE message @position' and what else the error says; else the result. */
  async failureOrResult(
    sql: string,
  ): Promise<string | (Result & { fields: readonly ResultField[] })> {
    try {
      const result = await this.run(sql);
      return { ...result, fields: this.plan(sql).fields ?? [] };
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      const { position, detail, hint } = error.fields;
      return [
        `${error.code} ${error.message}`,
        position === undefined ? '' : ` @${position}`,
        detail === undefined ? '' : ` | ${detail}`,
        hint === undefined ? '' : ` | ${hint}`,
      ].join('');
    }
  }

  async failure(sql: string): Promise<string> {
    const result = await this.failureOrResult(sql);
    return typeof result === 'string' ? result : `no error: ${JSON.stringify(result.rows)}`;
  }

  #compile(
    sql: string,
    parameterTypes: readonly number[],
  ): { plan: CompiledPlan; literals: readonly string[] } {
    const print = fingerprint(sql);
    const [parsed] = parseStatements(sql, this.fold ? { literals: print } : {});
    if (parsed === undefined) throw new Error('nothing to run');
    const taken = this.fold && parsed.literalsTaken;
    const literals = taken ? Array.from({ length: print.count }, (_, k) => print.value(k)) : [];
    const plan = compileStatement(parsed.statement, {
      catalog: this.catalog as unknown as CatalogView,
      parseExpression: parseExpressionText,
      parameterTypes,
      parameterCount: print.parameterCount,
      literals: literals.map((text, k): LiteralValue => {
        const kind = print.literalClass(k);
        if (kind === STRING_LITERAL) return { type: 'string', value: text };
        return { type: kind === NUMERIC_LITERAL ? 'decimal' : 'integer', text };
      }),
    });
    return { plan, literals };
  }
}

export class TextSink implements ResultSink {
  readonly rows: (string | null)[][] = [];
  readonly #fields: readonly ResultField[];
  readonly #fullEvery: number;
  #sinceDrained = 0;

  constructor(fields: readonly ResultField[] | undefined, fullEvery: number) {
    this.#fields = fields ?? [];
    this.#fullEvery = fullEvery;
  }

  fields(): void {}

  tuple(values: readonly Datum[]): void {
    this.#sinceDrained++;
    this.rows.push(
      this.#fields.map(({ type }, i) => {
        const value = values[i] as Datum;
        return value === null ? null : formatText(type, value);
      }),
    );
  }

  stored(row: RowView, positions: readonly number[]): void {
    this.tuple(positions.map((position) => row.datum(position)));
  }

  complete(): void {}
  emptyQuery(): void {}
  suspended(): void {}
  notice(): void {}
  parameterStatus(): void {}
  error(): void {}
  copyOut(): void {}
  copyData(): void {}
  copyOutDone(): void {}

  get full(): boolean {
    return this.#fullEvery > 0 && this.#sinceDrained >= this.#fullEvery;
  }

  async drained(): Promise<void> {
    await Promise.resolve();
    this.#sinceDrained = 0;
  }
}

function descriptorOf(ast: CreateTableStatement, index: number): TableDescriptor {
  const key = ast.primaryKey?.columns ?? ast.columns.filter((c) => c.primaryKey).map((c) => c.name);
  const columns = ast.columns.map(
    (column, position): ColumnDescriptor => ({
      ...PLAIN_COLUMN,
      id: position + 1,
      name: column.name,
      position,
      type: resolveTypeName(column.type),
      notNull: column.notNull || key.includes(column.name),
      defaultText: column.default === undefined ? undefined : formatExpression(column.default),
    }),
  );
  if (key.length === 0) {
    columns.push({
      ...PLAIN_COLUMN,
      id: columns.length + 1,
      name: 'rowid',
      position: columns.length,
      type: columnType(INT8),
      notNull: true,
      hidden: true,
    });
  }
  const keyNames = key.length === 0 ? ['rowid'] : key;
  return {
    ...PLAIN_TABLE,
    id: 16_384 + index,
    version: 1,
    schema: 'public',
    name: ast.table.name,
    columns,
    primary: {
      id: 100 + index,
      name: `${ast.table.name}_pkey`,
      columns: keyNames.map((name) => ({
        position: columns.find((c) => c.name === name)?.position ?? 0,
        descending: false,
        nullsFirst: false,
      })),
    },
    hasPrimaryKey: key.length > 0,
    nextColumnId: columns.length + 1,
    layout: layoutOf(columns.map((c) => c.type)),
  };
}

// Runs files of SQL with what they must answer, in the manner of sqllogictest, over the wire: against Meridian, and
// against PostgreSQL to see that what we expect is what PostgreSQL says. A file is records with blank lines between:
//
//   statement ok INSERT 0 1           | query int4 text [rowsort]       | statement error 42P01 @15 the message
//   INSERT INTO t VALUES (1)          | SELECT a, b FROM t              | SELECT * FROM nowhere
//                                     | ----                            |
//   (lines behind ---- are notices,   | 1|one                           |
//   or the data of a COPY)            | 2|NULL                          |
//
// `differs NAME` on the line above a record says that PostgreSQL answers otherwise, for the reason that differences.txt
// gives under that name.

import {
  errorFields,
  type Message,
  rowFields,
  rowValues,
  text as tagOf,
  type WireClient,
} from '../../e2e/wire-client.ts';

export interface Record {
  readonly line: number;
  readonly differs: string | undefined;
  readonly comments: readonly string[];
  /** The lines that say what it must answer: the first one, and those behind '----'. */
  readonly head: string;
  readonly sql: string;
  readonly expected: readonly string[];
  /** What a COPY FROM STDIN is fed. */
  readonly data: string | undefined;
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [16, 'bool'],
  [17, 'bytea'],
  [19, 'name'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [26, 'oid'],
  [114, 'json'],
  [700, 'float4'],
  [701, 'float8'],
  [705, 'unknown'],
  [1042, 'bpchar'],
  [1043, 'varchar'],
  [1082, 'date'],
  [1083, 'time'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1186, 'interval'],
  [1700, 'numeric'],
  [2206, 'regtype'],
  [2950, 'uuid'],
  [3802, 'jsonb'],
  [199, 'json[]'],
  [1000, 'bool[]'],
  [1001, 'bytea[]'],
  [1005, 'int2[]'],
  [1007, 'int4[]'],
  [1009, 'text[]'],
  [1014, 'bpchar[]'],
  [1015, 'varchar[]'],
  [1016, 'int8[]'],
  [1021, 'float4[]'],
  [1022, 'float8[]'],
  [1115, 'timestamp[]'],
  [1182, 'date[]'],
  [1185, 'timestamptz[]'],
  [1187, 'interval[]'],
  [1231, 'numeric[]'],
  [2951, 'uuid[]'],
  [3807, 'jsonb[]'],
]);

export function parseRecords(file: string): Record[] {
  const records: Record[] = [];
  const lines = file.split('\n');
  let comments: string[] = [];
  let differs: string | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    if (line === '' || line.startsWith('#')) {
      if (line !== '') comments.push(line);
      continue;
    }
    if (line.startsWith('differs ')) {
      differs = line.slice('differs '.length).trim();
      continue;
    }
    if (!/^(statement|query)\b/.test(line)) throw new Error(`line ${i + 1}: not a record: ${line}`);
    const at = i + 1;
    const block: string[] = [];
    while (i + 1 < lines.length && lines[i + 1] !== '') block.push(lines[++i] as string);
    const parts = split(block);
    records.push({
      line: at,
      differs,
      comments,
      head: line,
      sql: parts.sql.join('\n'),
      expected: parts.expected,
      data: parts.data,
    });
    comments = [];
    differs = undefined;
  }
  return records;
}

/** "====" stands before the data of a COPY, "----" before what is expected. */
function split(block: readonly string[]): {
  sql: string[];
  expected: string[];
  data: string | undefined;
} {
  const expectedAt = block.indexOf('----');
  const before = expectedAt < 0 ? block : block.slice(0, expectedAt);
  const dataAt = before.indexOf('====');
  return {
    sql: [...(dataAt < 0 ? before : before.slice(0, dataAt))],
    expected: expectedAt < 0 ? [] : [...block.slice(expectedAt + 1)],
    data:
      dataAt < 0
        ? undefined
        : before
            .slice(dataAt + 1)
            .map((one) => `${one}\n`)
            .join(''),
  };
}

/** The record as it must stand in its file for this server to pass. */
export async function answer(client: WireClient, record: Record): Promise<string[]> {
  const messages = await client.query(record.sql, record.data);
  const error = messages.find((message) => message.type === 'E');
  const notices = messages.filter((message) => message.type === 'N').map(noticeLine);
  if (error !== undefined) {
    const fields = errorFields(error);
    const at = fields['P'] === undefined ? '' : `@${fields['P']} `;
    return withLines(`statement error ${fields['C']} ${at}${fields['M']}`, notices);
  }
  const fields = messages.findLast((message) => message.type === 'T');
  const rows = messages.filter((message) => message.type === 'D').map(rowLine);
  if (fields !== undefined) {
    const sorted = record.head.endsWith(' rowsort');
    const names = rowFields(fields).map(
      ({ typeOid }) => TYPE_NAMES.get(typeOid) ?? String(typeOid),
    );
    return withLines(
      `query ${names.join(' ')}${sorted ? ' rowsort' : ''}`,
      [...notices, ...(sorted ? rows.sort() : rows)],
      true,
    );
  }
  const copied = messages.filter((message) => message.type === 'd').map(({ body }) => body);
  const lines = Buffer.concat(copied).toString('utf8').split('\n').slice(0, -1);
  const tag = messages.findLast((message) => message.type === 'C');
  return withLines(`statement ok${tag === undefined ? '' : ` ${tagOf(tag)}`}`, [
    ...notices,
    ...lines,
  ]);
}

export function expectation(record: Record): string[] {
  return withLines(record.head, record.expected, record.head.startsWith('query'));
}

/** The file again, with `answers` in place of what was expected. */
export function render(
  records: readonly Record[],
  answers: readonly (readonly string[])[],
): string {
  const blocks = records.map((record, i) => {
    const [head, ...rest] = answers[i] as readonly string[];
    const data = record.data === undefined ? [] : ['====', record.data.slice(0, -1)];
    const differs = record.differs === undefined ? [] : [`differs ${record.differs}`];
    const comments = record.comments.length === 0 ? [] : [...record.comments];
    return [...comments, ...differs, head, record.sql, ...data, ...rest].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

function withLines(head: string, lines: readonly string[], always = false): string[] {
  return lines.length === 0 && !always ? [head] : [head, '----', ...lines];
}

function noticeLine(message: Message): string {
  const fields = errorFields(message);
  return `${fields['S']} ${fields['C']}: ${fields['M']}`;
}

function rowLine(message: Message): string {
  const values = rowValues(message);
  if (values.length === 0) return '(no columns)';
  return values
    .map((value) => {
      if (value === null) return 'NULL';
      const shown = value.toString('utf8');
      if (shown === '') return '(empty)';
      return shown.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('|', '\\|');
    })
    .join('|');
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../../src/base/bytes.ts';
import { DbError } from '../../../src/base/errors.ts';
import type { Datum } from '../../../src/rows/datum.ts';
import { decodeRow, encodeRow, RowView } from '../../../src/rows/row-codec.ts';
import { BYTEA, columnType, FLOAT8, INT4, INT8, TEXT } from '../../../src/rows/types.ts';
import { runCopyTo } from '../../../src/sql/copy/copy-to.ts';
import type { CompiledPlan, ExecContext } from '../../../src/sql/exec/plan-api.ts';
import type { CopyStatement } from '../../../src/sql/parse/ast.ts';
import { parseStatements } from '../../../src/sql/parse/postgres.ts';
import { indexSpan } from '../../../src/sql/catalog/keys.ts';
import { CopyTarget } from '../fakes/copy-target.ts';
import { FakeDatabase, type FakeSession, name } from '../fakes/sessions.ts';

async function table(
  definition: string,
): Promise<{ database: FakeDatabase; session: FakeSession }> {
  const database = await FakeDatabase.open();
  const session = database.session();
  await session.run(`CREATE TABLE c (${definition})`);
  return { database, session };
}

/** Visible columns of all rows, in key order. */
function stored(database: FakeDatabase, session: FakeSession): Datum[][] {
  const descriptor = session.view.table(name('c'));
  const { start, end } = indexSpan(descriptor.primary.id);
  const visible = descriptor.columns.filter((c) => !c.hidden).map((c) => c.position);
  return database.store.between(database.store.rows, start, end).map(({ value }) => {
    const row = decodeRow(descriptor.layout, value as Uint8Array);
    return visible.map((position) => row[position] as Datum);
  });
}

async function load(definition: string, copy: string, text: string): Promise<Datum[][]> {
  const { database, session } = await table(definition);
  await session.copy(copy, [utf8(text)]);
  return stored(database, session);
}

async function complaint(copy: string, data: string | Uint8Array): Promise<unknown[]> {
  const { session } = await table('a int PRIMARY KEY, b text NOT NULL, d numeric(4,1) DEFAULT 7');
  try {
    await session.copy(copy, [typeof data === 'string' ? utf8(data) : data]);
  } catch (error) {
    const { code, message, fields } = error as DbError;
    return [code, message, fields.context, fields.detail ?? fields.hint];
  }
  return [];
}

describe('COPY FROM', () => {
  it('reads text with its escapes, NULLs and end mark', async () => {
    const rows = await load(
      'a text, b text',
      'COPY c FROM STDIN',
      'x\\ty\t\\N\n\\x41\\102\\\\\t\n\\\\N\t\\n\\\ny\n\\.\nignored\n',
    );
    expect(rows).toEqual([
      ['x\ty', null],
      ['AB\\', ''],
      ['\\N', '\n\ny'],
    ]);
  });

  it('reads CSV with quotes, newlines in them, and a header', async () => {
    const rows = await load(
      'a text, b text',
      'COPY c FROM STDIN (FORMAT csv, HEADER)',
      'anything\n"x ""y""\nz",\n,""\na"b,c"d,"e\r"\n\\.\n',
    );
    expect(rows).toEqual([
      ['x "y"\nz', null],
      [null, ''],
      ['ab,cd', 'e\r'],
    ]);
  });

  it('takes line ends as the first line has them, and a last line without one', async () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const rows = await load('a int, b int', 'COPY c FROM STDIN', `1\t2${end}3\t-4`);
      expect(rows).toEqual([
        [1, 2],
        [3, -4],
      ]);
    }
  });

  it('fills what the columns leave out', async () => {
    const rows = await load(
      `a int PRIMARY KEY, b text DEFAULT upper('x'), d int DEFAULT 1 + 1, e text, f text DEFAULT current_user`,
      'COPY c (e, a) FROM STDIN',
      'one\t1\n\\N\t2\n',
    );
    expect(rows).toEqual([
      [1, 'X', 2, 'one', 'root'],
      [2, 'X', 2, null, 'root'],
    ]);
  });

  it('says where bad data stands, as PostgreSQL does', async () => {
    expect(await complaint('COPY c FROM STDIN', '1\tx\t2\n2\ty\tabc\n')).toEqual([
      '22P02',
      'invalid input syntax for type numeric: "abc"',
      'COPY c, line 2, column d: "abc"',
      undefined,
    ]);
    expect(await complaint('COPY c FROM STDIN', '1\tx\n')).toEqual([
      '22P04',
      'missing data for column "d"',
      'COPY c, line 1: "1\tx"',
      undefined,
    ]);
    expect(await complaint('COPY c FROM STDIN', '1\tx\t2\t3\n')).toEqual([
      '22P04',
      'extra data after last expected column',
      'COPY c, line 1: "1\tx\t2\t3"',
      undefined,
    ]);
    expect(await complaint('COPY c FROM STDIN', '1\t\\N\t2\n')).toEqual([
      '23502',
      'null value in column "b" of relation "c" violates not-null constraint',
      'COPY c, line 1: "1\t\\N\t2"',
      'Failing row contains (1, null, 2.0).',
    ]);
    expect(await complaint('COPY c (a, b) FROM STDIN', '1\tx\n1\ty\n')).toEqual([
      '23505',
      'duplicate key value violates unique constraint "c_pkey"',
      'COPY c, line 2',
      'Key (a)=(1) already exists.',
    ]);
    expect(await complaint('COPY c (a, b) FROM STDIN', '2147483648\tx\n')).toEqual([
      '22003',
      'value "2147483648" is out of range for type integer',
      'COPY c, line 1, column a: "2147483648"',
      undefined,
    ]);
    expect(await complaint('COPY c FROM STDIN', '1\tx\t1\n2\tx\ry\t1\n')).toEqual([
      '22P04',
      'literal carriage return found in data',
      'COPY c, line 2',
      'Use "\\r" to represent carriage return.',
    ]);
    expect((await complaint('COPY c FROM STDIN', '1\tx\t1\r\n2\ty\t1\n')).slice(0, 3)).toEqual([
      '22P04',
      'literal newline found in data',
      'COPY c, line 2',
    ]);
    expect((await complaint('COPY c FROM STDIN CSV', '1,"x\n')).slice(0, 2)).toEqual([
      '22P04',
      'unterminated CSV quoted field',
    ]);
    expect((await complaint('COPY c FROM STDIN', '1\tx\\.y\t1\n')).slice(0, 3)).toEqual([
      '22P04',
      'end-of-copy marker corrupt',
      'COPY c, line 1',
    ]);
    const bad = Uint8Array.from([49, 9, 0xff, 0xfe, 9, 49, 10]);
    expect((await complaint('COPY c FROM STDIN', bad)).slice(0, 3)).toEqual([
      '22021',
      'invalid byte sequence for encoding "UTF8": 0xff',
      'COPY c, line 1',
    ]);
  });

  it('compares a header with the columns when asked to', async () => {
    const copy = 'COPY c FROM STDIN (FORMAT csv, HEADER match)';
    expect((await complaint(copy, 'a,x,d\n'))[1]).toBe(
      'column name mismatch in header line field 2: got "x", expected "b"',
    );
    expect((await complaint(copy, 'a,b\n'))[1]).toBe(
      'wrong number of fields in header line: got 2, expected 3',
    );
    expect((await complaint(copy, 'a,,d\n'))[1]).toBe(
      'column name mismatch in header line field 2: got null value (""), expected "b"',
    );
    expect(await complaint(copy, 'a,b,d\n1,x,2\n')).toEqual([]);
  });

  it('checks its options', async () => {
    const message = async (options: string): Promise<unknown> =>
      (await complaint(`COPY c FROM STDIN (${options})`, '')).slice(0, 2);
    expect(await message('FORMAT foo')).toEqual(['22023', 'COPY format "foo" not recognized']);
    expect(await message("DELIMITER 'ab'")).toEqual([
      '0A000',
      'COPY delimiter must be a single one-byte character',
    ]);
    expect(await message("DELIMITER 'a'")).toEqual(['22023', 'COPY delimiter cannot be "a"']);
    expect(await message('foo 1')).toEqual(['42601', 'option "foo" not recognized']);
    expect(await message("QUOTE '|'")).toEqual(['0A000', 'COPY quote available only in CSV mode']);
    expect(await message('FORMAT binary')).toEqual([
      '0A000',
      'COPY in binary format is not supported',
    ]);
    expect(await message('FREEZE foo')).toEqual(['42601', 'freeze requires a Boolean value']);
    expect(await message('FREEZE, ENCODING utf8')).toEqual([]);
    expect((await complaint('COPY c (b, b) FROM STDIN', '')).slice(0, 2)).toEqual([
      '42701',
      'column "b" specified more than once',
    ]);
    expect((await complaint('COPY c (z) FROM STDIN', '')).slice(0, 2)).toEqual([
      '42703',
      'column "z" of relation "c" does not exist',
    ]);
  });

  it('finds rows that are there already, in this transaction or before', async () => {
    const { session } = await table('a int PRIMARY KEY');
    await session.copy('COPY c FROM STDIN', [utf8('1\n2\n')]);
    await expect(session.copy('COPY c FROM STDIN', [utf8('3\n2\n')])).rejects.toThrow(
      'duplicate key',
    );
    session.begin();
    await session.copy('COPY c FROM STDIN', [utf8('3\n')]);
    await expect(session.copy('COPY c FROM STDIN', [utf8('3\n')])).rejects.toThrow('duplicate key');
    session.rollback();
  });

  it('ends with the reason that the client gives', async () => {
    const { session } = await table('a int');
    session.begin();
    const copy = session.copyFrom('COPY c FROM STDIN');
    await copy.data(utf8('1\n'));
    copy.fail('no more');
    await expect(copy.done()).rejects.toThrow('COPY from stdin failed: no more');
    session.rollback();
  });
});

describe('COPY FROM into a table of this very transaction', () => {
  const rows = (count: number, value: (i: number) => number): Uint8Array =>
    utf8(Array.from({ length: count }, (_, i) => `${value(i)}\tsome text of a row\n`).join(''));
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };

  it('loads around the transaction, seen by it and nobody else until it commits', async () => {
    const { database, session } = await table('a int PRIMARY KEY, b text');
    session.begin();
    await session.run('TRUNCATE c');
    expect(await session.copy('COPY c FROM STDIN', [rows(3000, (i) => i)])).toBe('COPY 3000');
    expect(database.store.bulkWrites).toBeGreaterThan(0);
    expect(session.txn.buffer.size).toBeLessThan(10);
    expect(stored(database, session)).toHaveLength(3000);
    await session.commit();
    await settled();
    expect(stored(database, session)).toHaveLength(3000);
    expect(database.store.countIn(indexSpan(5).start, indexSpan(5).end)).toBe(0);
  });

  it('finds duplicates in any order of keys', async () => {
    for (const order of [(i: number) => i, (i: number) => -i, (i: number) => (i * 7919) % 3001]) {
      const { session } = await table('a int PRIMARY KEY, b text');
      session.begin();
      await session.run('TRUNCATE c');
      const twin = (i: number): number => (i === 2500 ? order(1200) : order(i));
      const error = await session
        .copy('COPY c FROM STDIN', [rows(3000, twin)])
        .catch((e: unknown) => e as DbError);
      expect((error as DbError).fields.context).toBe('COPY c, line 2501');
      session.rollback();
    }
  });

  it('finds duplicates of what the transaction had there before', async () => {
    const { session } = await table('a int PRIMARY KEY, b text');
    session.begin();
    await session.run('TRUNCATE c');
    await session.copy('COPY c FROM STDIN', [utf8('1700\tx\n')]);
    await expect(session.copy('COPY c FROM STDIN', [rows(3000, (i) => i)])).rejects.toThrow(
      'duplicate key',
    );
    session.rollback();
  });

  it('leaves nothing when rolled back', async () => {
    const { database, session } = await table('a int, b text');
    session.begin();
    await session.run('TRUNCATE c');
    await session.copy('COPY c FROM STDIN', [rows(3000, (i) => i)]);
    session.rollback();
    await settled();
    expect(database.store.countIn(indexSpan(100).start, indexSpan(1_000_000).start)).toBe(0);
    expect(database.store.countIn(indexSpan(5).start, indexSpan(5).end)).toBe(0);
  });

  it('waits when the store falls behind', async () => {
    const { database, session } = await table('a int, b text');
    let open = (): void => {};
    database.store.bulkGate = new Promise((resolve) => {
      open = resolve;
    });
    session.begin();
    await session.run('TRUNCATE c');
    const copy = session.copyFrom('COPY c FROM STDIN');
    const chunk = utf8(`1\t${'x'.repeat(2000)}\n`.repeat(1200));
    const started: Promise<void>[] = [];
    const feeding = (async () => {
      for (let i = 0; i < 8; i++) {
        const ready = Promise.resolve(copy.data(chunk));
        started.push(ready);
        await ready;
      }
    })();
    for (let i = 0; i < 2000; i++) await Promise.resolve();
    expect(started.length).toBeLessThan(8);
    expect(database.store.bulkInFlightMost).toBeLessThanOrEqual(3);
    open();
    await feeding;
    expect(await copy.done()).toBe('COPY 9600');
    expect(database.store.bulkInFlightMost).toBeLessThanOrEqual(3);
  });
});

const TYPES = [TEXT, INT4, FLOAT8, INT8, BYTEA].map((oid) => columnType(oid));
const NAMES = ['a', 'b,"x', 'c', 'd', 'e'];

function planOf(rows: readonly (readonly Datum[])[], packed: boolean): CompiledPlan {
  const fields = TYPES.map((type, i) => ({
    name: NAMES[i] as string,
    type,
    tableId: 0,
    columnNumber: 0,
  }));
  const layout = { types: TYPES, missing: TYPES.map(() => null) };
  const positions = TYPES.map((_, i) => i);
  const view = new RowView();
  return {
    parameterTypes: [],
    fields,
    command: 'SELECT',
    readOnly: true,
    tables: [],
    literalDependent: false,
    explain: () => [],
    execute: (_context, _params, sink) => {
      for (const row of rows) {
        if (!packed) {
          sink.tuple(row);
          continue;
        }
        const bytes = encodeRow(layout, row);
        view.reset(layout, bytes, 0, bytes.length);
        sink.stored(view, positions);
      }
      return `SELECT ${rows.length}`;
    },
  };
}

async function copyOut(
  statement: string,
  rows: readonly (readonly Datum[])[],
  packed = false,
): Promise<{ tag: string; text: Uint8Array; messages: number }> {
  const target = new CopyTarget();
  const [parsed] = parseStatements(statement);
  const tag = await runCopyTo(
    parsed?.statement as CopyStatement,
    planOf(rows, packed),
    undefined as unknown as ExecContext,
    target,
  );
  return { tag, text: target.bytes(), messages: target.messages };
}

describe('COPY TO', () => {
  it('writes text and CSV as PostgreSQL does, a message for each row', async () => {
    const rows: Datum[][] = [
      ['x\\ty', 1, null, -5, Uint8Array.of(0, 255)],
      ['', null, 1.5, 7, new Uint8Array(0)],
    ];
    const text = await copyOut('COPY c TO STDOUT (HEADER)', rows);
    expect(fromUtf8(text.text)).toBe(
      'a\tb,"x\tc\td\te\nx\\\\ty\t1\t\\N\t-5\t\\\\x00ff\n\t\\N\t1.5\t7\t\\\\x\n',
    );
    expect([text.tag, text.messages]).toEqual(['COPY 2', 3]);
    const csv = await copyOut('COPY c TO STDOUT (FORMAT csv, HEADER)', rows, true);
    expect(fromUtf8(csv.text)).toBe('a,"b,""x",c,d,e\nx\\ty,1,,-5,\\x00ff\n"",,1.5,7,\\x\n');
    const piped = await copyOut("COPY c TO STDOUT (DELIMITER '|')", [['a|b\n', 1, 2, 3, null]]);
    expect(fromUtf8(piped.text)).toBe('a\\|b\\n|1|2|3|\\N\n');
  });
});

describe('what COPY TO writes', () => {
  const datums = fc.tuple(
    fc.option(
      fc.oneof(
        fc.string({ unit: 'binary' }).map((s) => s.replaceAll('\0', '')),
        fc.string({
          unit: fc.constantFrom('\\', '.', 'N', '"', ',', '\n', '\r', '\t', '|', 'é', "'"),
        }),
      ),
      { nil: null },
    ),
    fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { nil: null }),
    fc.option(fc.double(), { nil: null }),
    fc.option(
      fc.maxSafeInteger().map((n) => n + 0),
      { nil: null },
    ),
    fc.option(fc.uint8Array(), { nil: null }),
  );
  const options = fc.constantFrom(
    '',
    "(DELIMITER '|')",
    "(NULL 'é', DELIMITER ',')",
    '(FORMAT csv)',
    "(FORMAT csv, QUOTE '''', NULL 'N')",
    "(FORMAT csv, ESCAPE '\\', DELIMITER '|')",
    '(FORMAT csv, FORCE_QUOTE *)',
    '(FORMAT csv, HEADER)',
  );

  it('comes back through COPY FROM, however it is cut into chunks', async () => {
    const { database, session } = await table(
      'a text, b int, c double precision, d bigint, e bytea',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(datums, { maxLength: 8 }),
        options,
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        async (rows, option, packed, cuts) => {
          // In text format, as in PostgreSQL's, a value that looks like NULL's mark is read back as NULL.
          const mark = /csv/i.test(option) ? undefined : /NULL '([^']*)'/.exec(option)?.[1];
          fc.pre(mark === undefined || !rows.some((row) => row.some((value) => value === mark)));
          const { text } = await copyOut(`COPY c TO STDOUT ${option}`, rows, packed);
          const chunks: Uint8Array[] = [];
          for (let at = 0, i = 0; at < text.length; i++) {
            const size = cuts[i % cuts.length] as number;
            chunks.push(text.slice(at, at + size));
            at += size;
          }
          await session.run('TRUNCATE c');
          const from = option.replace(', FORCE_QUOTE *', '');
          await session.copy(`COPY c FROM STDIN ${from}`, chunks);
          const normal = rows.map((row) => row.map((value) => (Object.is(value, -0) ? 0 : value)));
          const back = stored(database, session).map((row) =>
            row.map((value) => (Object.is(value, -0) ? 0 : value)),
          );
          expect(back).toEqual(normal);
        },
      ),
      { numRuns: 150 },
    );
  });
});

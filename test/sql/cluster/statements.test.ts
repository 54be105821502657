import { describe, expect, it } from 'vitest';
import { DbError } from '../../../src/base/errors.ts';
import { compareBytes, toHex } from '../../../src/base/bytes.ts';
import type { ResultSink } from '../../../src/sql/api.ts';
import type { Timestamp } from '../../../src/clock/timestamp.ts';
import {
  alterRanges,
  type ClusterContext,
  clusterFields,
  setCluster,
  showCluster,
} from '../../../src/sql/cluster/statements.ts';
import { keyText } from '../../../src/sql/cluster/key-text.ts';
import type {
  ClusterAdmin,
  RangeAdmin,
  RangeInfo,
  SplitInfo,
} from '../../../src/sql/cluster-admin.ts';
import type { Statement } from '../../../src/sql/parse/ast.ts';
import { parseStatements } from '../../../src/sql/parse/postgres.ts';
import { FakeDatabase, type FakeSession, name } from '../fakes/sessions.ts';

const EMPTY = new Uint8Array(0);

class FakeRanges implements RangeAdmin {
  bounds: Uint8Array[] = [];

  async *list(span: { start: Uint8Array; end: Uint8Array | undefined }) {
    const starts = [EMPTY, ...this.bounds];
    const infos: RangeInfo[] = [];
    starts.forEach((start, i) => {
      const end = starts[i + 1];
      if (end !== undefined && compareBytes(end, span.start) <= 0) return;
      if (span.end !== undefined && compareBytes(start, span.end) >= 0) return;
      infos.push({
        range: i + 1,
        span: { start, end },
        replicas: [2, 1, 3, 4].map((node) => ({ node, isLearner: node === 4 })),
        leaseholder: 2,
        bytes: 1000 * i,
        readsPerSecond: 10,
        writesPerSecond: 0.25,
        stickyUntil: 0 as Timestamp,
      });
    });
    yield infos;
  }

  async *split(keys: readonly Uint8Array[], stickyUntil: Timestamp): AsyncIterable<SplitInfo> {
    this.bounds = [...this.bounds, ...keys].sort(compareBytes);
    for (const key of keys) yield { key, range: this.bounds.indexOf(key) + 2, stickyUntil };
  }

  async *unsplit(keys: readonly Uint8Array[]): AsyncIterable<SplitInfo> {
    for (const key of keys) {
      const place = this.bounds.findIndex((bound) => compareBytes(bound, key) === 0);
      if (place < 0) throw new DbError('22023', 'no range starts there');
      this.bounds.splice(place, 1);
      yield { key, range: place + 2, stickyUntil: 0 as Timestamp };
    }
  }

  async *unsplitAll(): AsyncIterable<SplitInfo> {
    yield* this.unsplit([...this.bounds]);
  }

  async *scatter(span: { start: Uint8Array; end: Uint8Array | undefined }) {
    for await (const batch of this.list(span)) yield* batch;
  }
}

const SETTING = {
  name: 'range.bytes_max',
  value: '64MiB',
  defaultValue: '64MiB',
  isPerTable: true,
  description: 'how large a range grows',
};

interface Shell {
  readonly database: FakeDatabase;
  readonly session: FakeSession;
  readonly ranges: FakeRanges;
  readonly settings: Map<string, string | undefined>;
  /** Rows and tag. */
  readonly run: (text: string) => Promise<{ rows: unknown[][]; tag: string; columns: string[] }>;
}

async function shell(full = true): Promise<Shell> {
  const database = await FakeDatabase.open();
  const session = database.session();
  const ranges = new FakeRanges();
  const settings = new Map<string, string | undefined>();
  const admin: ClusterAdmin = {
    ranges,
    load: {
      hottest: async (most) =>
        [
          {
            range: 7,
            span: { start: EMPTY, end: undefined },
            replicas: [],
            leaseholder: 1,
            bytes: 5,
            readsPerSecond: 100,
            writesPerSecond: 3,
            stickyUntil: 0 as Timestamp,
            cpuMillis: 250,
            bytesPerSecond: 4000,
            hotKey: undefined,
          },
        ].slice(0, most),
    },
    nodes: { list: async () => [] },
    settings: {
      list: async () => [SETTING, { ...SETTING, name: 'replication.factor', isPerTable: false }],
      set: async (setting, value) => void settings.set(setting, value),
      checkForTable: (setting, value) => {
        if (setting !== SETTING.name) throw new DbError('42704', `no setting "${setting}"`);
        return value.toUpperCase();
      },
    },
  };
  const cluster = full ? admin : {};
  database.cluster = cluster;
  return {
    database,
    session,
    ranges,
    settings,
    run: async (text) => {
      const rows: unknown[][] = [];
      const sink = {
        tuple: (values: readonly unknown[]) => void rows.push([...values]),
        full: false,
      } as unknown as ResultSink;
      const statement = parseStatements(text)[0]?.statement as Statement;
      const context: ClusterContext = {
        cluster,
        catalog: database.catalog,
        view: session.view,
        session: session.values,
        sink,
        checkCancelled: () => {},
      };
      switch (statement.kind) {
        case 'showCluster':
          await showCluster(statement, context);
          return { rows, tag: 'SHOW', columns: clusterFields(statement).map((f) => f.name) };
        case 'alterRanges': {
          const tag = await alterRanges(statement, context);
          return { rows, tag, columns: clusterFields(statement).map((f) => f.name) };
        }
        case 'setCluster':
          return { rows, tag: await setCluster(statement, cluster), columns: [] };
        default:
          return { rows, tag: await session.run(text), columns: [] };
      }
    },
  };
}

async function complaint(run: Promise<unknown>): Promise<unknown[]> {
  try {
    await run;
    return ['none'];
  } catch (error) {
    const { code, message, fields } = error as DbError;
    return [code, message, fields.position];
  }
}

describe('SPLIT AT', () => {
  it('makes keys of rows, a prefix of the key included', async () => {
    const { run, ranges } = await shell();
    await run('CREATE TABLE t (a int, b text, c int, PRIMARY KEY (a, b))');
    const split = await run(
      "ALTER TABLE t SPLIT AT VALUES (42, 'a''b'), (7), (20 + 1, lower('X'))",
    );
    expect(split.columns).toEqual(['key', 'range_id']);
    expect(split.rows).toEqual([
      ['(7)', 2],
      ["(21, 'x')", 3],
      ["(42, 'a''b')", 4],
    ]);
    expect(split.tag).toBe('SPLIT 3');
    expect(ranges.bounds.map(toHex)[0]).toBe('000000640180000007');
  });

  it('counts the same row once, and knows an index by its name', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a int PRIMARY KEY)');
    expect((await run('ALTER INDEX t_pkey SPLIT AT VALUES (1), (1)')).tag).toBe('SPLIT 1');
    expect((await run('ALTER INDEX public.t@t_pkey SPLIT AT VALUES (2)')).tag).toBe('SPLIT 1');
    expect((await run('SHOW RANGES FROM INDEX t@t_pkey')).rows.length).toBe(3);
  });

  it('says where a row is wrong', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a int, b text, PRIMARY KEY (a))');
    expect(await complaint(run("ALTER TABLE t SPLIT AT VALUES (1), (2, 'x')"))).toEqual([
      '42601',
      'a row of 2 values for the key of "t", which has 1 column (a)',
      40,
    ]);
    expect(await complaint(run("ALTER TABLE t SPLIT AT VALUES ('x')"))).toEqual([
      '22P02',
      'invalid input syntax for type integer: "x"',
      32,
    ]);
    expect(await complaint(run('ALTER TABLE t SPLIT AT VALUES (true)'))).toEqual([
      '42804',
      'key column "a" is of type integer but the value is of type boolean',
      32,
    ]);
    expect(await complaint(run('ALTER TABLE t SPLIT AT VALUES (NULL)'))).toEqual([
      '22004',
      'a key of "t" has no NULL in column "a"',
      32,
    ]);
    expect(await complaint(run('ALTER TABLE t SPLIT AT VALUES (b)'))).toEqual([
      '42703',
      'column "b" does not exist',
      32,
    ]);
    expect(await complaint(run('ALTER TABLE u SPLIT AT VALUES (1)'))).toEqual([
      '42P01',
      'relation "u" does not exist',
      13,
    ]);
    expect(await complaint(run('ALTER INDEX t@x SPLIT AT VALUES (1)'))).toEqual([
      '42704',
      'index "x" of table "t" does not exist',
      15,
    ]);
  });

  it('is taken back by UNSPLIT', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a int PRIMARY KEY)');
    await run('ALTER TABLE t SPLIT AT VALUES (1), (2), (3)');
    expect(await run('ALTER TABLE t UNSPLIT AT VALUES (2)')).toMatchObject({
      rows: [['(2)', 3]],
      tag: 'UNSPLIT 1',
    });
    expect((await run('ALTER TABLE t UNSPLIT ALL')).tag).toBe('UNSPLIT 2');
    expect((await run('ALTER TABLE t SCATTER')).tag).toBe('SCATTER 1');
  });
});

describe('SHOW', () => {
  it('tells the ranges of a table by the values of its key', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a text, b timestamptz, PRIMARY KEY (a, b))');
    await run("ALTER TABLE t SPLIT AT VALUES ('m', '2026-01-02 03:04:05+00')");
    const { rows, columns } = await run('SHOW RANGES FROM TABLE t');
    expect(columns).toEqual([
      ...['range_id', 'start_key', 'end_key', 'replicas', 'learners', 'leaseholder', 'bytes'],
      'qps',
    ]);
    const bound = "('m', '2026-01-02 03:04:05+00')";
    expect(rows).toEqual([
      [1, '<start>', bound, '1,2,3', '4', 2, 0, 10.3],
      [2, bound, '<end>', '1,2,3', '4', 2, 1000, 10.3],
    ]);
  });

  it('names the table of each bound among all ranges', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a int PRIMARY KEY)');
    await run('ALTER TABLE t SPLIT AT VALUES (1)');
    const { rows } = await run('SHOW RANGES');
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      [1, '<min>', 't (1)'],
      [2, 't (1)', '<max>'],
    ]);
  });

  it('divides a secondary index as it does a table', async () => {
    const { run } = await shell();
    await run('CREATE TABLE t (a int PRIMARY KEY, b text)');
    await run('CREATE INDEX t_b ON t (b DESC)');
    await run("ALTER INDEX t@t_b SPLIT AT VALUES ('x', 5), (NULL)");
    const { rows } = await run('SHOW RANGES FROM INDEX t_b');
    expect(rows.map((row) => row.slice(1, 3))).toEqual([
      ['<start>', '(NULL)'],
      ['(NULL)', "('x', 5)"],
      ["('x', 5)", '<end>'],
    ]);
    const all = await run('SHOW RANGES');
    expect(all.rows.map((row) => row[1])).toEqual(['<min>', 't@t_b (NULL)', "t@t_b ('x', 5)"]);
  });

  it('tells a bound that is no whole row in hexadecimal', async () => {
    const { run, database, session } = await shell();
    await run('CREATE TABLE t (a int, b text, PRIMARY KEY (a, b))');
    const prefix = [0, 0, 0, session.view.table(name('t')).primary.id];
    const shown = (...bytes: number[]): string =>
      keyText(Uint8Array.from([...prefix, ...bytes]), database.catalog);
    expect(shown()).toBe('t');
    expect(shown(1, 0x80, 0, 0, 5, 1, 0x61)).toBe('t (5, \\x0161)');
    expect(keyText(Uint8Array.from([0, 0, 0, 3]), database.catalog)).toBe('<catalog>');
    expect(keyText(Uint8Array.from([0, 0, 3, 0, 9]), database.catalog)).toBe('index 768 \\x09');
    expect(keyText(Uint8Array.from([0, 0]), database.catalog)).toBe('\\x0000');
  });

  it('tells the busiest ranges and what the cluster is set to', async () => {
    const { run } = await shell();
    expect((await run('SHOW HOT RANGES LIMIT 1')).rows).toEqual([
      [7, '<min>', '<max>', 1, 100, 3, 4000, 0.25, null, null],
    ]);
    expect((await run('SHOW HOT RANGES LIMIT 0')).rows).toEqual([]);
    expect(await run('SHOW CLUSTER SETTING range.bytes_max')).toMatchObject({
      rows: [['64MiB']],
      columns: ['range.bytes_max'],
    });
    expect((await run('SHOW CLUSTER SETTINGS')).rows).toEqual([
      ['range.bytes_max', '64MiB', '64MiB', 'default', 'how large a range grows'],
      ['replication.factor', '64MiB', '64MiB', 'default', 'how large a range grows'],
    ]);
    expect(await complaint(run('SHOW CLUSTER SETTING nonsense'))).toEqual([
      '42704',
      'unrecognized cluster setting "nonsense"',
      undefined,
    ]);
  });
});

describe('settings', () => {
  it('of the cluster are set as they are written', async () => {
    const { run, settings } = await shell();
    await run("SET CLUSTER SETTING range.bytes_max = '16MiB'");
    await run('SET CLUSTER SETTING a TO on');
    await run('SET CLUSTER SETTING b = -1.5');
    await run('SET CLUSTER SETTING c = DEFAULT');
    expect((await run('RESET CLUSTER SETTING d')).tag).toBe('RESET CLUSTER SETTING');
    expect(Object.fromEntries(settings)).toEqual({
      'range.bytes_max': '16MiB',
      a: 'on',
      b: '-1.5',
      c: undefined,
      d: undefined,
    });
  });

  it('of a table are kept with it', async () => {
    const { run, database } = await shell();
    await run('CREATE TABLE t (a int PRIMARY KEY)');
    await run("ALTER TABLE t SET (range.bytes_max = '16mib')");
    await run('TRUNCATE t');
    const { settings, primary } = database.catalog.tables()[0] as NonNullable<
      ReturnType<typeof database.catalog.tables>[number]
    >;
    expect([...settings]).toEqual([['range.bytes_max', '16MIB']]);
    expect(database.catalog.settingsOf(primary.id)).toBe(settings);
    expect((await run('SHOW CLUSTER SETTINGS FROM TABLE t')).rows).toEqual([
      ['range.bytes_max', '16MIB', '64MiB', 'table', 'how large a range grows'],
    ]);
    await run('ALTER TABLE t RESET (range.bytes_max)');
    expect(database.catalog.settingsOf(primary.id).size).toBe(0);
    expect(await complaint(run('ALTER TABLE t SET (a = 1, b.c = on)'))).toEqual([
      '42704',
      'no setting "a"',
      20,
    ]);
    expect((await complaint(run('ALTER TABLE t RESET (replication.factor)')))[0]).toBe('42704');
  });
});

describe('without what answers them', () => {
  it.each([
    'SHOW RANGES',
    'SHOW HOT RANGES',
    'SHOW NODES',
    'SHOW CLUSTER SETTING a',
    'SHOW CLUSTER SETTINGS',
    'SET CLUSTER SETTING a = 1',
    'ALTER TABLE t SPLIT AT VALUES (1)',
    'ALTER TABLE t SCATTER',
    'ALTER TABLE t SET (a = 1)',
  ])('%s says that it is not built', async (text) => {
    const { run } = await shell(false);
    await run('CREATE TABLE t (a int PRIMARY KEY)');
    expect((await complaint(run(text)))[0]).toBe('0A000');
  });
});

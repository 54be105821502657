import { beforeAll, describe, expect, it } from 'vitest';
import { initParser, parseStatements } from '../../../src/sql/parse/index.ts';
import { bare } from './corpus.ts';

beforeAll(initParser);

function lower(text: string): unknown {
  const parsed = parseStatements(text);
  expect(parsed.length).toBe(1);
  return bare(parsed[0]?.statement);
}

const column = (...path: string[]): unknown => ({ kind: 'column', path });
const integer = (text: string): unknown => ({ kind: 'literal', value: { type: 'integer', text } });
const string = (value: string): unknown => ({ kind: 'literal', value: { type: 'string', value } });
const fallback = { kind: 'default' };
const [a, b] = [column('a'), column('b')];
const t = { name: 't' };
const select = { kind: 'select', distinct: false, items: [], from: [], groupBy: [], orderBy: [] };
const values = (...rows: unknown[][]): unknown => ({ ...select, values: rows });

const writes: readonly [string, unknown][] = [
  [
    'INSERT INTO t VALUES (1, DEFAULT)',
    { kind: 'insert', table: t, source: values([integer('1'), fallback]) },
  ],
  ['INSERT INTO t DEFAULT VALUES', { kind: 'insert', table: t }],
  [
    'INSERT INTO s.t AS x (a, "B") VALUES (1, 2), (3, 4) RETURNING a, b AS c',
    {
      kind: 'insert',
      table: { schema: 's', name: 't' },
      alias: 'x',
      columns: [{ name: 'a' }, { name: 'B' }],
      source: values([integer('1'), integer('2')], [integer('3'), integer('4')]),
      returning: [{ expr: a }, { expr: b, alias: 'c' }],
    },
  ],
  [
    'INSERT INTO t SELECT a',
    { kind: 'insert', table: t, source: { ...select, items: [{ expr: a }] } },
  ],
  [
    'INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING',
    {
      kind: 'insert',
      table: t,
      source: values([integer('1')]),
      onConflict: { action: 'nothing', set: [] },
    },
  ],
  [
    'INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING',
    {
      kind: 'insert',
      table: t,
      source: values([integer('1')]),
      onConflict: { constraint: 'k', action: 'nothing', set: [] },
    },
  ],
  [
    'INSERT INTO t VALUES (1) ON CONFLICT (a, b) DO UPDATE SET a = excluded.a, b = DEFAULT WHERE b',
    {
      kind: 'insert',
      table: t,
      source: values([integer('1')]),
      onConflict: {
        elements: [column('a'), column('b')],
        action: 'update',
        set: [
          { column: 'a', value: column('excluded', 'a') },
          { column: 'b', value: fallback },
        ],
        where: b,
      },
    },
  ],
  [
    'UPDATE t SET a = 1, b = DEFAULT',
    {
      kind: 'update',
      table: t,
      set: [
        { column: 'a', value: integer('1') },
        { column: 'b', value: fallback },
      ],
    },
  ],
  [
    'UPDATE t x SET (a, b) = (1, a) WHERE b RETURNING *',
    {
      kind: 'update',
      table: t,
      alias: 'x',
      set: [
        { column: 'a', value: integer('1') },
        { column: 'b', value: a },
      ],
      where: b,
      returning: [{ expr: { kind: 'star' } }],
    },
  ],
  [
    'DELETE FROM ONLY t AS x WHERE a RETURNING b',
    { kind: 'delete', table: t, alias: 'x', where: a, returning: [{ expr: b }] },
  ],
];

describe('INSERT, UPDATE, DELETE', () => {
  it.each(writes)('%s', (text, expected) => {
    expect(lower(text)).toEqual(expected);
  });
});

const type = (name: string, modifiers: number[] = [], schema?: string): unknown => ({
  ...(schema === undefined ? {} : { schema }),
  ...{ name, modifiers, array: false },
});
const int = type('int4', [], 'pg_catalog');
const field = (name: string, of: unknown, more: object = {}): unknown => ({
  ...{ name, type: of, notNull: false, primaryKey: false },
  ...more,
});
const create = (columns: unknown[], more: object = {}): unknown => ({
  ...{ kind: 'createTable', table: t, ifNotExists: false, columns, constraints: [] },
  ...more,
});

const definitions: readonly [string, unknown][] = [
  ['CREATE TABLE t ()', create([])],
  [
    'CREATE TABLE IF NOT EXISTS s.t (a int)',
    create([field('a', int)], { table: { schema: 's', name: 't' }, ifNotExists: true }),
  ],
  [
    "CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL DEFAULT 'x')",
    create([
      field('a', int, { primaryKey: true }),
      field('b', type('text'), { notNull: true, default: string('x') }),
    ]),
  ],
  [
    'CREATE TABLE t (a int CONSTRAINT k PRIMARY KEY)',
    create([field('a', int)], { primaryKey: { name: 'k', columns: ['a'] } }),
  ],
  [
    'CREATE TABLE t (a int, b int, PRIMARY KEY (b, a))',
    create([field('a', int), field('b', int)], { primaryKey: { columns: ['b', 'a'] } }),
  ],
  ['CREATE TABLE t (a int NULL) WITH (fillfactor=100)', create([field('a', int)])],
  [
    'CREATE TABLE t (a varchar(20), b character, c decimal(5), d timestamp(3) with time zone, e float(24))',
    create([
      field('a', type('varchar', [20], 'pg_catalog')),
      field('b', type('bpchar', [1], 'pg_catalog')),
      field('c', type('numeric', [5], 'pg_catalog')),
      field('d', type('timestamptz', [3], 'pg_catalog')),
      field('e', type('float4', [], 'pg_catalog')),
    ]),
  ],
  [
    'DROP TABLE a, s.b',
    {
      kind: 'dropTable',
      tables: [{ name: 'a' }, { schema: 's', name: 'b' }],
      ifExists: false,
      cascade: false,
    },
  ],
  [
    'DROP TABLE IF EXISTS t CASCADE',
    { kind: 'dropTable', tables: [t], ifExists: true, cascade: true },
  ],
  [
    'TRUNCATE TABLE a, s.b CASCADE',
    {
      kind: 'truncate',
      restartIdentity: false,
      tables: [{ name: 'a' }, { schema: 's', name: 'b' }],
    },
  ],
  [
    'ALTER TABLE t ADD PRIMARY KEY (a, b)',
    {
      kind: 'alterTable',
      table: t,
      ifExists: false,
      actions: [{ kind: 'addPrimaryKey', columns: ['a', 'b'] }],
    },
  ],
  [
    'ALTER TABLE IF EXISTS ONLY t ADD CONSTRAINT k PRIMARY KEY (a)',
    {
      kind: 'alterTable',
      table: t,
      ifExists: true,
      actions: [{ kind: 'addPrimaryKey', name: 'k', columns: ['a'] }],
    },
  ],
];

describe('definitions', () => {
  it.each(definitions)('%s', (text, expected) => {
    expect(lower(text)).toEqual(expected);
  });
});

const transaction = (action: string, more: object = {}): unknown => ({
  ...{ kind: 'transaction', action, start: false, chain: false },
  ...more,
});
const set = (name: string, list: string[] | undefined, local = false): unknown => ({
  ...{ kind: 'set', local, name },
  ...(list === undefined ? {} : { values: list }),
});
const copy = (direction: string, options: object, more: object = {}): unknown => ({
  ...{ kind: 'copy', table: t, direction, options },
  ...more,
});
const one = { ...select, items: [{ expr: integer('1') }] };
const explain = (analyze: boolean, verbose: boolean): unknown => ({
  ...{ kind: 'explain', analyze, verbose, statement: one },
});
const maintenance = (command: string, ...names: string[]): unknown => ({
  ...{ kind: 'maintenance', command, tables: names.map((name) => ({ name })) },
});

const utilities: readonly [string, unknown][] = [
  ['BEGIN', transaction('begin')],
  [
    'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY',
    transaction('begin', { isolation: 'repeatable read', readOnly: true }),
  ],
  [
    'START TRANSACTION READ WRITE, NOT DEFERRABLE',
    transaction('begin', { start: true, readOnly: false }),
  ],
  ['COMMIT', transaction('commit')],
  ['END AND CHAIN', transaction('commit', { chain: true })],
  ['ABORT', transaction('rollback')],
  ['SAVEPOINT x', transaction('savepoint', { savepoint: 'x' })],
  ['RELEASE x', transaction('release', { savepoint: 'x' })],
  ['ROLLBACK TO SAVEPOINT x', transaction('rollbackTo', { savepoint: 'x' })],
  ['SET A = 1', set('a', ['1'])],
  ["SET search_path TO a, 'B c'", set('search_path', ['a', 'B c'])],
  ['SET a TO DEFAULT', set('a', undefined)],
  ['SET LOCAL a.b = -1.5', set('a.b', ['-1.5'], true)],
  ['SET a = on', set('a', ['on'])],
  ["SET TIME ZONE 'UTC'", set('timezone', ['UTC'])],
  ['SET TIME ZONE LOCAL', set('timezone', undefined)],
  ["SET NAMES 'UTF8'", set('client_encoding', ['UTF8'])],
  [
    'SET TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    set('transaction_isolation', ['serializable'], true),
  ],
  [
    'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY',
    set('default_transaction_read_only', ['on']),
  ],
  ['SHOW Search_Path', { kind: 'show', name: 'search_path' }],
  ['SHOW ALL', { kind: 'show', name: 'all' }],
  ['SHOW TIME ZONE', { kind: 'show', name: 'timezone' }],
  ['SHOW TRANSACTION ISOLATION LEVEL', { kind: 'show', name: 'transaction_isolation' }],
  ['RESET a', { kind: 'reset', name: 'a' }],
  ['RESET ALL', { kind: 'reset', name: 'all' }],
  ['EXPLAIN SELECT 1', explain(false, false)],
  ['EXPLAIN ANALYZE VERBOSE SELECT 1', explain(true, true)],
  ['EXPLAIN (ANALYZE off, VERBOSE, COSTS off, FORMAT text) SELECT 1', explain(false, true)],
  ['COPY t FROM STDIN', copy('from', {})],
  [
    'COPY s.t (a, "B") TO STDOUT',
    copy('to', {}, { table: { schema: 's', name: 't' }, columns: ['a', 'B'] }),
  ],
  ['COPY (SELECT 1) TO STDOUT', copy('to', {}, { table: undefined, query: one })],
  ['COPY t FROM STDIN WITH (FREEZE ON)', copy('from', { freeze: 'on' })],
  [
    "COPY t FROM STDIN (FORMAT CSV, HEADER, DELIMITER ';', NULL 'x')",
    copy('from', { format: 'csv', header: 'true', delimiter: ';', null: 'x' }),
  ],
  [
    "COPY t FROM STDIN WITH CSV HEADER QUOTE '|'",
    copy('from', { format: 'csv', header: 'true', quote: '|' }),
  ],
  ['COPY t TO STDOUT BINARY', copy('to', { format: 'binary' })],
  ['VACUUM', maintenance('vacuum')],
  ['VACUUM (FULL, ANALYZE) a, b', maintenance('vacuum', 'a', 'b')],
  ['VACUUM ANALYZE t', maintenance('vacuum', 't')],
  ['ANALYZE t (a)', maintenance('analyze', 't')],
  ['DEALLOCATE x', { kind: 'deallocate', name: 'x' }],
  ['DEALLOCATE ALL', { kind: 'deallocate' }],
  ['DISCARD ALL', { kind: 'discard', target: 'all' }],
  ['DISCARD TEMPORARY', { kind: 'discard', target: 'temp' }],
];

describe('the rest', () => {
  it.each(utilities)('%s', (text, expected) => {
    expect(lower(text)).toEqual(bare(expected));
  });

  it('finds all statements of a text', () => {
    const kinds = parseStatements('BEGIN; SELECT 1; COMMIT').map(({ statement }) => statement.kind);
    expect(kinds).toEqual(['transaction', 'select', 'transaction']);
  });
});

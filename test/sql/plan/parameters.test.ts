import { expect, it } from 'vitest';
import { sqlTypeName } from '../../../src/rows/type-names.ts';
import { INT8, TEXT } from '../../../src/rows/types.ts';
import { FakeDatabase } from '../exec/fake-database.ts';

function database(): FakeDatabase {
  const db = new FakeDatabase();
  db.create(
    'create table t (id int primary key, s varchar(9), n numeric(10,2), small smallint, d date)',
  );
  return db;
}

function types(sql: string, declared: readonly number[] = []): string {
  return database().plan(sql, declared).parameterTypes.map(sqlTypeName).join(', ');
}

it('learns parameters from where they stand', () => {
  expect(types('select * from t where id = $1 and s like $2')).toBe('integer, text');
  expect(types('select $1')).toBe('text');
  expect(types('select $1 + 1, $2 || $3')).toBe('integer, text, text');
  expect(types('select $1::date, $2::varchar(3)')).toBe('date, character varying');
  expect(types('insert into t values ($1, $2, $3, $4, $5)')).toBe(
    'integer, character varying, numeric, smallint, date',
  );
  expect(types('update t set n = n + $1, small = $2 where id in ($3, $4)')).toBe(
    'numeric, smallint, integer, integer',
  );
  expect(types('select id from t limit $1 offset $2')).toBe('bigint, bigint');
  expect(types('select coalesce($1, 5), case when $2 then $3 else 1.5 end')).toBe(
    'integer, boolean, numeric',
  );
  expect(types('select id from t where d between $1 and $2')).toBe('date, date');
  expect(types('select id from t where $1 is null or id = $1')).toBe('integer');
});

it('keeps what the client declared', () => {
  expect(types('select id from t where id = $1', [INT8])).toBe('bigint');
  expect(types('select $1', [TEXT])).toBe('text');
  expect(types('select $1 + $2', [0, INT8])).toBe('bigint, bigint');
});

it('refuses parameters that it can make nothing of', async () => {
  const db = database();
  expect(await db.failure('select $2::int')).toBe(
    '42P18 could not determine data type of parameter $1',
  );
  expect(await db.failure('values ($1, $1::int)')).toBe(
    '42P08 inconsistent types deduced for parameter $1 @9 | integer versus text',
  );
});

it('reads folded numbers as the type that they meet', () => {
  const db = database();
  db.fold = true;
  const shown = (sql: string): string => db.plan(sql).parameterTypes.map(sqlTypeName).join(', ');
  expect(shown('select * from t where n > 5 and small = 3')).toBe('numeric, integer');
  expect(shown('select 5, 5.5, 3000000000')).toBe('integer, numeric, bigint');
  // An assignment that narrows rounds, which reading the digits as the column's type would not.
  expect(shown('insert into t (id) values (1.5)')).toBe('numeric');
  // The operand of BETWEEN is compared twice and keeps its own type.
  expect(shown('select 5 between n and id from t')).toBe('integer');
});

// Rows found through key spans and what is left as a filter are the rows that the predicate alone finds.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeDatabase } from '../exec/fake-database.ts';

/** A table and its twin without a key: the twin is always scanned whole. */
async function twins(
  columns: string,
  key: string,
  rows: readonly string[],
  descending: readonly number[] = [],
): Promise<FakeDatabase> {
  const db = new FakeDatabase();
  const keyed = db.create(`create table keyed (${columns}, primary key (${key}))`);
  if (descending.length > 0) {
    const turned = keyed.primary.columns.map((c, i) => ({
      ...c,
      descending: descending.includes(i),
    }));
    const primary = { ...keyed.primary, columns: turned };
    db.catalog.tables.set('keyed', { ...keyed, primary });
  }
  db.create(`create table plain (${columns})`);
  if (rows.length > 0) {
    await db.run(`insert into keyed values ${rows.join(', ')} on conflict do nothing`);
    await db.run('insert into plain select * from keyed');
  }
  return db;
}

async function expectSame(db: FakeDatabase, predicate: string, order: string): Promise<void> {
  const through = await db.run(`select * from keyed where ${predicate} order by ${order}`);
  const plain = await db.run(`select * from plain where ${predicate} order by ${order}`);
  expect(through.rows, predicate).toEqual(plain.rows);
  const count = await db.run(`select count(*) from keyed where ${predicate}`);
  expect(Number(count.rows[0]?.[0]), predicate).toBe(plain.rows.length);
}

const comparison = fc.constantFrom('=', '<', '<=', '>', '>=', '<>');
const wholeNumber = fc.integer({ min: -3, max: 6 }).map(String);
const number = fc.oneof(
  { weight: 6, arbitrary: wholeNumber },
  fc.constantFrom('1.5', '-0.5', '2.0', '3000000000', '-3000000000', '1e30', '-1e30', 'null'),
  fc.constantFrom("'2'", "'NaN'::numeric", "'Infinity'::float8", "'NaN'::float8", '2.5::float8'),
  fc.constantFrom('2::smallint', '3::bigint', '9223372036854775807', '1 + 1', 'abs(-2)'),
);

function condition(column: string, value: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 5, arbitrary: fc.tuple(comparison, value).map(([op, v]) => `${column} ${op} ${v}`) },
    fc.tuple(comparison, value).map(([op, v]) => `${v} ${op} ${column}`),
    fc
      .array(value, { minLength: 1, maxLength: 4 })
      .map((list) => `${column} in (${list.join(', ')})`),
    fc.tuple(value, value).map(([a, b]) => `${column} between ${a} and ${b}`),
    fc.tuple(value, value).map(([a, b]) => `(${column} = ${a} or ${column} = ${b})`),
    fc.tuple(value, value).map(([a, b]) => `(${column} < ${a} or ${column} > ${b})`),
    value.map((v) => `not ${column} = ${v}`),
  );
}

function predicates(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc
    .array(fc.oneof(...parts), { minLength: 1, maxLength: 4 })
    .map((conditions) => conditions.join(' and '));
}

const runs = { numRuns: 40 };

describe('key spans', () => {
  it('lose and add no rows on a composite key of integers', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `(${i % 5}, ${(i % 7) - 2}, ${i % 3}, ${i})`);
    for (const descending of [[], [1], [0, 2]]) {
      const columns = 'a int, b smallint, c bigint, v int';
      const db = await twins(columns, 'a, b, c', rows, descending);
      const predicate = predicates(
        condition('a', number),
        condition('b', number),
        condition('c', number),
        condition('v', wholeNumber),
      );
      await fc.assert(
        fc.asyncProperty(predicate, fc.boolean(), async (where, fold) => {
          db.fold = fold;
          await expectSame(db, where, 'a, b, c');
          await expectSame(db, where, 'a desc, b desc, c desc');
        }),
        runs,
      );
    }
  });

  it('lose and add no rows on floats, numerics, texts and times', async () => {
    const texts = ['a', 'a b', 'ab', 'A', 'ä', '', 'z\u{1F600}', '\uffff'];
    const rows = texts.map(
      (text, i) =>
        `('${text}', ${['1.5', '0.1', "'NaN'", "'-Infinity'", '-0.0', '3', '1e30', '2'][i]}, ` +
        `${['1.50', '-2', '3.00', "'NaN'", '0', '1.5', '7', '2.25'][i]}, '2020-01-0${i + 1}', ` +
        `${i % 2 === 0}, '2020-01-0${i + 1} 12:00')`,
    );
    const columns = 's varchar(20), f real, n numeric, d date, b bool, t timestamptz';
    const string = fc.constantFrom(...texts, 'aa', 'zz').map((text) => `'${text}'`);
    const day = fc.constantFrom('1', '3', '4', '8').map((n) => `'2020-01-0${n}'::date`);
    const instant = fc.oneof(
      day,
      fc.constantFrom('2', '5').map((n) => `'2020-01-0${n} 12:00'`),
    );
    const float = fc.oneof(number, fc.constantFrom('0.1', '0.1::float8', '0.1::real', '1.5'));
    const parts = {
      s: condition('s', string),
      f: condition('f', float),
      n: condition('n', float),
      d: condition('d', day),
      b: fc.constantFrom('b', 'not b', 'b = true', 'b < true', 'b is null'),
      t: condition('t', instant),
    };
    for (const key of ['s', 'f', 'n', 'd', 'b, s', 't', 's, f', 'n, d']) {
      const db = await twins(columns, key, rows, key.includes(',') ? [1] : []);
      await fc.assert(
        fc.asyncProperty(predicates(...Object.values(parts)), async (where) => {
          await expectSame(db, where, key);
        }),
        { numRuns: 20 },
      );
    }
  });

  it('come from parameters of each execution', async () => {
    const db = await twins('a int, b int', 'a', ['(1, 10)', '(2, 20)', '(3, 30)']);
    const plan = db.plan('select b from keyed where a = $1');
    expect((await db.execute(plan, [2])).rows).toEqual([['20']]);
    expect((await db.execute(plan, [9])).rows).toEqual([]);
    expect((await db.execute(plan, [null])).rows).toEqual([]);
    const range = db.plan('select b from keyed where a >= $1 and a < $2');
    expect((await db.execute(range, [2, 3])).rows).toEqual([['20']]);
    expect((await db.execute(range, [3, 2])).rows).toEqual([]);
  });

  it('are read by key when all of it is fixed', async () => {
    const db = await twins('a int, b int, v int', 'a, b', ['(1, 1, 1)', '(1, 2, 2)', '(2, 1, 3)']);
    const explained = (where: string): readonly string[] =>
      db.explain(`select v from keyed where ${where}`);
    expect(explained('a = 1 and b = 2')).toEqual(['Point Get keyed', '  Key: a = 1, b = 2']);
    expect(explained('a = 1 and b in (1, 2) and v > 0')).toEqual([
      'Point Gets (2) keyed',
      '  Key: a = 1, b IN (1, 2)',
      '  Filter: v > 0',
    ]);
    expect(explained('a = 1 and b > 0')).toEqual(['Scan keyed', '  Span: a = 1, b > 0']);
    expect(explained('b = 1')).toEqual([
      'Scan keyed',
      '  Span: the whole table',
      '  Filter: b = 1',
    ]);
    // A volatile value differs from row to row.
    expect(explained('a = 1 and b > random()')).toEqual([
      'Filter',
      '  Condition: b::double precision > random()',
      '  Scan keyed',
      '    Span: a = 1',
    ]);
  });

  it('are empty where the predicate contradicts itself', async () => {
    const db = await twins('a int, v int', 'a', ['(1, 1)', '(2, 2)']);
    db.store.asked.length = 0;
    for (const where of ['a = null', 'a > 2 and a < 2', 'a = 3000000000', 'a in (1.5, 2.5)']) {
      expect((await db.run(`select v from keyed where ${where}`)).rows).toEqual([]);
    }
    expect(db.store.asked).toEqual([]);
  });
});

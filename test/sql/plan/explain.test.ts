import { expect, it } from 'vitest';
import { FakeDatabase } from '../exec/fake-database.ts';

function explain(sql: string): string {
  const db = new FakeDatabase();
  db.create('create table t (a int, b text, c numeric(10,2), d date, primary key (a, b))');
  db.create('create table h (x int)');
  return `\n${db.explain(sql).join('\n')}\n`;
}

it('says which keys are read, and what is done where the rows are', () => {
  expect(explain("select * from t where a = 1 and b = 'x'")).toBe(`
Point Get t
  Key: a = 1, b = 'x'
`);
  expect(explain("select b from t where a in (1, 2) and b >= 'm' and c > 2.5 limit 3")).toBe(`
Limit
  Rows: 3
  Scan t
    Span: a IN (1, 2), b >= 'm'
    Filter: c > 2.5
`);
  expect(
    explain('select d, count(*), sum(c) filter (where c > 0) from t where a > $1 group by d'),
  ).toBe(`
Group (partial where the rows are)
  By: d
  Aggregates: count(*), sum(c) FILTER (WHERE c > 0)
  Scan t
    Span: a > $1
`);
});

it('sorts only where the key does not have the order', () => {
  expect(explain('select * from t order by a, b')).toBe(`
Scan t
  Span: the whole table
`);
  expect(explain('select * from t order by a desc, b desc')).toContain('Scan t in reverse');
  expect(explain('select * from t where a = 5 order by b')).not.toContain('Sort');
  expect(explain("select * from t where a in (5, 6) and b = 'x' order by a")).not.toContain('Sort');
  expect(explain('select * from t order by a, b desc')).toContain('Sort');
  expect(explain('select * from t order by b')).toContain('Sort');
  expect(explain('select * from t where a in (5, 6) order by b')).toContain('Sort');
  expect(explain('select a + 1 from t order by a + 1 desc nulls last')).toBe(`
Sort
  Key: #1 DESC NULLS LAST
  Scan t
    Span: the whole table
`);
});

it('shows writes with what they lock', () => {
  expect(explain("update t set c = c * 2 where a = 1 and b = 'x'")).toBe(`
Update t
  Point Get t
    Key: a = 1, b = 'x'
    Lock: exclusive
`);
  expect(explain('delete from h where x = 3')).toBe(`
Delete h
  Scan h
    Span: the whole table
    Filter: x = 3
    Lock: exclusive
`);
  expect(explain("insert into t (a, b) values (1, 'x'), (2, 'y') on conflict do nothing")).toBe(`
Insert into t
  On Conflict: do nothing
  Values: 2 rows
`);
  expect(explain('select x from h for share nowait')).toBe(`
Scan h
  Span: the whole table
  Lock: shared, no wait
`);
});

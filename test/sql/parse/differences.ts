// Statements of the corpus that the two front ends read differently, with the reason: in each the second one is wrong
// or too generous. second.test.ts fails when one of these differs no longer, and when another does.

const sizedNames = 'node-sql-parser takes the digit of int4, int8 and float4 for a size';

export const differences: ReadonlyMap<string, string> = new Map([
  ['CREATE TABLE t (a int2, b int4, c int8, d smallint, e integer, f bigint)', sizedNames],
  [
    'CREATE TABLE t (a float4, b float8, c real, d double precision, e float, f float(20))',
    `${sizedNames}; float(20) is float4 to PostgreSQL`,
  ],
  ["SELECT '1'::int4, '1'::int8, '1'::int2", sizedNames],
  [
    'SELECT CAST(a AS decimal), CAST(a AS decimal(4,1)), CAST(a AS float), CAST(a AS float8)',
    sizedNames,
  ],
  ['SELECT a::float(10), a::float(40)', 'float(n) is float4 or float8 to PostgreSQL'],
  [
    'CREATE TABLE t (a text, b varchar, c varchar(20), d character varying(5), e char, f char(3), g character(4))',
    'node-sql-parser takes character(4) for character varying(4)',
  ],
  ['CREATE TABLE d.s.t (a int)', 'node-sql-parser keeps the database and drops the schema'],
  ['SELECT a = 1 = true', 'comparisons do not chain in PostgreSQL'],
  ['SELECT current_timestamp(3)', 'refused by the first; a plain function to node-sql-parser'],
  ['SELECT "a""b" FROM t', 'node-sql-parser knows no doubled quotes in identifiers'],
  ['SELECT sum(DISTINCT a + 1) FROM t', 'node-sql-parser takes DISTINCT (…) for a function'],
  ['SELECT a FROM t CROSS JOIN u', 'node-sql-parser takes CROSS for an alias'],
  ['SELECT a FROM t NATURAL JOIN u', 'node-sql-parser takes NATURAL for an alias'],
  ['DELETE FROM ONLY t', 'node-sql-parser takes ONLY for the table'],
  ['SELECT a FROM t GROUP BY ROLLUP (a)', 'node-sql-parser takes ROLLUP for a function'],
]);

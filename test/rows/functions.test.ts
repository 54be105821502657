// Expected answers are PostgreSQL 15's.
import { describe, expect, it } from 'vitest';
import { md5 } from '../../src/rows/md5.ts';
import { castDatum, castKind } from '../../src/rows/casts.ts';
import type { Datum } from '../../src/rows/datum.ts';
import { ANY, candidates, scalarFunctions } from '../../src/rows/functions.ts';
import { formatText, parseText } from '../../src/rows/text-format.ts';
import * as t from '../../src/rows/types.ts';

/** Calls a function with arguments and answer as text; null is NULL. */
function call(name: string, ...args: (string | null)[]): string | null {
  const found = scalarFunctions.get(name);
  if (found === undefined) throw new Error(`no function ${name}`);
  const values = args.map((arg, i): Datum => {
    const oid = found.argOids[Math.min(i, found.argOids.length - 1)] as number;
    return arg === null ? null : parseText(t.columnType(oid === ANY ? t.TEXT : oid), arg);
  });
  const result = found.run(...values);
  return result === null ? null : formatText(t.columnType(found.resultOid), result);
}

const answers: readonly (readonly [
  name: string,
  args: (string | null)[],
  answer: string | null,
])[] = [
  ['int4+int4', ['2147483646', '1'], '2147483647'],
  ['int4/int4', ['-7', '2'], '-3'],
  ['int4%int4', ['-7', '2'], '-1'],
  ['-int2', ['32767'], '-32767'],
  ['int8+int8', ['9007199254740991', '1'], '9007199254740992'],
  ['int8-int8', ['-9223372036854775807', '1'], '-9223372036854775808'],
  ['int8*int8', ['3037000499', '3037000499'], '9223372030926249001'],
  ['int8/int8', ['9223372036854775807', '-2'], '-4611686018427387903'],
  ['int8%int8', ['-9223372036854775808', '-1'], '0'],
  ['int8<<int4', ['1', '63'], '-9223372036854775808'],
  ['int4>>int4', ['-8', '1'], '-4'],
  ['float8/float8', ['1', '3'], '0.3333333333333333'],
  ['float8/float8', ['1', 'NaN'], 'NaN'],
  ['float4*float4', ['0.1', '3'], '0.3'],
  ['numeric/numeric', ['1', '3'], '0.33333333333333333333'],
  ['round(float8)', ['2.5'], '2'],
  ['round(numeric)', ['2.5'], '3'],
  ['round(numeric,int4)', ['1234.567', '-2'], '1200'],
  ['ceil(numeric)', ['-1.5'], '-1'],
  ['floor(numeric)', ['-1.5'], '-2'],
  ['trunc(numeric,int4)', ['-1.999', '2'], '-1.99'],
  ['mod(int4,int4)', ['-7', '3'], '-1'],
  ['power(float8,float8)', ['2', '10'], '1024'],
  ['sign(numeric)', ['-3.2'], '-1'],
  ['to_hex(int4)', ['-1'], 'ffffffff'],
  ['to_hex(int8)', ['255'], 'ff'],
  ['text||text', ['a', 'b'], 'ab'],
  ['bytea||bytea', ['\\x00', '\\x01'], '\\x0001'],
  ['length(text)', ['𝒳y'], '2'],
  ['octet_length(text)', ['𝒳y'], '5'],
  ['substring(text,int4)', ['hello', '3'], 'llo'],
  ['substring(text,int4,int4)', ['hello', '-1', '4'], 'he'],
  ['substr(text,int4,int4)', ['𝒳yz', '2', '1'], 'y'],
  ['position(text,text)', ['hello', 'lo'], '4'],
  ['strpos(text,text)', ['𝒳yz', 'z'], '3'],
  ['strpos(text,text)', ['abc', ''], '1'],
  ['btrim(text)', ['  a b  '], 'a b'],
  ['ltrim(text,text)', ['xyabc', 'yx'], 'abc'],
  ['rtrim(text)', ['a  '], 'a'],
  ['replace(text,text,text)', ['aXbX', 'X', '$&'], 'a$&b$&'],
  ['concat(any…)', ['a', null, 'b'], 'ab'],
  ['concat_ws(text,any…)', [',', 'a', null, 'b'], 'a,b'],
  ['concat_ws(text,any…)', [null, 'a'], null],
  ['left(text,int4)', ['hello', '-2'], 'hel'],
  ['right(text,int4)', ['hello', '-2'], 'llo'],
  ['lpad(text,int4,text)', ['hi', '5', 'xy'], 'xyxhi'],
  ['lpad(text,int4)', ['hello', '2'], 'he'],
  ['rpad(text,int4,text)', ['hi', '5', 'xy'], 'hixyx'],
  ['repeat(text,int4)', ['ab', '3'], 'ababab'],
  ['reverse(text)', ['a𝒳b'], 'b𝒳a'],
  ['split_part(text,text,int4)', ['a,b,c', ',', '-1'], 'c'],
  ['split_part(text,text,int4)', ['a,b,c', ',', '4'], ''],
  ['starts_with(text,text)', ['alphabet', 'alph'], 't'],
  ['md5(text)', ['hello'], '5d41402abc4b2a76b9719d911017c592'],
  ['chr(int4)', ['8364'], '€'],
  ['ascii(text)', ['€'], '8364'],
  ['encode(bytea,text)', ['\\x123456ff', 'base64'], 'EjRW/w=='],
  ['greatest(int4…)', ['1', null, '3'], '3'],
  ['least(text…)', ['b', 'a'], 'a'],
  ['greatest(int4…)', [null, null], null],
  ['date+int4', ['2024-02-28', '2'], '2024-03-01'],
  ['date-date', ['2024-03-01', '2024-02-01'], '29'],
  ['timestamp+interval', ['2024-01-31 10:00:00', '1 mon'], '2024-02-29 10:00:00'],
  ['timestamp-interval', ['2024-03-31 00:00:00', '1 mon 00:00:01'], '2024-02-28 23:59:59'],
  ['timestamp-timestamp', ['2024-03-01 00:00:00', '2024-02-28 12:00:00'], '1 day 12:00:00'],
  ['date_trunc(text,timestamp)', ['week', '2024-02-29 12:34:56'], '2024-02-26 00:00:00'],
  ['date_trunc(text,timestamp)', ['quarter', '2024-05-29 12:34:56'], '2024-04-01 00:00:00'],
  ['extract(text,timestamp)', ['epoch', '1970-01-02 00:00:00.5'], '86400.500000'],
  ['extract(text,timestamp)', ['second', '2024-01-01 00:00:01.25'], '1.250000'],
  ['extract(text,date)', ['week', '2021-01-03'], '53'],
  ['extract(text,date)', ['isoyear', '2021-01-03'], '2020'],
  ['extract(text,date)', ['century', '0044-03-15 BC'], '-1'],
  ['date_part(text,timestamp)', ['year', 'infinity'], 'Infinity'],
  ['date_part(text,date)', ['hour', '2024-01-01'], '0'],
  ['interval/float8', ['-1 mon -1 day', '1.5'], '-20 days -16:00:00'],
  ['interval*float8', ['1 mon', '1.5'], '1 mon 15 days'],
];

const failures: readonly (readonly [
  name: string,
  args: string[],
  code: string,
  message: string,
])[] = [
  ['int4+int4', ['2147483647', '1'], '22003', 'integer out of range'],
  ['int2*int2', ['256', '256'], '22003', 'smallint out of range'],
  ['-int4', ['-2147483648'], '22003', 'integer out of range'],
  ['int4/int4', ['-2147483648', '-1'], '22003', 'integer out of range'],
  ['int4/int4', ['1', '0'], '22012', 'division by zero'],
  ['int8*int8', ['9223372036854775807', '2'], '22003', 'bigint out of range'],
  ['int8%int8', ['1', '0'], '22012', 'division by zero'],
  ['float8*float8', ['1e300', '1e300'], '22003', 'value out of range: overflow'],
  ['float8*float8', ['1e-300', '1e-300'], '22003', 'value out of range: underflow'],
  ['float8/float8', ['1', '0'], '22012', 'division by zero'],
  ['numeric/numeric', ['1', '0.00'], '22012', 'division by zero'],
  ['sqrt(float8)', ['-1'], '2201F', 'cannot take square root of a negative number'],
  ['substring(text,int4,int4)', ['a', '1', '-1'], '22011', 'negative substring length not allowed'],
  ['split_part(text,text,int4)', ['a', ',', '0'], '22023', 'field position must not be zero'],
  ['repeat(text,int4)', ['ab', '2147483647'], '54000', 'requested length too large'],
  ['date+int4', ['5874897-12-31', '1'], '22008', 'date out of range'],
  [
    'extract(text,date)',
    ['hour', '2024-01-01'],
    '0A000',
    'unit "hour" not supported for type date',
  ],
  [
    'date_trunc(text,timestamp)',
    ['foo', '2024-01-01'],
    '22023',
    'unit "foo" not recognized for type timestamp without time zone',
  ],
];

describe('scalar functions', () => {
  it.each(answers)('%s of %j is %j', (name, args, answer) => {
    expect(call(name, ...args)).toBe(answer);
  });

  it.each(failures)('%s of %j fails with %s %s', (name, args, code, message) => {
    expect(() => call(name, ...args)).toThrow(expect.objectContaining({ code, message }));
  });

  it('have names of their own, and are found by their SQL names', () => {
    for (const [name, found] of scalarFunctions) {
      expect(found.name).toBe(name);
      expect(candidates(found.sqlName)).toContain(found);
    }
    expect(candidates('<<').map(({ name }) => name)).toEqual([
      'int2<<int4',
      'int4<<int4',
      'int8<<int4',
    ]);
    expect(candidates('no_such_function')).toEqual([]);
  });

  it('compute MD5 across block boundaries', () => {
    // RFC 1321, A.5.
    const digits = new TextEncoder().encode('1234567890'.repeat(8));
    expect(md5(digits)).toBe('57edf4a22be3c955ac49da2e2107b67a');
    expect(md5(new Uint8Array(0))).toBe('d41d8cd98f00b204e9800998ecf8427e');
    expect(md5(new TextEncoder().encode('message digest'))).toBe(
      'f96b697d7cb7938d525a2f31aaf161d0',
    );
  });
});

const casts: readonly (readonly [from: number, to: number, value: string, answer: string])[] = [
  [t.FLOAT8, t.INT4, '2.5', '2'],
  [t.FLOAT8, t.INT4, '-3.5', '-4'],
  [t.NUMERIC, t.INT4, '2.5', '3'],
  [t.NUMERIC, t.INT8, '-9223372036854775808.4', '-9223372036854775808'],
  [t.FLOAT4, t.NUMERIC, '0.1', '0.1'],
  [t.FLOAT8, t.FLOAT4, '0.1', '0.1'],
  [t.INT8, t.NUMERIC, '9223372036854775807', '9223372036854775807'],
  [t.BOOL, t.TEXT, 't', 'true'],
  [t.BOOL, t.INT4, 't', '1'],
  [t.TEXT, t.DATE, '2024-01-02', '2024-01-02'],
  [t.TIMESTAMP, t.DATE, '1999-12-31 23:59:59', '1999-12-31'],
  [t.DATE, t.TIMESTAMPTZ, '2024-01-02', '2024-01-02 00:00:00+00'],
  [t.TIMESTAMP, t.TIME, '1999-12-31 23:59:58.5', '23:59:58.5'],
  [t.INTERVAL, t.TIME, '-01:00:00', '23:00:00'],
];

describe('casts', () => {
  it.each(casts)('from %i to %i of %s give %s', (from, to, value, answer) => {
    const type = t.columnType(from);
    const cast = castDatum(type, t.columnType(to), parseText(type, value), 'explicit');
    expect(formatText(t.columnType(to), cast)).toBe(answer);
  });

  it('cut strings when they are explicit, and complain in assignments', () => {
    const [text, short] = [t.columnType(t.TEXT), t.columnType(t.VARCHAR, 6)];
    expect(castDatum(text, short, 'abc', 'explicit')).toBe('ab');
    expect(() => castDatum(text, short, 'abc', 'assignment')).toThrow(
      expect.objectContaining({ code: '22001' }),
    );
  });

  it.each([
    [t.FLOAT8, t.INT4, '1e10', '22003', 'integer out of range'],
    [t.NUMERIC, t.INT4, 'NaN', '0A000', 'cannot convert NaN to integer'],
    [t.BYTEA, t.INT4, '\\x00', '42846', 'cannot cast type bytea to integer'],
    [t.TEXT, t.INT4, 'x', '22P02', 'invalid input syntax for type integer: "x"'],
  ])('from %i to %i of %s fail', (from, to, value, code, message) => {
    const type = t.columnType(from);
    const run = (): unknown =>
      castDatum(type, t.columnType(to), parseText(type, value), 'explicit');
    expect(run).toThrow(expect.objectContaining({ code, message }));
  });

  it('happen by themselves only where PostgreSQL lets them', () => {
    expect(castKind(t.INT4, t.INT8)).toBe('implicit');
    expect(castKind(t.INT8, t.INT4)).toBe('assignment');
    expect(castKind(t.INT4, t.TEXT)).toBe('assignment');
    expect(castKind(t.TEXT, t.INT4)).toBe('explicit');
    expect(castKind(t.BOOL, t.INT4)).toBe('explicit');
    expect(castKind(t.BYTEA, t.INT4)).toBeUndefined();
  });
});

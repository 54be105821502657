import fc from 'fast-check';
// Expected answers are PostgreSQL 15's.
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { DbError } from '../../src/base/errors.ts';
import { formatTextInto } from '../../src/rows/binary-format.ts';
import { formatText, parseText } from '../../src/rows/text-format.ts';
import * as t from '../../src/rows/types.ts';
import { typeOids, valueOf } from './arbitraries.ts';

function numeric(precision: number, scale: number): t.ColumnType {
  return t.columnType(t.NUMERIC, ((precision << 16) | (scale & 0x7ff)) + 4);
}

type Table = readonly (readonly [type: t.ColumnType, input: string, output: string])[];

function table(type: t.ColumnType, rows: Readonly<Record<string, string>>): Table {
  return Object.entries(rows).map(([input, output]) => [type, input, output]);
}

const c = t.columnType;

const accepted: Table = [
  ...table(c(t.BOOL), {
    t: 't',
    TRUE: 't',
    ' y ': 't',
    on: 't',
    of: 'f',
    '0': 'f',
    no: 'f',
    tr: 't',
  }),
  ...table(c(t.INT2), { ' 7 ': '7', '+5': '5', '-32768': '-32768', '-0': '0' }),
  ...table(c(t.INT4), { '00012': '12', ' 12\t': '12', '-2147483648': '-2147483648' }),
  ...table(c(t.INT8), {
    '9223372036854775807': '9223372036854775807',
    '-9223372036854775808': '-9223372036854775808',
    '9007199254740993': '9007199254740993',
  }),
  ...table(c(t.OID), { '4294967295': '4294967295' }),
  ...table(c(t.FLOAT8), {
    '1e20': '1e+20',
    '1e15': '1e+15',
    '1e14': '100000000000000',
    '123456789012345680': '1.2345678901234568e+17',
    '0.0001': '0.0001',
    '0.00001': '1e-05',
    '-0': '-0',
    nan: 'NaN',
    inf: 'Infinity',
    '-Infinity': '-Infinity',
    '.5': '0.5',
    '5.': '5',
    '1234567890123456': '1.234567890123456e+15',
    '5e-324': '5e-324',
    '0e500': '0',
  }),
  ...table(c(t.FLOAT4), {
    '1e6': '1e+06',
    '123456': '123456',
    '1234567': '1.234567e+06',
    '0.1': '0.1',
    '3.4028235e38': '3.4028235e+38',
    '1e-45': '1e-45',
    '16777216': '1.6777216e+07',
    '0.3333333333': '0.33333334',
    '0.00001': '1e-05',
  }),
  ...table(c(t.NUMERIC), {
    '1.50': '1.50',
    '-0.00': '0.00',
    '1e10': '10000000000',
    '1e-10': '0.0000000001',
    '1.5e3': '1500',
    inf: 'Infinity',
    '000123.4500': '123.4500',
    '-.5': '-0.5',
    '0e10': '0',
  }),
  ...table(numeric(5, 2), { '999.994': '999.99', '0.005': '0.01', '-0.005': '-0.01', NaN: 'NaN' }),
  ...table(numeric(3, -2), { '12345': '12300', '150': '200', '149': '100' }),
  ...table(numeric(2, 4), { '0.0099': '0.0099', '0.00555': '0.0056' }),
  ...table(c(t.VARCHAR, 7), { abc: 'abc', 'ab   ': 'ab ', 𝒳𝒳𝒳: '𝒳𝒳𝒳' }),
  ...table(c(t.BPCHAR, 7), { a: 'a  ', 'abc  ': 'abc', '': '   ' }),
  ...table(c(t.NAME), { ['é'.repeat(40)]: 'é'.repeat(31) }),
  ...table(c(t.BYTEA), {
    '\\xDEADbeef': '\\xdeadbeef',
    '\\x de ad': '\\xdead',
    'abc\\\\d\\001': '\\x6162635c6401',
    é: '\\xc3a9',
  }),
  ...table(c(t.DATE), {
    '2024-1-2': '2024-01-02',
    '20240102': '2024-01-02',
    '2024.01.02': '2024-01-02',
    '1/8/1999': '1999-01-08',
    'Jan 8, 1999': '1999-01-08',
    '1999-Jan-08': '1999-01-08',
    '08-Jan-1999': '1999-01-08',
    '01/02/03': '2003-01-02',
    'Jan 8 99 BC': '0099-01-08 BC',
    J2451187: '1999-01-08',
    infinity: 'infinity',
    epoch: '1970-01-01',
    '4714-11-24 BC': '4714-11-24 BC',
    '5874897-12-31': '5874897-12-31',
    '2024-01-02 10:00:00': '2024-01-02',
  }),
  ...table(c(t.TIME), {
    '01:02': '01:02:00',
    '24:00:00': '24:00:00',
    '04:05 PM': '16:05:00',
    '12:00 AM': '00:00:00',
    '040506': '04:05:06',
    '23:59:60': '24:00:00',
    '01:02:03.4567891': '01:02:03.456789',
  }),
  ...table(c(t.TIMESTAMP), {
    '2024-01-02 03:04:05.678': '2024-01-02 03:04:05.678',
    '2024-01-02T03:04:05Z': '2024-01-02 03:04:05',
    '2024-01-02 03:04:05+02': '2024-01-02 03:04:05',
    '20240102T030405': '2024-01-02 03:04:05',
    '2024-01-02 24:00:00': '2024-01-03 00:00:00',
    'Tue Jan 02 03:04:05.123456 2024 PST': '2024-01-02 03:04:05.123456',
    'Jan 2 2024 03:04 PM': '2024-01-02 15:04:00',
    '4714-11-24 00:00:00 BC': '4714-11-24 00:00:00 BC',
    '294276-12-31 23:59:59.999999': '294276-12-31 23:59:59.999999',
    '2024-01-02 03:04:05.9999999': '2024-01-02 03:04:06',
    '-infinity': '-infinity',
  }),
  ...table(c(t.TIMESTAMP, 0), {
    '2024-01-02 03:04:05.5': '2024-01-02 03:04:06',
    '1960-01-02 03:04:05.5': '1960-01-02 03:04:05',
  }),
  ...table(c(t.TIMESTAMPTZ), {
    '2024-01-02 03:04:05.678+02': '2024-01-02 01:04:05.678+00',
    '2024-01-02 03:04:05': '2024-01-02 03:04:05+00',
    '2024-01-02 03:04:05-08:30': '2024-01-02 11:34:05+00',
    '2024-01-02 03:04:05 PST': '2024-01-02 11:04:05+00',
    '2024-01-02 03:04:05+02 BC': '2024-01-02 01:04:05+00 BC',
    'Wed Dec 17 07:37:16 1997 PST': '1997-12-17 15:37:16+00',
  }),
  ...table(c(t.INTERVAL), {
    '1 year 2 mons 3 days 04:05:06.789': '1 year 2 mons 3 days 04:05:06.789',
    P1Y2M3DT4H5M6S: '1 year 2 mons 3 days 04:05:06',
    '1-2': '1 year 2 mons',
    '@ 1 minute ago': '-00:01:00',
    '-1 day 1 hour': '-1 days +01:00:00',
    '1.5 months': '1 mon 15 days',
    '90 minutes': '01:30:00',
    '1h30m': '01:30:00',
    '3 4:05': '3 days 04:05:00',
  }),
  ...table(c(t.UUID), {
    '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}': 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  }),
  ...table(c(t.JSON_TYPE), { '{"b":1, "a" : [1,2.50]}': '{"b":1, "a" : [1,2.50]}' }),
  ...table(c(t.JSONB), {
    '{"bb":1,"a":2,"a":3.0}': '{"a": 3.0, "bb": 1}',
    '[1e5, -0,1E-3]': '[100000, 0, 0.001]',
    '"\\u00e9\\n\\/"': '"é\\n/"',
  }),
];

const refused: readonly (readonly [t.ColumnType, string, string, string])[] = [
  [c(t.BOOL), 'o', '22P02', 'invalid input syntax for type boolean: "o"'],
  [c(t.INT2), '99999', '22003', 'value "99999" is out of range for type smallint'],
  [c(t.INT4), '99999999999', '22003', 'value "99999999999" is out of range for type integer'],
  [c(t.INT4), 'x', '22P02', 'invalid input syntax for type integer: "x"'],
  [c(t.INT4), '1e3', '22P02', 'invalid input syntax for type integer: "1e3"'],
  [
    c(t.INT8),
    '9223372036854775808',
    '22003',
    'value "9223372036854775808" is out of range for type bigint',
  ],
  [c(t.FLOAT8), '1e400', '22003', '"1e400" is out of range for type double precision'],
  [c(t.FLOAT8), '1e-400', '22003', '"1e-400" is out of range for type double precision'],
  [c(t.FLOAT8), '1e', '22P02', 'invalid input syntax for type double precision: "1e"'],
  [c(t.FLOAT4), '1e39', '22003', '"1e39" is out of range for type real'],
  [c(t.NUMERIC), '1.2.3', '22P02', 'invalid input syntax for type numeric: "1.2.3"'],
  [c(t.NUMERIC), '1e131072', '22003', 'value overflows numeric format'],
  [numeric(5, 2), '999.995', '22003', 'numeric field overflow'],
  [c(t.VARCHAR, 7), 'abcd', '22001', 'value too long for type character varying(3)'],
  [c(t.BPCHAR, 7), 'abcd', '22001', 'value too long for type character(3)'],
  [c(t.BYTEA), '\\xabc', '22023', 'invalid hexadecimal data: odd number of digits'],
  [c(t.BYTEA), '\\xzz', '22023', 'invalid hexadecimal digit: "z"'],
  [c(t.BYTEA), '\\400', '22P02', 'invalid input syntax for type bytea'],
  [c(t.DATE), 'x', '22007', 'invalid input syntax for type date: "x"'],
  [c(t.DATE), '2024-02-30', '22008', 'date/time field value out of range: "2024-02-30"'],
  [c(t.DATE), '5874898-01-01', '22008', 'date out of range: "5874898-01-01"'],
  [c(t.TIME), '25:00', '22008', 'date/time field value out of range: "25:00"'],
  [c(t.TIMESTAMP), '', '22007', 'invalid input syntax for type timestamp: ""'],
  [c(t.TIMESTAMP), '294277-01-01', '22008', 'timestamp out of range: "294277-01-01"'],
  [
    c(t.TIMESTAMPTZ),
    '2024-01-02 03:04+16',
    '22009',
    'time zone displacement out of range: "2024-01-02 03:04+16"',
  ],
  [c(t.INTERVAL), '1 fortnight', '22007', 'invalid input syntax for type interval: "1 fortnight"'],
  [c(t.UUID), 'a0eebc99', '22P02', 'invalid input syntax for type uuid: "a0eebc99"'],
  [c(t.JSONB), '{"a":1,}', '22P02', 'invalid input syntax for type json'],
  [c(t.TEXT), 'a\0b', '22021', 'invalid byte sequence for encoding "UTF8": 0x00'],
  [c(t.TIMESTAMP), 'now', '0A000', 'the date/time input "now" is not supported'],
];

describe('text input and output', () => {
  it.each(accepted)('%o reads %j and writes %j', (type, input, output) => {
    const value = parseText(type, input);
    expect(formatText(type, value)).toBe(output);
    const writer = new ByteWriter(1);
    formatTextInto(type, value, writer);
    expect(new TextDecoder().decode(writer.take())).toBe(output);
  });

  it.each([...typeOids])('of type %i are the same as bytes and as a string', (oid) => {
    const type = c(oid);
    fc.assert(
      fc.property(valueOf(oid), (value) => {
        const writer = new ByteWriter(1);
        formatTextInto(type, value, writer);
        expect(new TextDecoder().decode(writer.take())).toBe(formatText(type, value));
      }),
      { numRuns: 300 },
    );
  });

  it.each(refused)('%o refuses %j with %s', (type, input, code, message) => {
    const read = (): unknown => parseText(type, input);
    expect(read).toThrow(DbError);
    expect(read).toThrow(expect.objectContaining({ code, message }));
  });

  it('says how large a numeric may be', () => {
    expect(() => parseText(numeric(5, 2), '1000')).toThrow(
      expect.objectContaining({
        fields: {
          detail:
            'A field with precision 5, scale 2 must round to an absolute value less than 10^3.',
        },
      }),
    );
  });
});

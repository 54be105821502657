// Random expressions, from a seed: the functions and operators that there are, over values with the edges made likely.

import { candidates, type ScalarFunction, scalarFunctions } from '../../../src/rows/functions.ts';
import { systemFunctions } from '../../../src/rows/function-system.ts';
import { sqlTypeName } from '../../../src/rows/type-names.ts';
import * as t from '../../../src/rows/types.ts';

/** Their last digit is the platform's, or they depend on more than their arguments. */
const PLATFORM = new Set([
  ...['sin', 'cos', 'tan', 'cot', 'asin', 'acos', 'atan', 'atan2', 'sinh', 'cosh', 'tanh', 'asinh'],
  ...['acosh', 'atanh', 'sind', 'cosd', 'cbrt', '||/', 'degrees', 'radians'],
]);
/** Answer what there is in the database. */
const SYSTEM = new Set(systemFunctions.map(({ sqlName }) => sqlName));
const PLATFORM_FLOATS = new Set(['exp', 'ln', 'log', 'log10', 'power', 'pow', '^']);
/** Of letters beyond ASCII, and with formats, patterns and units that random texts never are. */
const SPECIAL = new Set([
  ...[
    'lower',
    'upper',
    'initcap',
    '~*',
    '!~*',
    '~~*',
    '!~~*',
    'timezone',
    'convert_to',
    'convert_from',
  ],
  ...['normalize', 'like_escape', 'similar_to_escape'],
]);

const LITERALS: ReadonlyMap<number, readonly string[]> = new Map([
  [t.BOOL, ['true', 'false']],
  [t.INT2, ['0', '1', '-1', '2', '7', '32767', '-32768', '300']],
  [t.INT4, ['0', '1', '-1', '2', '3', '5', '10', '31', '-7', '100', '2147483647', '-2147483648']],
  [
    t.INT8,
    ['0', '1', '-1', '12', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
  ],
  [
    t.NUMERIC,
    [
      ...[
        '0',
        '1',
        '-1',
        '0.5',
        '1.50',
        '-2.25',
        '3.14159',
        '100',
        '0.000001',
        '123456789.987654321',
      ],
      ...[
        '1e20',
        '-1e-10',
        'NaN',
        'Infinity',
        '-Infinity',
        '99999999999999999999.99',
        '2.5',
        '-0.00',
      ],
    ],
  ],
  [
    t.FLOAT8,
    [
      ...['0', '-0', '1', '-1.5', '2.5', '0.1', '1e10', '1e300', '-1e300', '1e-300', '3'],
      ...['NaN', 'Infinity', '-Infinity', '123456.789', '4503599627370497.5'],
    ],
  ],
  [t.FLOAT4, ['0', '1', '-1.5', '0.1', '3e38', '1e-40', 'NaN', 'Infinity', '16777217']],
  [
    t.TEXT,
    [
      ...[
        '',
        'a',
        'abc',
        'ABC',
        ' x ',
        'é',
        '🎉b',
        'aXbXc',
        '12',
        '-3.5',
        'a%b_c',
        'true',
        '{1,2}',
      ],
      ...['hello world', 'a.b', 'day', 'NULL', '\\', '"q"', "it's", '2020-01-01', 'foo-bar'],
    ],
  ],
  [t.BPCHAR, ['', 'a', 'ab ', 'xyz']],
  [t.VARCHAR, ['', 'v', 'var char']],
  [t.BYTEA, ['\\x', '\\x00', '\\x0102ff', '\\x616263', '\\xc3a9']],
  [
    t.DATE,
    [
      ...['2000-01-01', '2024-02-29', '1999-12-31', '0044-03-15 BC', 'infinity', '-infinity'],
      ...['5874897-12-31', '4713-01-01 BC', '1970-01-01'],
    ],
  ],
  [t.TIME, ['00:00', '12:34:56.789', '23:59:59.999999', '24:00', '01:02:03']],
  [
    t.TIMESTAMP,
    [
      ...['2000-01-01 00:00', '2024-02-29 12:34:56.789', '1999-12-31 23:59:59.999999', 'infinity'],
      ...['-infinity', '0044-03-15 12:00 BC', '294276-12-31 23:59:59', '1970-01-01'],
    ],
  ],
  [
    t.TIMESTAMPTZ,
    ['2000-01-01 00:00+00', '2024-02-29 12:34:56.789+02', '1999-12-31 23:59:59-08', 'infinity'],
  ],
  [
    t.INTERVAL,
    [
      ...['0', '1 day', '-1 day', '1 month', '1 year 2 months 3 days 04:05:06.789', '25 hours'],
      ...['-3 months 40 days -10:00', '00:00:00.000001', '-1 month 1 day', '30 days', '100 years'],
    ],
  ],
  [t.UUID, ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000']],
  [
    t.JSONB,
    [
      ...[
        'null',
        'true',
        '1',
        '1.50',
        '"a"',
        '[]',
        '{}',
        '[1, "a", null]',
        '{"a": 1, "b": [1, 2]}',
      ],
      ...['{"a": {"b": null}}', '[[1], {"a": "x"}]', '"12"', '{"12": "é"}'],
    ],
  ],
  [t.JSON_TYPE, ['null', '[1,  2]', '{"a":1, "b" : [true]}', '"a\\n"', '1.0', '{"a":1,"a":2}']],
]);

const ELEMENTS = [t.INT4, t.TEXT, t.NUMERIC, t.INT8, t.BOOL, t.FLOAT8, t.DATE, t.TIMESTAMP];
const TYPES = [...LITERALS.keys()];
const COMPARED = TYPES.filter((oid) => oid !== t.JSON_TYPE);
const UNITS = [
  'year',
  'month',
  'day',
  'hour',
  'minute',
  'second',
  'week',
  'quarter',
  'epoch',
  'dow',
];

export class RandomExpressions {
  #state: number;
  readonly #functions: readonly ScalarFunction[];

  constructor(seed: number) {
    this.#state = seed >>> 0;
    this.#functions = [...scalarFunctions.values()].filter(isUsable);
  }

  /** A call or comparison of values as they are, or of what other expressions make of them. */
  next(isDeep: boolean): string {
    const f = this.#pick(this.#functions);
    const depth = isDeep ? 3 : 1;
    return this.#below(8) === 0 ? this.#condition(depth) : this.#call(f, depth);
  }

  /** Mulberry32. */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  #below(n: number): number {
    return this.#random() % n;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #value(oid: number, depth: number): string {
    if (depth > 0 && this.#below(3) > 0) {
      const made = this.#made(oid, depth);
      if (made !== undefined) return made;
    }
    return this.#literal(oid);
  }

  #literal(oid: number): string {
    const type = sqlTypeName(t.columnType(oid));
    if (this.#below(12) === 0) return `NULL::${type}`;
    const element = t.elementOf(oid);
    if (element !== undefined) {
      const items = Array.from({ length: this.#below(4) }, () => this.#literal(element));
      return `ARRAY[${items.join(', ')}]::${type}`;
    }
    const text = this.#pick(LITERALS.get(oid) ?? ['']);
    return `'${text.replaceAll("'", "''")}'::${type}`;
  }

  #made(oid: number, depth: number): string | undefined {
    switch (this.#below(6)) {
      case 0:
        return `CASE WHEN ${this.#condition(depth - 1)} THEN ${this.#value(oid, depth - 1)} ELSE ${this.#value(oid, depth - 1)} END`;
      case 1:
        return `COALESCE(${this.#value(oid, depth - 1)}, ${this.#value(oid, depth - 1)})`;
      case 2: {
        const from = this.#pick(TYPES);
        const type = sqlTypeName(t.columnType(oid));
        return from === oid ? undefined : `(${this.#value(from, depth - 1)})::${type}`;
      }
      default: {
        const fitting = this.#functions.filter((f) => f.resultOid === oid);
        return fitting.length === 0 ? undefined : this.#call(this.#pick(fitting), depth - 1);
      }
    }
  }

  #condition(depth: number): string {
    const oid = this.#pick(COMPARED);
    const [a, b] = [this.#value(oid, depth - 1), this.#value(oid, depth - 1)];
    switch (this.#below(5)) {
      case 0:
        return `(${a} IS ${this.#pick(['', 'NOT '])}DISTINCT FROM ${b})`;
      case 1:
        return `(${a} ${this.#pick(['', 'NOT '])}IN (${b}, ${this.#literal(oid)}))`;
      case 2:
        return `(${a} ${this.#pick(['=', '<>', '<', '>='])} ${this.#pick(['ANY', 'ALL'])} (ARRAY[${b}, ${this.#literal(oid)}]))`;
      default:
        return `(${a} ${this.#pick(['=', '<>', '<', '<=', '>', '>='])} ${b})`;
    }
  }

  #call(f: ScalarFunction, depth: number): string {
    const element = this.#pick(ELEMENTS);
    const oids = [...f.argOids];
    if (f.variadic)
      for (let more = this.#below(3); more > 0; more--) oids.push(oids.at(-1) as number);
    const args = oids.map((oid, i) => this.#argument(f, oid, i, element, depth));
    if (/^\w/.test(f.sqlName)) return `${f.sqlName}(${args.join(', ')})`;
    const [left, right] = args;
    return right === undefined ? `(${f.sqlName} ${left})` : `(${left} ${f.sqlName} ${right})`;
  }

  #argument(f: ScalarFunction, oid: number, i: number, element: number, depth: number): string {
    if (oid === t.INT4 && i > 0 && this.#below(4) > 0) return String(this.#below(12) - 3);
    if (/^(date_part|date_trunc|extract)$/.test(f.sqlName) && i === 0) {
      return `'${this.#pick(UNITS)}'`;
    }
    switch (oid) {
      case t.ANYARRAY:
      case t.ANYCOMPATIBLEARRAY:
        return this.#value(t.arrayOf(element) as number, depth - 1);
      case t.ANYELEMENT:
      case t.ANYCOMPATIBLE:
        return this.#value(element, depth - 1);
      default:
        return this.#value(
          LITERALS.has(oid) || t.elementOf(oid) !== undefined ? oid : element,
          depth - 1,
        );
    }
  }
}

function isUsable(f: ScalarFunction): boolean {
  if (SYSTEM.has(f.sqlName)) return false;
  if (f.argOids.some((oid) => t.REG_TYPES.includes(t.elementOf(oid) ?? oid))) return false;
  if (f.sqlName.startsWith('[') || PLATFORM.has(f.sqlName) || SPECIAL.has(f.sqlName)) return false;
  if (f.sqlName === 'extract' || f.sqlName.startsWith('regexp_')) return false;
  if (PLATFORM_FLOATS.has(f.sqlName) && f.argOids.includes(t.FLOAT8)) return false;
  // Whole texts as patterns: only what every dialect takes.
  if (/^!?~$/.test(f.sqlName) && f.argOids[1] === t.TEXT) return false;
  const isPattern = f.sqlName === 'substring' && f.argOids[1] === t.TEXT;
  return !isPattern && candidates(f.sqlName).length > 0;
}

// Random values of every type, with the edges made likely.
import fc from 'fast-check';
import { ArrayValue, type Datum, Decimal, Interval, normalizeInt8 } from '../../src/rows/datum.ts';
import {
  arrayOf,
  BOOL,
  BPCHAR,
  BYTEA,
  DATE,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  NAME,
  NUMERIC,
  OID,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
  VARCHAR,
} from '../../src/rows/types.ts';

const infinities = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const INT8_EDGES = [0n, -1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)];

const int8 = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -300n, max: 300n }),
    fc.constantFrom(...INT8_EDGES),
  )
  .map(normalizeInt8);

/** Within the years 4713 BC to 294276, beyond which there are no timestamps. */
const timestamp = fc.oneof(
  fc
    .bigInt({ min: -211_813_488_000_000_000n, max: 9_223_371_331_199_999_999n })
    .map((value): Datum => normalizeInt8(value)),
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(...infinities),
);

/** No zero byte and no half of a surrogate pair: what text input lets in. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'b', ' ', '\u{1d4b3}', '\uffff', '\ud7ff', 'é', '\u0001'),
  }),
  fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', '')),
);

export const decimal: fc.Arbitrary<Decimal> = fc.oneof(
  fc
    .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 45 }))
    .map(([unscaled, scale]) => Decimal.of(unscaled, scale)),
  fc
    .tuple(fc.bigInt({ min: -150n, max: 150n }), fc.integer({ min: 0, max: 4 }))
    .map(([unscaled, scale]) => Decimal.of(unscaled, scale)),
  fc
    .tuple(fc.bigInt({ min: -99n, max: 99n }), fc.integer({ min: 0, max: 60 }))
    .map(([digits, zeros]) => Decimal.of(digits * 10n ** BigInt(zeros))),
);

const anyDecimal = fc.oneof(
  { weight: 9, arbitrary: decimal },
  {
    weight: 1,
    arbitrary: fc.constantFrom(Decimal.NAN, Decimal.INFINITY, Decimal.NEGATIVE_INFINITY),
  },
);

const interval = fc
  .tuple(
    fc.integer({ min: -1000, max: 1000 }),
    fc.integer({ min: -100_000, max: 100_000 }),
    fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
  )
  .map(([months, days, micros]) => new Interval(months, days, micros));

const float8 = fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, ...infinities, 5e-324, 1));

/** A non-null value of each type that can be a key. */
const valuesByType: Map<number, fc.Arbitrary<Datum>> = new Map<number, fc.Arbitrary<Datum>>([
  [BOOL, fc.boolean()],
  [INT2, fc.integer({ min: -32768, max: 32767 })],
  [INT4, fc.oneof(fc.integer(), fc.integer({ min: -3, max: 3 }))],
  [INT8, int8],
  [OID, fc.integer({ min: 0, max: 4294967295 })],
  [FLOAT4, float8.map(Math.fround)],
  [FLOAT8, float8],
  [NUMERIC, anyDecimal],
  [TEXT, text],
  [VARCHAR, text],
  [NAME, text.filter((value) => Buffer.byteLength(value) < 64)],
  [BPCHAR, text.map((value) => value.replace(/ +$/, ''))],
  [BYTEA, fc.uint8Array({ maxLength: 12, max: 3 }).map((bytes): Datum => Uint8Array.from(bytes))],
  [DATE, fc.oneof(fc.integer({ min: -2451545, max: 2145042541 }), fc.constantFrom(...infinities))],
  [TIME, fc.integer({ min: 0, max: 86_400_000_000 })],
  [TIMESTAMP, timestamp],
  [TIMESTAMPTZ, timestamp],
  [INTERVAL, interval],
  [UUID, fc.uuid()],
]);

/** Of one dimension or two, with any lower bounds. */
function arrayOfItems(elementOid: number): fc.Arbitrary<Datum> {
  const item = nullable(elementOid);
  const lower = fc.constantFrom(1, 1, 0, -2, 5);
  const flat = fc
    .tuple(fc.array(item, { maxLength: 4 }), lower)
    .map(([items, from]) => ArrayValue.of(elementOid, items, from));
  const deep = fc
    .tuple(fc.array(fc.tuple(item, item), { minLength: 1, maxLength: 3 }), lower, lower)
    .map(([pairs, a, b]) => new ArrayValue(elementOid, [pairs.length, 2], [a, b], pairs.flat()));
  return fc.oneof(flat, deep);
}

for (const element of [INT4, TEXT, NUMERIC, TIMESTAMP, BYTEA]) {
  valuesByType.set(arrayOf(element) as number, arrayOfItems(element));
}

export const typeOids: readonly number[] = [...valuesByType.keys()];

export function valueOf(oid: number): fc.Arbitrary<Datum> {
  return valuesByType.get(oid) as fc.Arbitrary<Datum>;
}

export function nullable(oid: number): fc.Arbitrary<Datum> {
  return fc.oneof(
    { weight: 4, arbitrary: valueOf(oid) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

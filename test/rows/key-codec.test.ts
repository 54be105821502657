import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, compareBytes } from '../../src/base/bytes.ts';
import { compareDatums, type Datum, equalDatums } from '../../src/rows/datum.ts';
import { decodeKeyDatum, encodeKeyDatum, keyPrefix } from '../../src/rows/key-codec.ts';
import { BYTEA, INT8, JSONB, TEXT } from '../../src/rows/types.ts';
import { nullable, typeOids } from './arbitraries.ts';

interface Column {
  readonly oid: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}

function encode(columns: readonly Column[], values: readonly Datum[]): Uint8Array {
  const writer = new ByteWriter(4);
  columns.forEach(({ oid, descending, nullsFirst }, i) => {
    encodeKeyDatum(writer, oid, values[i] as Datum, descending, nullsFirst);
  });
  return writer.take();
}

/** What the order of the bytes must be. */
function compare(columns: readonly Column[], a: readonly Datum[], b: readonly Datum[]): number {
  for (const [i, { oid, descending, nullsFirst }] of columns.entries()) {
    const x = a[i] as Datum;
    const y = b[i] as Datum;
    if (x === null || y === null) {
      if (x === y) continue;
      return (x === null) === nullsFirst ? -1 : 1;
    }
    const order = compareDatums(oid, x, y);
    if (order !== 0) return descending ? -order : order;
  }
  return 0;
}

const column = fc.record({
  oid: fc.constantFrom(...typeOids),
  descending: fc.boolean(),
  nullsFirst: fc.boolean(),
});

function pairOf(columns: readonly Column[]): fc.Arbitrary<[Datum[], Datum[]]> {
  const tuple = fc.tuple(...columns.map(({ oid }) => nullable(oid)));
  // Often the same beginning, or later columns would rarely decide.
  return fc
    .tuple(tuple, tuple, fc.nat(columns.length))
    .map(([a, b, shared]) => [a, [...a.slice(0, shared), ...b.slice(shared)]]);
}

describe('keys', () => {
  it('sort as their values do, whatever the types and directions', () => {
    fc.assert(
      fc.property(
        fc
          .array(column, { minLength: 1, maxLength: 4 })
          .chain((columns) => fc.tuple(fc.constant(columns), pairOf(columns))),
        ([columns, [a, b]]) => {
          const order = compareBytes(encode(columns, a), encode(columns, b));
          expect(Math.sign(order)).toBe(Math.sign(compare(columns, a, b)));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each(typeOids)('sort neighbouring values of type %i', (oid) => {
    fc.assert(
      fc.property(
        nullable(oid),
        nullable(oid),
        fc.boolean(),
        fc.boolean(),
        (a, b, descending, nullsFirst) => {
          const columns = [{ oid, descending, nullsFirst }];
          const order = compareBytes(encode(columns, [a]), encode(columns, [b]));
          expect(Math.sign(order)).toBe(Math.sign(compare(columns, [a], [b])));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('come back as equal values and end where they should', () => {
    fc.assert(
      fc.property(
        fc
          .array(column, { minLength: 1, maxLength: 4 })
          .chain((columns) =>
            fc.tuple(fc.constant(columns), fc.tuple(...columns.map(({ oid }) => nullable(oid)))),
          ),
        ([columns, values]) => {
          const reader = new ByteReader(encode(columns, values));
          columns.forEach(({ oid, descending }, i) => {
            const back = decodeKeyDatum(reader, oid, descending);
            expect(equalDatums(oid, back, values[i] as Datum)).toBe(true);
          });
          expect(reader.remaining).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('are never a proper prefix of each other', () => {
    const columns = [{ oid: TEXT, descending: false, nullsFirst: false }];
    const keys = ['', 'a', 'a\u0001', 'ab', 'b'].map((value) => encode(columns, [value]));
    for (const a of keys) {
      for (const b of keys) {
        if (a !== b) expect(compareBytes(a, b.subarray(0, a.length))).not.toBe(0);
      }
    }
  });

  it('begin with the index, big-endian', () => {
    expect([...keyPrefix(258)]).toEqual([0, 0, 1, 2]);
  });

  it('keep their bytes: a stored key must be readable for ever', () => {
    const column = (oid: number): Column[] => [{ oid, descending: false, nullsFirst: false }];
    expect([...encode(column(INT8), [-2])]).toEqual([1, 0x7f, 255, 255, 255, 255, 255, 255, 254]);
    expect([...encode(column(TEXT), ['aé'])]).toEqual([1, 0x61, 0xc3, 0xa9, 0, 1]);
    expect([...encode(column(BYTEA), [Uint8Array.of(0, 7)])]).toEqual([1, 0, 255, 7, 0, 1]);
    expect([...encode(column(TEXT), [null])]).toEqual([2]);
  });

  it('refuse what can not be ordered and what is too long', () => {
    const writer = new ByteWriter();
    expect(() => encodeKeyDatum(writer, JSONB, '{}', false, false)).toThrow(
      expect.objectContaining({ code: '0A000' }),
    );
    expect(() => encodeKeyDatum(writer, TEXT, 'x'.repeat(70_000), false, false)).toThrow(
      expect.objectContaining({ code: '54000' }),
    );
  });
});

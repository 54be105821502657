import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter, fromUtf8 } from '../../src/base/bytes.ts';
import { formatFloat8, writeFloat8 } from '../../src/rows/float-format.ts';
import { putFloat8, putInteger } from '../../src/rows/put-number.ts';
import { encodeRow, layoutOf, RowView } from '../../src/rows/row-codec.ts';
import { storedTexts, storedToText } from '../../src/rows/stored-format.ts';
import { columnType, FLOAT8, INT4, TEXT } from '../../src/rows/types.ts';

const out = new Uint8Array(64);
const AT = 5;

function put(value: number): string | undefined {
  const end = putFloat8(out, AT, value);
  return end < 0 ? undefined : fromUtf8(out.subarray(AT, end));
}

const words = fc.tuple(
  fc.integer({ min: (1023 - 15) << 20, max: ((1023 + 50) << 20) | 0xfffff }),
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.boolean(),
);

/** Every float whose exponent is near those that are put. */
const floats = words.map(([high, low, isNegative]) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, high);
  view.setUint32(4, low);
  return isNegative ? -view.getFloat64(0) : view.getFloat64(0);
});

/** Short ones, and what lies beside them. */
const decimals = fc
  .tuple(
    fc.integer({ min: -1e9, max: 1e9 }),
    fc.integer({ min: 0, max: 13 }),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([digits, places, steps]) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, digits / 10 ** places);
    view.setInt32(4, view.getInt32(4) + steps);
    return view.getFloat64(0);
  });

describe('Integers', () => {
  it('are put as JavaScript writes them', () => {
    const edges = Array.from({ length: 16 }, (_, i) => [10 ** i - 1, 10 ** i, 10 ** i + 1]).flat();
    for (const value of [...edges, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
      expect(fromUtf8(out.subarray(AT, putInteger(out, AT, value)))).toBe(String(value));
    }
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(fromUtf8(out.subarray(AT, putInteger(out, AT, value)))).toBe(String(value));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Floats', () => {
  it('are put with the fewest digits that read back as the same', () => {
    fc.assert(
      fc.property(fc.oneof(floats, decimals), (value) => {
        expect(put(value) ?? formatFloat8(value)).toBe(formatFloat8(value));
      }),
      { numRuns: 20_000 },
    );
  });

  it('are mostly put without the platform', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 0) / 7);
    expect(values.filter((value) => put(value) === undefined).length).toBeLessThan(5);
  });

  it.each([0, -0, 1, -1, 0.5, 0.1, -0.3, 1e-4, 0.00012, 1e15, 999999999999999.9, 1e-5, 1.5e300])(
    'are written as they are shown: %d',
    (value) => {
      const writer = new ByteWriter(1);
      writeFloat8(writer, value);
      expect(fromUtf8(writer.peek())).toBe(formatFloat8(value));
    },
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'need not be numbers: %d',
    (value) => {
      const writer = new ByteWriter(1);
      writeFloat8(writer, value);
      expect(fromUtf8(writer.peek())).toBe(formatFloat8(value));
    },
  );
});

describe('Columns of stored rows', () => {
  const types = [INT4, TEXT, FLOAT8, TEXT].map((type) => columnType(type));
  const layout = layoutOf(types);

  /** Each as it is alone. */
  function expected(view: RowView, positions: readonly number[]): Uint8Array {
    const writer = new ByteWriter(16);
    for (const position of positions) {
      const text = new ByteWriter(16);
      if (!view.isNull(position)) {
        storedToText(types[position] as (typeof types)[number], view, position, text);
      }
      writer.u32be(view.isNull(position) ? 0xffffffff : text.length);
      writer.raw(text.peek());
    }
    return writer.take();
  }

  it('go out one after another, however long, wherever their batch ends', () => {
    const text = fc.option(fc.string({ maxLength: 600 }));
    const row = fc.tuple(
      fc.option(fc.integer({ min: -100, max: 2 ** 31 - 1 })),
      text,
      fc.double(),
      text,
    );
    const positions = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), positions, (rows, columns) => {
        const encoded = rows.map((values) => encodeRow(layout, values));
        const batch = new ByteWriter(16);
        for (const bytes of encoded) batch.raw(bytes);
        const bytes = batch.peek().slice();
        const view = new RowView();
        const writer = new ByteWriter(1);
        let at = 0;
        for (const { length } of encoded) {
          view.reset(layout, bytes, at, length);
          at += length;
          writer.reset();
          storedTexts(view, columns, writer);
          expect([...writer.peek()]).toEqual([...expected(view, columns)]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

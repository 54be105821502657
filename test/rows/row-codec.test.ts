import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { formatBinary } from '../../src/rows/binary-format.ts';
import type { Datum } from '../../src/rows/datum.ts';
import {
  decodeRow,
  encodeRow,
  encodeRowInto,
  layoutOf,
  type RowLayout,
  RowView,
} from '../../src/rows/row-codec.ts';
import { projectRow } from '../../src/rows/row-projection.ts';
import { storedToBinary, storedToText } from '../../src/rows/stored-format.ts';
import { formatText } from '../../src/rows/text-format.ts';
import { BPCHAR, type ColumnType, columnType, INT4, TEXT } from '../../src/rows/types.ts';
import { nullable, typeOids } from './arbitraries.ts';

const typesAndRow = fc
  .array(fc.constantFrom(...typeOids), { minLength: 1, maxLength: 20 })
  .chain((oids) => fc.tuple(fc.constant(oids), fc.tuple(...oids.map(nullable))));

function viewOf(layout: RowLayout, bytes: Uint8Array): RowView {
  // Inside a larger buffer, with something else on both sides.
  const slab = new Uint8Array(bytes.length + 10).fill(0xee);
  slab.set(bytes, 7);
  const view = new RowView();
  view.reset(layout, slab, 7, bytes.length);
  return view;
}

function typeFor(oid: number): ColumnType {
  return columnType(oid, oid === BPCHAR ? 4 + 5 : -1);
}

describe('packed rows', () => {
  it('come back column by column', () => {
    fc.assert(
      fc.property(typesAndRow, ([oids, values]) => {
        const layout = layoutOf(oids.map(typeFor));
        const view = viewOf(layout, encodeRow(layout, values));
        for (let i = oids.length - 1; i >= 0; i--) {
          expect(view.isNull(i)).toBe(values[i] === null);
          expect(view.datum(i)).toEqual(values[i]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('give the missing values of columns added since', () => {
    fc.assert(
      fc.property(typesAndRow, fc.nat(20), ([oids, values], cut) => {
        const types = oids.map(typeFor);
        const kept = Math.min(cut, types.length);
        const old = encodeRow(layoutOf(types.slice(0, kept)), values.slice(0, kept));
        // The other columns' values serve as the missing ones.
        const view = viewOf({ types, missing: values }, old);
        expect(types.map((_, i) => view.datum(i))).toEqual(values);
        expect(types.map((_, i) => view.isNull(i))).toEqual(values.map((value) => value === null));
      }),
    );
  });

  it('go to the wire as their datums would', () => {
    fc.assert(
      fc.property(typesAndRow, fc.nat(20), ([oids, values], cut) => {
        const types = oids.map(typeFor);
        const kept = Math.min(cut, types.length);
        const row = encodeRow(layoutOf(types.slice(0, kept)), values.slice(0, kept));
        const view = viewOf({ types, missing: values }, row);
        const stored = new ByteWriter();
        const direct = new ByteWriter();
        types.forEach((type, i) => {
          const value = values[i] as Datum;
          if (value === null) return;
          stored.reset();
          storedToText(type, view, i, stored);
          expect(new TextDecoder().decode(stored.take())).toBe(formatText(type, value));
          stored.reset();
          direct.reset();
          storedToBinary(type, view, i, stored);
          formatBinary(type, value, direct);
          expect(stored.take()).toEqual(direct.take());
        });
      }),
      { numRuns: 200 },
    );
  });

  it('are projected as if decoded and encoded again', () => {
    fc.assert(
      fc.property(
        typesAndRow,
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.nat(20),
        ([oids, values], picks, cut) => {
          const types = oids.map(typeFor);
          const columns = picks.map((pick) => pick % types.length);
          const kept = Math.min(cut, types.length);
          const row = encodeRow(layoutOf(types.slice(0, kept)), values.slice(0, kept));
          const output = layoutOf(columns.map((column) => types[column] as ColumnType));
          const writer = new ByteWriter(2);
          projectRow(viewOf({ types, missing: values }, row), columns, output, writer);
          expect(decodeRow(output, writer.take())).toEqual(columns.map((column) => values[column]));
        },
      ),
    );
  });

  it('hold values beyond 64 KiB', () => {
    const layout = layoutOf([columnType(TEXT), columnType(INT4), columnType(TEXT)]);
    const values = ['é'.repeat(40_000), 7, 'end'];
    expect(decodeRow(layout, encodeRow(layout, values))).toEqual(values);
  });

  it('are appended to what a writer already holds', () => {
    const layout = layoutOf([columnType(INT4), columnType(TEXT)]);
    const writer = new ByteWriter(1);
    writer.u8(9);
    encodeRowInto(layout, [1, 'x'.repeat(70_000)], writer);
    const view = new RowView();
    view.reset(layout, writer.bytes, 1, writer.length - 1);
    expect(view.datum(1)).toBe('x'.repeat(70_000));
  });

  it('keep their bytes: a stored row must be readable for ever', () => {
    const layout = layoutOf([columnType(INT4), columnType(TEXT), columnType(INT4)]);
    expect([...encodeRow(layout, [258, 'hi', null])]).toEqual([
      ...[0x11, 3, 0, 0b100, 2, 0],
      ...[2, 1, 0, 0, 0, 0, 0, 0],
      ...[0x68, 0x69],
    ]);
  });

  it('refuse a newer format, naming both versions', () => {
    const layout = layoutOf([columnType(INT4)]);
    const row = encodeRow(layout, [1]);
    row[0] = 2;
    expect(() => viewOf(layout, row)).toThrow(/format version 2.*version 1/);
  });

  it('refuse more than 64 MiB', () => {
    const layout = layoutOf([columnType(TEXT), columnType(TEXT)]);
    const half = 'x'.repeat(33 * 1024 * 1024);
    expect(() => encodeRow(layout, [half, half])).toThrow(
      expect.objectContaining({ code: '54000' }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter, toHex } from '../../src/base/bytes.ts';
import { formatBinary, parseBinary } from '../../src/rows/binary-format.ts';
import { formatText, parseText } from '../../src/rows/text-format.ts';
import * as t from '../../src/rows/types.ts';
import { typeOids, valueOf } from './arbitraries.ts';

/** What PostgreSQL's send functions answered. */
const sent: readonly (readonly [oid: number, text: string, hex: string])[] = [
  [t.BOOL, 't', '01'],
  [t.INT2, '-2', 'fffe'],
  [t.INT4, '258', '00000102'],
  [t.INT8, '-9007199254740993', 'ffdfffffffffffff'],
  [t.FLOAT4, '1.5', '3fc00000'],
  [t.FLOAT8, '-0', '8000000000000000'],
  [t.NUMERIC, '0', '0000000000000000'],
  [t.NUMERIC, '12345.678', '0003000100000003000109291a7c'],
  [t.NUMERIC, '-0.00012', '0002ffff40000005000107d0'],
  [t.NUMERIC, 'NaN', '00000000c0000000'],
  [t.TEXT, 'é', 'c3a9'],
  [t.BYTEA, '\\x00ff', '00ff'],
  [t.DATE, '1999-12-31', 'ffffffff'],
  [t.DATE, 'infinity', '7fffffff'],
  [t.TIME, '00:00:01', '00000000000f4240'],
  [t.TIMESTAMP, '2000-01-01 00:00:01', '00000000000f4240'],
  [t.TIMESTAMPTZ, '-infinity', '8000000000000000'],
  [t.INTERVAL, '1 mon 2 days 00:00:03', '00000000002dc6c00000000200000001'],
  [t.UUID, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc999c0b4ef8bb6d6bb9bd380a11'],
  [t.JSONB, '{}', '017b7d'],
  [t.OID, '4294967295', 'ffffffff'],
];

describe('the binary wire format', () => {
  it.each(sent)('of type %i, %s, is %s', (oid, text, hex) => {
    const type = t.columnType(oid);
    const writer = new ByteWriter(1);
    formatBinary(type, parseText(type, text), writer);
    const bytes = writer.take();
    expect(toHex(bytes)).toBe(hex);
    expect(formatText(type, parseBinary(type, bytes))).toBe(text);
  });

  it.each(typeOids)('of type %i comes back', (oid) => {
    const type = t.columnType(oid);
    fc.assert(
      fc.property(valueOf(oid), (value) => {
        const writer = new ByteWriter(1);
        formatBinary(type, value, writer);
        expect(parseBinary(type, writer.take())).toEqual(value);
      }),
    );
  });

  it.each([
    [t.INT4, [1], '22P03'],
    [t.BOOL, [], '22P03'],
    [t.NUMERIC, [0, 1, 0, 0, 0, 0, 0, 0], '22P03'],
    [t.NUMERIC, [0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10], '22P03'],
    [t.TEXT, [0xff], '22021'],
    [t.TEXT, [0], '22021'],
    [t.JSONB, [2, 0x7b, 0x7d], 'XX000'],
    [t.TIMESTAMP, [0x7f, 255, 255, 255, 255, 255, 255, 254], '22008'],
  ])('of type %i refuses %j', (oid, bytes, code) => {
    expect(() => parseBinary(t.columnType(oid), Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/base/crc32c.ts';
import { utf8 } from '../../src/base/bytes.ts';

/** The definition, a bit at a time. */
function byDefinition(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it.each([
    ['the check value', utf8('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
    ['32 zeros (RFC 3720, B.4)', new Uint8Array(32), 0x8a9136aa],
    ['32 ones (RFC 3720, B.4)', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31 (RFC 3720, B.4)', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0 (RFC 3720, B.4)', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ])('knows %s', (_name, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is the definition on any part of any bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 100 });
    fc.assert(
      fc.property(bytes, fc.nat(40), fc.nat(40), (all, front, back) => {
        const start = Math.min(front, all.length);
        const end = Math.max(start, all.length - back);
        expect(crc32c(all, start, end)).toBe(byDefinition(all.subarray(start, end)));
      }),
    );
  });

  it('goes on from a seed as if the bytes were one', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const both = Uint8Array.from([...a, ...b]);
        expect(crc32c(b, 0, b.length, crc32c(a))).toBe(crc32c(both));
      }),
    );
  });
});

// CRC-32C (Castagnoli), the checksum of everything on disk. Sixteen bytes a step through sixteen tables ("slicing"):
// 0.6 GB/s where eight bytes a step reach 0.55, and one table for each lane gains nothing.

const STEP = 16;

/** Table k holds the checksum of each byte followed by k zero bytes. */
const tables: Int32Array = makeTables();

function makeTables(): Int32Array {
  const out = new Int32Array(STEP * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    out[byte] = crc;
  }
  for (let i = 256; i < out.length; i++) {
    const shorter = out[i - 256] as number;
    out[i] = (shorter >>> 8) ^ (out[shorter & 0xff] as number);
  }
  return out;
}

/**
 * The checksum of bytes [start, end), unsigned. `seed` is the checksum of what came before, so that
 * `crc32c(b, 0, n, crc32c(a))` is that of a and b together; any other number makes a checksum that depends on it.
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  const t = tables;
  let crc = ~seed;
  let i = start;
  for (const last = end - STEP; i <= last; i += STEP) {
    const a = crc ^ lane(bytes, i);
    crc =
      (t[0xf00 + (a & 0xff)] as number) ^
      (t[0xe00 + ((a >>> 8) & 0xff)] as number) ^
      (t[0xd00 + ((a >>> 16) & 0xff)] as number) ^
      (t[0xc00 + (a >>> 24)] as number) ^
      (t[0xb00 + (bytes[i + 4] as number)] as number) ^
      (t[0xa00 + (bytes[i + 5] as number)] as number) ^
      (t[0x900 + (bytes[i + 6] as number)] as number) ^
      (t[0x800 + (bytes[i + 7] as number)] as number) ^
      (t[0x700 + (bytes[i + 8] as number)] as number) ^
      (t[0x600 + (bytes[i + 9] as number)] as number) ^
      (t[0x500 + (bytes[i + 10] as number)] as number) ^
      (t[0x400 + (bytes[i + 11] as number)] as number) ^
      (t[0x300 + (bytes[i + 12] as number)] as number) ^
      (t[0x200 + (bytes[i + 13] as number)] as number) ^
      (t[0x100 + (bytes[i + 14] as number)] as number) ^
      (t[bytes[i + 15] as number] as number);
  }
  for (; i < end; i++) {
    crc = (crc >>> 8) ^ (t[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

function lane(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

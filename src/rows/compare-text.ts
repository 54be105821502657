// The order of texts, in PostgreSQL's C collation.

/** By code point, which is the order of the UTF-8 bytes; UTF-16's own order differs above U+D7FF. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      if (x >= 0xd800 && y >= 0xd800) {
        const xSurrogate = x < 0xe000;
        if (xSurrogate !== y < 0xe000) return xSurrogate ? 1 : -1;
      }
      return x - y;
    }
  }
  return a.length - b.length;
}

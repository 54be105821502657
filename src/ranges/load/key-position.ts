// Keys as numbers, for going some way between or beyond them: eight bytes of a key, from a place on.

const POSITION_BYTES = 8;

export function position(key: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = at; i < at + POSITION_BYTES; i++) value = (value << 8n) | BigInt(key[i] ?? 0);
  return value;
}

/** The key that begins as `like` does before `at` and has that position there; at most `length` bytes. Undefined: there
 * is none. */
export function keyAt(
  like: Uint8Array,
  at: number,
  to: bigint,
  length: number,
): Uint8Array | undefined {
  if (to < 0n || to >> BigInt(8 * POSITION_BYTES) !== 0n) return undefined;
  const key = new Uint8Array(Math.min(length, at + POSITION_BYTES));
  key.set(like.subarray(0, Math.min(at, key.length)));
  for (let i = at; i < key.length; i++) {
    key[i] = Number((to >> BigInt(8 * (POSITION_BYTES - 1 - (i - at)))) & 0xffn);
  }
  return key;
}

export function commonLength(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return shorter;
}

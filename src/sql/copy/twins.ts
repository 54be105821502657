// Which row of a batch is the first whose key is taken.

import { compareBytes } from '../../base/bytes.ts';

/** The first row, in the data's order, whose key is there already or came before it in the batch; -1 for none. */
export function firstTwin(
  keys: readonly Uint8Array[],
  found: readonly (Uint8Array | undefined)[],
): number {
  let first = found.findIndex((value) => value !== undefined);
  const order = Uint32Array.from(keys, (_, i) => i).sort(
    (a, b) => compareBytes(keys[a] as Uint8Array, keys[b] as Uint8Array) || a - b,
  );
  for (let i = 1; i < order.length; i++) {
    const later = order[i] as number;
    if (first >= 0 && later > first) continue;
    const before = keys[order[i - 1] as number] as Uint8Array;
    if (compareBytes(before, keys[later] as Uint8Array) === 0) first = later;
  }
  return first;
}

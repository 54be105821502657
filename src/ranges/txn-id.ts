// Transaction ids: 32 hexadecimal digits in requests, 16 bytes in commands, four words in memory.

import { assert } from '../base/assert.ts';
import type { Random } from '../runtime/runtime.ts';

/** Into four words. */
export function parseTxnId(id: string, into: Uint32Array): void {
  assert(id.length === 32, 'a transaction id has 32 hexadecimal digits');
  for (let word = 0; word < 4; word++) {
    let value = 0;
    for (let i = word * 8; i < word * 8 + 8; i++) value = (value << 4) | digit(id.charCodeAt(i));
    into[word] = value;
  }
}

export function randomTxnId(random: Random): string {
  let id = '';
  for (let word = 0; word < 4; word++) id += random.uint32().toString(16).padStart(8, '0');
  return id;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  assert(code >= 0x61 && code <= 0x66, 'a transaction id has lower-case hexadecimal digits');
  return code - 0x57;
}

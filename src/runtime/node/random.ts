// Cryptographic chance: a key stream of AES-256 in counter mode under a random key. fork() derives a key, so that the
// same label gives the same stream, as the seam asks.

import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import type { Random } from '../runtime.ts';

const ZEROS = Buffer.alloc(4096);

class KeyStream implements Random {
  readonly #key: Uint8Array;
  readonly #cipher: ReturnType<typeof createCipheriv>;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  uint32(): number {
    if (this.#at === this.#block.length) {
      this.#block = this.#cipher.update(ZEROS);
      this.#at = 0;
    }
    const value = this.#block.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  below(bound: number): number {
    assert(Number.isSafeInteger(bound) && bound > 0, `no numbers below ${bound}`);
    const wide = bound > 2 ** 32;
    const size = wide ? 2 ** 53 : 2 ** 32;
    const fair = size - (size % bound);
    // Each try succeeds with more than even odds.
    for (;;) {
      const value = wide ? (this.uint32() >>> 11) * 2 ** 32 + this.uint32() : this.uint32();
      if (value < fair) return value % bound;
    }
  }

  fork(label: string): Random {
    return new KeyStream(createHmac('sha256', this.#key).update(label).digest());
  }
}

export function createRandom(): Random {
  return new KeyStream(randomBytes(32));
}

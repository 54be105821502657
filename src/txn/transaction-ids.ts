// Ids of 128 bits in hex: 96 random ones for this node's incarnation, then a counter. Never given twice, and much
// cheaper than four random words each.

import type { Random } from '../runtime/runtime.ts';

const COUNTER_START = 0x10000000;
const COUNTER_END = 0x100000000;

export class TransactionIds {
  private readonly random: Random;
  private prefix: string;
  private counter = COUNTER_START;

  constructor(random: Random) {
    this.random = random;
    this.prefix = prefixFrom(random);
  }

  next(): string {
    if (this.counter === COUNTER_END) {
      this.prefix = prefixFrom(this.random);
      this.counter = COUNTER_START;
    }
    // From COUNTER_START on it always has eight digits.
    return this.prefix + (this.counter++).toString(16);
  }
}

function prefixFrom(random: Random): string {
  let prefix = '';
  for (let word = 0; word < 3; word++) prefix += random.uint32().toString(16).padStart(8, '0');
  return prefix;
}

// Synthetic traffic for one range: who asks for what, from a seed, and the load that is counted and sampled of it. Time
// is a number that the fixture raises.

import { ByteWriter } from '../../../src/base/bytes.ts';
import { LoadBook } from '../../../src/ranges/load/load-book.ts';
import type { RangeLoad } from '../../../src/ranges/load/range-load.ts';
import {
  type ChoiceLimits,
  chooseSplit,
  type SplitChoice,
} from '../../../src/ranges/load/split-key.ts';
import { decodeKeyDatum, encodeKeyDatum } from '../../../src/rows/key-codec.ts';
import { ByteReader } from '../../../src/base/bytes.ts';
import { INT8 } from '../../../src/rows/types.ts';
import type { Span } from '../../../src/storage/engine.ts';

const TABLE = 100;
export const SWEEP_MICROS = 500_000;
const WARM_WORK = 1000;

export function rowKey(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.u32be(TABLE);
  encodeKeyDatum(writer, INT8, id, false, false);
  return writer.take();
}

/** Of a key that was cut short, as a front's may be: the least id that it may stand for. */
export function idOf(key: Uint8Array): number {
  const whole = new Uint8Array(13);
  whole.set(key.subarray(0, 13));
  const reader = new ByteReader(whole);
  reader.u32be();
  return Number(decodeKeyDatum(reader, INT8, false));
}

export const WHOLE_TABLE: Span = { start: tablePrefix(TABLE), end: tablePrefix(TABLE + 1) };

function tablePrefix(id: number): Uint8Array {
  const writer = new ByteWriter(4);
  writer.u32be(id);
  return writer.take();
}

/** A small generator of its own, so that a failure is told by its seed. */
export function chance(seed: number): (bound: number) => number {
  let state = (seed | 0) + 0x6d2b79f5;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** Ranks by Zipf's law with exponent 1, over `count` rows: rank by inversion of the harmonic sum. */
export function zipf(count: number): (fraction: number) => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1);
    sums[i] = sum;
  }
  return (fraction) => {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < fraction * sum) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

export class Traffic {
  nowMicros = 0;
  readonly book: LoadBook = new LoadBook(0);
  readonly load: RangeLoad = this.book.open();
  private sinceSweep = 0;

  /** So many requests a second, spread evenly, for so long. */
  run(
    seconds: number,
    perSecond: number,
    request: (load: RangeLoad, second: number) => void,
  ): void {
    const step = 1e6 / perSecond;
    const count = Math.round(seconds * perSecond);
    const startMicros = this.nowMicros;
    for (let i = 0; i < count; i++) {
      request(this.load, (this.nowMicros - startMicros) / 1e6);
      this.nowMicros += step;
      this.sinceSweep += step;
      if (this.sinceSweep < SWEEP_MICROS) continue;
      this.sinceSweep = 0;
      this.book.sweep(this.nowMicros, WARM_WORK);
    }
  }

  choose(span: Span = WHOLE_TABLE, limits?: ChoiceLimits): SplitChoice {
    const requests = this.load.sample?.within(span, this.nowMicros - 10e6) ?? [];
    return chooseSplit(requests, span, limits);
  }
}

export function write(load: RangeLoad, ...ids: readonly number[]): void {
  load.wrote(
    ids.map((id) => ({ key: rowKey(id), value: undefined })),
    100 * ids.length,
  );
}

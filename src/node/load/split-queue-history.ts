// What the split queue remembers of the ranges for as long as this node leads them.

import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { Time } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { LedRange, Neighbour } from './split-queue-range.ts';

export interface HotRow {
  readonly key: Uint8Array;
  /** Of the range's work. */
  readonly share: number;
}

export type Busy = 'not' | 'soon' | 'busy';

export class RangeHistory {
  private generation: number;
  /** Since when its bounds and its leader are what they are. */
  quietSinceMicros: number;
  /** When it was last split ahead of a moving front; at first, when this node began to lead it. */
  frontMicros: number;
  /** Undefined: to be measured. */
  bytes: number | undefined = undefined;
  measuredMicros = 0;
  /** Written since it was measured. */
  grownBytes = 0;
  /** Nothing is tried before: it was tried in vain. */
  restsUntilMicros = 0;
  #busy: Busy = 'not';
  /** Since when it has been too busy, or about to be. */
  busySinceMicros: number | undefined = undefined;
  hotRow: HotRow | undefined = undefined;
  /** When it was last told to the log. */
  hotRowToldMicros: number = Number.NEGATIVE_INFINITY;

  constructor(descriptor: RangeDescriptor, nowMicros: number) {
    this.generation = descriptor.generation;
    this.quietSinceMicros = nowMicros;
    this.frontMicros = nowMicros;
  }

  /** Others split, merge and move ranges, too. */
  notice(descriptor: RangeDescriptor, nowMicros: number): void {
    if (descriptor.generation === this.generation) return;
    this.generation = descriptor.generation;
    this.quietSinceMicros = nowMicros;
    this.bytes = undefined;
  }

  noticeBusy(busy: Busy, nowMicros: number): void {
    if (busy === 'not') this.busySinceMicros = undefined;
    else if (this.#busy === 'not' || (this.#busy === 'soon' && busy === 'busy')) {
      this.busySinceMicros = nowMicros;
    }
    this.#busy = busy;
  }

  measured(bytes: number, nowMicros: number): void {
    this.bytes = bytes;
    this.measuredMicros = nowMicros;
    this.grownBytes = 0;
  }

  isStale(maxBytes: number, nowMicros: number): boolean {
    return (
      this.bytes === undefined ||
      this.grownBytes >= maxBytes / GROWTH_PARTS ||
      nowMicros - this.measuredMicros >= MEASURED_MICROS_MAX
    );
  }
}

/** A range is measured again after it has grown by this part of what it may have. */
const GROWTH_PARTS = 16;
/** What is cleared or compacted away is noticed by then. */
const MEASURED_MICROS_MAX = 600_000_000;

export class RangeHistories {
  private readonly time: Time;
  private readonly histories = new Map<RangeId, RangeHistory>();
  private refreshedMicros: number;

  constructor(time: Time) {
    this.time = time;
    this.refreshedMicros = time.monotonicMicros();
  }

  find(range: RangeId): RangeHistory | undefined {
    return this.histories.get(range);
  }

  of({ descriptor }: LedRange): RangeHistory {
    let history = this.histories.get(descriptor.range);
    if (history === undefined) {
      history = new RangeHistory(descriptor, this.time.monotonicMicros());
      this.histories.set(descriptor.range, history);
    }
    return history;
  }

  /** Forgets what is not led any more. */
  refresh(led: readonly LedRange[]): void {
    const now = this.time.monotonicMicros();
    const seconds = (now - this.refreshedMicros) / 1e6;
    this.refreshedMicros = now;
    const ids = new Set<RangeId>();
    for (const range of led) {
      const history = this.of(range);
      history.notice(range.descriptor, now);
      history.grownBytes += range.load.writtenBytesPerSecond * seconds;
      ids.add(range.descriptor.range);
    }
    for (const id of this.histories.keys()) if (!ids.has(id)) this.histories.delete(id);
  }

  /** What matters when neighbours are to be merged. */
  tell(range: LedRange): Neighbour {
    const { bytes, grownBytes, quietSinceMicros } = this.of(range);
    return {
      descriptor: range.descriptor,
      bytes: (bytes ?? 0) + grownBytes,
      // What has just become busy is not cold.
      work: Math.max(range.load.slowRates().work, range.load.work),
      quietMicros: this.time.monotonicMicros() - quietSinceMicros,
    };
  }
}

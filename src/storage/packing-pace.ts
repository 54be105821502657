// When a shard packs: slice by slice while its owner asks for nothing else; and where very much has gathered, now and then
// also while it is busy. Once nothing is left, no timer runs until something is written again.

import type { Timers } from '../runtime/runtime.ts';
import { NOTHING_TO_PACK } from './shard-protocol.ts';

/** Nothing else was asked for so long: the shard is idle. */
const IDLE_MICROS = 200_000;
/** Between the slices of an idle shard: what comes in meanwhile ends that. */
const NEXT_SLICE_MICROS = 1000;
/** A busy shard gives a slice each so many looks: some 1% of its time. */
const BUSY_LOOKS = 5;

export class PackingPace {
  private readonly timers: Timers;
  private readonly slice: (isIdle: boolean) => Promise<number>;
  private timer: Disposable | undefined;
  private isUnderWay = false;
  private isStopped = false;
  private isResting = false;
  private requests = 0;
  private requestsSeen = 0;
  private busyLooks = 0;

  constructor(timers: Timers, slice: (isIdle: boolean) => Promise<number>) {
    this.timers = timers;
    this.slice = slice;
  }

  noteRequest(): void {
    this.requests++;
  }

  /** There may be something to pack. */
  expectRows(): void {
    if (this.timer === undefined && !this.isUnderWay) this.arm(IDLE_MICROS);
  }

  rest(isResting: boolean): void {
    this.isResting = isResting;
  }

  stop(): void {
    this.isStopped = true;
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
  }

  private arm(micros: number): void {
    if (this.isStopped) return;
    this.requestsSeen = this.requests;
    this.timer = this.timers.after(micros, this.look);
  }

  private readonly look = (): void => {
    this.timer = undefined;
    if (this.isResting) {
      this.arm(IDLE_MICROS);
      return;
    }
    const isIdle = this.requests === this.requestsSeen;
    if (isIdle || this.busyLooks >= BUSY_LOOKS) {
      this.busyLooks = 0;
      this.isUnderWay = true;
      // A shard that fails says so itself.
      this.slice(isIdle).then(this.done, () => undefined);
      return;
    }
    this.busyLooks++;
    this.arm(IDLE_MICROS);
  };

  private readonly done = (state: number): void => {
    this.isUnderWay = false;
    if (state === NOTHING_TO_PACK) return;
    const isIdle = this.requests === this.requestsSeen;
    this.arm(isIdle ? NEXT_SLICE_MICROS : IDLE_MICROS);
  };
}

// Keeps the log short: now and then a shard makes what it has applied durable, and the log forgets what lies below (P30:
// the index that counts was read before the flush). One timer for all ranges of the node.

import type { Faults, Timers } from '../../runtime/runtime.ts';
import type { AppliedRange, RangeId, Shard } from '../../storage/shard.ts';

const LOOK_MICROS = 1_000_000;
/** Even little is flushed after this many looks, so that a restart replays little. */
const LOOKS_PER_FLUSH = 60;

/** A range whose log is cut. */
export interface TruncatedRange {
  readonly range: RangeId;
  readonly shard: Shard;
  readonly appliedIndex: number;
  /** Of the log's entries in (after, last]. */
  bytesBetween(after: number, last: number): number;
  truncate(index: number): void;
}

export interface LogTruncationParts {
  readonly timers: Timers;
  readonly faults: Faults;
  ranges(): Iterable<TruncatedRange>;
  /** A flush writes the memtable out, so it is not done for little: so many entries, of all ranges of a shard. */
  readonly entriesPerFlush: number;
  /** Nor does the log grow longer than this beyond what is flushed, however few entries make it. */
  readonly bytesPerFlush: number;
  broken(error: unknown): void;
}

export class LogTruncation {
  readonly #parts: LogTruncationParts;
  /** Of each range. */
  readonly #truncatedTo = new Map<RangeId, number>();
  #looks = 0;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: LogTruncationParts) {
    this.#parts = parts;
  }

  start(): void {
    for (const { range, appliedIndex } of this.#parts.ranges()) {
      this.#truncatedTo.set(range, appliedIndex);
    }
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** All shards, now; for a clean stop. */
  flush(): Promise<void> {
    this.#running ??= this.#flush(new Set([...this.#parts.ranges()].map(({ shard }) => shard)))
      .then(() => {})
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #flush(shards: ReadonlySet<Shard>): Promise<void> {
    const { faults } = this.#parts;
    // A bug on purpose, for the simulator to find: P30 turned off.
    const skips = faults.sometimes('node.cut-log-unflushed');
    await Promise.all(
      [...shards].map(async (shard) => {
        const durable: readonly Pick<AppliedRange, 'range' | 'appliedIndex'>[] = skips
          ? [...this.#parts.ranges()].filter((one) => one.shard === shard)
          : await shard.flush();
        const indexes = new Map(durable.map(({ range, appliedIndex }) => [range, appliedIndex]));
        if (!this.#stopped) this.#cut(shard, indexes);
      }),
    );
  }

  #cut(shard: Shard, durable: ReadonlyMap<RangeId, number>): void {
    for (const one of this.#parts.ranges()) {
      if (one.shard !== shard) continue;
      const index = durable.get(one.range);
      if (index === undefined || index <= (this.#truncatedTo.get(one.range) ?? 0)) continue;
      this.#truncatedTo.set(one.range, index);
      one.truncate(index);
    }
  }

  #schedule(): void {
    this.#timer = this.#parts.timers.after(LOOK_MICROS, () => {
      if (this.#stopped) return;
      this.#look();
      this.#schedule();
    });
  }

  #look(): void {
    const { entriesPerFlush, bytesPerFlush } = this.#parts;
    this.#looks += 1;
    const behind = new Map<Shard, { entries: number; bytes: number }>();
    for (const one of this.#parts.ranges()) {
      const { range, shard, appliedIndex } = one;
      const cut = this.#truncatedTo.get(range) ?? 0;
      if (appliedIndex <= cut) continue;
      let sum = behind.get(shard);
      if (sum === undefined) behind.set(shard, (sum = { entries: 0, bytes: 0 }));
      sum.entries += appliedIndex - cut;
      sum.bytes += one.bytesBetween(cut, appliedIndex);
    }
    const isLongAgo = this.#looks >= LOOKS_PER_FLUSH;
    const due = new Set<Shard>();
    for (const [shard, { entries, bytes }] of behind) {
      if (isLongAgo || entries >= entriesPerFlush || bytes >= bytesPerFlush) due.add(shard);
    }
    if (isLongAgo) this.#looks = 0;
    if (due.size === 0 || this.#running !== undefined) return;
    this.#running = this.#flush(due)
      .catch((error: unknown) => this.#parts.broken(error))
      .finally(() => {
        this.#running = undefined;
      });
  }
}

// Lets go of the past (P24). Leaders raise the threshold of their ranges now and then, as far as the settings allow and
// nobody in the cluster reads who has been heard of; replicas whose threshold has been raised have their shard collect
// what nobody may ask for any more, one after the other, and never for more than a part of its time.

import { type Timestamp, timestamp } from '../../clock/timestamp.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import { pause } from '../../ranges/within.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { keptMicros, type KeptPast, leastMicros } from './kept-past.ts';
import type { RangeHost } from './range-host.ts';
import type { RangeStore } from './range-store.ts';

const LOOK_MICROS = 1_000_000;
/** While nothing has to be let go of soon. */
const SELDOM_MICROS = 30_000_000;
/** Each raise has every replica walk through the older versions that it has: of what it may keep, so much is worth one. */
const STEP_PART = 0.25;
const STEP_MICROS_MAX = 600_000_000;
/** At one look: each is an entry of a log. */
const RAISES_MAX = 64;
/** A shard works for others for so much of the time. */
const OTHERS_PART = 4;
const PAUSE_MICROS_MIN = 2_000;

export interface CollectionParts {
  readonly runtime: Pick<Runtime, 'time' | 'timers' | 'log'>;
  readonly clock: Pick<IntervalClock, 'earliest' | 'latest'>;
  readonly store: Pick<RangeStore, 'all' | 'get' | 'onChange'>;
  kept(): KeptPast;
  /** Of all snapshots that are open in the cluster, as far as is known; undefined: there is none. */
  oldestRead(): Timestamp | undefined;
}

/** What a leader knows of writes to its range. */
interface Seen {
  index: number;
  /** It was written to then, or before, and not since. */
  changedAt: Timestamp;
  /** Nothing is raised to below. */
  readonly from: Timestamp;
}

export class Collection {
  readonly #parts: CollectionParts;
  readonly #seen = new WeakMap<RangeHost, Seen>();
  /** Up to where a replica has been collected since the start of the node. */
  readonly #done = new WeakMap<RangeHost, Timestamp>();
  readonly #waiting = new Set<RangeHost>();
  #isCollecting = false;
  #timer: Disposable | undefined;
  #lookedMicros = 0;
  #stopped = false;
  /** Versions that were removed here. */
  collected = 0;

  constructor(parts: CollectionParts) {
    this.#parts = parts;
    parts.store.onChange((host) => this.#consider(host));
    for (const host of parts.store.all()) this.#consider(host);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#waiting.clear();
  }

  #schedule(): void {
    const { time, timers } = this.#parts.runtime;
    this.#timer = timers.after(LOOK_MICROS, () => {
      const kept = this.#parts.kept();
      const everyMicros = Math.min(SELDOM_MICROS, leastMicros(kept) * STEP_PART);
      const now = time.monotonicMicros();
      if (now - this.#lookedMicros >= everyMicros) {
        this.#lookedMicros = now;
        this.#raiseSome(kept);
      }
      this.#schedule();
    });
  }

  #raiseSome(kept: KeptPast): void {
    const { store } = this.#parts;
    const oldest = this.#parts.oldestRead();
    let raises = 0;
    for (const host of store.all()) {
      if (!host.isServing || raises >= RAISES_MAX) continue;
      if (this.#raise(host, keptMicros(host.descriptor.span, kept), oldest)) raises++;
    }
  }

  #raise(host: RangeHost, kept: number, oldest: Timestamp | undefined): boolean {
    const { past } = host.replica;
    const before = timestamp(Math.max(0, this.#parts.clock.earliest() - kept));
    const seen = this.#look(host, before);
    // Nothing has been written since that was there before.
    if (seen.changedAt <= past.threshold) return false;
    const threshold = oldest === undefined || oldest > before ? before : timestamp(oldest - 1);
    const step = Math.min(STEP_MICROS_MAX, kept * STEP_PART);
    if (threshold < Math.max(past.threshold, seen.from) + step) return false;
    // The entry itself is no write.
    seen.index++;
    void past.raise(threshold).then((isRaised) => {
      if (!isRaised) seen.index--;
    });
    return true;
  }

  #look(host: RangeHost, before: Timestamp): Seen {
    let seen = this.#seen.get(host);
    const { appliedIndex } = host;
    const now = this.#parts.clock.latest();
    if (seen === undefined) {
      seen = { index: appliedIndex, changedAt: now, from: before };
      this.#seen.set(host, seen);
    } else if (seen.index !== appliedIndex) {
      seen.index = appliedIndex;
      seen.changedAt = now;
    }
    return seen;
  }

  /** What was left when the node stopped, or when the replica was elsewhere, counts as well. */
  #consider(host: RangeHost): void {
    if (this.#stopped || !this.#isBehind(host)) return;
    this.#waiting.add(host);
    if (!this.#isCollecting) void this.#collectAll();
  }

  #isBehind(host: RangeHost): boolean {
    return host.isKnown && host.replica.past.threshold > (this.#done.get(host) ?? 0);
  }

  async #collectAll(): Promise<void> {
    this.#isCollecting = true;
    try {
      for (const host of this.#waiting) {
        this.#waiting.delete(host);
        await this.#collect(host);
        if (this.#stopped) break;
      }
    } catch (error) {
      // A shard that fails says so itself.
      if (!this.#stopped) {
        this.#parts.runtime.log.warn('old versions could not be removed', { error: String(error) });
      }
    } finally {
      this.#isCollecting = false;
    }
  }

  async #collect(host: RangeHost): Promise<void> {
    const { time, timers } = this.#parts.runtime;
    if (!this.#isBehind(host)) return;
    const { threshold } = host.replica.past;
    // It may change meanwhile: what leaves the range takes the threshold along.
    const { span } = host.descriptor;
    let from: Uint8Array | undefined;
    do {
      const isHere = this.#parts.store.get(host.range) === host && !host.replica.isInstalling;
      if (this.#stopped || !isHere) return;
      const beganMicros = time.monotonicMicros();
      host.replica.flushApplies();
      const slice = await host.shard.collect(span, threshold, from);
      this.collected += slice.versions;
      from = slice.rest;
      const tookMicros = time.monotonicMicros() - beganMicros;
      await pause(timers, Math.max(PAUSE_MICROS_MIN, tookMicros * OTHERS_PART));
    } while (from !== undefined);
    this.#done.set(host, threshold);
  }
}

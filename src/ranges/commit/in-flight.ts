// Writes that were proposed and whose outcome is not known yet. A read at or above such a write's timestamp waits for
// it (P22). What is read meanwhile must not get into the row cache (P14): storage/row-cache.ts sees to that.

import { compareBytes, equalBytes } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { Timers } from '../../runtime/runtime.ts';
import type { Span, Write } from '../api.ts';

/** One proposal. */
export interface InFlight {
  readonly timestamp: Timestamp;
  readonly writes: readonly Write[];
  /** hashBytes of each key. */
  readonly hashes: readonly number[];
  /** Called once, when the outcome is visible. */
  waiters: (() => void)[] | undefined;
}

const SLOTS = 1 << 13;
const NO_COUNTS = new Int32Array(1);
/** A proposal of more writes is taken to write into every span: waiting for it costs less than looking. */
const EXACT_WRITES_MAX = 1024;

export class InFlightWrites<T extends InFlight = InFlight> {
  /** By hash of the key: how many writes are in flight. Made with the first: most ranges of a node are idle. */
  private counts: Int32Array = NO_COUNTS;
  private mask = 0;
  /** In the order of proposing, which is the order of timestamps and, nearly always, of completion. */
  private readonly queue: T[] = [];
  /** Prepared: their outcome is told by others, perhaps much later. */
  private readonly prepared = new Set<InFlight>();

  get size(): number {
    return this.queue.length;
  }

  add(proposal: T): void {
    this.count(proposal, 1);
    this.queue.push(proposal);
  }

  /** Reads at or above its timestamp wait for it until letGo() (P22). */
  hold(prepared: InFlight): void {
    if (this.prepared.has(prepared)) return;
    this.count(prepared, 1);
    this.prepared.add(prepared);
  }

  /** Its outcome is visible. Idempotent. */
  letGo(prepared: InFlight): void {
    if (!this.prepared.delete(prepared)) return;
    this.count(prepared, -1);
    wakeWaiters(prepared);
  }

  /** Its outcome is visible (or it surely never will be, or nobody will tell here): readers go on, and look again.
   * Idempotent. */
  remove(proposal: T): void {
    if (this.queue[0] === proposal) {
      this.queue.shift();
    } else {
      const at = this.queue.indexOf(proposal);
      if (at < 0) return;
      this.queue.splice(at, 1);
    }
    this.count(proposal, -1);
    wakeWaiters(proposal);
  }

  /** The proposal of this timestamp: they are unique. */
  find(timestamp: Timestamp): T | undefined {
    const first = this.queue[0];
    if (first === undefined || first.timestamp === timestamp) return first;
    return this.queue.find((proposal) => proposal.timestamp === timestamp);
  }

  /** A copy. */
  all(): readonly T[] {
    return [...this.queue];
  }

  /** False: surely nobody is writing a key with this hash. */
  mayTouch(hash: number): boolean {
    return this.counts[hash & this.mask] !== 0;
  }

  /** A write to the key at or below t. */
  blockingKey(key: Uint8Array, hash: number, t: Timestamp): InFlight | undefined {
    if (!this.mayTouch(hash)) return undefined;
    for (const proposal of this.queue) {
      if (proposal.timestamp <= t && writesKey(proposal, key, hash)) return proposal;
    }
    for (const prepared of this.prepared) {
      if (prepared.timestamp <= t && writesKey(prepared, key, hash)) return prepared;
    }
    return undefined;
  }

  /** A write into the span at or below t. */
  blockingSpan(span: Span, t: Timestamp): InFlight | undefined {
    for (const proposal of this.queue) {
      if (proposal.timestamp <= t && writesInto(proposal, span)) return proposal;
    }
    for (const prepared of this.prepared) {
      if (prepared.timestamp <= t && writesInto(prepared, span)) return prepared;
    }
    return undefined;
  }

  private count({ hashes }: InFlight, more: number): void {
    if (this.mask === 0) {
      this.counts = new Int32Array(SLOTS);
      this.mask = SLOTS - 1;
    }
    for (let i = 0; i < hashes.length; i++) {
      const slot = (hashes[i] as number) & this.mask;
      this.counts[slot] = (this.counts[slot] as number) + more;
    }
  }

  /** Resolves when nothing is in flight, or after `micros`. */
  async idle(timers: Timers, micros: number): Promise<void> {
    let isOver = false;
    let timer: Disposable | undefined;
    const over = new Promise<void>((resolve) => {
      timer = timers.after(micros, () => {
        isOver = true;
        resolve();
      });
    });
    for (;;) {
      const last = this.queue[this.queue.length - 1];
      if (last === undefined || isOver) break;
      await Promise.race([this.wait(last), over]);
    }
    timer?.[Symbol.dispose]();
  }

  /** Resolves when the proposal is out of the way. */
  wait(proposal: InFlight): Promise<void> {
    return new Promise((resolve) => {
      proposal.waiters ??= [];
      proposal.waiters.push(resolve);
    });
  }
}

function wakeWaiters(proposal: InFlight): void {
  const { waiters } = proposal;
  proposal.waiters = undefined;
  if (waiters !== undefined) for (const wake of waiters) wake();
}

function writesKey(proposal: InFlight, key: Uint8Array, hash: number): boolean {
  const { hashes, writes } = proposal;
  for (let i = 0; i < hashes.length; i++) {
    if (hashes[i] === hash && equalBytes((writes[i] as Write).key, key)) return true;
  }
  return false;
}

function writesInto(proposal: InFlight, span: Span): boolean {
  const { writes } = proposal;
  if (writes.length > EXACT_WRITES_MAX) return true;
  for (const { key } of writes) {
    if (compareBytes(key, span.start) < 0) continue;
    if (span.end === undefined || compareBytes(key, span.end) < 0) return true;
  }
  return false;
}

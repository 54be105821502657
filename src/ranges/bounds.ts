// What this replica's range is now, and which keys it admits requests for. Everything that serves, assigns or proposes
// asks here for each key in the turn in which it takes effect, after every wait again: who is behind is told what there is
// now (P28). From proposing a split, merge or freeze until it is applied nothing is admitted where it takes effect: such
// requests wait (P13), which lasts as long as one entry takes.

import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { holdsKey, holdsSpan, type RangeDescriptor } from './descriptor.ts';
import type { Elsewhere, RangeHead } from './endpoint.ts';
import type { Faults } from '../runtime/runtime.ts';
import type { Gate } from './gate.ts';
import type { LockOwner } from './locks/lock-owner.ts';
import type { RangeState } from './range-state.ts';
import type { Span, Write } from './requests.ts';

/** Raised over all keys at or after `from`. */
class Barrier {
  readonly from: Uint8Array;
  readonly lifted: Promise<void>;
  lift: () => void = () => undefined;

  constructor(from: Uint8Array) {
    this.from = from;
    this.lifted = new Promise((resolve) => {
      this.lift = resolve;
    });
  }
}

export class Bounds {
  private current: RangeState;
  private barrier: Barrier | undefined = undefined;
  /** Descriptors of what this node has of a span. */
  private readonly known: (span: Span) => readonly RangeDescriptor[];
  private readonly onChange: (() => void) | undefined;
  private readonly faults: Faults;
  /** Counts changes of the state: who has waited or read across one asks again. */
  version = 0;

  constructor(
    state: RangeState,
    known: (span: Span) => readonly RangeDescriptor[],
    onChange: (() => void) | undefined,
    faults: Faults,
  ) {
    this.current = state;
    this.known = known;
    this.onChange = onChange;
    this.faults = faults;
    this.barFrozen();
  }

  get state(): RangeState {
    return this.current;
  }

  get descriptor(): RangeDescriptor {
    return this.current.descriptor;
  }

  get span(): Span {
    return this.current.descriptor.span;
  }

  change(state: RangeState): void {
    const wasFrozen = this.current.frozen !== undefined;
    this.current = state;
    this.version++;
    this.barFrozen();
    if (wasFrozen) this.lift();
    this.onChange?.();
  }

  /** Whether a request for the key may take effect in this turn; if not, whyNot() says what to do. */
  admitsKey(key: Uint8Array): boolean {
    const { start, end } = this.current.descriptor.span;
    if (compareBytes(key, start) < 0) return this.believes();
    if (end !== undefined && compareBytes(key, end) >= 0) return this.believes();
    return this.barrier === undefined || compareBytes(key, this.barrier.from) < 0;
  }

  admitsSpan(span: Span): boolean {
    return holdsSpan(this.descriptor, span) && !this.bars(span.end);
  }

  admitsKeys(keys: readonly Uint8Array[]): boolean {
    for (let i = 0; i < keys.length; i++) if (!this.admitsKey(keys[i] as Uint8Array)) return false;
    return true;
  }

  admitsWrites(writes: readonly Write[]): boolean {
    for (let i = 0; i < writes.length; i++) {
      if (!this.admitsKey((writes[i] as Write).key)) return false;
    }
    return true;
  }

  /** What has locks beyond a barrier may not be decided: they are about to be somebody else's. */
  admitsOwner(owner: LockOwner): boolean {
    const { barrier } = this;
    if (barrier === undefined) return true;
    for (const { key } of owner.keys) if (compareBytes(key, barrier.from) >= 0) return false;
    if (owner.spans === undefined) return true;
    return owner.spans.every((span) => !this.bars(span.end));
  }

  /** After admits…() said no to something that lies in `span`: what to wait for before asking again, or where to go. */
  whyNot(span: Span): Promise<void> | Elsewhere {
    const { barrier } = this;
    return barrier !== undefined && holdsSpan(this.descriptor, span)
      ? barrier.lifted
      : this.wrong(span);
  }

  whyNotKey(key: Uint8Array): Promise<void> | Elsewhere {
    const { barrier } = this;
    if (barrier !== undefined && holdsKey(this.descriptor, key)) return barrier.lifted;
    return this.wrong({ start: key, end: undefined });
  }

  whyNotKeys(keys: readonly Uint8Array[]): Promise<void> | Elsewhere {
    const outside = keys.find((key) => !holdsKey(this.descriptor, key));
    const { barrier } = this;
    if (barrier !== undefined && outside === undefined) return barrier.lifted;
    return this.wrong({ start: outside ?? this.span.start, end: undefined });
  }

  /** Whether all of the span is the range's, admitted or not. */
  holds(span: Span): boolean {
    return holdsSpan(this.descriptor, span);
  }

  /** After an await: whether keys that were the range's when `version` was taken are not any more. */
  whyGone(version: number, keys: readonly Uint8Array[]): Elsewhere | undefined {
    if (version === this.version) return undefined;
    const gone = keys.find((key) => !holdsKey(this.descriptor, key));
    return gone && this.wrong({ start: gone, end: undefined });
  }

  /** P24: whether what was there at t is kept. To be asked before a read, and again after it. */
  keeps(t: Timestamp): boolean {
    return t > this.current.gcThreshold || this.believesInPast();
  }

  /** Throws DbError when it is not. */
  demandKept(t: Timestamp): void {
    if (!this.keeps(t)) throw this.pastGone(t);
  }

  pastGone(t: Timestamp): DbError {
    const tooEarly = Math.ceil((this.current.gcThreshold - t) / 1_000_000);
    return new DbError('72000', `the past is not kept so long: ${tooEarly} s too early`, {
      hint: 'The setting gc.ttl says for how long it is kept, for the cluster and for each table.',
    });
  }

  /** Of who knows what the range holds by a generation: whether that is still so. It must be known of by who means all
   * of what a transaction has done here (a commit). */
  isCurrent(head: RangeHead): boolean {
    const isKnown = head.generation === 0 || head.generation >= this.current.spanGeneration;
    return isKnown || this.believes();
  }

  /** `span`: what was asked for. */
  wrong(span: Span): Elsewhere {
    return { kind: 'wrongRange', known: [this.descriptor, ...this.known(span)] };
  }

  /** The range is right; why this replica serves nothing is `reason`. */
  notLeader({ leaderNode }: Pick<Gate, 'leaderNode'>, reason: string): Elsewhere {
    return { kind: 'notLeader', leaderNode, message: reason, known: this.descriptor };
  }

  get isBarred(): boolean {
    return this.barrier !== undefined;
  }

  /** A bug on purpose, for the simulator to find: P28 turned off, whoever asks is taken to know which range it is. */
  private believes(): boolean {
    return this.faults.sometimes('ranges.believe-stale-route');
  }

  /** A bug on purpose, for the simulator to find: P24 turned off, whoever asks for the past is answered. */
  private believesInPast(): boolean {
    return this.faults.sometimes('ranges.read-collected');
  }

  /** Until lift(). */
  bar(from: Uint8Array): void {
    assert(this.barrier === undefined, 'a range changes in one way at a time');
    this.barrier = new Barrier(from);
  }

  /** Whoever waits asks again. A frozen range stays barred until it is thawed, or another's. */
  lift(): void {
    const { barrier } = this;
    if (this.isFrozen) return;
    this.barrier = undefined;
    barrier?.lift();
  }

  private get isFrozen(): boolean {
    if (this.current.frozen === undefined) return false;
    // A bug on purpose, for the simulator to find: P27 turned off, a frozen range serves on.
    return !this.faults.sometimes('ranges.merge-unfrozen');
  }

  /** P27: whoever leads. */
  private barFrozen(): void {
    if (!this.isFrozen) return;
    this.barrier ??= new Barrier(this.span.start);
  }

  /** Whether what ends there reaches beyond a barrier. */
  private bars(end: Uint8Array | undefined): boolean {
    if (this.barrier === undefined) return false;
    return end === undefined || compareBytes(end, this.barrier.from) > 0;
  }
}

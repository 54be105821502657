// Shared and exclusive locks on keys and on spans of keys, with wound-wait (DESIGN.md section 8). A scan locks its
// span, so that nothing appears in it: no phantoms. Pure and synchronous: waiting is a callback, time is the caller's.
//
// The invariant that rules out deadlock (P21): a request is granted only if no other owner holds a conflicting lock
// and no older owner waits for one. Whoever waits has wounded every younger, undecided holder in its way; so waiting
// goes from younger to older only, or for an owner that is committing, which waits for no lock at all. Queues are
// ordered by age, so no conflicting younger request is ever ahead of an older one.

import { assert } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import { IntervalMap } from '../../base/interval-map.ts';
import { KeyLocks } from './key-locks.ts';
import {
  addKeyVictims,
  addSpanVictim,
  covers,
  keyConflicts,
  meets,
  spanConflicts,
} from './lock-conflicts.ts';
import {
  insertByAge,
  isOlder,
  KeyLock,
  type LockOwner,
  LockWait,
  NO_KEYS,
  removeFrom,
  SpanLock,
  type WaitDone,
} from './lock-owner.ts';

/** What an owner holds in a part of a range that becomes another's. */
export interface HandedLocks {
  readonly owner: LockOwner;
  readonly keys: {
    readonly key: Uint8Array;
    readonly hash: number;
    readonly exclusive: boolean;
  }[];
  readonly spans: {
    readonly start: Uint8Array;
    readonly end: Uint8Array | undefined;
    readonly exclusive: boolean;
  }[];
}

export class LockTable {
  private readonly keys = new KeyLocks();
  /** Held ones and waiting ones. */
  private readonly spans = new IntervalMap<SpanLock>();

  /** Key locks that someone waits for. */
  private readonly contended = new Set<KeyLock>();
  /** Requests for spans, by age. */
  private readonly spanWaits: LockWait[] = [];
  /** Decided but not told yet: told when the table is consistent again. */
  private readonly decided: LockWait[] = [];
  private telling = false;

  /** Since the start. */
  wounds = 0;

  get lockedKeys(): number {
    return this.keys.size;
  }

  get lockedSpans(): number {
    return this.spans.size;
  }

  get waiting(): number {
    let waiting = this.spanWaits.length;
    for (const lock of this.contended) waiting += (lock.waits as LockWait[]).length;
    return waiting;
  }

  /** Grants the lock at once or answers false; wounds nobody and leaves no trace. `key` must not change while it is
   * held; `hash` is its hashBytes(). */
  tryKey(owner: LockOwner, key: Uint8Array, hash: number, exclusive: boolean): boolean {
    const lock = this.keys.find(key, hash);
    if (lock === undefined) {
      if (this.spans.size > 0) {
        const verdict = this.verdictOfSpans(owner, key, exclusive);
        if (verdict !== 'free') return verdict === 'held';
      }
      const added = this.keys.add(key, hash);
      added.holder = owner;
      added.exclusive = exclusive;
      owner.add(added);
      return true;
    }
    if (lock.isHeldBy(owner) && (!exclusive || lock.exclusive)) return true;
    if (this.spans.size > 0) {
      const verdict = this.verdictOfSpans(owner, key, exclusive);
      if (verdict !== 'free') return verdict === 'held';
    }
    if (keyConflicts(owner, lock, exclusive)) return false;
    lock.hold(owner, exclusive);
    return true;
  }

  /** After tryKey said no: wounds whoever is younger and in the way, and queues. Undefined: granted after all. */
  waitKey(
    owner: LockOwner,
    key: Uint8Array,
    hash: number,
    exclusive: boolean,
    done: WaitDone,
  ): LockWait | undefined {
    const lock = this.keys.find(key, hash) ?? this.keys.add(key, hash);
    const wait = new LockWait(owner, exclusive, lock, done);
    lock.waits ??= [];
    insertByAge(lock.waits, wait);
    this.contended.add(lock);

    const victims: LockOwner[] = [];
    addKeyVictims(owner, lock, exclusive, victims);
    if (this.spans.size > 0) {
      for (const span of this.covering(key)) addSpanVictim(owner, span, exclusive, victims);
    }
    return this.begin(wait, victims);
  }

  /** As tryKey, for start <= k < end (undefined: the end of the keyspace). */
  trySpan(
    owner: LockOwner,
    start: Uint8Array,
    end: Uint8Array | undefined,
    exclusive: boolean,
  ): boolean {
    if (this.ownSpanCovers(owner, start, end, exclusive)) return true;
    if (this.spanConflicts(owner, start, end, exclusive)) return false;
    const span = new SpanLock(start, end, owner, exclusive);
    this.spans.insert(span);
    hold(span);
    return true;
  }

  /** As waitKey. */
  waitSpan(
    owner: LockOwner,
    start: Uint8Array,
    end: Uint8Array | undefined,
    exclusive: boolean,
    done: WaitDone,
  ): LockWait | undefined {
    const victims: LockOwner[] = [];
    for (const other of this.overlapping(start, end)) {
      addSpanVictim(owner, other, exclusive, victims);
    }
    this.keys.visit(start, end, (lock) => {
      addKeyVictims(owner, lock, exclusive, victims);
      return true;
    });
    const span = new SpanLock(start, end, owner, exclusive);
    const wait = new LockWait(owner, exclusive, span, done);
    this.spans.insert(span);
    insertByAge(this.spanWaits, wait);
    return this.begin(wait, victims);
  }

  /** Gives up waiting: `done` is not called any more. The owner keeps what it holds, this lock too if it was granted
   * a moment ago. */
  cancel(wait: LockWait): void {
    if (wait.state === 'waiting') {
      this.unqueue(wait);
      const target = wait.target;
      if (target instanceof KeyLock) this.settle([target], []);
      else this.settle([], [target]);
    }
    if (wait.state !== 'over') finish(wait);
    this.tell();
  }

  /** P21: whether an older one waits for something that this owner holds. */
  isInTheWay(owner: LockOwner): boolean {
    const isOlderThere = (lock: KeyLock): boolean => {
      const first = lock.waits?.[0];
      return first !== undefined && isOlder(first.owner, owner);
    };
    const { keys, spans } = owner;
    if (keys.some(isOlderThere)) return true;
    if (spans !== undefined) {
      for (const lock of this.contended) {
        if (isOlderThere(lock) && spans.some((span) => covers(span, lock.key))) return true;
      }
    }
    return this.spanWaits.some(({ owner: waiter, target }) => {
      if (!isOlder(waiter, owner)) return false;
      const wanted = target as SpanLock;
      return (
        keys.some(({ key }) => covers(wanted, key)) ||
        (spans?.some((span) => meets(span, wanted)) ?? false)
      );
    });
  }

  /** It was promised its locks, and is no more: whoever is older and waits for them has them now. */
  woundIfInTheWay(owner: LockOwner): void {
    if (owner.state !== 'active' || !this.isInTheWay(owner)) return;
    owner.state = 'wounded';
    this.wounds++;
    this.drop(owner);
    this.tell();
  }

  /** Ends the owner: all its locks and waits go. Idempotent. */
  release(owner: LockOwner): void {
    if (owner.state === 'ended') return;
    owner.state = 'ended';
    this.drop(owner);
    this.tell();
  }

  /** Takes out all that is held at or after `from`, for another table: a lock on a span that begins before is divided
   * there. Whoever waits for a lock there is told that there is none to be had. */
  takeFrom(from: Uint8Array): HandedLocks[] {
    const taken = new Map<LockOwner, HandedLocks>();
    const of = (owner: LockOwner): HandedLocks => {
      let handed = taken.get(owner);
      if (handed === undefined) taken.set(owner, (handed = { owner, keys: [], spans: [] }));
      return handed;
    };
    const keys: KeyLock[] = [];
    this.keys.visit(from, undefined, (lock) => {
      keys.push(lock);
      return true;
    });
    for (const lock of keys) {
      for (const wait of [...(lock.waits ?? [])]) this.refuseWait(wait);
      const { key, hash, exclusive } = lock;
      for (const owner of lock.holders()) {
        of(owner).keys.push({ key, hash, exclusive });
        lock.unhold(owner);
      }
      this.keys.remove(lock);
    }
    // At once for each owner: it may hold many.
    const gone = new Set(keys);
    for (const { owner } of taken.values()) {
      owner.keys = owner.keys.filter((lock) => !gone.has(lock));
    }
    for (const wait of [...this.spanWaits]) {
      const { end } = wait.target as SpanLock;
      if (end === undefined || compareBytes(end, from) > 0) this.refuseWait(wait);
    }
    for (const span of this.overlapping(from, undefined)) {
      const { owner, key, end, exclusive } = span;
      this.spans.remove(span);
      removeFrom(owner.spans as SpanLock[], span);
      const isDivided = compareBytes(key, from) < 0;
      of(owner).spans.push({ start: isDivided ? from : key, end, exclusive });
      if (!isDivided) continue;
      const left = new SpanLock(key, from, owner, exclusive);
      this.spans.insert(left);
      hold(left);
    }
    // Requests that were older than others are gone.
    this.settle([...this.contended], []);
    this.tell();
    return [...taken.values()];
  }

  /** What takeFrom() took out of another table, and nobody can have asked for here yet. */
  adopt(owner: LockOwner, { keys, spans }: HandedLocks): void {
    for (const { key, hash, exclusive } of keys) {
      (this.keys.find(key, hash) ?? this.keys.add(key, hash)).hold(owner, exclusive);
    }
    for (const { start, end, exclusive } of spans) {
      const span = new SpanLock(start, end, owner, exclusive);
      this.spans.insert(span);
      hold(span);
    }
  }

  /** Told with the next tell(). */
  private refuseWait(wait: LockWait): void {
    this.unqueue(wait);
    wait.state = 'refused';
    this.decided.push(wait);
  }

  private begin(wait: LockWait, victims: readonly LockOwner[]): LockWait | undefined {
    const owner = wait.owner;
    assert(
      owner.state === 'active' || owner.state === 'confirmed',
      'only an active owner may ask for locks',
    );
    owner.waits ??= [];
    owner.waits.push(wait);
    for (const victim of victims) {
      // It may stand there more than once.
      if (victim.state !== 'active') continue;
      victim.state = 'wounded';
      this.wounds++;
      this.drop(victim);
    }
    // Dropping the victims may have granted this very request.
    const isGranted = wait.state === 'granted';
    if (isGranted) {
      removeFrom(this.decided, wait);
      finish(wait);
    }
    this.tell();
    return isGranted ? undefined : wait;
  }

  /** Takes away everything that the owner has here and grants what that makes possible. */
  private drop(owner: LockOwner): void {
    let freedKeys: KeyLock[] | undefined;
    const { keys, spans, waits } = owner;
    for (let i = 0; i < keys.length; i++) {
      const lock = keys[i] as KeyLock;
      lock.unhold(owner);
      if (lock.hasWaits()) (freedKeys ??= []).push(lock);
      else if (lock.holder === undefined) this.keys.remove(lock);
    }
    // Cheaper than emptying the array; nothing is added to an owner that is no longer active.
    owner.keys = NO_KEYS;

    let freedSpans = spans;
    if (spans !== undefined) {
      for (const span of spans) this.spans.remove(span);
      owner.spans = undefined;
    }

    if (waits !== undefined) {
      for (const wait of waits) {
        if (wait.state !== 'waiting') continue;
        this.refuseWait(wait);
        const target = wait.target;
        if (target instanceof KeyLock) (freedKeys ??= []).push(target);
        else (freedSpans ??= []).push(target);
      }
    }
    if (freedKeys !== undefined || this.spanWaits.length > 0 || this.contended.size > 0) {
      this.settle(freedKeys ?? [], freedSpans ?? []);
    }
  }

  /** Grants, oldest first, what no longer conflicts now that these are no longer held, or waited for, by someone. */
  private settle(keys: readonly KeyLock[], spans: readonly SpanLock[]): void {
    for (const lock of keys) this.settleKey(lock);
    if (spans.length > 0) {
      for (const lock of this.contended) {
        if (spans.some((span) => covers(span, lock.key))) this.settleKey(lock);
      }
    }
    for (let i = 0; i < this.spanWaits.length; ) {
      const wait = this.spanWaits[i] as LockWait;
      const span = wait.target as SpanLock;
      if (this.spanConflicts(wait.owner, span.key, span.end, span.exclusive)) {
        i++;
        continue;
      }
      this.spanWaits.splice(i, 1);
      hold(span);
      this.grant(wait);
    }
  }

  private settleKey(lock: KeyLock): void {
    const waits = lock.waits;
    while (waits !== undefined && waits.length > 0) {
      const wait = waits[0] as LockWait;
      const { owner, exclusive } = wait;
      // What is in the way of the oldest, or it itself, is in the way of all behind it.
      if (keyConflicts(owner, lock, exclusive)) return;
      if (this.spans.size > 0) {
        if (this.verdictOfSpans(owner, lock.key, exclusive) === 'taken') return;
      }
      waits.shift();
      if (waits.length === 0) this.contended.delete(lock);
      lock.hold(owner, exclusive);
      this.grant(wait);
    }
    // It may have been removed already when it was freed twice.
    if (lock.holder === undefined && this.keys.find(lock.key, lock.hash) === lock) {
      this.keys.remove(lock);
    }
  }

  private grant(wait: LockWait): void {
    wait.state = 'granted';
    this.decided.push(wait);
  }

  private unqueue(wait: LockWait): void {
    const target = wait.target;
    if (target instanceof KeyLock) {
      const waits = target.waits as LockWait[];
      removeFrom(waits, wait);
      if (waits.length === 0) this.contended.delete(target);
    } else {
      removeFrom(this.spanWaits, wait);
      this.spans.remove(target);
    }
  }

  /** Callbacks may come back into the table: what that decides is told by the loop that is already running. */
  private tell(): void {
    if (this.telling || this.decided.length === 0) return;
    this.telling = true;
    try {
      for (let wait = this.decided.shift(); wait !== undefined; wait = this.decided.shift()) {
        if (wait.state === 'over') continue;
        // It may have been wounded since.
        const granted =
          wait.state === 'granted' &&
          (wait.owner.state === 'active' || wait.owner.state === 'confirmed');
        finish(wait);
        wait.done(granted);
      }
    } finally {
      this.telling = false;
    }
  }

  /** What the spans over a key say to a request for it. */
  private verdictOfSpans(
    owner: LockOwner,
    key: Uint8Array,
    exclusive: boolean,
  ): 'free' | 'held' | 'taken' {
    let verdict: 'free' | 'taken' = 'free';
    for (const span of this.covering(key)) {
      if (span.owner === owner) {
        if (span.granted && (span.exclusive || !exclusive)) return 'held';
      } else if (spanConflicts(owner, span, exclusive)) {
        verdict = 'taken';
      }
    }
    return verdict;
  }

  private ownSpanCovers(
    owner: LockOwner,
    start: Uint8Array,
    end: Uint8Array | undefined,
    exclusive: boolean,
  ): boolean {
    if (owner.spans === undefined) return false;
    for (const span of owner.spans) {
      if (exclusive && !span.exclusive) continue;
      if (compareBytes(span.key, start) > 0) continue;
      if (span.end === undefined) return true;
      if (end !== undefined && compareBytes(span.end, end) >= 0) return true;
    }
    return false;
  }

  private spanConflicts(
    owner: LockOwner,
    start: Uint8Array,
    end: Uint8Array | undefined,
    exclusive: boolean,
  ): boolean {
    for (const span of this.overlapping(start, end)) {
      if (span.owner !== owner && spanConflicts(owner, span, exclusive)) return true;
    }
    let conflict = false;
    this.keys.visit(start, end, (lock) => {
      conflict = keyConflicts(owner, lock, exclusive);
      return !conflict;
    });
    return conflict;
  }

  private covering(key: Uint8Array): readonly SpanLock[] {
    const found: SpanLock[] = [];
    this.spans.collectCovering(key, found);
    return found;
  }

  private overlapping(start: Uint8Array, end: Uint8Array | undefined): readonly SpanLock[] {
    const found: SpanLock[] = [];
    this.spans.collectOverlapping(start, end, found);
    return found;
  }
}

function hold(span: SpanLock): void {
  span.granted = true;
  span.owner.spans ??= [];
  span.owner.spans.push(span);
}

/** No more to be told, and no more of its owner's business. */
function finish(wait: LockWait): void {
  wait.state = 'over';
  if (wait.owner.waits !== undefined) removeFrom(wait.owner.waits, wait);
}

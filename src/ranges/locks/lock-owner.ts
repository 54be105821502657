// The things that the lock table keeps: owners (one for each transaction's session), locks on keys and on spans, and
// requests that wait.

import type { Timestamp } from '../../clock/timestamp.ts';

/**
 * - active: may be wounded;
 * - confirmed: has been promised that its locks stay until some time (P16): not woundable until then;
 * - prepared: holds all its locks, waits for none, and ends with its coordinator's word: not woundable here (P21);
 * - committing: holds all its locks and was decided, so it ends without waiting for any lock: no longer woundable;
 * - wounded: an older transaction took its locks away; all it may still do is end;
 * - ended: released.
 */
export type OwnerState = 'active' | 'confirmed' | 'prepared' | 'committing' | 'wounded' | 'ended';

/** Never added to. */
export const NO_KEYS: KeyLock[] = [];

export class LockOwner {
  readonly id: string;
  readonly age: Timestamp;
  state: OwnerState = 'active';
  /** Each once, whatever its mode. */
  keys: KeyLock[] = NO_KEYS;
  /** Made when first used: most transactions lock no span and wait for nothing. */
  spans: SpanLock[] | undefined = undefined;
  waits: LockWait[] | undefined = undefined;

  constructor(id: string, age: Timestamp) {
    this.id = id;
    this.age = age;
  }

  add(lock: KeyLock): void {
    // Nearly all have one: push() would make room for seventeen (bench: point, INSERT).
    if (this.keys.length === 0) this.keys = [lock];
    else this.keys.push(lock);
  }

  get lockCount(): number {
    return this.keys.length + (this.spans === undefined ? 0 : this.spans.length);
  }
}

export class KeyLock {
  key: Uint8Array;
  hash: number;
  /** In its bucket. */
  next: KeyLock | undefined = undefined;
  exclusive = false;
  holder: LockOwner | undefined = undefined;
  /** Further holders of a shared lock. */
  others: LockOwner[] | undefined = undefined;
  /** By age. */
  waits: LockWait[] | undefined = undefined;
  /** Place among the locks that the ordered index has not met yet; -1 once it has. */
  unindexed = -1;

  constructor(key: Uint8Array, hash: number) {
    this.key = key;
    this.hash = hash;
  }

  hasWaits(): boolean {
    return this.waits !== undefined && this.waits.length > 0;
  }

  isHeldBy(owner: LockOwner): boolean {
    return this.holder === owner || (this.others !== undefined && this.others.includes(owner));
  }

  /** A copy. */
  holders(): LockOwner[] {
    if (this.holder === undefined) return [];
    return this.others === undefined ? [this.holder] : [this.holder, ...this.others];
  }

  hold(owner: LockOwner, exclusive: boolean): void {
    if (exclusive) this.exclusive = true;
    if (this.isHeldBy(owner)) return;
    if (this.holder === undefined) this.holder = owner;
    else if (this.others === undefined) this.others = [owner];
    else this.others.push(owner);
    owner.add(this);
  }

  unhold(owner: LockOwner): void {
    this.exclusive = false;
    if (this.holder === owner) {
      this.holder = this.others === undefined ? undefined : this.others.pop();
      return;
    }
    const others = this.others as LockOwner[];
    others.splice(others.indexOf(owner), 1);
  }
}

export class SpanLock {
  /** Its start. */
  readonly key: Uint8Array;
  /** Exclusive; undefined is the end of the keyspace. */
  readonly end: Uint8Array | undefined;
  readonly owner: LockOwner;
  readonly exclusive: boolean;
  granted = false;

  constructor(
    start: Uint8Array,
    end: Uint8Array | undefined,
    owner: LockOwner,
    exclusive: boolean,
  ) {
    this.key = start;
    this.end = end;
    this.owner = owner;
    this.exclusive = exclusive;
  }
}

/** Told once: true when granted, false when the wait ended otherwise (wounded, released). Not told after cancel(). */
export type WaitDone = (granted: boolean) => void;

export class LockWait {
  readonly owner: LockOwner;
  readonly exclusive: boolean;
  readonly target: KeyLock | SpanLock;
  readonly done: WaitDone;
  /** over: told, cancelled, or answered without waiting. */
  state: 'waiting' | 'granted' | 'refused' | 'over' = 'waiting';

  constructor(owner: LockOwner, exclusive: boolean, target: KeyLock | SpanLock, done: WaitDone) {
    this.owner = owner;
    this.exclusive = exclusive;
    this.target = target;
    this.done = done;
  }
}

/** A strict order of all transactions, the same for everyone (P21). */
export function isOlder(a: LockOwner, b: LockOwner): boolean {
  return a.age < b.age || (a.age === b.age && a.id < b.id);
}

/** Puts `wait` in its place in a queue ordered by age; behind those of the same owner. */
export function insertByAge(queue: LockWait[], wait: LockWait): void {
  let at = queue.length;
  while (at > 0 && isOlder(wait.owner, (queue[at - 1] as LockWait).owner)) at--;
  if (at === queue.length) queue.push(wait);
  else queue.splice(at, 0, wait);
}

export function removeFrom<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}

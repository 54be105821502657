// Sessions by the id of their transaction: a hash table whose chains run through the sessions themselves. Every
// transaction passes through it, and a Map would not do: whenever one is rebuilt, its old table points at the new one
// and at what it held, so that one old table that the garbage collector has promoted keeps all later sessions, and what
// they reach, alive until the next full collection (bench: point, INSERT: two kilobytes promoted for each row).

import type { Session } from './session.ts';

/** Most ranges of a node are idle. */
const BUCKETS_MIN = 16;
/** Ids count upwards, or are random: their last digits tell them apart. */
const HASHED_DIGITS = 6;

export class SessionTable {
  private buckets: (Session | undefined)[] = emptyBuckets(BUCKETS_MIN);
  size = 0;

  find(txn: string): Session | undefined {
    let session = this.buckets[this.bucketOf(txn)];
    while (session !== undefined && session.owner.id !== txn) session = session.next;
    return session;
  }

  /** Of a transaction that has none. */
  add(session: Session): void {
    if (this.size >= this.buckets.length) this.grow();
    const bucket = this.bucketOf(session.owner.id);
    session.next = this.buckets[bucket];
    this.buckets[bucket] = session;
    this.size++;
  }

  /** Does nothing when it is not there any more. */
  remove(session: Session): void {
    const bucket = this.bucketOf(session.owner.id);
    const first = this.buckets[bucket];
    if (first === session) {
      this.buckets[bucket] = session.next;
    } else {
      let before = first;
      while (before !== undefined && before.next !== session) before = before.next;
      if (before === undefined) return;
      before.next = session.next;
    }
    session.next = undefined;
    this.size--;
  }

  /** A copy. */
  all(): Session[] {
    const all: Session[] = [];
    for (const first of this.buckets) {
      for (let session = first; session !== undefined; session = session.next) all.push(session);
    }
    return all;
  }

  private bucketOf(txn: string): number {
    let hash = 0;
    for (let i = txn.length - HASHED_DIGITS; i < txn.length; i++) {
      hash = (hash * 31 + txn.charCodeAt(i)) | 0;
    }
    return (hash ^ (hash >>> 10)) & (this.buckets.length - 1);
  }

  private grow(): void {
    const all = this.all();
    this.buckets = emptyBuckets(this.buckets.length * 4);
    this.size = 0;
    for (const session of all) this.add(session);
  }
}

function emptyBuckets(count: number): (Session | undefined)[] {
  return new Array<Session | undefined>(count).fill(undefined);
}

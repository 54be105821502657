// Transactions that are prepared here: their fate in this range is their coordinator's word. Every replica has them, from
// the log; whoever leads holds their locks, and lets reads at or above their timestamps wait (P22).

import { compareBytes } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { Session } from '../locks/session.ts';
import type { Span, TxnId, Write } from '../requests.ts';
import type { InFlight } from './in-flight.ts';
import { encodePrepare, hashesOf, type PreparedFacts } from './two-phase-format.ts';

export class Prepared implements InFlight {
  readonly facts: PreparedFacts;
  readonly hashes: readonly number[];
  waiters: (() => void)[] | undefined = undefined;

  // Of the leader.
  /** Holds its locks. */
  session: Session | undefined = undefined;
  /** What it has read here is still locked, since it was read (P16). */
  isReadProtected = false;
  /** The outcome, on its way through the log. */
  resolving: Promise<boolean> | undefined = undefined;
  /** Whoever commits it came to this leader, and has not gone: then the outcome is not asked for, since it may be that
   * others still wait for locks, and asking would give it up (P21). */
  isAttended = false;
  /** Looks of recovery since this leader knows of it. */
  looks = 0;
  isBeingAsked = false;

  constructor(facts: PreparedFacts) {
    this.facts = facts;
    this.hashes = hashesOf(facts.writes);
  }

  /** P18: the part of it that stays here. Whoever waits for it asks again once it is resolved, or sent elsewhere. */
  withFacts(facts: PreparedFacts): Prepared {
    const other = new Prepared(facts);
    other.session = this.session;
    other.isReadProtected = this.isReadProtected;
    other.isAttended = this.isAttended;
    return other;
  }

  /** It will write at or above it, if at all. */
  get timestamp(): Timestamp {
    return this.facts.at;
  }

  get writes(): readonly Write[] {
    return this.facts.writes;
  }
}

export class PreparedTable {
  private readonly byTxn = new Map<TxnId, Prepared>();

  get size(): number {
    return this.byTxn.size;
  }

  /** P23: nothing above or at it may be closed. */
  get oldest(): Timestamp | undefined {
    let oldest: Timestamp | undefined;
    for (const { timestamp } of this.byTxn.values()) {
      if (oldest === undefined || timestamp < oldest) oldest = timestamp;
    }
    return oldest;
  }

  find(txn: TxnId): Prepared | undefined {
    return this.byTxn.get(txn);
  }

  add(prepared: Prepared): void {
    this.byTxn.set(prepared.facts.txn, prepared);
  }

  remove(prepared: Prepared): void {
    this.byTxn.delete(prepared.facts.txn);
  }

  all(): readonly Prepared[] {
    return [...this.byTxn.values()];
  }

  clear(): void {
    this.byTxn.clear();
  }
}

/** P18: what of it lies in the span; undefined: nothing does. */
export function partWithin(facts: PreparedFacts, span: Span): PreparedFacts | undefined {
  const writes = facts.writes.filter(({ key }) => isIn(span, key));
  if (writes.length === facts.writes.length) return facts;
  return writes.length === 0 ? undefined : { ...facts, writes };
}

/** P18: both parts of one transaction, when their ranges become one. */
export function united(a: PreparedFacts, b: PreparedFacts): PreparedFacts {
  return {
    ...a,
    // Reads from the lesser on wait.
    at: a.at < b.at ? a.at : b.at,
    hasRead: a.hasRead || b.hasRead,
    writes: [...a.writes, ...b.writes],
  };
}

export function preparedRecord(facts: PreparedFacts): Uint8Array {
  return encodePrepare(facts);
}

function isIn(span: Span, key: Uint8Array): boolean {
  return (
    compareBytes(key, span.start) >= 0 &&
    (span.end === undefined || compareBytes(key, span.end) < 0)
  );
}

// One commit (or bulk write, or clearing of a span) on its way: locking, proposed, visible, answered.

import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { RangeCommit } from '../endpoint.ts';
import type { Session } from '../locks/session.ts';
import type { Refusal, Span, Write } from '../requests.ts';
import type { InFlight } from './in-flight.ts';

/** What makes it a part of a commit in several ranges. */
export type PendingRole =
  | {
      readonly kind: 'prepare';
      readonly anchor: Uint8Array;
    }
  | {
      readonly kind: 'decide';
      readonly anchor: Uint8Array;
      readonly participants: readonly Span[];
      readonly atLeast: Timestamp;
      readonly below: Timestamp;
      /** Why it can't be decided any more: to be asked in the turn in which it is proposed (P19). */
      readonly whyOver: () => Refusal | undefined;
    };

export class PendingCommit implements InFlight {
  /** Undefined: outside any transaction, without locks. */
  readonly session: Session | undefined;
  readonly txn: string;
  readonly writes: readonly Write[];
  readonly hashes: readonly number[];
  /** To be cleared, in place of writes. */
  readonly span: Span | undefined;
  readonly deadline: Timestamp;
  readonly answered: Promise<RangeCommit>;
  /** Settles `answered`; later calls change nothing. */
  answer: (answer: RangeCommit) => void = nobody;
  timestamp: Timestamp = MIN_TIMESTAMP;
  /** On the monotonic clock: its proposal, and when the log had it. */
  proposedAtMicros = 0;
  loggedAtMicros = 0;
  waiters: (() => void)[] | undefined = undefined;

  /** Of the range when it was asked for, for what was read under locks. */
  spanGeneration = 0;
  /** Leadership ended before the outcome was known: whoever leads next decides it. */
  isLost = false;
  /** Of a bulk write: the row cache may take its rows. */
  willBeRead = false;
  /** Undefined: all that its transaction does, it does here. */
  role: PendingRole | undefined = undefined;

  constructor(
    session: Session | undefined,
    txn: string,
    writes: readonly Write[],
    hashes: readonly number[],
    span: Span | undefined,
    deadline: Timestamp,
  ) {
    this.session = session;
    this.txn = txn;
    this.writes = writes;
    this.hashes = hashes;
    this.span = span;
    this.deadline = deadline;
    this.answered = new Promise((resolve) => {
      this.answer = resolve;
    });
  }
}

function nobody(): void {}

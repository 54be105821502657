// One commit (or bulk write, or clearing of a span) on its way: locking, proposed, visible, answered.

import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { CommitAnswer, Span, Write } from './api.ts';
import type { InFlight } from './in-flight.ts';
import type { Session } from './session.ts';

export class PendingCommit implements InFlight {
  /** Undefined: outside any transaction, without locks. */
  readonly session: Session | undefined;
  readonly txn: string;
  readonly writes: readonly Write[];
  readonly hashes: readonly number[];
  /** To be cleared, in place of writes. */
  readonly span: Span | undefined;
  readonly deadline: Timestamp;
  readonly answered: Promise<CommitAnswer>;
  /** Settles `answered`; later calls change nothing. */
  answer: (answer: CommitAnswer) => void = () => undefined;
  timestamp: Timestamp = MIN_TIMESTAMP;
  waiters: (() => void)[] | undefined = undefined;

  /** Leadership ended before the outcome was known: whoever leads next decides it. */
  isLost = false;
  /** Of a bulk write: the row cache may take its rows. */
  willBeRead = false;

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

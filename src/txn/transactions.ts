// Transactions: what lives here is the coordinator. It buffers writes, asks ranges for locks and for the commit, and
// turns their refusals into errors that a client understands. Of ranges it knows their seam only (ranges/api.ts).

import { DbError } from '../base/errors.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import {
  type CommitAnswer,
  type Ranges,
  Standing,
  type TxnRef,
  type Write,
} from '../ranges/api.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { BlindWrites, ScanSpec, Snapshot, Transaction, Transactions } from './api.ts';
import type { Fence } from './fence.ts';
import { Outcomes } from './outcomes.ts';
import type { RunProgram } from './overlay-scan.ts';
import { commitError, serializationFailure } from './refusals.ts';
import type { TransactionSettings } from './settings.ts';
import { SnapshotAt, type SnapshotHome } from './snapshot.ts';
import { ReadWriteTransaction, type TransactionHome } from './transaction.ts';
import { TransactionIds } from './transaction-ids.ts';
import { commitInParts, confirmInParts } from './two-phase.ts';

export interface TransactionParts {
  readonly runtime: Runtime;
  readonly clock: IntervalClock;
  readonly ranges: Ranges;
  /** Runs a scan's program here, over rows that a transaction has written itself. */
  readonly runProgram: RunProgram;
  readonly settings: TransactionSettings;
  /** Left out: nothing but the node itself bounds them. */
  readonly fence?: Fence;
}

/** The longest duration is measured in so many ticks of one timer: no clock is read for it when one begins. */
const TICKS_OF_LONGEST = 16;

export class Coordinator implements Transactions, BlindWrites, TransactionHome, SnapshotHome {
  readonly clock: IntervalClock;
  readonly ranges: Ranges;
  readonly runProgram: RunProgram;
  readonly settings: TransactionSettings;
  readonly outcomes: Outcomes;
  readonly runtime: Runtime;
  private readonly ids: TransactionIds;
  private readonly fence: Fence | undefined;
  /** Each knows its place. Not a Set: see ranges/locks/session-table.ts. */
  private readonly open: ReadWriteTransaction[] = [];
  private tick = 0;
  private isClosed = false;
  /** Why nothing is begun now. */
  private refusal: (() => DbError) | undefined = undefined;
  era = 0;
  /** Runs only while transactions are open. */
  private timer: Disposable | undefined = undefined;

  constructor(parts: TransactionParts) {
    this.clock = parts.clock;
    this.ranges = parts.ranges;
    this.runProgram = parts.runProgram;
    this.settings = parts.settings;
    this.fence = parts.fence;
    this.runtime = parts.runtime;
    this.outcomes = new Outcomes(parts.ranges, parts.runtime.timers);
    this.ids = new TransactionIds(parts.runtime.random);
  }

  get openCount(): number {
    return this.open.length;
  }

  begin(retryOf?: Transaction): Transaction {
    return this.beginAged(retryOf instanceof ReadWriteTransaction ? retryOf.age : undefined); // P21
  }

  beginFirst(): Transaction {
    return this.beginAged(MIN_TIMESTAMP);
  }

  private beginAged(age: Timestamp | undefined): Transaction {
    this.demandOpen();
    const transaction = new ReadWriteTransaction(this, this.ids.next(), age, this.tick);
    transaction.place = this.open.push(transaction) - 1;
    if (this.timer === undefined) this.startTimer();
    return transaction;
  }

  snapshot(at?: Timestamp): Snapshot {
    this.demandOpen();
    const latest = this.present();
    if (at !== undefined && at > latest) {
      throw new DbError('22023', 'cannot read at a timestamp in the future');
    }
    return new SnapshotAt(this, at ?? latest);
  }

  nearestSnapshot(oldest: Timestamp, spans: readonly ScanSpec['span'][]): Snapshot {
    let newest = this.present();
    for (const span of spans) {
      const here = this.ranges.readableHere(span);
      if (here < newest) newest = here;
    }
    return this.snapshot(newest < oldest ? oldest : newest);
  }

  writeAll(writes: readonly Write[]): Promise<CommitAnswer> {
    this.demandOpen();
    const latest = this.clock.latest();
    const txn: TxnRef = { id: this.ids.next(), age: latest };
    const deadline = (latest + this.settings.commitDeadlineMicros) as Timestamp;
    const answered = this.ranges.commit({ txn, standing: undefined, writes, deadline });
    return answered.then((answer) =>
      answer.kind === 'divided'
        ? this.commitInParts(txn, new Standing(), writes, deadline)
        : answer,
    );
  }

  commitInParts(
    txn: TxnRef,
    standing: Standing,
    writes: readonly Write[],
    deadline: Timestamp,
  ): Promise<CommitAnswer> {
    return commitInParts(this, txn, standing, writes, deadline);
  }

  confirmInParts(txn: TxnRef, standing: Standing, s: Timestamp): Promise<CommitAnswer> {
    return confirmInParts(this, txn, standing, s);
  }

  uncertaintyMicros(): number {
    return (this.clock.latest() - this.clock.earliest()) / 2;
  }

  monotonicMicros(): number {
    return this.runtime.time.monotonicMicros();
  }

  /** now().latest, when it may be read at and committed at. What is asked of other nodes is not guarded by their clocks
   * (P7). */
  present(): Timestamp {
    const latest = this.clock.latest();
    const { fence } = this;
    if (fence !== undefined && latest >= fence.end) fence.demand(latest);
    if (this.clock.suspended !== undefined) throw suspended(this.clock.suspended);
    return latest;
  }

  /** P20, and before the fence. */
  commitDeadline(): Timestamp {
    const deadline = (this.present() + this.settings.commitDeadlineMicros) as Timestamp;
    const { fence } = this;
    return fence === undefined || deadline < fence.end ? deadline : ((fence.end - 1) as Timestamp);
  }

  rangeOf(key: Uint8Array): number {
    return this.ranges.rangeOf(key);
  }

  async bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<void> {
    this.demandOpen();
    demandCommitted(await this.ranges.bulkWrite(writes, willBeRead));
  }

  async clearSpan(start: Uint8Array, end: Uint8Array): Promise<void> {
    this.demandOpen();
    demandCommitted(await this.ranges.clearSpan({ start, end }));
  }

  approximateBytes(start: Uint8Array, end: Uint8Array): Promise<number> {
    return this.ranges.approximateBytes({ start, end });
  }

  forget(transaction: ReadWriteTransaction): void {
    const last = this.open.pop() as ReadWriteTransaction;
    if (last === transaction) return;
    this.open[transaction.place] = last;
    last.place = transaction.place;
  }

  /** Other nodes serve from now on: what is open is aborted, also snapshots, for they may change the schema under it.
   * Nothing is begun before resume(); who tries is told `refusal`. Commits under way take their course. */
  suspend(refusal: () => DbError): void {
    this.refusal = refusal;
    this.era++;
    const error = serializationFailure('its node does not lead any more');
    for (const transaction of [...this.open]) transaction.abort(error);
  }

  resume(): void {
    this.refusal = undefined;
  }

  private demandOpen(): void {
    if (this.isClosed) throw stopping();
    if (this.refusal !== undefined) throw this.refusal();
  }

  /** Aborts what is open, and begins nothing more; commits under way take their course. */
  close(): void {
    this.isClosed = true;
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
    const error = stopping();
    for (const transaction of [...this.open]) transaction.abort(error);
  }

  private startTimer(): void {
    const micros = this.settings.longestMicros / TICKS_OF_LONGEST;
    this.timer = this.runtime.timers.after(micros, () => {
      this.timer = undefined;
      this.tick++;
      this.abortOverdue();
      if (this.open.length > 0) this.startTimer();
    });
  }

  private abortOverdue(): void {
    for (const transaction of [...this.open]) {
      // The tick in which it began was partly over: count only whole ones.
      if (this.tick - transaction.beganAtTick <= TICKS_OF_LONGEST) continue;
      const seconds = this.settings.longestMicros / 1_000_000;
      transaction.abort(
        new DbError('25P04', `terminating transaction: it was open for more than ${seconds} s`),
      );
    }
  }
}

function suspended(reason: string): DbError {
  return new DbError('57P03', `the clock can't be trusted: ${reason}`, {
    hint: 'Try again in a moment, or at another node.',
  });
}

function stopping(): DbError {
  return new DbError('57P01', 'the node is stopping');
}

function demandCommitted(answer: CommitAnswer): void {
  if (answer.kind !== 'committed') throw commitError(answer);
}

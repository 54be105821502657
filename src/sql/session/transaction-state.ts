// A session's transaction block: none, implicit (a batch of the extended protocol up to Sync, or a simple text of
// several statements), explicit (BEGIN), or failed (until ROLLBACK). It owns the transaction, its savepoints, and what
// must be told to the catalog when it ends.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { ReadView, Snapshot, Transaction, Transactions } from '../../txn/api.ts';
import type { TransactionStatus } from '../api.ts';
import type { CatalogView } from '../catalog/api.ts';

interface Savepoint {
  readonly name: string;
  readonly token: number;
  /** Whether the transaction had changed the schema by then: what came after can't be taken back in part. */
  readonly schemaChanges: number;
}

export interface BlockListener {
  /** default_transaction_read_only: for blocks that don't say themselves. */
  readonly defaultReadOnly: boolean;
  /** SET and SET LOCAL follow the transaction. */
  transactionEnded(committed: boolean): void;
}

/** Of a block that was aborted at its end, and by what; `txn`: its transaction, whose age the next one keeps. */
export type CommitAgain = (error: unknown, txn: Transaction) => Promise<void> | undefined;

type Block = 'none' | 'implicit' | 'explicit' | 'failed';

export class TransactionState {
  readonly #transactions: Transactions;
  readonly #catalog: CatalogView;
  readonly #listener: BlockListener;
  #block: Block = 'none';
  #readOnly = false;
  #readsPast = false;
  #txn: Transaction | undefined;
  #snapshot: Snapshot | undefined;
  #again: CommitAgain | undefined;
  /** P21: the session's last, if it has to be tried again. Whatever the client runs next keeps its age, so that it gets
   * through sooner each time. */
  #aborted: Transaction | undefined;
  #savepoints: Savepoint[] = [];
  /** Schema changes of this transaction so far. */
  #schemaChanges = 0;
  /** Work to do once the commit is there (clearing dropped spans); dropped on rollback. */
  #afterCommit: (() => void)[] = [];
  #afterRollback: (() => void)[] = [];

  constructor(transactions: Transactions, catalog: CatalogView, listener: BlockListener) {
    this.#transactions = transactions;
    this.#catalog = catalog;
    this.#listener = listener;
  }

  get status(): TransactionStatus {
    return this.#block === 'explicit' ? 'T' : this.#block === 'failed' ? 'E' : 'I';
  }

  get open(): boolean {
    return this.#block !== 'none';
  }

  get explicit(): boolean {
    return this.#block === 'explicit';
  }

  get readOnly(): boolean {
    return this.#block === 'none' ? this.#listener.defaultReadOnly : this.#readOnly;
  }

  /** Its snapshot is of before it began: by then tables may have been others. */
  get readsPast(): boolean {
    return this.#readsPast;
  }

  /** Of the snapshot that the block reads. */
  get readsAt(): Timestamp | undefined {
    return this.#snapshot?.timestamp;
  }

  get current(): Transaction | undefined {
    return this.#txn;
  }

  /** Throws 25P02 in a failed block. */
  check(): void {
    if (this.#block === 'failed') {
      throw new DbError(
        '25P02',
        'current transaction is aborted, commands ignored until end of transaction block',
      );
    }
  }

  /** False when a block was open already (PostgreSQL only warns). An implicit block becomes the explicit one. */
  begin(readOnly: boolean | undefined): boolean {
    if (this.#block === 'explicit') return false;
    this.#block = 'explicit';
    this.#readOnly = readOnly ?? this.#listener.defaultReadOnly;
    return true;
  }

  beginImplicit(): void {
    if (this.#block !== 'none') return;
    this.#block = 'implicit';
    this.#readOnly = this.#listener.defaultReadOnly;
  }

  /** Throws 25006 where nothing may be written; `command` is the statement's name. */
  demandWritable(command: string): void {
    if (this.readOnly) {
      throw new DbError('25006', `cannot execute ${command} in a read-only transaction`);
    }
  }

  setReadOnly(readOnly: boolean): void {
    if (!readOnly && this.#snapshot !== undefined) {
      throw new DbError('25001', 'transaction read-write mode must be set before any query');
    }
    this.#readOnly = readOnly;
  }

  /** All that the block reads is of then. Throws 25001 when it has read or written already. */
  readAt(snapshot: Snapshot): void {
    if (this.#txn !== undefined || this.#snapshot !== undefined) {
      throw new DbError('25001', 'AS OF SYSTEM TIME must be set before any query');
    }
    this.#readOnly = true;
    this.#readsPast = true;
    this.#snapshot = snapshot;
  }

  /** What statements of the open block read. */
  view(): ReadView {
    // A transaction that has written before it became read-only goes on seeing that.
    if (!this.#readOnly || this.#txn !== undefined) return this.transaction();
    this.#snapshot ??= this.#transactions.snapshot();
    return this.#snapshot;
  }

  /** The open block's read-write transaction, begun at its first use. */
  transaction(): Transaction {
    this.#txn ??= this.#transactions.begin(this.#aborted);
    return this.#txn;
  }

  /** A statement that runs by itself: its transaction is the block's until ended, kept apart from 'none' by implicit. */
  adopt(txn: Transaction): void {
    this.#txn = txn;
  }

  schemaChanged(afterCommit: () => void, afterRollback: () => void): void {
    this.#schemaChanges += 1;
    this.#afterCommit.push(afterCommit);
    this.#afterRollback.push(afterRollback);
  }

  savepoint(name: string): void {
    const reads = this.#readOnly && this.#txn === undefined;
    const token = reads ? 0 : this.transaction().savepoint();
    this.#savepoints.push({ name, token, schemaChanges: this.#schemaChanges });
  }

  release(name: string): void {
    this.#savepoints.length = this.#find(name);
  }

  rollbackTo(name: string): void {
    const index = this.#find(name);
    const savepoint = this.#savepoints[index] as Savepoint;
    if (this.#schemaChanges > savepoint.schemaChanges) {
      throw unsupported(
        'ROLLBACK TO a savepoint from before a schema change',
        undefined,
        'ROLLBACK the whole transaction.',
      );
    }
    const txn = this.#txn;
    if (txn?.aborted !== undefined) throw txn.aborted;
    if (txn !== undefined) txn.rollbackTo(savepoint.token);
    this.#savepoints.length = index + 1;
    this.#block = 'explicit';
  }

  /** Throws what the transaction's commit throws; the block is over either way. `again`: may carry all that the block
   * did out anew, and says undefined when it may not. */
  commit(again?: CommitAgain): Maybe<void> {
    const txn = this.#txn;
    this.#again = again;
    if (txn === undefined) return this.#end(true, false);
    if (this.#schemaChanges > 0) {
      try {
        this.#catalog.beforeCommit();
      } catch (error) {
        return this.#notCommitted(error);
      }
    }
    // Made once for the session: every write comes by here.
    return txn.commit().then(this.#committed, this.#notCommitted);
  }

  readonly #committed = (): Maybe<void> => this.#end(true, false);

  readonly #notCommitted = (error: unknown): Promise<void> => {
    const txn = this.#txn;
    txn?.rollback();
    void this.#end(false, error instanceof DbError && error.code === '40003');
    const trying = txn === undefined ? undefined : this.#again?.(error, txn);
    if (trying === undefined) throw error;
    return trying;
  };

  rollback(): void {
    this.#txn?.rollback();
    void this.#end(false, false);
  }

  /** A statement failed. An explicit block waits for ROLLBACK; its locks go at once unless a savepoint may revive it. */
  fail(): void {
    if (this.#block === 'failed') return;
    if (this.#block === 'explicit') {
      this.#block = 'failed';
      if (this.#savepoints.length === 0) this.#txn?.rollback();
    } else if (this.#block === 'implicit' || this.#txn !== undefined) {
      this.rollback();
    }
  }

  #find(name: string): number {
    for (let i = this.#savepoints.length - 1; i >= 0; i--) {
      if ((this.#savepoints[i] as Savepoint).name === name) return i;
    }
    throw new DbError('3B001', `savepoint "${name}" does not exist`);
  }

  /** `isUnknown`: whether it committed. */
  #end(committed: boolean, isUnknown: boolean): Maybe<void> {
    const changed = this.#schemaChanges > 0;
    // What nobody sees and what somebody may see can't be told apart: it is cleared when that is known.
    const work = isUnknown ? [] : committed ? this.#afterCommit : this.#afterRollback;
    let known: Maybe<void> = undefined;
    this.#block = 'none';
    this.#readOnly = false;
    this.#readsPast = false;
    if (this.#txn !== undefined) this.#aborted = isAborted(this.#txn) ? this.#txn : undefined;
    this.#txn = undefined;
    this.#snapshot = undefined;
    if (this.#savepoints.length > 0) this.#savepoints = [];
    if (changed) {
      this.#schemaChanges = 0;
      this.#afterCommit = [];
      this.#afterRollback = [];
      if (committed) known = this.#catalog.committed();
      else this.#catalog.abandoned(isUnknown);
    }
    this.#catalog.releaseAll();
    this.#listener.transactionEnded(committed);
    if (known !== undefined) {
      return known.then(() => {
        for (const run of work) run();
      });
    }
    for (const run of work) run();
  }
}

function isAborted({ aborted }: Transaction): boolean {
  return aborted instanceof DbError && aborted.code === '40001';
}

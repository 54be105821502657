// Who uses a table on this node and whose DDL has it. One TableState for each table id that this node knows.

import { DbError } from '../../base/errors.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import type { Timers } from '../../runtime/runtime.ts';
import { SchemaBusyError } from './errors.ts';
import type { TableDescriptor } from './descriptor.ts';

/** How long DDL waits for users of its table, and users for DDL. */
export const LEASE_WAIT_MICROS = 30_000_000;

/** A session, as far as leases are concerned. */
export type LeaseHolder = object;

export class TableState {
  readonly id: number;
  /** Undefined: created by a transaction that is still open, or dropped. */
  committed: TableDescriptor | undefined;
  /** Since when it is as it is now, or a little later: a snapshot from before sees nothing of its keys. */
  changedAt: Timestamp = MIN_TIMESTAMP;
  /** The session whose DDL has the table, or waits until it has it alone. */
  owner: LeaseHolder | undefined;
  /** Each once. Not a Set: every statement passes through, and most of its cost would be the table's rebuilding
   * (bench: point, INSERT). */
  readonly #users: LeaseHolder[] = [];
  #waiting: (() => void)[] = [];
  readonly #timers: Timers;

  constructor(id: number, committed: TableDescriptor | undefined, timers: Timers) {
    this.id = id;
    this.committed = committed;
    this.#timers = timers;
  }

  use(holder: LeaseHolder): void {
    if (!this.#users.includes(holder)) this.#users.push(holder);
  }

  release(holder: LeaseHolder): void {
    const users = this.#users;
    const at = users.indexOf(holder);
    if (at < 0) return;
    const last = users.pop() as LeaseHolder;
    if (at < users.length) users[at] = last;
    this.#changed();
  }

  /** Who uses the table goes on using it: the owner is still waiting for its transaction to end. */
  busyFor(holder: LeaseHolder): boolean {
    return this.owner !== undefined && this.owner !== holder && !this.#users.includes(holder);
  }

  busyError(name: string): SchemaBusyError {
    return new SchemaBusyError(name, () =>
      this.#until(
        () => this.owner === undefined,
        () =>
          new DbError('55P03', `relation "${name}" is still being changed by another session`, {
            hint: 'That transaction is open for long: end it, or try again later.',
            table: name,
          }),
      ),
    );
  }

  /** From now on it is `holder`'s; `drained` is called once nobody else uses it, unless it goes to somebody else before.
   * Answers how many do. */
  mark(holder: LeaseHolder, drained: () => void): number {
    this.owner = holder;
    const look = (): void => {
      if (this.owner !== holder) return;
      if (this.#alone(holder)) drained();
      else this.#waiting.push(look);
    };
    look();
    return this.#others(holder);
  }

  unmark(): void {
    this.owner = undefined;
    this.#changed();
  }

  /** All transactions of this node were aborted. */
  releaseUsers(): void {
    this.#users.length = 0;
    this.#changed();
  }

  #others(holder: LeaseHolder): number {
    return this.#users.length - (this.#users.includes(holder) ? 1 : 0);
  }

  #alone(holder: LeaseHolder): boolean {
    return this.#others(holder) === 0;
  }

  /** `others`: sessions of all nodes that did not leave it in time. */
  inUse(name: string, others: number): DbError {
    const sessions = others === 1 ? '1 other session uses' : `${others} other sessions use`;
    return new DbError('55P03', `could not change relation "${name}" while it is in use`, {
      hint: `${sessions} it in open transactions: end them, or try again later.`,
      table: name,
    });
  }

  #changed(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Bounded in time: two transactions that wait for each other here, or one here and one in the lock table, are
   * brought apart by the one whose time is up first. */
  #until(done: () => boolean, tooLong: () => DbError): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let over = false;
      const deadline = this.#timers.after(LEASE_WAIT_MICROS, () => {
        over = true;
        reject(tooLong());
      });
      const look = (): void => {
        if (over) return;
        if (!done()) {
          this.#waiting.push(look);
          return;
        }
        deadline[Symbol.dispose]();
        resolve();
      };
      this.#waiting.push(look);
    });
  }
}

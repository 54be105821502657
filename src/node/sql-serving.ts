// SQL is served by the node that leads: whenever it begins to lead, the catalog is read anew before anything else, for
// other nodes may have changed it; when it ceases, open transactions are aborted. Sessions, prepared statements and
// settings outlive that; plans are made again, since the catalog's version is another.

import { DbError } from '../base/errors.ts';
import type { Log, Timers } from '../runtime/runtime.ts';
import type { SqlServer } from '../sql/api.ts';
import type { Catalog } from '../sql/catalog/api.ts';
import type { Coordinator } from '../txn/transactions.ts';

const RETRY_MICROS = 100_000;
/** What passes while a range changes its leader, or its disk is full. */
const PASSING: ReadonlySet<string> = new Set(['57P03', '40001', '40003', '53100']);

export interface SqlServingParts {
  /** Of the sessions. */
  readonly transactions: Coordinator;
  /** Works with transactions that are not suspended with those of the sessions. */
  readonly catalog: Catalog;
  readonly timers: Timers;
  readonly log: Log;
  /** What clients are told meanwhile. */
  refusal(): DbError;
  /** The catalog can't be read. */
  onFailure(error: unknown): void;
}

export class SqlServing {
  readonly #parts: SqlServingParts;
  /** Counts beginnings and ends of serving. */
  #turn = 0;
  #loading: Promise<void> = Promise.resolve();
  #isServing = false;
  #firstServed: () => void = () => {};
  /** Resolves when SQL is served for the first time. */
  readonly served: Promise<void>;

  constructor(parts: SqlServingParts) {
    this.#parts = parts;
    this.served = new Promise((resolve) => {
      this.#firstServed = resolve;
    });
    parts.transactions.suspend(() => parts.refusal());
  }

  get isServing(): boolean {
    return this.#isServing;
  }

  begin(): void {
    const turn = ++this.#turn;
    // One after the other: an earlier load must not put what it has read over what a later one has.
    this.#loading = this.#loading.then(() => this.#load(turn));
  }

  cease(): void {
    this.#turn++;
    if (!this.#isServing) return;
    this.#isServing = false;
    this.#parts.transactions.suspend(() => this.#parts.refusal());
  }

  /** New sessions are opened only while SQL is served. */
  guard(server: SqlServer): SqlServer {
    return {
      openSession: (options) => {
        if (!this.#isServing) throw this.#parts.refusal();
        return server.openSession(options);
      },
      parameterStatuses: (session) => server.parameterStatuses(session),
    };
  }

  async #load(turn: number): Promise<void> {
    const { catalog, timers, log, transactions } = this.#parts;
    while (turn === this.#turn) {
      try {
        await catalog.load();
        if (turn !== this.#turn) return;
        this.#isServing = true;
        transactions.resume();
        this.#firstServed();
        return;
      } catch (error) {
        if (turn !== this.#turn) return;
        if (!(error instanceof DbError) || !PASSING.has(error.code)) {
          this.#parts.onFailure(error);
          return;
        }
        log.warn('the catalog could not be loaded; trying again', { error: error.message });
        await new Promise<void>((resolve) => void timers.after(RETRY_MICROS, resolve));
      }
    }
  }
}

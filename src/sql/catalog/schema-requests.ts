// What the sessions of a node want to change: each asks the schema's home for its table, and tells it how its transaction
// ended. Both are said again to the next home when the one that was asked moves.

import { DbError } from '../../base/errors.ts';
import type { Log, Timers } from '../../runtime/runtime.ts';
import { changedConcurrently } from './errors.ts';
import type { LeaseHolder } from './lease.ts';
import type { SchemaOutcome, TableChange, ToHome } from './schema-messages.ts';
import type { DescriptorStore } from './store.ts';

/** How often a waiting change asks whether it was cancelled or wounded: neither wakes it otherwise. */
const CHECK_MICROS = 20_000;
/** How long the end of a change that committed waits for all nodes to know of it, should no home be reached. */
const SETTLE_MICROS_MAX = 10_000_000;
/** Homes that one change asks in turn. */
const HOMES_MAX = 10;

/** Somebody else's DDL, wherever. */
export const ELSEWHERE: LeaseHolder = { name: 'another schema change' };

export interface SchemaRequestsParts {
  readonly store: DescriptorStore;
  readonly timers: Timers;
  readonly log: Log;
  /** To the home, if there is one now. */
  readonly send: (message: ToHome) => void;
  /** A home is there, and all that it knows is known here; undefined: now. */
  readonly whenLoaded: () => Promise<void> | undefined;
}

interface Request {
  readonly request: number;
  readonly table: number;
  readonly holder: LeaseHolder;
  state: 'asked' | 'granted' | 'lost';
  answered: (error: DbError | undefined) => void;
}

interface Ending {
  readonly message: Extract<ToHome, { kind: 'over' }>;
  readonly settled: () => void;
  /** It has committed, and nobody will hear here whether all nodes have it. */
  readonly unsettled: () => void;
}

export class SchemaRequests {
  readonly #parts: SchemaRequestsParts;
  readonly #requests = new Map<number, Request>();
  /** Transactions whose end the home has not confirmed. */
  readonly #endings = new Map<number, Ending>();
  #numbers = 0;
  #stopped = false;

  constructor(parts: SchemaRequestsParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    const error = new DbError('57P01', 'the node is stopping');
    for (const request of [...this.#requests.values()]) request.answered(error);
    for (const { unsettled } of this.#endings.values()) unsettled();
    this.#endings.clear();
  }

  holderOf(request: number): LeaseHolder {
    return this.#requests.get(request)?.holder ?? ELSEWHERE;
  }

  // What the home says

  granted(request: number): void {
    this.#requests.get(request)?.answered(undefined);
  }

  /** `sessions`: that did not leave the table; undefined: another DDL has it. */
  refused(number: number, sessions: number | undefined): void {
    const request = this.#requests.get(number);
    request?.answered(this.#refusal(request, sessions));
  }

  settled(number: number): void {
    const ending = this.#endings.get(number);
    this.#endings.delete(number);
    ending?.settled();
  }

  /** A home has welcomed this node: what the last one did not confirm. */
  sayAgain(): void {
    for (const { message } of [...this.#endings.values()]) this.#parts.send(message);
  }

  /** The home is gone: whom it has not let in asks the next one. */
  homeLost(): void {
    for (const request of [...this.#requests.values()]) {
      if (request.state === 'asked') request.answered(new HomeMoved());
    }
  }

  /** They can't commit any more, and what was under way before may have: the home finds out. */
  loseAll(): void {
    const granted: number[] = [];
    for (const request of [...this.#requests.values()]) {
      if (request.state === 'asked') request.answered(new HomeMoved());
      else if (request.state === 'granted') granted.push(request.request);
      request.state = 'lost';
    }
    if (granted.length > 0) void this.over(granted, 'unknown', []);
  }

  // What sessions say

  /** Of a table, for its DDL alone. Answers the request's number, for over(). */
  async exclusive(table: number, holder: LeaseHolder, check: () => void): Promise<number> {
    return await this.#askUntilHeard('exclusive', table, holder, check);
  }

  /** Of a table that is being made. */
  async claim(table: number, holder: LeaseHolder): Promise<number> {
    return await this.#askUntilHeard('claim', table, holder, undefined);
  }

  /** Throws when a change that was let in has lost its right to commit. */
  demand(requests: readonly number[]): void {
    for (const number of requests) {
      if (this.#requests.get(number)?.state !== 'granted') throw new HomeMoved();
    }
  }

  /** The transaction of these requests is over. Resolves once everybody knows what it changed; rejects when this node
   * stops before. */
  over(
    requests: readonly number[],
    outcome: SchemaOutcome,
    changes: readonly TableChange[],
  ): Promise<void> | undefined {
    for (const number of requests) {
      const request = this.#requests.get(number);
      if (request === undefined) continue;
      this.#requests.delete(number);
      // Its own session may go on, and is like any other until the mark is lifted.
      this.#parts.store.pass(request.table, request.holder, ELSEWHERE);
    }
    if (this.#stopped) return undefined;
    const number = ++this.#numbers;
    const message = { kind: 'over', number, requests, outcome, changes } as const;
    let isSettled = false;
    let wake: ((error?: DbError) => void) | undefined;
    this.#endings.set(number, {
      message,
      settled: () => {
        isSettled = true;
        wake?.();
      },
      unsettled: () => wake?.(notEverywhere()),
    });
    this.#parts.send(message);
    // At once where the home is here and everybody has answered.
    if (isSettled || outcome !== 'committed') return undefined;
    return new Promise((resolve, reject) => {
      const { timers, log } = this.#parts;
      const deadline = timers.after(SETTLE_MICROS_MAX, () => {
        log.warn('a schema change has committed, and not all nodes are known to have it');
        resolve();
      });
      wake = (error) => {
        deadline[Symbol.dispose]();
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  }

  /** A home that moved before it answered let nobody in: the next one is asked. */
  async #askUntilHeard(
    kind: 'exclusive' | 'claim',
    table: number,
    holder: LeaseHolder,
    check: (() => void) | undefined,
  ): Promise<number> {
    for (let homes = 1; ; homes++) {
      await this.#parts.whenLoaded();
      check?.();
      try {
        return await this.#ask(kind, table, holder, check);
      } catch (error) {
        if (!(error instanceof HomeMoved) || homes === HOMES_MAX) throw error;
      }
    }
  }

  #ask(
    kind: 'exclusive' | 'claim',
    table: number,
    holder: LeaseHolder,
    check: (() => void) | undefined,
  ): Promise<number> {
    const number = ++this.#numbers;
    return new Promise((resolve, reject) => {
      let checking: Disposable | undefined;
      const request: Request = {
        request: number,
        table,
        holder,
        state: 'asked',
        answered: (error) => {
          if (request.state !== 'asked') return;
          checking?.[Symbol.dispose]();
          if (error === undefined) {
            request.state = 'granted';
            resolve(number);
            return;
          }
          // Whatever the home thinks of it.
          request.state = 'lost';
          void this.over([number], 'abandoned', []);
          reject(error);
        },
      };
      const ask = (): void => {
        checking = undefined;
        if (request.state !== 'asked' || check === undefined) return;
        try {
          check();
        } catch (error) {
          request.answered(error as DbError);
          return;
        }
        checking = this.#parts.timers.after(CHECK_MICROS, ask);
      };
      this.#requests.set(number, request);
      this.#parts.send({ kind, request: number, table });
      ask();
    });
  }

  #refusal(request: Request, sessions: number | undefined): DbError {
    const state = this.#parts.store.byId(request.table);
    const name = state?.committed?.name ?? '';
    if (state === undefined) return changedConcurrently(name);
    return sessions === undefined ? state.busyError(name) : state.inUse(name, sessions);
  }
}

function notEverywhere(): DbError {
  return new DbError(
    '40003',
    'the schema change has committed, and not all nodes are known to have it: the node is stopping',
  );
}

class HomeMoved extends DbError {
  constructor() {
    super('40001', 'the schema changed hands while it was being changed', { hint: 'Try again.' });
  }
}

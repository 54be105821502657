// How a node becomes the schema's home. It fences what the home before it let in, and finds out who may still have a
// lease from one: those nodes are strangers until they report here, or until every such lease has ended.

import { DbError } from '../../base/errors.ts';
import type { Log, NodeId, Time, Timers } from '../../runtime/runtime.ts';
import type { Transactions } from '../../txn/api.ts';
import { isPassing } from './errors.ts';
import { clearLeavings, eraseGateway } from './leavings.ts';
import { beginStint, lastStint, readGateways, writeGateway } from './schema-stint.ts';

const RETRY_MICROS = 100_000;

export interface TakeoverParts {
  readonly transactions: Transactions;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timers: Timers;
  readonly log: Log;
  readonly leaseMicros: number;
  readonly onFailure: (error: unknown) => void;
  /** There are no strangers any more, because their leases have ended. */
  readonly forgotten: () => void;
}

export class Takeover {
  readonly #parts: TakeoverParts;
  /** Stand in the catalog: may have been given a lease some time. */
  #known = new Set<NodeId>();
  #strangers = new Set<NodeId>();
  #forgetting: Promise<void> = Promise.resolve();
  /** By then every lease has ended that an earlier home gave. */
  readonly #until: number;
  #timer: Disposable | undefined;
  #isStopped = false;
  stint = 0;
  /** Rejects when it is stopped before. */
  readonly done: Promise<void>;
  #giveUp: (error: DbError) => void = () => {};

  /** This node has just begun to lead. */
  constructor(parts: TakeoverParts) {
    this.#parts = parts;
    this.#until = parts.time.monotonicMicros() + parts.leaseMicros;
    const stopped = new Promise<never>((_resolve, reject) => {
      this.#giveUp = reject;
    });
    this.done = Promise.race([this.#begin(), stopped]);
    this.done.catch(() => {});
  }

  get hasStrangers(): boolean {
    return this.#strangers.size > 0;
  }

  reported(node: NodeId): void {
    this.#strangers.delete(node);
  }

  stop(reason: string): void {
    this.#isStopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#giveUp(new DbError('57P03', `the schema's home has moved: ${reason}`));
  }

  async #begin(): Promise<void> {
    const { transactions, log, time, timers, onFailure, forgotten } = this.#parts;
    for (;;) {
      try {
        this.stint = await this.#fence();
        this.#known = await readGateways(transactions);
        break;
      } catch (error) {
        if (this.#isStopped) return;
        if (!isPassing(error)) {
          onFailure(error);
          return;
        }
        log.warn('the schema can not be taken over yet; trying again', { error: String(error) });
        await this.#pause(RETRY_MICROS);
      }
    }
    const left = this.#until - time.monotonicMicros();
    if (left <= 0 || this.#known.size === 0) return;
    this.#strangers = new Set(this.#known);
    this.#timer = timers.after(left, () => {
      this.#strangers.clear();
      forgotten();
    });
  }

  async #fence(): Promise<number> {
    const { transactions, time } = this.#parts;
    try {
      return await beginStint(transactions);
    } catch (error) {
      if (!(error instanceof DbError) || error.code !== '53100') throw error;
    }
    // A full disk does not keep SQL from reading. What an earlier home let in has deadlines within the leases that it
    // gave; gateways end it when they see another home.
    const stint = await lastStint(transactions);
    const left = this.#until - time.monotonicMicros();
    const others = await readGateways(transactions);
    if (left > 0 && others.size > 1) await this.#pause(left);
    return stint;
  }

  /** A node that is gone for good, and whose lease has ended: no home has to wait for it any more, and what it left is
   * cleared. Should it come after all, it is entered anew. Never rejects: it is tried again when it is asked for again. */
  forget(node: NodeId): void {
    if (!this.#known.delete(node)) return;
    this.#forgetting = this.#forgetting.then(() => this.#erase(node));
  }

  async #erase(node: NodeId): Promise<void> {
    const { transactions, log } = this.#parts;
    try {
      await clearLeavings(transactions, node, log);
      await eraseGateway(transactions, node, this.stint);
    } catch (error) {
      this.#known.add(node);
      if (!this.#isStopped) {
        log.warn('what a node left in the catalog could not be cleared', {
          node,
          error: String(error),
        });
      }
    }
  }

  /** Before it is given anything, it stands in the catalog that it may have been. */
  async admit(node: NodeId): Promise<void> {
    await this.done;
    await this.#forgetting;
    while (!this.#known.has(node)) {
      try {
        await writeGateway(this.#parts.transactions, node);
        this.#known.add(node);
      } catch (error) {
        if (this.#isStopped || !isPassing(error)) throw error;
        // Nobody else is there who would have to know.
        if ((error as DbError).code === '53100' && this.#known.size === 0) return;
        await this.#pause(RETRY_MICROS);
      }
    }
  }

  #pause(micros: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.timers.after(micros, resolve));
  }
}

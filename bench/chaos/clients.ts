// Clients that put and get, and remember what they asked and were told. Some keys are registers, for the checker of
// linearizability; others are written once, and must be there at the end.

import { status } from '@grpc/grpc-js';
import type { RegisterHistory } from '../../src/sim/checkers/register-history.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { Availability } from './availability.ts';
import type { Fleet } from './fleet.ts';

const REGISTERS = 32;
const APPENDS_PERCENT = 20;
const WRITES_PERCENT = 60;
const DEADLINE_MILLIS = 2000;
/** Values are filled up with blanks to any length up to it: logs must grow long enough to be cut. */
const VALUE_BYTES_MAX = 1024;
const THINK_MILLIS_MAX = 40;
const LEADER_METADATUM = 'meridian-leader';
const AFTER_FAILURE_MILLIS = 20;
/** A client moves to any node now and then: old leaders must be asked, too. */
const WANDERS_ONE_IN = 40;

/** Of the keyspace. */
export const KEY_VALUE_PART = 'the key-value service';

export const REGISTER_PREFIX = 'register-';
export const LEDGER_PREFIX = 'ledger-';

/** They surely did nothing. Who can't be reached may have been reached. */
const REFUSALS: ReadonlySet<number> = new Set([
  status.FAILED_PRECONDITION,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
  status.INVALID_ARGUMENT,
]);

/** Of a write. */
export type Outcome = 'done' | 'failed' | 'unknown';

export class Figures {
  operations = 0;
  acknowledged = 0;
  writes = 0;
  refused = 0;
  /** Writes that may have happened. */
  unknown = 0;
  readonly errors: Map<string, number> = new Map();
}

export class Clients {
  readonly figures: Figures = new Figures();
  /** What was written once, and what became of it. */
  readonly ledger: Map<string, { readonly value: string; outcome: Outcome }> = new Map();
  readonly #fleet: Fleet;
  readonly #history: RegisterHistory;
  readonly #availability: Availability;
  readonly #running: Promise<void>[];
  #isStopped = false;
  #values = 0;

  constructor(
    fleet: Fleet,
    history: RegisterHistory,
    availability: Availability,
    count: number,
    random: SeededRandom,
  ) {
    this.#fleet = fleet;
    this.#history = history;
    this.#availability = availability;
    this.#running = Array.from({ length: count }, (_, i) =>
      this.#run(`client ${i + 1}`, random.fork(`client ${i}`)),
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** Each register once, at a node that serves: what is known at the end. */
  async readAll(leader: number): Promise<void> {
    for (let i = 0; i < REGISTERS; i++) {
      const key = `${REGISTER_PREFIX}${i}`;
      const operation = this.#history.call('the last reader', key, 'read');
      this.#history.done(operation, numberOf(await this.#fleet.channel(leader).get(key, 10_000)));
    }
  }

  async #run(name: string, random: SeededRandom): Promise<void> {
    let node = this.#anyNode(random);
    while (!this.#isStopped) {
      node = await this.#operate(name, node, random);
      const isGone = !this.#fleet.ids.includes(node);
      if (isGone || random.oneIn(WANDERS_ONE_IN)) node = this.#anyNode(random);
      await pause(random.below(THINK_MILLIS_MAX));
    }
  }

  /** One of them. Returns whom to ask next. */
  async #operate(name: string, node: number, random: SeededRandom): Promise<number> {
    this.figures.operations += 1;
    const kind = random.below(100);
    const isWrite = kind < WRITES_PERCENT;
    try {
      if (kind < APPENDS_PERCENT) await this.#append(node);
      else if (isWrite) await this.#write(name, node, random);
      else await this.#read(name, node, random);
      this.figures.acknowledged += 1;
      return node;
    } catch (error) {
      this.#count(error, isWrite);
      const hint = (error as { metadata?: { get(name: string): unknown[] } }).metadata?.get(
        LEADER_METADATUM,
      )[0];
      if (typeof hint === 'string') return this.#fleet.idAt(hint) ?? node;
      await pause(AFTER_FAILURE_MILLIS);
      return nextNode(this.#fleet.ids, node);
    }
  }

  #anyNode(random: SeededRandom): number {
    const { ids } = this.#fleet;
    return ids[random.below(ids.length)] as number;
  }

  async #write(name: string, node: number, random: SeededRandom): Promise<void> {
    const key = `${REGISTER_PREFIX}${random.below(REGISTERS)}`;
    const value = this.#values++;
    const operation = this.#history.call(`${name} at node ${node}`, key, 'write', value);
    const text = String(value).padEnd(random.below(VALUE_BYTES_MAX));
    const outcome = await this.#put(node, key, text, () => this.#history.done(operation));
    if (outcome.kind === 'failed') this.#history.failed(operation);
    if (outcome.kind !== 'done') throw outcome.error;
  }

  async #append(node: number): Promise<void> {
    const value = String(this.#values++);
    const key = `${LEDGER_PREFIX}${value}`;
    const entry: { readonly value: string; outcome: Outcome } = { value, outcome: 'unknown' };
    this.ledger.set(key, entry);
    const outcome = await this.#put(node, key, value, () => {});
    entry.outcome = outcome.kind;
    if (outcome.kind !== 'done') throw outcome.error;
  }

  async #put(
    node: number,
    key: string,
    value: string,
    done: () => void,
  ): Promise<
    { readonly kind: 'done' } | { readonly kind: 'failed' | 'unknown'; readonly error: unknown }
  > {
    const invokedAt = performance.now();
    this.figures.writes += 1;
    this.#availability.tries([KEY_VALUE_PART]);
    try {
      await this.#fleet.channel(node).put(key, value, DEADLINE_MILLIS);
    } catch (error) {
      return { kind: isRefusal(error) ? 'failed' : 'unknown', error };
    }
    done();
    this.#availability.accepted(
      invokedAt,
      `the write of ${value.trim()} to ${key} at node ${node}`,
      [KEY_VALUE_PART],
    );
    return { kind: 'done' };
  }

  async #read(name: string, node: number, random: SeededRandom): Promise<void> {
    const key = `${REGISTER_PREFIX}${random.below(REGISTERS)}`;
    const operation = this.#history.call(`${name} at node ${node}`, key, 'read');
    try {
      const value = await this.#fleet.channel(node).get(key, DEADLINE_MILLIS);
      this.#history.done(operation, numberOf(value));
    } catch (error) {
      this.#history.failed(operation);
      throw error;
    }
  }

  #count(error: unknown, isWrite: boolean): void {
    const { figures } = this;
    const code = (error as { code?: number }).code ?? -1;
    if (isRefusal(error)) figures.refused += 1;
    else if (isWrite) figures.unknown += 1;
    const name = status[code] ?? String(error);
    figures.errors.set(name, (figures.errors.get(name) ?? 0) + 1);
  }
}

/** In turn. */
export function nextNode(ids: readonly number[], node: number): number {
  return ids.find((id) => id > node) ?? (ids[0] as number);
}

function isRefusal(error: unknown): boolean {
  return REFUSALS.has((error as { code?: number }).code ?? -1);
}

function numberOf(value: string | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

export function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

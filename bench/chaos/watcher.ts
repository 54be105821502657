// Asks every node again and again what it is: two must never lead a range in one term, and no replica may find that it
// differs.

import type { NodeStatus } from '../../src/node/status.ts';
import { FIRST_DATA_RANGE } from '../../src/ranges/layout.ts';
import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { Violations } from './violations.ts';

const LOOK_MILLIS = 250;
const DEADLINE_MILLIS = 1000;

interface Seen {
  readonly term: number;
  readonly node: number;
}

export class Watcher {
  readonly #fleet: Fleet;
  readonly #violations: Violations;
  /** By range and term. */
  readonly #leaders = new Map<string, number>();
  /** Of each range, in the newest term that is known. */
  readonly #newest = new Map<number, Seen>();
  readonly #running = new Map<number, Promise<void>>();
  #isStopped = false;
  #rangesMost = 0;

  constructor(fleet: Fleet, violations: Violations) {
    this.#fleet = fleet;
    this.#violations = violations;
    this.#watchAll();
  }

  /** Who leads the range with the schema, as far as is known: on whom most depends. */
  get leader(): number | undefined {
    const node = this.#newest.get(FIRST_DATA_RANGE)?.node;
    return node !== undefined && this.#fleet.ids.includes(node) ? node : undefined;
  }

  /** Of ranges, in terms in which somebody was seen to lead. */
  get terms(): number {
    return this.#leaders.size;
  }

  /** That there ever were. */
  get ranges(): number {
    return this.#newest.size;
  }

  /** That one node had at once. */
  get rangesMost(): number {
    return this.#rangesMost;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running.values());
  }

  #watchAll(): void {
    for (const id of this.#fleet.ids) {
      if (this.#running.has(id)) continue;
      this.#running.set(id, this.#watch(id));
    }
  }

  async #watch(id: number): Promise<void> {
    while (!this.#isStopped && this.#fleet.ids.includes(id)) {
      if (this.#fleet.isUp(id)) {
        // Who does not answer is no news here.
        const status = await this.#fleet
          .channel(id)
          .status(DEADLINE_MILLIS)
          .catch(() => undefined);
        if (status !== undefined) this.#judge(status);
      }
      await pause(LOOK_MILLIS);
      // Others may have joined.
      this.#watchAll();
    }
  }

  #judge({ nodeId, ranges }: NodeStatus): void {
    this.#rangesMost = Math.max(this.#rangesMost, ranges.length);
    for (const { range, role, term, broken } of ranges) {
      if (broken !== undefined) {
        this.#violations.add(
          `the replica of range ${range} on node ${nodeId} is broken: ${broken}`,
        );
      }
      if (role !== 'leader') continue;
      const stint = `${range} in term ${term}`;
      const other = this.#leaders.get(stint);
      if (other !== undefined && other !== nodeId) {
        this.#violations.add(`nodes ${other} and ${nodeId} both led range ${stint}`);
      }
      this.#leaders.set(stint, nodeId);
      if (term >= (this.#newest.get(range)?.term ?? 0)) {
        this.#newest.set(range, { term, node: nodeId });
      }
    }
  }
}

// Asks every node again and again what it is: two must never lead in one term, and no replica may find that it differs.

import type { NodeStatus } from '../../src/node/status.ts';
import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { Violations } from './violations.ts';

const LOOK_MILLIS = 250;
const DEADLINE_MILLIS = 1000;

export class Watcher {
  readonly #fleet: Fleet;
  readonly #violations: Violations;
  readonly #leaders = new Map<number, number>();
  readonly #running: Promise<void>[];
  #isStopped = false;
  #newest: { readonly term: number; readonly node: number } | undefined;

  constructor(fleet: Fleet, violations: Violations) {
    this.#fleet = fleet;
    this.#violations = violations;
    this.#running = fleet.ids.map((id) => this.#watch(id));
  }

  /** Who led in the newest term that is known. */
  get leader(): number | undefined {
    return this.#newest?.node;
  }

  get term(): number {
    return this.#newest?.term ?? 0;
  }

  /** Terms in which somebody was seen to lead. */
  get terms(): number {
    return this.#leaders.size;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  async #watch(id: number): Promise<void> {
    while (!this.#isStopped) {
      if (this.#fleet.isUp(id)) {
        // Who does not answer is no news here.
        const status = await this.#fleet
          .channel(id)
          .status(DEADLINE_MILLIS)
          .catch(() => undefined);
        if (status !== undefined) this.#judge(status);
      }
      await pause(LOOK_MILLIS);
    }
  }

  #judge({ nodeId, ranges }: NodeStatus): void {
    for (const { range, role, term, broken } of ranges) {
      if (broken !== undefined) {
        this.#violations.add(
          `the replica of range ${range} on node ${nodeId} is broken: ${broken}`,
        );
      }
      if (role !== 'leader') continue;
      const other = this.#leaders.get(term);
      if (other !== undefined && other !== nodeId) {
        this.#violations.add(
          `nodes ${other} and ${nodeId} both led range ${range} in term ${term}`,
        );
      }
      this.#leaders.set(term, nodeId);
      if (term >= this.term) this.#newest = { term, node: nodeId };
    }
  }
}

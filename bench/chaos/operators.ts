// What operators do while all goes on: they divide tables and let them unite, scatter leases, add nodes and
// decommission others, by SQL and by the calls that `meridian node` makes. What is refused because of a fault is tried
// again at another node; that nodes come and go must work in the end.

import type { SeededRandom } from '../../src/sim/random.ts';
import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import { SqlConnection } from './sql-connection.ts';
import { TABLES } from './sql-tables.ts';
import type { Violations } from './violations.ts';

const BETWEEN_MILLIS_MAX = 4000;
const STATEMENT_MILLIS = 15_000;
const CALL_MILLIS = 5000;
const LOOK_MILLIS = 500;
/** Between a node that came and one that goes. */
const SETTLE_MILLIS_MAX = 10_000;
/** For so long may it take to bring all that a node has elsewhere, faults and all. */
const LEAVING_MILLIS_MAX = 240_000;

export class Operators {
  readonly counts: Map<string, number> = new Map();
  failures = 0;
  /** The longest time that a node took to leave. */
  leavingMillis = 0;
  readonly #fleet: Fleet;
  readonly #violations: Violations;
  readonly #random: SeededRandom;
  readonly #say: (text: string) => void;
  readonly #running: Promise<unknown>;
  #isStopped = false;
  #isHeld = false;

  constructor(
    fleet: Fleet,
    violations: Violations,
    random: SeededRandom,
    say: (text: string) => void,
  ) {
    this.#fleet = fleet;
    this.#violations = violations;
    this.#random = random;
    this.#say = say;
    this.#running = Promise.all([this.#divide(), this.#rotate()]);
  }

  /** Nobody joins or leaves until it is released. */
  hold(): () => void {
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
    };
  }

  /** As many nodes are left as there were at the start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #divide(): Promise<void> {
    while (!this.#isStopped && !this.#violations.isFatal) {
      await pause(this.#random.below(BETWEEN_MILLIS_MAX));
      const table = TABLES[this.#random.below(TABLES.length)] as (typeof TABLES)[number];
      const key = this.#random.below(table.keys);
      const kind = this.#random.below(10);
      if (kind < 6) await this.#ask('split', `ALTER TABLE ${table.name} SPLIT AT VALUES (${key})`);
      else if (kind < 8) await this.#ask('unsplit', `ALTER TABLE ${table.name} UNSPLIT ALL`);
      else await this.#ask('scatter', `ALTER TABLE ${table.name} SCATTER`);
    }
  }

  async #ask(what: string, text: string): Promise<void> {
    const up = this.#fleet.ids.filter((id) => this.#fleet.isUp(id));
    // Now and then all of them are paused or dead.
    if (up.length === 0) return;
    const node = up[this.#random.below(up.length)] as number;
    let connection: SqlConnection | undefined;
    try {
      connection = await SqlConnection.open(node, this.#fleet.url(node), STATEMENT_MILLIS);
      await connection.query(text);
      this.#counted(what);
    } catch {
      this.failures += 1;
    } finally {
      connection?.destroy();
    }
  }

  async #rotate(): Promise<void> {
    while (!this.#isStopped && !this.#violations.isFatal) {
      await pause(LOOK_MILLIS);
      if (this.#isHeld) continue;
      const { id, released } = await this.#fleet.add();
      this.#counted('join');
      this.#say(`node ${id} has joined`);
      released();
      await pause(this.#random.below(SETTLE_MILLIS_MAX));
      await this.#leave();
    }
  }

  async #leave(): Promise<void> {
    const { ids } = this.#fleet;
    const node = ids[this.#random.below(ids.length)] as number;
    this.#say(`node ${node} is being decommissioned`);
    const begun = performance.now();
    const isGone = async (id: number): Promise<boolean> => {
      // Told again, for whoever was told may have died before it was written.
      await this.#fleet.channel(id).decommission(node, CALL_MILLIS);
      const nodes = await this.#fleet.channel(id).nodes(CALL_MILLIS);
      return nodes.find(({ nodeId }) => nodeId === node)?.state === 'decommissioned';
    };
    for (let at = 0; ; at++) {
      const up = this.#fleet.ids.filter((id) => id !== node && this.#fleet.isUp(id));
      const asked = up[at % Math.max(1, up.length)];
      if (asked !== undefined && (await isGone(asked).catch(() => false))) break;
      if (this.#violations.isFatal) return;
      if (performance.now() - begun > LEAVING_MILLIS_MAX) {
        const standing = await this.#standing(asked, node);
        this.#violations.add(
          `node ${node} was not decommissioned within ${LEAVING_MILLIS_MAX / 1000} s${standing}`,
        );
        return;
      }
      await pause(LOOK_MILLIS);
    }
    const millis = performance.now() - begun;
    this.leavingMillis = Math.max(this.leavingMillis, millis);
    this.#counted('decommission');
    this.#say(`node ${node} was decommissioned within ${(millis / 1000).toFixed(1)} s`);
    // A fault that holds it ends by itself.
    while (!this.#fleet.isFree(node)) await pause(LOOK_MILLIS);
    await this.#fleet.dismiss(node);
  }

  async #standing(asked: number | undefined, node: number): Promise<string> {
    if (asked === undefined) return '';
    const nodes = await this.#fleet
      .channel(asked)
      .nodes(CALL_MILLIS)
      .catch(() => []);
    return `: ${JSON.stringify(nodes.find(({ nodeId }) => nodeId === node))}`;
  }

  #counted(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

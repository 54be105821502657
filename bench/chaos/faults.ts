// What is done to the nodes and the links between them, by chance from a seed. Every fault ends by itself, so that when
// all have ended everything runs and hears each other. Data is never touched.

import type { SeededRandom } from '../../src/sim/random.ts';
import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { CutKind } from './links.ts';
import type { Watcher } from './watcher.ts';

const TRANSFER_MILLIS = 5000;
/** Longer than the log keeps what a node misses, so that it gets a snapshot. */
const ABSENCE_MILLIS_MIN = 70_000;
const ABSENCE_MILLIS_MAX = 90_000;

type Fault = (faults: Faults) => Promise<void>;

/** Weights are relative. */
const KINDS: Readonly<Record<string, { readonly weight: number; readonly run: Fault }>> = {
  'kill -9': { weight: 20, run: (faults) => faults.kill(1) },
  'kill -9 of two': { weight: 4, run: (faults) => faults.kill(2) },
  'kill -9 of all': { weight: 2, run: (faults) => faults.kill(Number.POSITIVE_INFINITY) },
  'clean stop': { weight: 5, run: (faults) => faults.retire() },
  pause: { weight: 18, run: (faults) => faults.pause(1) },
  'pause of two': { weight: 4, run: (faults) => faults.pause(2) },
  'link cut both ways': { weight: 14, run: (faults) => faults.cutLink() },
  'link cut one way': { weight: 10, run: (faults) => faults.stallLink() },
  'node cut off': { weight: 14, run: (faults) => faults.isolate() },
  'node deaf': { weight: 6, run: (faults) => faults.stallNode('deaf') },
  'node mute': { weight: 6, run: (faults) => faults.stallNode('mute') },
  'all links cut': { weight: 3, run: (faults) => faults.cutAll() },
  transfer: { weight: 10, run: (faults) => faults.transfer() },
};

const TOTAL_WEIGHT = Object.values(KINDS).reduce((sum, { weight }) => sum + weight, 0);

export class Faults {
  readonly counts: Map<string, number> = new Map();
  transfers = 0;
  readonly #fleet: Fleet;
  readonly #watcher: Watcher;
  readonly #random: SeededRandom;
  readonly #say: (text: string) => void;

  constructor(fleet: Fleet, watcher: Watcher, random: SeededRandom, say: (text: string) => void) {
    this.#fleet = fleet;
    this.#watcher = watcher;
    this.#random = random;
    this.#say = say;
  }

  /** Resolves when it has ended, and what it broke runs again. */
  async next(): Promise<void> {
    let ticket = this.#random.below(TOTAL_WEIGHT);
    for (const [name, { weight, run }] of Object.entries(KINDS)) {
      if (ticket >= weight) {
        ticket -= weight;
        continue;
      }
      this.#counted(name);
      await run(this);
      return;
    }
  }

  /** A node is away for so long that it must get a snapshot. */
  async absence(): Promise<void> {
    this.#counted('long absence');
    await this.#withNodes(1, async ([node]) => {
      await this.#fleet.kill(node as number);
      await pause(this.#between(ABSENCE_MILLIS_MIN, ABSENCE_MILLIS_MAX));
      await this.#fleet.restart(node as number);
    });
  }

  kill(count: number): Promise<void> {
    return this.#withNodes(count, async (nodes) => {
      await Promise.all(
        nodes.map(async (node) => {
          const millis = this.#between(0, 4000);
          await this.#fleet.kill(node);
          await pause(millis);
          await this.#fleet.restart(node);
        }),
      );
    });
  }

  retire(): Promise<void> {
    return this.#withNodes(1, async ([node]) => {
      await this.#fleet.retire(node as number);
      await this.#fleet.restart(node as number);
    });
  }

  pause(count: number): Promise<void> {
    return this.#withNodes(count, async (nodes) => {
      await Promise.all(
        nodes.map(async (node) => {
          const millis = this.#between(200, 5000);
          this.#fleet.pause(node);
          await pause(millis);
          this.#fleet.resume(node);
        }),
      );
    });
  }

  async cutLink(): Promise<void> {
    const [a, b] = this.#pair();
    const kind = this.#cutKind();
    this.#tell(kind, a, b);
    await this.#during([this.#fleet.links.cut(a, b, kind)], 300, 8000);
  }

  async stallLink(): Promise<void> {
    const [from, to] = this.#pair();
    this.#tell('from', from, 'to', to);
    await this.#during([this.#fleet.links.stall(from, to)], 300, 8000);
  }

  async isolate(): Promise<void> {
    const node = this.#anyNode();
    const kind = this.#cutKind();
    this.#tell(kind, node);
    const { links } = this.#fleet;
    await this.#during(
      this.#others(node).map((other) => links.cut(node, other, kind)),
      500,
      10_000,
    );
  }

  async stallNode(how: 'deaf' | 'mute'): Promise<void> {
    const node = this.#anyNode();
    this.#tell(node);
    const { links } = this.#fleet;
    await this.#during(
      this.#others(node).map((other) =>
        how === 'mute' ? links.stall(node, other) : links.stall(other, node),
      ),
      500,
      10_000,
    );
  }

  async cutAll(): Promise<void> {
    const kind = this.#cutKind();
    this.#tell(kind);
    const { links, ids } = this.#fleet;
    const pairs = ids.flatMap((a) => ids.filter((b) => b > a).map((b) => [a, b] as const));
    await this.#during(
      pairs.map(([a, b]) => links.cut(a, b, kind)),
      500,
      5000,
    );
  }

  /** Of all that a node leads. It may fail: then somebody goes on, or is elected. */
  async transfer(): Promise<void> {
    const leader = this.#anyNode();
    const target = this.#oneOf(this.#others(leader));
    this.#tell('from', leader, 'to', target);
    await this.#fleet
      .channel(leader)
      .transfer(target, TRANSFER_MILLIS)
      .then(
        () => {
          this.transfers += 1;
        },
        () => {},
      );
  }

  async #during(heals: readonly (() => void)[], low: number, high: number): Promise<void> {
    this.#fleet.relinked();
    await pause(this.#between(low, high));
    for (const heal of heals) heal();
    this.#fleet.relinked();
  }

  /** Those of the wanted number that nobody else breaks at the moment. */
  async #withNodes(count: number, act: (nodes: readonly number[]) => Promise<void>): Promise<void> {
    const chosen: number[] = [];
    const leader = this.#watcher.leader;
    // The leader on purpose, now and then.
    if (leader !== undefined && this.#random.below(100) < 35) chosen.push(leader);
    const rest = this.#fleet.ids.filter((id) => id !== chosen[0]);
    while (rest.length > 0) chosen.push(...rest.splice(this.#random.below(rest.length), 1));
    const nodes = chosen.filter((id) => this.#fleet.isFree(id)).slice(0, count);
    if (nodes.length === 0) return;
    const releases = nodes.map((id) => this.#fleet.take(id));
    this.#tell(...nodes);
    try {
      await act(nodes);
    } finally {
      for (const release of releases) release();
    }
  }

  /** How it is done, and who leads meanwhile. */
  #tell(...how: readonly (string | number)[]): void {
    this.#say(`  ${how.join(' ')}, leader ${this.#watcher.leader ?? 'unknown'}`);
  }

  #counted(name: string): void {
    this.#say(name);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  #anyNode(): number {
    const leader = this.#watcher.leader;
    if (leader !== undefined && this.#random.below(100) < 40) return leader;
    return this.#oneOf(this.#fleet.ids);
  }

  #pair(): readonly [number, number] {
    const a = this.#anyNode();
    return [a, this.#oneOf(this.#others(a))];
  }

  #others(node: number): readonly number[] {
    return this.#fleet.ids.filter((id) => id !== node);
  }

  #cutKind(): CutKind {
    return this.#random.oneIn(2) ? 'stall' : 'reset';
  }

  #oneOf(ids: readonly number[]): number {
    return ids[this.#random.below(ids.length)] as number;
  }

  #between(low: number, high: number): number {
    return low + this.#random.below(high - low);
  }
}

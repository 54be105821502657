// Clients of registers: they read and write, follow the leader as nodes name it, and write down what they asked and what
// they were told. At times they leave most groups alone, so that those fall asleep.

import { RegisterHistory } from '../checkers/register-history.ts';
import type { SeededRandom } from '../random.ts';
import type { World } from '../world.ts';
import type { Answer, ClusterNode, Register } from './cluster-node.ts';
import { registerName } from './cluster-node.ts';
import type { Cluster } from './cluster.ts';

const PAUSE_MICROS_MAX = 150_000;
const HOT_REGISTERS = 3;
const HOT_MICROS_MAX = 4_000_000;

export interface ClientOptions {
  readonly clients: number;
  readonly groups: number;
  /** At times all groups are asked for something, at others so many at most. */
  readonly hotGroupsMax: number;
  readonly registersPerGroup: number;
}

export class Clients<Node extends ClusterNode> {
  readonly history: RegisterHistory;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #cluster: Cluster<Node>;
  readonly #options: ClientOptions;
  /** The node that last served a group, or was named. */
  readonly #leaders = new Map<number, number>();
  #hotGroups: number;
  #hotUntilMicros = 0;
  #nextValue = 1;
  #busy = 0;
  #isOver = false;
  operations = 0;
  acknowledged = 0;
  reads = 0;
  unknown = 0;

  constructor(world: World, cluster: Cluster<Node>, options: ClientOptions) {
    this.#world = world;
    this.#random = world.random.fork('clients');
    this.#cluster = cluster;
    this.#options = options;
    this.#hotGroups = options.groups;
    this.history = new RegisterHistory(() => world.nowMicros);
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i++) {
      this.#client(`client ${i + 1}`).catch((error: unknown) => this.#world.fail(error));
    }
  }

  /** Nobody asks anything more; what is under way may go on. */
  stop(): void {
    this.#isOver = true;
  }

  get areIdle(): boolean {
    return this.#busy === 0;
  }

  async #client(name: string): Promise<void> {
    this.#busy += 1;
    while (!this.#isOver) {
      const register = {
        group: 1 + this.#random.below(this.#hot()),
        register: this.#register(),
      };
      if (this.#random.oneIn(2)) await this.write(name, register);
      else await this.read(name, register);
      if (!this.#random.oneIn(3)) await this.#world.sleep(this.#random.below(PAUSE_MICROS_MAX));
    }
    this.#busy -= 1;
  }

  /** One of a few, mostly: many ask for the same. */
  #register(): number {
    const { registersPerGroup } = this.#options;
    return this.#random.below(this.#random.oneIn(4) ? registersPerGroup : HOT_REGISTERS);
  }

  /** How many of the groups are in use. */
  #hot(): number {
    if (this.#world.nowMicros >= this.#hotUntilMicros) {
      this.#hotUntilMicros = this.#world.nowMicros + this.#random.below(HOT_MICROS_MAX);
      const { groups, hotGroupsMax } = this.#options;
      const few = hotGroupsMax === groups ? 2 : 6;
      this.#hotGroups = this.#random.oneIn(few) ? groups : 1 + this.#random.below(hotGroupsMax);
    }
    return this.#hotGroups;
  }

  /** Whether it was acknowledged. */
  async write(name: string, register: Register): Promise<boolean> {
    const value = this.#nextValue++;
    const call = this.history.call(name, registerName(register), 'write', value);
    const answer = await this.#ask(register, (node) => node.write(register, value));
    if (answer.kind === 'done') {
      this.history.done(call);
      this.acknowledged += 1;
    } else if (answer.kind === 'refused') {
      this.history.failed(call);
    } else {
      this.unknown += 1;
    }
    return answer.kind === 'done';
  }

  /** Whether it was answered. */
  async read(name: string, register: Register): Promise<boolean> {
    const call = this.history.call(name, registerName(register), 'read');
    const answer = await this.#ask(register, (node) => node.read(register));
    if (answer.kind === 'done') {
      this.history.done(call, answer.value);
      this.reads += 1;
    } else if (answer.kind === 'refused') {
      this.history.failed(call);
    }
    return answer.kind === 'done';
  }

  async #ask(register: Register, run: (node: Node) => Promise<Answer>): Promise<Answer> {
    this.operations += 1;
    const { group } = register;
    const nodes = this.#cluster.seats.length;
    // Others are asked at times too: they may think that they lead.
    const known = this.#random.oneIn(12) ? undefined : this.#leaders.get(group);
    const node = known ?? 1 + this.#random.below(nodes);
    const answer = await this.#cluster.ask(node, run);
    if (answer.kind === 'done') this.#leaders.set(group, node);
    else if (answer.kind === 'refused' && answer.leader !== undefined) {
      this.#leaders.set(group, answer.leader);
    } else if (known === node) this.#leaders.delete(group);
    this.#world.trace.number(answer.kind.length * 1024 + group);
    return answer;
  }
}

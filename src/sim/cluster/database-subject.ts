// A cluster of whole nodes (database-node.ts): one range, with a replica on each. Leadership is handed over now and then,
// and replicas are compared, while everything else goes wrong.

import { FIRST_DATA_RANGE } from '../../ranges/layout.ts';
import type { ConsistencyAnswer } from '../../node/status.ts';
import { DbError } from '../../base/errors.ts';
import { initParser } from '../../sql/parse/grammar.ts';
import { nodeOf } from '../../raft/types.ts';
import { RaftInvariants } from '../checkers/raft-invariants.ts';
import type { Machine } from '../machine.ts';
import type { SeededRandom } from '../random.ts';
import { demand, Violation } from '../violation.ts';
import type { Life, World } from '../world.ts';
import { doneWithin, setSettings } from './asking.ts';
import type { Cluster } from './cluster.ts';
import { type DatabaseNode, openNode, writeIdentities } from './database-node.ts';
import type { ClusterShape } from './plans.ts';
import { demandOneHolder, NO_WORK, REGISTER_CLIENTS, type Subject } from './subject.ts';
import type { Probe, WorkCounts } from './work.ts';

const SECOND = 1_000_000;
const CONSISTENCY_MICROS = 10 * SECOND;
const HAND_OVER_MICROS_MAX = 8 * SECOND;
const FURNISHING_MICROS_MAX = 30 * SECOND;
const COMPARING_MICROS_MAX = 30 * SECOND;

export class DatabaseSubject implements Subject<DatabaseNode> {
  readonly groups = 1;
  /** Many: what is written once and never again stays as it was made of. */
  readonly registersPerGroup = 100;
  readonly clients: number = REGISTER_CLIENTS;
  readonly counts: WorkCounts = NO_WORK;
  readonly lookMicros = 500;
  onElected: (node: number) => void = () => {};
  onHandOver: (node: number) => void = () => {};
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #shape: ClusterShape;
  readonly #note: (kind: string) => void;
  readonly #invariants = new RaftInvariants();
  #cluster!: Cluster<DatabaseNode>;
  #period = 0;

  constructor(world: World, shape: ClusterShape, note: (kind: string) => void) {
    this.#world = world;
    this.#random = world.random.fork('database');
    this.#shape = shape;
    this.#note = note;
  }

  get elections(): number {
    return this.#invariants.elections;
  }

  /** Every node knows from the start who belongs to the cluster. */
  async prepare(cluster: Cluster<DatabaseNode>): Promise<void> {
    // WebAssembly is compiled outside of simulated time: before it begins.
    await initParser();
    this.#cluster = cluster;
    await writeIdentities(this.#world, cluster, cluster.seats.length);
  }

  async open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<DatabaseNode> {
    return openNode(machine.runtime(life), this.#shape, CONSISTENCY_MICROS, {
      shardEntry: machine.shardEntry(),
      broken,
      observer: this.#invariants.observer((replica) => this.onElected(nodeOf(replica))),
    });
  }

  /** A replica on each node, also where that is more than there would be by itself. */
  async furnish(): Promise<void> {
    const factor = String(this.#cluster.seats.length);
    const set = setSettings(this.#world, this.#cluster, this.#random, [
      ['replication.factor', factor],
    ]);
    const isDone = await doneWithin(this.#world, set, FURNISHING_MICROS_MAX);
    demand(isDone, 'all was well for long, and yet a setting could not be changed');
  }

  probes(): readonly Probe[] {
    return [];
  }

  look(): void {
    demandOneHolder(this.#cluster, FIRST_DATA_RANGE);
  }

  begin(): void {
    if (this.#shape.membership.weights.transfer > 0) this.#handOverLater();
  }

  pause(): void {
    this.#period += 1;
  }

  #handOverLater(): void {
    const period = this.#period;
    this.#world.after(this.#random.below(HAND_OVER_MICROS_MAX), undefined, () => {
      if (this.#period !== period) return;
      this.#handOver().catch((error: unknown) => this.#world.fail(error));
      this.#handOverLater();
    });
  }

  async #handOver(): Promise<void> {
    const seat = this.#cluster.seats.find(({ node }) => node?.holdsLease() === true);
    if (seat === undefined) return;
    const to = 1 + this.#random.below(this.#cluster.seats.length);
    this.onHandOver(seat.machine.node);
    const outcome = await this.#cluster.ask(seat.machine.node, (node) =>
      node.database.transferLeadership(to).then(
        () => 'transferred',
        (error: unknown) => {
          if (error instanceof DbError) return 'failed';
          throw error;
        },
      ),
    );
    this.#note(`transfer ${typeof outcome === 'string' ? outcome : outcome.kind}`);
  }

  async tidy(): Promise<string | undefined> {
    return undefined;
  }

  tell(): string {
    return this.difference() ?? 'all replicas are alike';
  }

  difference(): string | undefined {
    const committed = this.#invariants.committedIndex(FIRST_DATA_RANGE);
    for (const { node, machine } of this.#cluster.seats) {
      if (node === undefined) return `node ${machine.node} is not up`;
      if (node.range === undefined) return `node ${machine.node} has no replica`;
      const { appliedIndex, broken } = node.range;
      demand(broken === undefined, `node ${machine.node} differs from others: ${broken}`);
      if (appliedIndex !== committed) {
        return `node ${machine.node} has applied ${appliedIndex} of ${committed}`;
      }
    }
    return undefined;
  }

  /** All replicas hold the same rows. */
  async judge(): Promise<void> {
    let answer: ConsistencyAnswer | undefined;
    let hindrance = 'nobody answered';
    const ask = async (): Promise<void> => {
      while (answer === undefined) {
        const node = this.#cluster.running.find((one) => one.holdsLease());
        const told = await node?.database.checkConsistency().catch((error: unknown) => {
          if (error instanceof DbError) return undefined;
          throw error;
        });
        if (told?.kind === 'undecided') hindrance = told.reason;
        else if (told !== undefined) answer = told;
        if (answer === undefined) await this.#world.sleep(100_000);
      }
    };
    ask().catch((error: unknown) => this.#world.fail(error));
    const world = this.#world;
    await world.run(() => answer !== undefined, world.nowMicros + COMPARING_MICROS_MAX);
    if (answer === undefined)
      throw new Violation(`the replicas could not be compared: ${hindrance}`);
    const { kind } = answer;
    demand(kind === 'consistent', `the replicas hold different rows: ${JSON.stringify(answer)}`);
    const all = this.#cluster.seats.length;
    if (kind === 'consistent') {
      demand(answer.replicas === all, `only ${answer.replicas} of ${all} replicas were compared`);
    }
  }
}

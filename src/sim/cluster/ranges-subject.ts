// A cluster of whole nodes with many ranges, which are split, merged and moved (range-moves.ts) while everything else
// goes wrong. Registers, and what some clients work with (work.ts), are spread over them. In the end all ranges must be
// whole, each with its replicas where the directory says, and alike.

import { allDescriptors } from '../../node/ranges/directory-rows.ts';
import type { RangeHost } from '../../node/ranges/range-host.ts';
import type { SettingName } from '../../node/placement/settings.ts';
import { nodeOf } from '../../raft/types.ts';
import { membersOf } from '../../raft/configuration.ts';
import { initParser } from '../../sql/parse/grammar.ts';
import { logView, nameOf, RaftInvariants } from '../checkers/raft-invariants.ts';
import {
  type SeenReplica,
  toldOf,
  whatDirectoryLacks,
  whatIsAmiss,
} from '../checkers/range-map.ts';
import { ServedKeys } from '../checkers/served-keys.ts';
import type { Machine } from '../machine.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import type { Life, World } from '../world.ts';
import { answerOf, doneWithin, setSettings } from './asking.ts';
import type { Cluster } from './cluster.ts';
import { type DatabaseNode, openNode, writeIdentities } from './database-node.ts';
import { RangeMoves } from './range-moves.ts';
import type { RangesShape } from './ranges-plans.ts';
import type { Subject } from './subject.ts';
import type { Probe, Work, WorkCounts } from './work.ts';

const SECOND = 1_000_000;
const FOUNDERS = 3;
const CONSISTENCY_MICROS = 5 * SECOND;
const FURNISHING_MICROS_MAX = 30 * SECOND;
const COMPARING_MICROS_MAX = 30 * SECOND;
/** Some are split at before anything goes wrong. */
const SPLITS_MAX = 10;
export const REGISTERS_PER_AREA = 4;

type MakeWork = (
  world: World,
  cluster: Cluster<DatabaseNode>,
  note: (kind: string) => void,
) => Work;

export class RangesSubject implements Subject<DatabaseNode> {
  readonly groups: number;
  readonly registersPerGroup: number = REGISTERS_PER_AREA;
  readonly clients: number;
  readonly lookMicros = 2_000;
  onElected: (node: number) => void = () => {};
  onHandOver: (node: number) => void = () => {};
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #shape: RangesShape;
  readonly #note: (kind: string) => void;
  readonly #makeWork: MakeWork;
  readonly #invariants = new RaftInvariants();
  readonly #served = new ServedKeys();
  #cluster!: Cluster<DatabaseNode>;
  #work!: Work;
  #moves!: RangeMoves;
  #isCalm = false;
  #incomparable = '';

  constructor(world: World, shape: RangesShape, note: (kind: string) => void, makeWork: MakeWork) {
    this.groups = shape.groups;
    this.clients = shape.clients;
    this.#makeWork = makeWork;
    this.#world = world;
    this.#random = world.random.fork('ranges');
    this.#shape = shape;
    this.#note = note;
  }

  get elections(): number {
    return this.#invariants.elections;
  }

  /** The first nodes found the cluster; the others have nothing at first. */
  async prepare(cluster: Cluster<DatabaseNode>): Promise<void> {
    // WebAssembly is compiled outside of simulated time: before it begins.
    await initParser();
    this.#cluster = cluster;
    this.#work = this.#makeWork(this.#world, cluster, this.#note);
    this.#moves = new RangeMoves({
      world: this.#world,
      cluster,
      plan: this.#shape.moves,
      someKey: () => this.#work.someKey(this.#random),
      onHandOver: (node) => this.onHandOver(node),
      note: this.#note,
    });
    await writeIdentities(this.#world, cluster, FOUNDERS);
  }

  async open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<DatabaseNode> {
    return openNode(machine.runtime(life), this.#shape, CONSISTENCY_MICROS, {
      shardEntry: machine.shardEntry(),
      broken,
      observer: this.#invariants.observer((replica) => this.onElected(nodeOf(replica))),
    });
  }

  async furnish(): Promise<void> {
    const splits = 1 + this.#random.below(SPLITS_MAX);
    await this.#until(
      Promise.all([
        this.#work.open(),
        this.#moves.splitSome(splits),
        this.#set(this.#shape.settings),
      ]),
      FURNISHING_MICROS_MAX,
      () => 'work could not be begun and ranges not be split',
    );
  }

  probes(): readonly Probe[] {
    return this.#work.probes();
  }

  get counts(): WorkCounts {
    return this.#work.counts;
  }

  look(): void {
    this.#served.look(this.#cluster.seats);
  }

  begin(): void {
    this.#moves.begin();
  }

  pause(): void {
    this.#moves.pause();
  }

  async tidy(): Promise<string | undefined> {
    this.#work.stop();
    if (!this.#work.isIdle) return 'a client waits for an answer';
    if (!this.#isCalm) {
      await this.#set([
        ['range.merge', 'off'],
        ['range.split_by_load', 'off'],
        ['rebalance.enabled', 'off'],
      ]);
      this.#isCalm = true;
    }
    const amiss = this.difference();
    if (amiss !== undefined) return amiss;
    const published = await answerOf(this.#cluster, this.#random, (node) =>
      allDescriptors(node.database.kv.transactions),
    );
    return published === undefined
      ? 'the directory could not be read'
      : whatDirectoryLacks(published, this.#replicas());
  }

  tell(): string {
    return this.#hosts()
      .map(({ node, host }) => {
        const { range, term, role, committedIndex, lastIndex } = host.status();
        const { replica, group } = host;
        const held = group.lease.isHeld() ? ' with its lease' : '';
        const serves = host.isServing ? ' serves' : '';
        const changing = replica.changes.whyBusy() ?? '';
        return `node ${node} range ${range} ${nameOf(group.core.replicaId)} ${role}${held}${serves}, term ${term}, applied ${host.appliedIndex} of ${committedIndex} of ${lastIndex}, ${JSON.stringify(replica.stats())}, ${host.isKnown ? toldOf(host.descriptor) : 'no state'}, leader ${host.leaderElsewhere}, frozen ${JSON.stringify(replica.rangeState.frozen)} ${changing}`;
      })
      .sort()
      .join('\n');
  }

  difference(): string | undefined {
    return whatIsAmiss(this.#replicas(), (range) => this.#invariants.committedIndex(range));
  }

  async judge(): Promise<void> {
    await this.#until(
      Promise.all([this.#work.check(), this.#compareAll()]),
      COMPARING_MICROS_MAX,
      () => `the replicas could not be compared: ${this.#incomparable}`,
    );
    for (const range of new Set(this.#hosts().map(({ host }) => host.range))) {
      const logs = this.#hosts().flatMap(({ host }) =>
        host.range === range ? [logView(host.group.core, host.group.log)] : [],
      );
      this.#invariants.checkLogs(range, logs);
    }
  }

  /** All replicas hold the same rows: of each range as it is at last, since what the cluster began by itself before it
   * was told to leave ranges alone may end now. Ranges at once: each takes a while. */
  async #compareAll(): Promise<void> {
    const compared = new Map<number, number>();
    const busy = new Set<number>();
    const isCompared = ({ host }: { readonly host: RangeHost }): boolean =>
      host.isKnown && compared.get(host.range) === host.descriptor.generation;
    while (!this.#hosts().every(isCompared)) {
      for (const host of this.#led()) {
        if (busy.has(host.range) || isCompared({ host })) continue;
        busy.add(host.range);
        this.#compare(host, compared)
          .finally(() => busy.delete(host.range))
          .catch((error: unknown) => this.#world.fail(error));
      }
      await this.#world.sleep(20_000);
    }
  }

  /** Notes the generation of which all replicas were found to be alike. */
  async #compare(host: RangeHost, compared: Map<number, number>): Promise<void> {
    const { generation } = host.descriptor;
    const answer = await host
      .check()
      .catch((error: unknown) => ({ kind: 'refused', reason: String(error) }) as const);
    demand(answer.kind !== 'different', `range ${host.range}: ${JSON.stringify(answer)}`);
    const all = membersOf(host.descriptor.configuration).length;
    const isWhole = answer.kind === 'consistent' && answer.replicas === all;
    if (isWhole && host.descriptor.generation === generation) compared.set(host.range, generation);
    else this.#incomparable = `range ${host.range}: ${JSON.stringify(answer)}`;
  }

  #set(settings: readonly (readonly [SettingName, string])[]): Promise<void> {
    return setSettings(this.#world, this.#cluster, this.#random, settings);
  }

  #hosts(): readonly { readonly node: number; readonly host: RangeHost }[] {
    return this.#cluster.seats.flatMap(({ node, machine }) =>
      [...(node?.database.ranges.hosted() ?? [])].map((host) => ({ node: machine.node, host })),
    );
  }

  #led(): readonly RangeHost[] {
    return this.#hosts().flatMap(({ host }) => (host.isServing ? [host] : []));
  }

  #replicas(): readonly SeenReplica[] {
    return this.#hosts().map(({ node, host }) => {
      const { replica, group } = host;
      const { lockedKeys, lockedSpans, lockWaits } = replica.stats();
      return {
        node,
        range: host.range,
        replica: group.core.replicaId,
        descriptor: host.isKnown && !host.lacksState ? host.descriptor : undefined,
        isServing: host.isServing,
        isFrozen: replica.rangeState.frozen !== undefined,
        appliedIndex: host.appliedIndex,
        prepared: replica.twoPhase.preparedCount,
        locks: lockedKeys + lockedSpans + lockWaits,
      };
    });
  }

  async #until(done: Promise<unknown>, micros: number, otherwise: () => string): Promise<void> {
    const isDone = await doneWithin(this.#world, done, micros);
    demand(isDone, `all was well for long, and yet ${otherwise()}`);
  }
}

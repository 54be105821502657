// Three nodes with real schedulers in simulated time, with clocks as a test sets them. Leaders are cut off, restarted,
// asked to hand over, and left asleep, and the others elect as soon as they may. It looks for what P1 and P3 forbid: two
// holders of one group's lease at once, and a timestamp that one leader covers although a later one's floor is not above.
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { openIntervalClock, type OwnedClock } from '../../src/clock/clock.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { RaftGroup } from '../../src/raft/group.ts';
import { DEFAULT_SCHEDULER_OPTIONS, RaftScheduler } from '../../src/raft/scheduler.ts';
import { DEFAULT_TIMING, type RaftTiming } from '../../src/raft/timing.ts';
import { type GroupId, replicaIdOn } from '../../src/raft/types.ts';
import { Machine } from '../../src/sim/machine.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { World } from '../../src/sim/world.ts';

const NODES = [1, 2, 3];
const GROUPS: readonly GroupId[] = [1, 2];
/** Campaigns are tried all the time, so that promises alone hold them back. */
const TIMING: RaftTiming = {
  ...DEFAULT_TIMING,
  tickMicros: 10_000,
  electionTicks: 5,
  leaseMicros: 300_000,
};
const LOOK_MICROS = 1_000;

export interface ClusterOptions {
  readonly seed: number;
  readonly bugs?: readonly string[];
  readonly uncertaintyMicros?: number;
  /** By how much each node's monotonic clock is off, in millionths. */
  readonly driftsPerMillion?: readonly number[];
  /** By how much each node's wall is off, in multiples of the uncertainty. */
  readonly wallErrors?: readonly number[];
  readonly disturbances?: readonly Disturbance[];
}

export type Disturbance = 'isolate' | 'transfer' | 'restart' | 'rest';

interface Node {
  readonly clock: OwnedClock;
  readonly scheduler: RaftScheduler;
  readonly groups: Map<GroupId, Member>;
}

interface Member {
  readonly group: RaftGroup;
  isServing: boolean;
  /** The greatest timestamp that is known to lie in the log (P3). */
  logged: number;
}

interface Reign {
  readonly floor: number;
  served: number;
}

export class LeaseCluster {
  readonly counts: Record<Disturbance | 'elections' | 'looks' | 'asleep', number> = {
    isolate: 0,
    transfer: 0,
    restart: 0,
    rest: 0,
    asleep: 0,
    elections: 0,
    looks: 0,
  };
  private readonly options: ClusterOptions;
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly network: SimNetwork;
  private readonly machines: readonly Machine[];
  private readonly nodes = new Map<number, Node>();
  private readonly reigns = new Map<GroupId, Map<number, Reign>>(
    GROUPS.map((group) => [group, new Map<number, Reign>()]),
  );

  constructor(options: ClusterOptions) {
    this.options = options;
    const { seed, bugs, uncertaintyMicros = 2_000, driftsPerMillion, wallErrors } = options;
    this.world = new World(seed, new Set(bugs));
    this.random = this.world.random.fork('test');
    this.network = new SimNetwork(this.world);
    const { world, network } = this;
    this.machines = NODES.map((node, i) => {
      const machine = new Machine({ world, network, node, label: ` ${node}`, uncertaintyMicros });
      machine.clock.drift(driftsPerMillion?.[i] ?? 0);
      const error = wallErrors?.[i] ?? 0;
      // Within the bound it stands at the bound; what is beyond is a step that nobody knows of.
      machine.clock.shiftMicros = Math.sign(error) * 2 * uncertaintyMicros;
      machine.clock.stepMicros = Math.sign(error) * (Math.abs(error) - 1) * uncertaintyMicros;
      return machine;
    });
  }

  /** The first violation; undefined: none. */
  async run(seconds: number): Promise<string | undefined> {
    for (const machine of this.machines) this.start(machine);
    this.look();
    this.disturb();
    try {
      await this.world.run(() => false, seconds * 1e6);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  }

  private start(machine: Machine): void {
    const life = machine.begin();
    this.open(machine).then(
      (node) => {
        if (life.alive) this.nodes.set(machine.node, node);
      },
      (error: unknown) => {
        if (life.alive) this.world.fail(error);
      },
    );
  }

  private async open(machine: Machine): Promise<Node> {
    const life = machine.life;
    if (life === undefined) throw new Error('the machine is down');
    const runtime = machine.runtime(life);
    const clock = await openIntervalClock(runtime, 'data');
    const { node: nodeId } = machine;
    const scheduler = await RaftScheduler.open({ ...runtime, clock, nodeId }, 'data/log', {
      ...DEFAULT_SCHEDULER_OPTIONS,
      log: { ...DEFAULT_SCHEDULER_OPTIONS.log, segmentBytes: 64 << 10 },
      timing: TIMING,
      observer: { onLeader: (group) => this.won(group, clock) },
    });
    scheduler.onFailure((error) => this.world.fail(error));
    const node: Node = { clock, scheduler, groups: new Map() };
    for (const groupId of GROUPS) node.groups.set(groupId, this.create(node, nodeId, groupId));
    return node;
  }

  private create({ scheduler }: Node, nodeId: number, groupId: GroupId): Member {
    let isServing = false;
    const group: RaftGroup = scheduler.createGroup({
      groupId,
      replicaId: replicaIdOn(nodeId, 0),
      configuration: configurationOf(NODES.map((node) => replicaIdOn(node, 0))),
      appliedIndex: 0,
      onCommitted: (entries) => {
        for (const { kind, data } of entries) {
          if (kind !== 'command' || data.length === 0) continue;
          member.logged = Math.max(member.logged, new ByteReader(data).u53());
        }
      },
      onLeadership: (leadership) => {
        isServing = leadership.kind === 'leading';
        member.isServing = isServing;
      },
      onTransfer: async () => {
        member.isServing = false;
        const writer = new ByteWriter(8);
        writer.u53(this.reign(groupId, group.term)?.served ?? 0);
        const answer = await scheduler.propose(group, writer.take());
        if (answer.kind !== 'committed') throw new Error(answer.kind);
      },
    });
    const member: Member = { group, isServing, logged: 0 };
    return member;
  }

  private reign(groupId: GroupId, term: number): Reign | undefined {
    return this.reigns.get(groupId)?.get(term);
  }

  /** P1: nothing is served at or below now().latest of the winning, nor below what the log says was served. The log's
   * part is looked at once it was read, before anything is served. */
  private won({ groupId, term }: RaftGroup, clock: OwnedClock): void {
    this.counts.elections++;
    this.reigns.get(groupId)?.set(term, { floor: clock.latest(), served: 0 });
  }

  private look(): void {
    this.world.after(LOOK_MICROS, undefined, () => {
      for (const groupId of GROUPS) this.lookAt(groupId);
      this.look();
    });
  }

  private lookAt(groupId: GroupId): void {
    const holders: number[] = [];
    for (const [node, { clock, groups }] of this.nodes) {
      const member = groups.get(groupId);
      if (member === undefined || !member.group.lease.isHeld()) continue;
      holders.push(node);
      if (member.isServing) this.serve(groupId, member, clock);
    }
    if (holders.length > 1) this.fail(`nodes ${holders.join(' and ')} both hold a lease`);
  }

  /** Serves the present, and now and then promises as much of the future as it may. */
  private serve(groupId: GroupId, { group, logged }: Member, clock: OwnedClock): void {
    const { term, lease } = group;
    const reigns = this.reigns.get(groupId) as Map<number, Reign>;
    const reign = reigns.get(term);
    if (reign === undefined) return this.fail(`term ${term} has a lease and was never won`);
    this.counts.looks++;
    let covered: number = clock.latest();
    let refused = covered + 2 * TIMING.leaseMicros;
    while (refused - covered > 1) {
      const t = Math.floor((covered + refused) / 2);
      if (lease.covers(t as Timestamp)) covered = t;
      else refused = t;
    }
    const floor = Math.max(reign.floor, logged);
    for (const [other, { served }] of reigns) {
      if (other < term && served > floor) {
        this.fail(`term ${other} served ${served - floor} above the floor of term ${term}`);
      }
      if (other > term && covered > (reigns.get(other) as Reign).floor) {
        this.fail(`term ${term} may serve above the floor of term ${other}`);
      }
    }
    const t = this.random.oneIn(8) ? covered : clock.latest();
    reign.served = Math.max(reign.served, t);
    return undefined;
  }

  private fail(message: string): void {
    this.world.fail(new Error(`seed ${this.options.seed} at ${this.world.nowMicros}: ${message}`));
  }

  // What happens to them

  private disturb(): void {
    const kinds = this.options.disturbances ?? [
      'isolate',
      'isolate',
      'transfer',
      'restart',
      'rest',
    ];
    this.world.after(100_000 + this.random.below(700_000), undefined, () => {
      const kind = kinds[this.random.below(kinds.length)] as Disturbance;
      this.happen(kind).then(
        () => this.disturb(),
        (error: unknown) => this.world.fail(error),
      );
    });
  }

  private leaderOf(groupId: GroupId): number | undefined {
    for (const [node, { groups }] of this.nodes) {
      const member = groups.get(groupId);
      if (member?.isServing === true && member.group.lease.isHeld()) return node;
    }
    return undefined;
  }

  private async happen(kind: Disturbance): Promise<void> {
    const groupId = GROUPS[this.random.below(GROUPS.length)] as GroupId;
    const leader = this.leaderOf(groupId);
    if (leader === undefined) return;
    this.counts[kind]++;
    const others = NODES.filter((node) => node !== leader);
    const [one, other] = (this.random.oneIn(2) ? others : others.reverse()) as [number, number];
    switch (kind) {
      case 'isolate':
        await this.isolate(leader, one, other);
        break;
      case 'transfer':
        await this.transfer(leader, groupId, one);
        break;
      case 'restart':
        await this.restart(this.random.oneIn(2) ? leader : one);
        break;
      case 'rest':
        await this.world.sleep(1_000_000);
        if (this.nodes.get(leader)?.groups.get(groupId)?.group.wakefulness === 'asleep') {
          this.counts.asleep++;
          // Whoever was asleep loses the leader too.
          await this.isolate(leader, one, other);
        }
        break;
    }
  }

  /** One follower loses the leader before the other: it waits for the other's promise alone. */
  private async isolate(leader: number, first: number, last: number): Promise<void> {
    for (const node of [first, last]) {
      this.network.cut(leader, node);
      if (this.random.oneIn(2)) this.network.cut(node, leader);
      await this.world.sleep(this.random.below(TIMING.leaseMicros));
    }
    await this.world.sleep(this.random.below(2 * TIMING.leaseMicros));
    this.network.heal();
  }

  private async transfer(leader: number, groupId: GroupId, to: number): Promise<void> {
    const node = this.nodes.get(leader);
    const member = node?.groups.get(groupId);
    if (node === undefined || member === undefined) return;
    // The old leader asks, and then hears nothing of what comes of it.
    this.world.after(this.random.below(3_000), undefined, () => {
      for (const id of NODES) if (id !== leader) this.network.cut(id, leader);
    });
    const outcome = node.scheduler.transfer(member.group, replicaIdOn(to, 0));
    await Promise.race([outcome, this.world.sleep(600_000)]);
    await this.world.sleep(this.random.below(200_000));
    this.network.heal();
  }

  /** It is back at once, and so has forgotten what it promised a moment ago (P2). */
  private async restart(id: number): Promise<void> {
    const machine = this.machines[id - 1] as Machine;
    this.nodes.delete(id);
    machine.end(this.random, this.random.oneIn(2));
    await this.world.sleep(this.random.below(50_000));
    this.start(machine);
  }
}

// Several nodes with real leases, promises and pairs around a Raft of elections only, with clocks as bad as a test wants
// them. It looks for what P1 to P4 forbid: two holders of one group's lease at once, and a timestamp that a leader
// covers although a later leader's floor is not above it. Elections are as eager as promises allow.
import { Heap } from '../../src/base/heap.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { type Configuration, configurationOf } from '../../src/raft/configuration.ts';
import { Lease } from '../../src/raft/lease.ts';
import { Liveness } from '../../src/raft/liveness.ts';
import { Pairs } from '../../src/raft/pairs.ts';
import { ElectionPromise } from '../../src/raft/promise.ts';
import { DEFAULT_TIMING, type RaftTiming } from '../../src/raft/timing.ts';
import type { GroupId, Role } from '../../src/raft/types.ts';
import type { Log, WallReading } from '../../src/runtime/runtime.ts';
import { SeededRandom } from '../../src/sim/random.ts';

export interface ModelOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly groups?: number;
  readonly bugs?: readonly string[];
  /** How far the rates of the monotonic clocks are off, in millionths: some fast by as much, some slow. */
  readonly driftPerMillion?: number;
  readonly uncertaintyMicros?: number;
  /** How far the walls are off, in multiples of what they claim. */
  readonly wallError?: number;
  readonly timing?: RaftTiming;
  /** What happens besides outages. */
  readonly restarts?: boolean;
  readonly transfers?: boolean;
  readonly sleeps?: boolean;
  /** Outages that Raft's messages suffer, and pairs don't. */
  readonly partialOutages?: boolean;
  /** Looks for two holders at once only. */
  readonly ignoresTimestamps?: boolean;
}

interface Event {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
}

type Said =
  | { readonly kind: 'heartbeat'; readonly term: number; readonly stamp: number }
  | { readonly kind: 'answer'; readonly term: number; readonly stamp: number }
  | { readonly kind: 'vote'; readonly term: number; readonly isTransfer: boolean }
  | { readonly kind: 'granted'; readonly term: number }
  | { readonly kind: 'timeoutNow'; readonly term: number };

interface Replica {
  readonly group: GroupId;
  readonly replicaId: number;
  readonly configuration: Configuration;
  role: Role;
  term: number;
  vote: number;
  leader: number;
  readonly votes: Set<number>;
  isAsleep: boolean;
  silentTicks: number;
  patienceTicks: number;
  lease: Lease;
  promise: ElectionPromise;
}

interface Reign {
  floor: number;
  served: number;
}

const EPOCH = 1_700_000_000_000_000;
const QUIET: Log = { info: () => {}, warn: () => {}, error: () => {} };

class ModelNode {
  readonly id: number;
  readonly replicas: Map<GroupId, Replica> = new Map();
  readonly rate: number;
  readonly wallOffset: number;
  phase = 0;
  isUp = true;
  life = 0;
  live: Liveness;
  pairs: Pairs;

  constructor(model: LeaseModel, id: number) {
    this.id = id;
    const { drift, wallOffset } = model.clockOf(id);
    this.rate = 1 + drift;
    this.wallOffset = wallOffset;
    ({ live: this.live, pairs: this.pairs } = model.boot(this));
  }
}

export class LeaseModel {
  readonly violations: string[] = [];
  readonly counts: Record<'wins' | 'transfers' | 'sleeps' | 'restarts' | 'served', number> = {
    wins: 0,
    transfers: 0,
    sleeps: 0,
    restarts: 0,
    served: 0,
  };
  private readonly options: ModelOptions;
  private readonly timing: RaftTiming;
  private readonly uncertainty: number;
  private readonly random: SeededRandom;
  private readonly events = new Heap<Event>(
    (a, b) => a.at < b.at || (a.at === b.at && a.sequence < b.sequence),
  );
  private readonly nodes = new Map<number, ModelNode>();
  private readonly reigns = new Map<GroupId, Map<number, Reign>>();
  /** What transferring leaders have committed: in every later leader's log (P3). */
  private readonly logged = new Map<GroupId, number>();
  /** 'raft 1>2' or 'pair 1>2'. */
  private readonly cuts = new Set<string>();
  private now = 0;
  private sequence = 0;

  constructor(options: ModelOptions) {
    this.options = options;
    this.timing = options.timing ?? DEFAULT_TIMING;
    this.uncertainty = options.uncertaintyMicros ?? 5_000;
    this.random = new SeededRandom(options.seed);
    const ids = Array.from({ length: options.nodes ?? 3 }, (_, i) => i + 1);
    for (const id of ids) this.nodes.set(id, new ModelNode(this, id));
    for (let group = 1; group <= (options.groups ?? 2); group++) {
      this.reigns.set(group, new Map());
      for (const node of this.nodes.values()) this.createReplica(node, group, ids);
    }
    for (const node of this.nodes.values()) this.startTicks(node);
    this.disturb();
  }

  clockOf(id: number): { drift: number; wallOffset: number } {
    const { driftPerMillion = DEFAULT_TIMING.driftPerMillion, wallError = 1 } = this.options;
    const sign = (): number => (this.random.oneIn(2) ? 1 : -1);
    // The first is slow to let go and ahead, the second quick and behind: the worst there is, when it meets.
    const rateSign = id === 1 ? -1 : id === 2 ? 1 : sign();
    const wallSign = id === 1 ? 1 : id === 2 ? -1 : sign();
    return {
      drift: (rateSign * driftPerMillion) / 1e6,
      wallOffset: wallSign * wallError * this.uncertainty,
    };
  }

  boot(node: ModelNode): { live: Liveness; pairs: Pairs } {
    node.phase = this.random.below(1_000_000);
    const monotonicMicros = (): number => node.phase + this.now * node.rate;
    const wall = (): WallReading => {
      const centre = EPOCH + this.now + node.wallOffset;
      return {
        earliestMicros: centre - this.uncertainty,
        latestMicros: centre + this.uncertainty,
        monotonicMicros: monotonicMicros(),
      };
    };
    const clock = {
      earliest: () => Math.floor(wall().earliestMicros) as Timestamp,
      latest: () => Math.ceil(wall().latestMicros) as Timestamp,
      covers: () => true,
      suspended: undefined,
    };
    const bugs = new Set(this.options.bugs);
    const live = new Liveness(
      {
        time: { monotonicMicros, wall },
        random: this.random.fork(`node ${node.id} ${node.life}`),
        faults: {
          sometimes: (point) => bugs.has(point) && this.random.oneIn(2),
          reached: () => {},
        },
        clock,
      },
      this.timing,
    );
    const pairs = new Pairs(
      node.id,
      live,
      {
        send: (to, body) =>
          this.send('pair', node.id, to, (peer) => peer.pairs.receive(node.id, body)),
        fallAsleep: (offer) => {
          const replica = node.replicas.get(offer.group) as Replica;
          const follows = replica.role === 'follower' && replica.term === offer.term;
          if (!follows || replica.leader !== offer.leader) return undefined;
          replica.isAsleep = true;
          return replica.promise;
        },
        wake: (group) => this.wakeReplica(node, node.replicas.get(group) as Replica),
        onSuspect: (_, groups) => {
          for (const group of groups) this.wakeReplica(node, node.replicas.get(group) as Replica);
        },
        onClock: () => {},
      },
      QUIET,
    );
    const peers = Array.from({ length: this.options.nodes ?? 3 }, (_, i) => i + 1);
    for (const id of peers) if (id !== node.id) pairs.meet(id);
    return { live, pairs };
  }

  run(seconds: number): void {
    const end = this.now + seconds * 1e6;
    for (let event = this.events.pop(); event !== undefined; event = this.events.pop()) {
      if (event.at > end || this.violations.length > 0) return;
      this.now = event.at;
      event.run();
    }
  }

  private after(micros: number, run: () => void): void {
    this.events.push({ at: this.now + micros, sequence: this.sequence++, run });
  }

  private createReplica(node: ModelNode, group: GroupId, ids: readonly number[]): void {
    const replica: Omit<Replica, 'lease' | 'promise'> = {
      group,
      replicaId: node.id,
      configuration: configurationOf(ids),
      role: 'follower',
      term: 0,
      vote: 0,
      leader: 0,
      votes: new Set(),
      isAsleep: false,
      silentTicks: 0,
      patienceTicks: this.patience(),
    };
    const lease = new Lease(node.live, replica);
    const promise = new ElectionPromise(node.live, lease);
    node.replicas.set(group, Object.assign(replica, { lease, promise }));
  }

  private patience(): number {
    return this.timing.electionTicks + this.random.below(this.timing.electionTicks);
  }

  // Network and time

  private send(
    kind: 'raft' | 'pair',
    from: number,
    to: number,
    run: (node: ModelNode) => void,
  ): void {
    if (this.random.oneIn(50)) return;
    const copies = this.random.oneIn(20) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const delay = this.random.oneIn(25) ? this.random.below(400_000) : this.random.below(300);
      this.after(delay, () => {
        const node = this.nodes.get(to) as ModelNode;
        if (node.isUp && !this.cuts.has(`${kind} ${from}>${to}`)) run(node);
      });
    }
  }

  private say(node: ModelNode, replica: Replica, to: number, said: Said): void {
    const { group } = replica;
    this.send('raft', node.id, to, (peer) =>
      this.hear(peer, peer.replicas.get(group) as Replica, node.id, said),
    );
  }

  private tellAll(node: ModelNode, replica: Replica, said: Said): void {
    for (const id of this.nodes.keys()) if (id !== node.id) this.say(node, replica, id, said);
  }

  private startTicks(node: ModelNode): void {
    const { life } = node;
    const tick = (): void => {
      if (node.life !== life || !node.isUp) return;
      node.pairs.tick();
      for (const replica of node.replicas.values()) this.tickReplica(node, replica);
      this.after(this.timing.tickMicros, tick);
    };
    this.after(this.random.below(this.timing.tickMicros), tick);
  }

  private tickReplica(node: ModelNode, replica: Replica): void {
    this.check(node, replica);
    if (replica.isAsleep) return;
    replica.silentTicks++;
    if (replica.role === 'leader') {
      if (replica.silentTicks % this.timing.heartbeatTicks === 0) this.beat(node, replica);
      // Nobody listens any more (check-quorum), or a transfer has failed (P3).
      if (replica.lease.isHeld()) replica.patienceTicks = replica.silentTicks + this.patience();
      else if (replica.silentTicks > replica.patienceTicks) this.follow(replica, replica.term);
    } else if (replica.silentTicks >= replica.patienceTicks) {
      this.campaign(node, replica, false);
    }
  }

  // Raft, but for the log

  private beat(node: ModelNode, replica: Replica): void {
    const stamp = node.live.stamps.take();
    this.tellAll(node, replica, { kind: 'heartbeat', term: replica.term, stamp });
  }

  private follow(replica: Replica, term: number): void {
    if (replica.role === 'leader') replica.lease.end();
    if (term > replica.term) replica.vote = 0;
    replica.term = term;
    replica.role = 'follower';
    replica.leader = 0;
    replica.silentTicks = 0;
    replica.patienceTicks = this.patience();
  }

  private campaign(node: ModelNode, replica: Replica, isTransfer: boolean): void {
    node.pairs.wake(replica.group);
    replica.isAsleep = false;
    replica.silentTicks = 0;
    if (!isTransfer && !replica.promise.mayElect()) return;
    this.follow(replica, replica.term + 1);
    replica.role = 'candidate';
    replica.vote = node.id;
    replica.votes.clear();
    replica.votes.add(node.id);
    this.tellAll(node, replica, { kind: 'vote', term: replica.term, isTransfer });
  }

  private hear(node: ModelNode, replica: Replica, from: number, said: Said): void {
    // P4: a replica that may vote or change its term is registered nowhere.
    node.pairs.wake(replica.group);
    replica.isAsleep = false;
    if (said.kind === 'vote') {
      const mayElect = said.isTransfer || replica.promise.mayElect();
      if (!mayElect || said.term < replica.term) return;
      if (said.term > replica.term) this.follow(replica, said.term);
      if (replica.vote !== 0 && replica.vote !== from) return;
      replica.vote = from;
      this.say(node, replica, from, { kind: 'granted', term: replica.term });
      return;
    }
    if (said.term > replica.term) this.follow(replica, said.term);
    if (said.term < replica.term) {
      // Tells an old leader of the new term.
      if (said.kind === 'heartbeat') {
        this.say(node, replica, from, { kind: 'answer', term: replica.term, stamp: 0 });
      }
      return;
    }
    switch (said.kind) {
      case 'heartbeat':
        if (replica.role === 'candidate') replica.role = 'follower';
        replica.leader = from;
        replica.silentTicks = 0;
        replica.promise.renew();
        this.say(node, replica, from, { kind: 'answer', term: replica.term, stamp: said.stamp });
        break;
      case 'answer':
        if (replica.role !== 'leader') break;
        replica.lease.acknowledged(from, said.term, said.stamp);
        this.check(node, replica);
        this.maybeSleep(node, replica);
        break;
      case 'granted':
        if (replica.role !== 'candidate') break;
        replica.votes.add(from);
        if (replica.votes.size * 2 > this.nodes.size) this.win(node, replica);
        break;
      case 'timeoutNow':
        if (replica.role !== 'follower') break;
        this.counts.transfers++;
        this.campaign(node, replica, true);
        break;
    }
  }

  private win(node: ModelNode, replica: Replica): void {
    const { group, term } = replica;
    this.counts.wins++;
    replica.role = 'leader';
    replica.leader = node.id;
    replica.silentTicks = 0;
    replica.patienceTicks = this.patience();
    replica.lease.begin(term);
    // P1: above now().latest after winning, and above everything in the log.
    const latest = node.live.runtime.clock.latest();
    const floor = Math.max(latest, this.logged.get(group) ?? 0);
    const reigns = this.reigns.get(group) as Map<number, Reign>;
    reigns.set(term, { floor, served: 0 });
    for (const [earlier, { served }] of reigns) {
      if (earlier < term && served > floor) {
        this.violateTimestamps(
          `term ${earlier} served ${served - floor} above the floor of term ${term}`,
        );
      }
    }
    for (const peer of this.nodes.values()) {
      this.check(peer, peer.replicas.get(group) as Replica);
    }
    this.beat(node, replica);
  }

  private maybeSleep(node: ModelNode, replica: Replica): void {
    if (this.options.sleeps !== true || replica.isAsleep || !this.random.oneIn(4)) return;
    const { group, term, lease } = replica;
    const followers = [...this.nodes.keys()].filter((id) => id !== node.id);
    const leader = node.id;
    const isOffered = node.pairs.offerSleep({
      group,
      term,
      leader,
      commit: 0,
      lease,
      followers,
      absent: [],
    });
    replica.isAsleep = isOffered;
    if (isOffered) this.counts.sleeps++;
  }

  private wakeReplica(node: ModelNode, replica: Replica): void {
    replica.isAsleep = false;
    replica.silentTicks = 0;
    if (replica.role === 'leader') this.beat(node, replica);
  }

  // What must hold

  private check(node: ModelNode, replica: Replica): void {
    const { lease, group, term } = replica;
    if (!lease.isHeld()) return;
    for (const peer of this.nodes.values()) {
      if (peer === node || !peer.isUp) continue;
      const other = peer.replicas.get(group) as Replica;
      if (other.lease.isHeld()) {
        this.violate(
          `${node.id} in term ${term} and ${peer.id} in term ${other.term} hold a lease`,
        );
      }
    }
    const reigns = this.reigns.get(group) as Map<number, Reign>;
    const reign = reigns.get(term) as Reign;
    const reach = this.reach(node, lease);
    // Reads are at about the present; what a leader closes for its followers may lie as far ahead as it can.
    const t = this.random.oneIn(4) ? reach : node.live.runtime.clock.latest();
    reign.served = Math.max(reign.served, t);
    this.counts.served++;
    for (const [later, { floor }] of reigns) {
      if (later > term && reach > floor) {
        this.violateTimestamps(
          `term ${term} may serve ${reach - floor} above the floor of term ${later}`,
        );
      }
    }
  }

  /** The greatest timestamp that is covered now. */
  private reach(node: ModelNode, lease: Lease): number {
    let covered: number = node.live.runtime.clock.latest();
    let refused = covered + 2 * this.timing.leaseMicros;
    while (refused - covered > 1) {
      const t = Math.floor((covered + refused) / 2);
      if (lease.covers(t as Timestamp)) covered = t;
      else refused = t;
    }
    return covered;
  }

  private violateTimestamps(what: string): void {
    if (this.options.ignoresTimestamps !== true) this.violate(what);
  }

  private violate(what: string): void {
    this.violations.push(`seed ${this.options.seed} at ${Math.round(this.now)}: ${what}`);
  }

  // What happens to them

  private disturb(): void {
    const { transfers, restarts } = this.options;
    this.after(200_000 + this.random.below(1_500_000), () => {
      const kind = this.random.below(4);
      if (kind === 0 && transfers === true) this.transfer();
      else if (kind === 1 && restarts === true) this.restart();
      else this.outage();
      this.disturb();
    });
  }

  private leaderOf(group: GroupId): { node: ModelNode; replica: Replica } | undefined {
    for (const node of this.nodes.values()) {
      const replica = node.replicas.get(group) as Replica;
      if (node.isUp && replica.role === 'leader' && replica.lease.isHeld())
        return { node, replica };
    }
    return undefined;
  }

  private anyGroup(): GroupId {
    return 1 + this.random.below(this.reigns.size);
  }

  /** The leader's node is cut off, and the others would like another. */
  private outage(): void {
    const group = this.anyGroup();
    const leader = this.leaderOf(group);
    const from = leader?.node.id ?? 1;
    const isPartial = this.options.partialOutages === true && this.random.oneIn(2);
    const isOneWay = this.random.oneIn(2);
    const cuts: string[] = [];
    for (const id of this.nodes.keys()) {
      cuts.push(`raft ${from}>${id}`);
      if (!isOneWay) cuts.push(`raft ${id}>${from}`);
      if (isPartial) continue;
      cuts.push(`pair ${from}>${id}`);
      if (!isOneWay) cuts.push(`pair ${id}>${from}`);
    }
    for (const cut of cuts) this.cuts.add(cut);
    const end = this.now + 300_000 + this.random.below(1_000_000);
    for (const node of this.nodes.values()) if (node.id !== from) this.contend(node, group, end);
    this.after(end - this.now, () => {
      for (const cut of cuts) this.cuts.delete(cut);
    });
  }

  /** Tries to be elected again and again. */
  private contend(node: ModelNode, group: GroupId, end: number): void {
    const replica = node.replicas.get(group) as Replica;
    if (this.now > end || replica.role === 'leader') return;
    if (node.isUp && replica.promise.mayElect()) this.campaign(node, replica, false);
    this.after(200 + this.random.below(200), () => this.contend(node, group, end));
  }

  private transfer(): void {
    const leader = this.leaderOf(this.anyGroup());
    if (leader === undefined) return;
    const { node, replica } = leader;
    const { group, term } = replica;
    node.pairs.wake(group);
    replica.isAsleep = false;
    this.check(node, replica);
    replica.lease.giveUp();
    const served = this.reigns.get(group)?.get(term)?.served ?? 0;
    this.logged.set(group, Math.max(served, this.logged.get(group) ?? 0));
    const others = [...this.nodes.keys()].filter((id) => id !== node.id);
    const to = others[this.random.below(others.length)] as number;
    this.say(node, replica, to, { kind: 'timeoutNow', term });
  }

  private restart(): void {
    const ids = [...this.nodes.keys()];
    const node = this.nodes.get(ids[this.random.below(ids.length)] as number) as ModelNode;
    if (!node.isUp) return;
    this.counts.restarts++;
    node.isUp = false;
    for (const group of this.reigns.keys()) {
      const end = this.now + 1_000_000;
      for (const other of this.nodes.values()) if (other !== node) this.contend(other, group, end);
    }
    this.after(1_000 + this.random.below(300_000), () => {
      node.isUp = true;
      node.life++;
      ({ live: node.live, pairs: node.pairs } = this.boot(node));
      for (const replica of node.replicas.values()) {
        // Term and vote are on disk; all else is gone.
        replica.role = 'follower';
        replica.leader = 0;
        replica.isAsleep = false;
        replica.silentTicks = 0;
        replica.lease = new Lease(node.live, replica);
        replica.promise = new ElectionPromise(node.live, replica.lease);
      }
      this.startTicks(node);
      for (const group of this.reigns.keys()) this.contend(node, group, this.now + 600_000);
    });
  }
}

// Nodes that share groups, on one time, with the frames between them in the hands of a test.
import type { ClockVerdict } from '../../src/clock/skew-guard.ts';
import { Lease } from '../../src/raft/lease.ts';
import { Pairs } from '../../src/raft/pairs.ts';
import { ElectionPromise } from '../../src/raft/promise.ts';
import { DEFAULT_TIMING } from '../../src/raft/timing.ts';
import type { GroupId } from '../../src/raft/types.ts';
import { FakeLife, viewOf } from './liveness-fixture.ts';

interface Group {
  readonly view: ReturnType<typeof viewOf>;
  readonly lease: Lease;
  readonly promise: ElectionPromise;
  isAsleep: boolean;
}

export interface Frame {
  readonly from: number;
  readonly to: number;
  readonly body: Uint8Array;
}

/** Node 1 leads every group in term 5; the others follow, until a test says otherwise. */
export class PairNode {
  readonly id: number;
  readonly life: FakeLife;
  readonly pairs: Pairs;
  readonly groups: Map<GroupId, Group> = new Map();
  readonly woken: GroupId[] = [];
  readonly suspected: { node: number; groups: readonly GroupId[] }[] = [];
  readonly verdicts: ClockVerdict[] = [];
  readonly warnings: string[] = [];
  /** Whether followers agree to sleep. */
  isWilling = true;

  constructor(wire: Wire, id: number) {
    this.id = id;
    this.life = new FakeLife(wire.nextSeed());
    this.life.now = wire.now;
    this.life.stepMicros = wire.stepMicros;
    const warn = (message: string): void => void this.warnings.push(message);
    this.pairs = new Pairs(
      id,
      // As if it had run for long: promises of its start are over.
      Object.assign(this.life.live, { startedAtMicros: wire.now - wire.ranBeforeMicros }),
      {
        send: (to, body) => void wire.frames.push({ from: id, to, body: body.slice() }),
        fallAsleep: (offer) => {
          const group = this.groups.get(offer.group);
          const follows = group?.view.role === 'follower' && group.view.term === offer.term;
          if (group === undefined || !follows || !this.isWilling) return undefined;
          group.isAsleep = true;
          return group.promise;
        },
        wake: (group) => {
          this.group(group).isAsleep = false;
          this.woken.push(group);
        },
        onSuspect: (node, groups) => {
          for (const group of groups) this.group(group).isAsleep = false;
          this.suspected.push({ node, groups });
        },
        onClock: (verdict) => void this.verdicts.push(verdict),
      },
      { info: warn, warn, error: warn },
    );
    for (const peer of wire.ids) if (peer !== id) this.pairs.meet(peer);
  }

  addGroup(group: GroupId, voters: readonly number[]): void {
    const view = viewOf(voters, {
      replicaId: this.id,
      role: this.id === 1 ? 'leader' : 'follower',
    });
    const lease = new Lease(this.life.live, view);
    if (this.id === 1) lease.begin(view.term);
    const promise = new ElectionPromise(this.life.live, lease);
    this.groups.set(group, { view, lease, promise, isAsleep: false });
  }

  group(group: GroupId): Group {
    return this.groups.get(group) as Group;
  }

  /** Node 1: asks the others to sleep. */
  offer(group: GroupId): boolean {
    const { view, lease } = this.group(group);
    const isOffered = this.pairs.offerSleep({
      group,
      term: view.term,
      leader: this.id,
      commit: 7,
      lease,
      followers: view.configuration.voters.filter((voter) => voter !== this.id),
      absent: [],
    });
    this.group(group).isAsleep = isOffered;
    return isOffered;
  }

  wake(group: GroupId): void {
    this.pairs.wake(group);
    this.group(group).isAsleep = false;
  }
}

export class Wire {
  readonly ids: readonly number[];
  readonly nodes: Map<number, PairNode> = new Map();
  readonly frames: Frame[] = [];
  now = 0;
  ranBeforeMicros = 10_000_000;
  /** Of the walls of nodes that start from now on. */
  stepMicros = 0;
  private seed = 0;

  constructor(ids: readonly number[], groups = 1, voters: readonly number[] = ids) {
    this.ids = ids;
    for (const id of ids) this.nodes.set(id, new PairNode(this, id));
    for (const node of this.nodes.values()) {
      for (let group = 1; group <= groups; group++) node.addGroup(group, voters);
    }
  }

  nextSeed(): number {
    return ++this.seed;
  }

  node(id: number): PairNode {
    return this.nodes.get(id) as PairNode;
  }

  /** The node forgets everything that is not on disk. */
  restart(id: number): PairNode {
    const before = this.node(id);
    const node = new PairNode(this, id);
    Object.assign(node.life.live, { startedAtMicros: this.now });
    this.nodes.set(id, node);
    for (const [group, { view }] of before.groups) {
      node.addGroup(group, view.configuration.voters);
      Object.assign(node.group(group).view, { role: 'follower', term: view.term });
    }
    return node;
  }

  pass(micros: number): void {
    this.now += micros;
    for (const node of this.nodes.values()) node.life.now += micros;
  }

  deliver({ from, to, body }: Frame): void {
    this.node(to).pairs.receive(from, body);
  }

  /** Everything arrives that `arrives` lets through, and what that makes leave. */
  settle(arrives: (from: number, to: number) => boolean = () => true): void {
    for (let frame = this.frames.shift(); frame !== undefined; frame = this.frames.shift()) {
      if (arrives(frame.from, frame.to)) this.deliver(frame);
    }
  }

  tick(ticks: number, arrives?: (from: number, to: number) => boolean): void {
    for (let i = 0; i < ticks; i++) {
      this.pass(DEFAULT_TIMING.tickMicros);
      for (const node of this.nodes.values()) node.pairs.tick();
      this.settle(arrives);
    }
  }
}

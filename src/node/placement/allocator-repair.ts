// What must be done for one range whatever the load: enough replicas, none on nodes that are dead or about to go, no
// lease on a node that drains, replicas as far apart as they can be. One step at a time; the next is found again from
// what there is then, so that a new leader goes on where another stopped.
//
// Never: a majority that does not live after the step; fewer voters than the factor, unless nodes are too few for it.

import type { NodeId } from '../../runtime/runtime.ts';
import type { Picture } from './allocator-picture.ts';
import {
  bestTarget,
  betterSpread,
  diversityOf,
  fullness,
  mostDispensable,
  voterNodes,
} from './allocator-targets.ts';
import type {
  PlacementAction,
  PlacementCause,
  PlacementStep,
  RangeView,
  Repair,
} from './placement.ts';

const WELL: Repair = { kind: 'well' };

/** The factor that so many nodes can give: an even number of voters survives no more than the odd one below it. */
export function factorOf(wanted: number, nodes: number): number {
  const most = Math.max(1, Math.min(wanted, nodes));
  return most === wanted || most % 2 === 1 ? most : most - 1;
}

export function repair(picture: Picture, self: NodeId, range: RangeView): Repair {
  return new RangeRepair(picture, self, range).next();
}

class RangeRepair {
  private readonly picture: Picture;
  private readonly self: NodeId;
  private readonly range: RangeView;
  private readonly voters: readonly NodeId[];
  private readonly factor: number;

  constructor(picture: Picture, self: NodeId, range: RangeView) {
    this.picture = picture;
    this.self = self;
    this.range = range;
    this.voters = voterNodes(range);
    // The dead count: that a node has died must not make its ranges content with less.
    const nodes = picture.nodes.filter(({ view }) => !view.isDecommissioning).length;
    this.factor = factorOf(range.factor, nodes);
  }

  next(): Repair {
    const { voters, range } = this;
    if (range.isChanging) return { kind: 'stuck', reason: 'a change of its replicas is under way' };
    const live = voters.filter((node) => this.isLive(node));
    if (live.length < quorum(voters.length)) {
      return {
        kind: 'stuck',
        reason: `${live.length} of its ${voters.length} voters live: that is no majority`,
      };
    }
    return (
      this.leave() ??
      this.finishLearner() ??
      this.addMissing() ??
      this.replaceDead() ??
      this.removeSurplus() ??
      this.leaveDecommissioning() ??
      this.spread() ??
      WELL
    );
  }

  /** A lease goes first: whoever waits for the node to stop waits for it. */
  private leave(): Repair | undefined {
    const view = this.picture.node(this.self)?.view;
    if (view === undefined || (!view.isDraining && !view.isDecommissioning)) return undefined;
    const cause = view.isDecommissioning ? 'decommission' : 'drain';
    const what = view.isDecommissioning ? 'is being decommissioned' : 'drains';
    const to = this.leaseTarget(this.voters);
    if (to !== undefined) {
      return this.act({ kind: 'transferLease', node: to }, cause, `node ${this.self} ${what}`);
    }
    // Learners and surplus replicas may bring somebody who can lead.
    if (view.isDecommissioning) return undefined;
    return { kind: 'stuck', reason: `node ${this.self} ${what}, and no other voter can lead it` };
  }

  private finishLearner(): Repair | undefined {
    const learners = this.range.replicas.filter(({ isVoter }) => !isVoter);
    const [learner, ...others] = learners;
    if (learner === undefined) return undefined;
    const surplus = others[0]?.node;
    if (surplus !== undefined) return this.remove(surplus, 'replication', 'one learner is enough');
    const one = this.picture.node(learner.node);
    if (one !== undefined && !one.isStaying) {
      const cause = one.view.liveness === 'dead' ? 'dead' : 'decommission';
      return this.remove(learner.node, cause, `learner on node ${learner.node}, which is gone`);
    }
    if (!learner.isCaughtUp || one?.isLive !== true) {
      return { kind: 'stuck', reason: `the learner on node ${learner.node} is catching up` };
    }
    return this.promote(learner.node);
  }

  private promote(node: NodeId): Repair {
    const { voters, factor } = this;
    const [instead, cause, why] = this.toReplace(node);
    if (voters.length < factor) {
      return this.act(
        { kind: 'promote', node, instead: undefined },
        'replication',
        `${voters.length} voters of ${factor}`,
      );
    }
    if (instead === undefined) {
      return this.remove(node, 'replication', `${voters.length} voters are enough`);
    }
    // Its leader can't hand over to a learner: the learner votes first, then it leads, then the other goes.
    const inOneStep = instead !== this.self;
    if (inOneStep && !this.livesWith([...voters.filter((one) => one !== instead), node])) {
      return { kind: 'stuck', reason: 'too few of its voters live' };
    }
    return this.act(
      { kind: 'promote', node, instead: inOneStep ? instead : undefined },
      cause,
      `in place of node ${instead}: ${why}`,
    );
  }

  /** Whose place a learner takes when there are voters enough. It was added for a reason that may be gone by now. */
  private toReplace(learner: NodeId): readonly [NodeId | undefined, PlacementCause, string] {
    const { voters, picture } = this;
    const dead = voters.find((node) => this.isDead(node));
    if (dead !== undefined) return [dead, 'dead', 'it is dead'];
    const leaving = voters.find((node) => this.isDecommissioning(node));
    if (leaving !== undefined) return [leaving, 'decommission', 'it is being decommissioned'];
    const { intent } = this.range;
    if (intent?.learner === learner && voters.includes(intent.instead)) {
      return [intent.instead, intent.cause, intent.reason];
    }
    const before = diversityOf(picture, voters);
    const worst = mostDispensable(picture, voters, [learner]);
    if (worst === undefined) return [undefined, 'replication', ''];
    const after = diversityOf(picture, [...voters.filter((node) => node !== worst), learner]);
    if (after > before + 1e-9) return [worst, 'locality', 'farther apart'];
    const [from, to] = [picture.node(worst), picture.node(learner)];
    const isRoomier =
      from !== undefined && to !== undefined && fullness(picture, to) < fullness(picture, from);
    if (after < before - 1e-9 || !isRoomier) return [undefined, 'replication', ''];
    return [worst, 'load', 'it has more to do, or more to hold'];
  }

  private addMissing(): Repair | undefined {
    const { voters, factor } = this;
    if (voters.length >= factor) return undefined;
    return this.add(voters, undefined, 'replication', `${voters.length} voters of ${factor}`);
  }

  private replaceDead(): Repair | undefined {
    const dead = this.voters.find((node) => this.isDead(node));
    if (dead === undefined || this.voters.length > this.range.factor) return undefined;
    const rest = this.voters.filter((node) => node !== dead);
    return this.add(rest, dead, 'dead', `the replica on node ${dead} is dead`);
  }

  private removeSurplus(): Repair | undefined {
    const { voters, range, self } = this;
    if (voters.length <= range.factor) return undefined;
    const why = `${voters.length} voters, ${range.factor} are wanted`;
    const dead = voters.find((node) => this.isDead(node));
    const leaving = voters.find((node) => this.isDecommissioning(node));
    const worst = dead ?? leaving ?? this.mostSurplus();
    if (worst === undefined) return undefined;
    if (worst !== self) return this.removeVoter(worst, 'replication', why);
    const rest = voters.filter((node) => node !== self);
    const to = this.leaseTarget(rest);
    if (to === undefined) return undefined;
    return this.act({ kind: 'transferLease', node: to }, 'replication', why);
  }

  /** The leader stays unless it was to be replaced, or the others are farther apart without it: leadership that has
   * just come here does not go again. */
  private mostSurplus(): NodeId | undefined {
    const { voters, picture, self, range } = this;
    if (range.intent !== undefined && voters.includes(range.intent.instead)) {
      return range.intent.instead;
    }
    const others = voters.filter((node) => node !== self);
    const worst = mostDispensable(picture, others, [self]);
    const rest = [...others.filter((node) => node !== worst), self];
    return diversityOf(picture, others) > diversityOf(picture, rest) + 1e-9 ? self : worst;
  }

  private leaveDecommissioning(): Repair | undefined {
    const { voters, factor } = this;
    const leaving = voters.find((node) => this.isDecommissioning(node));
    if (leaving === undefined) return undefined;
    const why = `node ${leaving} is being decommissioned`;
    const rest = voters.filter((node) => node !== leaving);
    if (voters.length > factor && leaving !== this.self) {
      return this.removeVoter(leaving, 'decommission', why);
    }
    return this.add(rest, leaving, 'decommission', why);
  }

  private spread(): Repair | undefined {
    const { range, picture } = this;
    if (range.areReplicasCooling || !picture.rules.isBalancing || !picture.hasPlaces) {
      return undefined;
    }
    const swap = betterSpread(picture, range);
    if (swap === undefined) return undefined;
    return this.act(
      { kind: 'addLearner', node: swap.to, instead: swap.from },
      'locality',
      `farther from the others than node ${swap.from}`,
    );
  }

  private add(
    keeping: readonly NodeId[],
    instead: NodeId | undefined,
    cause: PlacementCause,
    why: string,
  ): Repair {
    const target = bestTarget(this.picture, this.range, keeping);
    if (target === undefined) {
      return { kind: 'stuck', reason: `${why}, and no node can take another replica` };
    }
    return this.act({ kind: 'addLearner', node: target.node, instead }, cause, why);
  }

  /** Of a voter that is not the leader. */
  private removeVoter(node: NodeId, cause: PlacementCause, why: string): Repair {
    if (!this.livesWith(this.voters.filter((other) => other !== node))) {
      return { kind: 'stuck', reason: `${why}, but too few of the others live` };
    }
    return this.remove(node, cause, why);
  }

  private remove(node: NodeId, cause: PlacementCause, why: string): Repair {
    return this.act({ kind: 'remove', node }, cause, why);
  }

  private act(step: PlacementStep, cause: PlacementCause, reason: string): Repair {
    const action: PlacementAction = { range: this.range.range, step, cause, reason };
    return { kind: 'act', action };
  }

  private leaseTarget(voters: readonly NodeId[]): NodeId | undefined {
    let best: { node: NodeId; busy: number; leases: number } | undefined;
    for (const node of voters) {
      const one = this.picture.node(node);
      if (node === this.self || one?.takesLeases !== true) continue;
      if (!this.isCaughtUp(node)) continue;
      const { busy, leases } = one;
      const isBetter =
        best === undefined || busy < best.busy || (busy === best.busy && leases < best.leases);
      if (isBetter) best = { node, busy, leases };
    }
    return best?.node;
  }

  private isCaughtUp(node: NodeId): boolean {
    return this.range.replicas.find((one) => one.node === node)?.isCaughtUp === true;
  }

  /** A majority of them. */
  private livesWith(voters: readonly NodeId[]): boolean {
    return voters.filter((node) => this.isLive(node)).length >= quorum(voters.length);
  }

  /** A node that nobody knows is not counted on, and not given up: its registration may be on its way. */
  private isLive(node: NodeId): boolean {
    return this.picture.node(node)?.isLive === true;
  }

  private isDead(node: NodeId): boolean {
    return this.picture.node(node)?.view.liveness === 'dead';
  }

  private isDecommissioning(node: NodeId): boolean {
    return this.picture.node(node)?.view.isDecommissioning === true;
  }
}

export function quorum(voters: number): number {
  return (voters >> 1) + 1;
}

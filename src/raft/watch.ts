// The ticks of all groups that are awake, by one timer for the node; and how groups fall asleep and wake up. A group that
// sleeps is touched by nothing here: pairs of nodes speak for all of them at once (pairs.ts), so that what a tick costs
// depends on how many groups are at work, not on how many there are.

import type { NodeId, Time, Timers } from '../runtime/runtime.ts';
import { isJoint, membersOf } from './configuration.ts';
import type { RaftGroup } from './group.ts';
import type { Registrant } from './liveness.ts';
import type { LeaderOffer, PairHost, Pairs, SleepOffer } from './pairs.ts';
import { majorityVote } from './quorum.ts';
import type { RaftTiming } from './timing.ts';
import { type GroupId, nodeOf, type ReplicaId } from './types.ts';

/** A leader offers to sleep when nothing has happened for so long; at once when many groups are awake. */
const QUIET_TICKS = 6;
const MANY_AWAKE = 256;
/** So many groups are ticked at a time: with more, time passes more slowly for each of them. When thousands of groups
 * start at once, or lose their leaders at once, their elections must not overload the nodes so that none succeeds. */
const TICKED_MAX = 1024;

const NOBODY: readonly ReplicaId[] = [];

export interface WatchParts {
  readonly timers: Timers;
  readonly time: Pick<Time, 'monotonicMicros'>;
  readonly timing: RaftTiming;
  readonly pairs: Pairs;
  readonly group: (groupId: GroupId) => RaftGroup | undefined;
  /** Once a tick, after the core's. */
  onTick(group: RaftGroup): void;
  /** The core was given something to do. */
  touched(group: RaftGroup): void;
  /** All groups have had their tick. */
  onTicked(): void;
  failed(error: Error): void;
}

export class Watch implements Pick<PairHost, 'fallAsleep' | 'wake' | 'onSuspect'> {
  private readonly parts: WatchParts;
  private readonly awake = new Set<RaftGroup>();
  /** Where the next tick goes on, when there are too many for one. */
  private turn: SetIterator<RaftGroup> | undefined;
  /** Members on other nodes, of all groups. */
  private peers = 0;
  private timer: Disposable | undefined;
  /** Since when the timer runs, and for how many ticks: with all asleep, the pairs' heartbeats are all there is. */
  private timedFromMicros = 0;
  private timedTicks = 1;
  private isClosed = false;

  constructor(parts: WatchParts) {
    this.parts = parts;
  }

  get awakeGroups(): Iterable<RaftGroup> {
    return this.awake;
  }

  get awakeCount(): number {
    return this.awake.size;
  }

  add(group: RaftGroup): void {
    this.membersChanged(group);
    if (group.wakefulness === 'awake') this.awake.add(group);
    this.schedule();
  }

  remove(group: RaftGroup): void {
    this.parts.pairs.wake(group.groupId);
    this.awake.delete(group);
    this.meet(group, []);
  }

  /** Who belongs to the group has changed. */
  membersChanged(group: RaftGroup): void {
    const { core } = group;
    const members = membersOf(core.configuration);
    this.meet(
      group,
      members.filter((replica) => nodeOf(replica) !== nodeOf(core.replicaId)),
    );
    group.isOutside = members.length > 0 && !members.includes(core.replicaId);
    if (members.length === 1 && members[0] === core.replicaId) {
      this.parts.pairs.wake(group.groupId);
      this.awake.delete(group);
      group.wakefulness = 'alone';
    } else if (group.wakefulness === 'alone') {
      this.rouse(group);
    }
  }

  private meet(group: RaftGroup, peers: readonly number[]): void {
    const { pairs } = this.parts;
    for (const replica of peers) if (!group.peers.includes(replica)) pairs.meet(nodeOf(replica));
    for (const replica of group.peers) if (!peers.includes(replica)) pairs.part(nodeOf(replica));
    this.peers += peers.length - group.peers.length;
    group.peers = peers;
  }

  /** Before anything happens to a group that may sleep (P4). */
  wakeUp(group: RaftGroup): void {
    if (group.wakefulness !== 'asleep') return;
    this.parts.pairs.wake(group.groupId);
    this.rouse(group);
    if (group.core.role !== 'leader') group.core.heardFromLeader();
  }

  private rouse(group: RaftGroup): void {
    group.wakefulness = 'awake';
    group.quietTicks = 0;
    this.awake.add(group);
    if (this.timedTicks > 1) this.timeTick();
    this.schedule();
  }

  /** What was timed for a node that is asleep would be late for a group that is awake. */
  private timeTick(): void {
    if (this.timer === undefined) return;
    this.timer[Symbol.dispose]();
    const { tickMicros } = this.parts.timing;
    const passed = this.parts.time.monotonicMicros() - this.timedFromMicros;
    while (this.timedTicks > 1 && passed < (this.timedTicks - 1) * tickMicros) this.timedTicks--;
    const left = Math.max(0, this.timedTicks * tickMicros - passed);
    this.timer = this.parts.timers.after(left, this.tick);
  }

  /** The pair speaks for this group no more. */
  wake(groupId: GroupId): void {
    const group = this.parts.group(groupId);
    if (group === undefined || group.wakefulness !== 'asleep') return;
    this.rouse(group);
    const { core } = group;
    if (core.role === 'leader') {
      // Its followers hear from it at once, not a heartbeat later.
      for (let i = 0; i < this.parts.timing.heartbeatTicks; i++) core.tick();
    } else {
      core.heardFromLeader();
    }
    this.parts.touched(group);
  }

  /** They have waited for an election timeout, asleep. What each waits beyond that is its own, by chance, so that the
   * replicas of a group don't all campaign at once. */
  onSuspect(_node: NodeId, groups: readonly GroupId[]): void {
    const { timing, group: find } = this.parts;
    for (const groupId of groups) {
      const group = find(groupId);
      if (group === undefined || group.wakefulness !== 'asleep') continue;
      this.rouse(group);
      const { core } = group;
      core.mayElect = false;
      for (let i = 0; i < timing.electionTicks; i++) core.tick();
    }
  }

  fallAsleep({ group: groupId, term, leader, commit }: SleepOffer): Registrant | undefined {
    const group = this.parts.group(groupId);
    if (group === undefined) return undefined;
    const { core } = group;
    const hasAll =
      core.role === 'follower' &&
      core.leader === leader &&
      core.term === term &&
      core.committedIndex === commit &&
      core.lastIndex === commit;
    if (!hasAll || isBusy(group)) return undefined;
    this.rest(group);
    return group;
  }

  private rest(group: RaftGroup): void {
    group.wakefulness = 'asleep';
    this.awake.delete(group);
  }

  /** Offers what a leader has to be idle for, once it has been. Whether it sleeps now. */
  private maybeSleep(group: RaftGroup): boolean {
    const { core, lease } = group;
    const isLeading = group.told?.kind === 'leading' && group.told.term === core.term;
    const absent = this.absentOf(group);
    if (!core.isQuiescent(absent) || !isLeading || isBusy(group) || isJoint(core.configuration)) {
      group.quietTicks = 0;
      return false;
    }
    group.quietTicks++;
    if (group.quietTicks < QUIET_TICKS && this.awake.size < MANY_AWAKE) return false;
    // P23: from now on its pairs close it, who know nothing of it but that it has asked a majority.
    if (!lease.isHeld() || !isMajority(group, absent)) return false;
    group.quietTicks = 0;
    const offer: LeaderOffer = {
      group: group.groupId,
      term: core.term,
      leader: core.replicaId,
      commit: core.committedIndex,
      lease,
      followers:
        absent.length === 0 ? group.peers : group.peers.filter((one) => !absent.includes(one)),
      absent,
    };
    const sleeps = this.parts.pairs.offerSleep(offer);
    if (sleeps) this.rest(group);
    return sleeps;
  }

  private absentOf({ peers }: RaftGroup): readonly ReplicaId[] {
    const { pairs } = this.parts;
    for (let i = 0; i < peers.length; i++) {
      if (!pairs.isAbsent(nodeOf(peers[i] as ReplicaId))) continue;
      return peers.filter((replica) => pairs.isAbsent(nodeOf(replica)));
    }
    return NOBODY;
  }

  private schedule(): void {
    if (this.timer !== undefined || this.isClosed) return;
    if (this.awake.size === 0 && this.peers === 0) return;
    const { timers, timing, time } = this.parts;
    this.timedFromMicros = time.monotonicMicros();
    this.timedTicks = this.awake.size === 0 ? timing.heartbeatTicks : 1;
    this.timer = timers.after(this.timedTicks * timing.tickMicros, this.tick);
  }

  private readonly tick = (): void => {
    this.timer = undefined;
    const ticks = this.timedTicks;
    try {
      for (let i = 0; i < ticks; i++) this.parts.pairs.tick();
      this.tickGroups();
      this.parts.onTicked();
    } catch (error) {
      this.parts.failed(error as Error);
      return;
    }
    this.schedule();
  };

  private tickGroups(): void {
    const { awake } = this;
    if (awake.size <= TICKED_MAX) {
      this.turn = undefined;
      for (const group of awake) this.tickGroup(group);
      return;
    }
    for (let i = 0; i < TICKED_MAX; i++) {
      this.turn ??= awake.values();
      const { value, done } = this.turn.next();
      if (done === true) this.turn = undefined;
      else this.tickGroup(value);
    }
  }

  private tickGroup(group: RaftGroup): void {
    const { core } = group;
    // Before the tick: the heartbeat that it may make is no business that keeps a group awake.
    if (core.role === 'leader' && this.maybeSleep(group)) return;
    core.mayElect = !group.isInstalling && group.promise.mayElect();
    core.tick();
    this.parts.onTick(group);
    this.parts.touched(group);
  }

  close(): void {
    this.isClosed = true;
    this.timer?.[Symbol.dispose]();
  }
}

function isMajority({ core }: RaftGroup, absent: readonly ReplicaId[]): boolean {
  if (absent.length === 0) return true;
  return majorityVote(core.configuration.voters, (voter) => !absent.includes(voter)) === 'won';
}

/** Whether something is under way that needs ticks. */
function isBusy(group: RaftGroup): boolean {
  return (
    group.isQueued ||
    group.isInstalling ||
    group.reserving > 0 ||
    group.proposals.count > 0 ||
    group.lost.length > 0 ||
    group.transfer !== undefined ||
    group.reads !== undefined ||
    group.core.hasReady
  );
}

// Raft on a node: a pure core for each group (core.ts), one log for all of them (log/), and this scheduler, which drives
// them. Here is what others see of it: groups that come and go, proposals, changes, transfers, and what arrives from
// other nodes. Each part knows one thing:
//
//   rounds.ts      what is done together: one write and one sync, what leaves before and after it
//   intake.ts      what is proposed; receiver.ts: what arrives
//   frames.ts      messages as bytes; sender.ts: one frame for each node; appends.ts: entries out of the log
//   delivery.ts    committed entries to the state machine
//   succession.ts  who leads, and what follows from that; watch.ts: ticks, sleep; installs.ts: snapshots
//   lease.ts, promise.ts, pairs.ts: who may serve, who may elect, who speaks for those who sleep
//   birth.ts, births.ts: replicas that splits bring about; belonging.ts: those that were removed
//   closing.ts, closed-marks.ts: up to which time a replica has all that was written
//
// This room knows entries as bytes. What they mean, and when their effect may be seen, is the ranges' affair.

import { assert } from '../base/assert.ts';
import type { ClockVerdict } from '../clock/skew-guard.ts';
import { Appends } from './appends.ts';
import { Closing } from './closing.ts';
import { Belonging } from './belonging.ts';
import { beginningOf, checkApplied } from './birth.ts';
import { Births } from './births.ts';
import { type Change, membersOf } from './configuration.ts';
import { RaftCore } from './core.ts';
import { Delivery } from './delivery.ts';
import { type FrameRoom, pairFrame, roomFrame } from './frames.ts';
import { type GroupOptions, RaftGroup } from './group.ts';
import type { GroupIdentity } from './log/group-log.ts';
import { Installs } from './installs.ts';
import { Intake, NOT_LEADING } from './intake.ts';
import { Lease } from './lease.ts';
import { Liveness } from './liveness.ts';
import { RaftLog } from './log/log.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  type SchedulerOptions,
  type SchedulerRuntime,
} from './options.ts';
import { Pairs } from './pairs.ts';
import { ElectionPromise } from './promise.ts';
import type { OnAnswer, ProposeAnswer } from './proposals.ts';
import { ReadRequests } from './read-requests.ts';
import type { Ready, SnapshotMark } from './ready.ts';
import { Receiver, type UnknownReplica } from './receiver.ts';
import { cutOf } from './retention.ts';
import { Rounds } from './rounds.ts';
import { Sender } from './sender.ts';
import { Succession } from './succession.ts';
import { requireSaneTiming } from './timing.ts';
import type { CoreTuning } from './tuning.ts';
import type { NodeId } from '../runtime/runtime.ts';
import { type GroupId, nodeOf, type ReplicaId } from './types.ts';
import { Watch } from './watch.ts';

export {
  DEFAULT_SCHEDULER_OPTIONS,
  type SchedulerObserver,
  type SchedulerOptions,
  type SchedulerRuntime,
} from './options.ts';
export type { UnknownReplica } from './receiver.ts';

/** What became of a membership change. */
export type ChangeAnswer = ProposeAnswer | { readonly kind: 'refused'; readonly reason: string };

export class RaftScheduler {
  private readonly runtime: SchedulerRuntime;
  private readonly options: SchedulerOptions;
  private readonly tuning: CoreTuning;
  private readonly log: RaftLog;
  private readonly groups = new Map<GroupId, RaftGroup>();
  private readonly live: Liveness;
  private readonly sender: Sender;
  private readonly intake: Intake;
  private readonly rounds: Rounds;
  private readonly delivery: Delivery;
  private readonly succession: Succession;
  private readonly pairs: Pairs;
  private readonly watch: Watch;
  private readonly installs: Installs;
  private readonly reads: ReadRequests;
  private readonly appends: Appends;
  private readonly births: Births;
  /** Why nothing is taken any more. */
  private stopped: string | undefined;
  private failure: Error | undefined;
  /** P6, once: a clock that becomes too uncertain later is kept from serving by its leases, and breaks no range that is
   * born meanwhile. */
  private isTimingSane = false;
  private failureHandler: (error: Error) => void = () => {};
  private unknownHandler: (replica: UnknownReplica) => void = () => {};
  private clockHandler: (verdict: ClockVerdict) => void = () => {};
  private readonly rooms = new Map<FrameRoom, (from: NodeId, body: Uint8Array) => void>();

  private constructor(runtime: SchedulerRuntime, options: SchedulerOptions, log: RaftLog) {
    const { timers, network } = runtime;
    const { timing, observer } = options;
    const { heartbeatTicks, electionTicks } = timing;
    this.runtime = runtime;
    this.options = options;
    this.tuning = { ...options.tuning, heartbeatTicks, electionTicks };
    this.log = log;
    const failed = (error: Error): void => this.fail(error);
    this.live = new Liveness(runtime, timing);
    this.sender = new Sender(network, this.live.stamps);
    const { sender, touched } = this;
    this.intake = new Intake({
      log,
      options,
      stopped: () => this.stopped,
      wakeUp: (group) => this.watch.wakeUp(group),
      enqueue: (group) => this.rounds.enqueue(group),
      failed,
    });
    const { answered } = this.intake;
    this.delivery = new Delivery({
      log,
      timers,
      bytesMax: options.deliveryBytesMax,
      answered,
      onEntries: observer?.onCommittedEntries?.bind(observer),
      failed,
    });
    this.succession = new Succession({
      electionTicks,
      answered,
      touched,
      onLeader: observer?.onLeader?.bind(observer),
    });
    this.installs = new Installs({
      log: runtime.log,
      retryTicks: electionTicks,
      isStopped: () => this.stopped !== undefined,
      installed: (group, mark) => {
        group.installed = mark;
        this.rounds.enqueue(group);
      },
      touched,
    });
    this.reads = new ReadRequests(electionTicks);
    this.pairs = new Pairs(
      runtime.nodeId,
      this.live,
      {
        send: (node, body) => network.send(node, pairFrame(body)),
        fallAsleep: (offer) => this.watch.fallAsleep(offer),
        wake: (groupId) => this.watch.wake(groupId),
        onSuspect: (node, groups) => this.watch.onSuspect(node, groups),
        onClock: (verdict) => this.clockHandler(verdict),
      },
      runtime.log,
    );
    const closing = new Closing({
      clock: runtime.clock,
      faults: runtime.faults,
      group: (groupId) => this.groups.get(groupId),
      send: (node, body) => network.send(node, roomFrame('closed', body)),
    });
    this.rooms.set('closed', (_from, body) => closing.receive(body));
    const belonging = new Belonging({
      nodeId: runtime.nodeId,
      patienceTicks: 2 * electionTicks,
      send: (groupId, message) => {
        sender.add(groupId, message);
        sender.flush();
      },
    });
    const appends = new Appends({ log, sender, readsMax: options.logReadsMax, failed });
    this.appends = appends;
    this.watch = new Watch({
      timers,
      time: runtime.time,
      timing,
      pairs: this.pairs,
      group: (groupId) => this.groups.get(groupId),
      onTick: (group) => {
        this.succession.tick(group);
        this.reads.tick(group);
        belonging.tick(group);
        if (group.lacksState) this.installs.tick(group);
      },
      touched,
      onTicked: () => {
        closing.tick(this.watch.awakeGroups);
        appends.tellCommits();
        this.rounds.run();
      },
      failed,
    });
    this.rounds = new Rounds({
      log,
      timers,
      appends,
      sender,
      membersChanged: (group) => this.membersChanged(group),
      replacing: (group, index) => this.succession.replaced(group, index),
      committed: (group, range) => this.delivery.committed(group, range),
      touched,
      asked: (group, ready) => this.asked(group, ready),
      adopt: (group) => this.adopt(group),
      begun: () => this.intake.staged(),
      isStopped: () => this.failure !== undefined,
      failed,
    });
    this.births = new Births({
      log,
      groups: this.groups,
      retire: (group, reason) => this.retire(group, reason),
      enqueue: (group) => this.rounds.enqueue(group),
      leads: (group) => this.succession.observe(group),
      campaign: (group) => this.campaign(group),
    });
    log.onFailure(failed);
    log.onCompacted(({ groupId, firstIndex }) => {
      this.groups.get(groupId)?.core.compacted(firstIndex - 1);
    });
    const receiver = new Receiver({
      nodeId: runtime.nodeId,
      log: runtime.log,
      groups: this.groups,
      pairs: this.pairs,
      belonging,
      birthMicros: electionTicks * timing.tickMicros,
      monotonicMicros: () => runtime.time.monotonicMicros(),
      onRoom: (room, from, body) => this.rooms.get(room)?.(from, body),
      removedReplica: (groupId) => log.removedReplica(groupId),
      wakeUp: (group) => this.watch.wakeUp(group),
      touched,
      onUnknown: (replica) => this.unknownHandler(replica),
      failed,
    });
    network.onFrame((from, frame) => {
      if (this.stopped === undefined) receiver.receive(from, frame);
    });
  }

  /** Opens the node's log; see RaftLog.open for how it refuses. */
  static async open(
    runtime: SchedulerRuntime,
    directory: string,
    options: SchedulerOptions = DEFAULT_SCHEDULER_OPTIONS,
  ): Promise<RaftScheduler> {
    return new RaftScheduler(runtime, options, await RaftLog.open(runtime, directory, options.log));
  }

  /** Called once, when the log can't be written any more or an invariant is broken: the node must stop (P35). */
  onFailure(handler: (error: Error) => void): void {
    this.failureHandler = handler;
    if (this.failure !== undefined) handler(this.failure);
  }

  /** Called for messages to replicas that don't run here and were not removed. */
  onUnknownReplica(handler: (replica: UnknownReplica) => void): void {
    this.unknownHandler = handler;
  }

  /** Called when what this node's clock is worth, as its peers see it, has changed (P12). */
  onClock(handler: (verdict: ClockVerdict) => void): void {
    this.clockHandler = handler;
  }

  /** What the same room on another node says; bytes that make no sense may be answered with a RangeError. */
  onFrame(room: FrameRoom, handler: (from: NodeId, body: Uint8Array) => void): void {
    this.rooms.set(room, handler);
  }

  /** To the same room on another node; it may get lost. */
  sendFrame(room: FrameRoom, node: NodeId, body: Uint8Array): void {
    if (this.stopped === undefined) this.runtime.network.send(node, roomFrame(room, body));
  }

  /** Groups that the log knows, of replicas that were not removed. */
  get knownGroups(): readonly GroupId[] {
    return this.log.groupIds;
  }

  /** This node's replica of the group, as its log knows it; undefined: none, or none any more. */
  knownReplica(groupId: GroupId): ReplicaId | undefined {
    return this.log.group(groupId)?.identity?.replicaId;
  }

  /** The newest replica of the group that was removed here; 0: none (P32); EVERY_REPLICA: the group is over. */
  removedReplica(groupId: GroupId): ReplicaId {
    return this.log.removedReplica(groupId);
  }

  /** Brings a group to life, from the log when that knows it. Nothing is called back in this turn. Only a replica that
   * is its group's only voter campaigns by itself at once. */
  createGroup(options: GroupOptions): RaftGroup {
    const { groupId, replicaId } = options;
    const { clock, random, nodeId } = this.runtime;
    assert(
      nodeOf(replicaId) === nodeId,
      `replica ${replicaId} belongs on node ${nodeOf(replicaId)}`,
    );
    const before = this.births.supersede(options);
    const { log, hardState, leads } = beginningOf(this.log, options, this.runtime.faults);
    const { identity, terms } = log;
    assert(identity !== undefined && terms !== undefined, 'the log knows every group it has');
    assert(identity.replicaId === replicaId, `replica ${identity.replicaId} of group ${groupId}`);
    const appliedIndex = options.lacksState === true ? terms.compactedIndex : options.appliedIndex;
    checkApplied(log, appliedIndex);
    const { configuration, configurationIndex, configurationTerm = 0 } = identity;
    if (
      !this.isTimingSane &&
      membersOf(configuration).some((replica) => nodeOf(replica) !== nodeId)
    ) {
      requireSaneTiming(this.options.timing, (clock.latest() - clock.earliest()) / 2); // P6
      this.isTimingSane = true;
    }
    const core = new RaftCore({
      replicaId,
      configuration,
      configurationIndex,
      configurationTerm,
      hardState,
      leadsFromBirth: leads,
      terms: terms.copy(),
      changes: log.changes,
      appliedIndex,
      random: (bound) => random.below(bound),
      tuning: this.tuning,
      faults: this.runtime.faults,
    });
    const lease = new Lease(this.live, core);
    const promise = new ElectionPromise(this.live, lease);
    const group = new RaftGroup(options, core, log, lease, promise, appliedIndex);
    if (before !== undefined) promise.goOn(before.promise);
    this.groups.set(groupId, group);
    this.watch.add(group);
    if (options.birth !== undefined) this.births.born(group, options.birth);
    this.rounds.enqueue(group);
    return group;
  }

  private retire(group: RaftGroup, reason: string): void {
    this.watch.remove(group);
    this.groups.delete(group.groupId);
    group.isRemoved = true;
    group.lease.end();
    this.abandon(group, reason);
  }

  /** P26: a split gave birth to the group's replica here, which does not run: its state was lost with the power, and comes
   * again when what was split applies the split once more. Until then nothing may take its place: whoever is told of an
   * unknown replica asks this. */
  awaitsReplay(groupId: GroupId): boolean {
    return this.births.awaitsReplay(groupId);
  }

  /** Whether a split may give birth to that replica here: no newer one of its group is here, or was (P26, P32). */
  mayBeBorn(groupId: GroupId, replicaId: ReplicaId): boolean {
    return this.births.may(groupId, replicaId);
  }

  /** This replica ceases to exist. Resolves once that is synced (P32): no message, however late, revives it. `isOver`: so
   * do all others of the group. */
  async removeGroup(group: RaftGroup, isOver: boolean): Promise<void> {
    assert(this.groups.get(group.groupId) === group, `group ${group.groupId} does not run`);
    this.retire(group, 'the replica was removed');
    this.log.remove(group.log, isOver);
    await this.log.sync();
  }

  /** Resolves when the entry has committed here, after onCommitted got it, or with why it was not taken. */
  propose(group: RaftGroup, data: Uint8Array): Promise<ProposeAnswer> {
    return new Promise((resolve) => this.submit(group, data, resolve));
  }

  /** As propose(), with a callback; refusals are told in this turn. `data` must not change any more. */
  submit(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    this.intake.submit(group, data, answer);
  }

  /** Resolves once the change has committed, or with why it was not taken. */
  proposeChange(group: RaftGroup, change: Change): Promise<ChangeAnswer> {
    const refusal = this.intake.refusal(group, 0);
    if (refusal !== undefined) return Promise.resolve(refusal);
    this.watch.wakeUp(group);
    // P5: before anyone can hear of it.
    const before = group.core.configuration;
    const proposed = group.core.proposeChange(change);
    if (proposed.kind === 'refused') return Promise.resolve(proposed);
    if (proposed.kind === 'notLeader') return Promise.resolve(NOT_LEADING);
    assert(group.core.configuration === before, 'a change takes effect when it commits');
    group.lease.changeProposed(change);
    this.intake.noteFresh();
    this.rounds.enqueue(group);
    return new Promise((resolve) => group.proposals.push(proposed.index, 0, resolve));
  }

  /** The others learn now, not with the next tick, what has committed. */
  tellCommits(group: RaftGroup): void {
    if (this.stopped !== undefined || group.isRemoved) return;
    this.appends.tellNow(group);
    // What the core has not said yet.
    group.tellsNow = true;
    this.rounds.enqueue(group);
  }

  /** Hands leadership over (P3). Resolves once another leads, or when it can't be expected any more; whatever comes of
   * it, this replica holds no lease again in its term. */
  transfer(group: RaftGroup, to: ReplicaId): Promise<'transferred' | 'failed'> {
    if (this.stopped !== undefined || group.isRemoved) return Promise.resolve('failed');
    this.watch.wakeUp(group);
    return this.succession.transfer(group, to);
  }

  /** Up to where this replica's state machine must have applied for a read to see everything that was committed when it
   * was asked, whoever leads (thesis, section 6.4). Undefined: it could not be learned, ask again. */
  readIndex(group: RaftGroup): Promise<number | undefined> {
    if (this.stopped !== undefined || group.isRemoved) return Promise.resolve(undefined);
    this.watch.wakeUp(group);
    return new Promise((resolve) => {
      this.reads.ask(group, resolve);
      this.touched(group);
    });
  }

  /** Asks for an election, if no promise stands in the way. */
  campaign(group: RaftGroup): void {
    if (this.stopped !== undefined || group.isRemoved) return;
    this.watch.wakeUp(group);
    group.core.mayElect = !group.isInstalling && group.promise.mayElect();
    group.core.campaign();
    this.touched(group);
  }

  /** A snapshot has left for that replica, or could not: whoever sends them says so. */
  reportSnapshot(group: RaftGroup, replica: ReplicaId, ok: boolean): void {
    if (group.isRemoved) return;
    group.core.reportSnapshot(replica, ok);
    this.touched(group);
  }

  /** Where a snapshot of the state at `appliedIndex` lets a log begin. The configuration may be a later one than at that
   * index: configurationIndex says of when it is. */
  snapshotMark(group: RaftGroup, appliedIndex: number): SnapshotMark {
    const term = group.log.terms?.termAt(appliedIndex);
    assert(term !== undefined, `entry ${appliedIndex} of group ${group.groupId} is not in the log`);
    const { configuration, configurationIndex } = group.core;
    return { index: appliedIndex, term, configuration, configurationIndex };
  }

  /** The state machine has made everything up to `durableAppliedIndex` durable; that index was read before the flush
   * that did it began (P30). The log may forget it, but for what others still need. */
  truncate(group: RaftGroup, durableAppliedIndex: number): void {
    assert(
      durableAppliedIndex <= group.delivered,
      `truncating to ${durableAppliedIndex}, delivered ${group.delivered}`,
    );
    if (this.stopped !== undefined || group.isRemoved || group.isInstalling) return;
    const cut = cutOf(group, durableAppliedIndex, this.options.retention);
    this.log.truncate(group.log, cut.durableIndex, cut.index);
  }

  /** Writes with a sync since the start. */
  get syncs(): number {
    return this.log.syncs;
  }

  /** Groups that tick. */
  get awakeGroups(): number {
    return this.watch.awakeCount;
  }

  /** Ends in order: what was proposed before is written; what has not committed by then is answered `unknown`. */
  async close(): Promise<void> {
    this.stopped ??= 'the node is stopping';
    this.watch.close();
    this.log.expectClose();
    while (this.failure === undefined && this.rounds.isBusy) {
      this.rounds.run();
      // finish() runs before this resolves: it waited first.
      await this.log.sync().catch(() => {});
    }
    await this.log.close();
    this.abandonAll();
  }

  /** What follows when the core may have changed. */
  private readonly touched = (group: RaftGroup): void => {
    const { core } = group;
    // A lone voter waits for nobody, whatever term it has met.
    if (group.wakefulness === 'alone' && core.role === 'follower') core.campaign();
    this.succession.observe(group);
    if (core.configuration !== group.seenConfiguration) this.membersChanged(group);
    this.delivery.committed(group, core.takeCommitted());
    if (core.isUrgent) this.rounds.enqueue(group);
    else if (core.hasReady) this.rounds.enqueueForLater(group);
  };

  private membersChanged(group: RaftGroup): void {
    const { core, options } = group;
    const { configuration, configurationIndex } = core;
    group.seenConfiguration = configuration;
    this.log.appendIdentity(group.log, currentIdentity(group));
    this.watch.membersChanged(group);
    options.onChange?.(configuration, configurationIndex);
  }

  private asked(group: RaftGroup, { snapshot, readStates }: Ready): void {
    if (snapshot !== undefined) this.installs.start(group, snapshot);
    this.reads.answered(group, readStates);
  }

  private adopt(group: RaftGroup): void {
    const mark = group.installed as SnapshotMark;
    const { core, log } = group;
    group.installed = undefined;
    group.isInstalling = false;
    group.lacksState = false;
    core.snapshotInstalled(mark);
    const { configuration } = core;
    if (mark.index >= log.firstIndex) this.log.reset(log, mark, currentIdentity(group));
    core.compacted(log.firstIndex - 1);
    group.delivered = mark.index;
    if (group.committed < mark.index) group.committed = mark.index;
    this.succession.skipped(group, mark.index);
    if (configuration !== group.seenConfiguration) this.membersChanged(group);
    this.touched(group);
    this.delivery.next(group);
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.stopped = error.message;
    this.watch.close();
    this.abandonAll();
    this.failureHandler(error);
  }

  private abandon(group: RaftGroup, message: string): void {
    this.succession.abandon(group, message);
    this.reads.abandon(group);
  }

  private abandonAll(): void {
    const message = this.stopped ?? 'the node stopped';
    for (const group of this.groups.values()) this.abandon(group, message);
  }
}

function currentIdentity({ core, options }: RaftGroup): GroupIdentity {
  const { configuration, configurationIndex, configurationTerm } = core;
  return { replicaId: options.replicaId, configuration, configurationIndex, configurationTerm };
}

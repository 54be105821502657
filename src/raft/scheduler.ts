// Raft on a node: a pure core for each group (core.ts), one log for all of them (log/), and this scheduler, which drives
// them in rounds. A round takes what every group wants done, writes all of it with one write and one sync, reports that
// to the cores, and hands on what has committed. It starts once the input of a turn is in, so that proposals made in one
// turn share a write; those made while a write is in flight share the next.
//
// This room knows entries as bytes. What they mean, and when their effect may be seen, is the ranges' affair.

import { assert } from '../base/assert.ts';
import { DbError } from '../base/errors.ts';
import { isPromise } from '../base/maybe.ts';
import type { Faults, Network, NodeId, Random, Time } from '../runtime/runtime.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import { type Change, EMPTY_CONFIGURATION } from './configuration.ts';
import { RaftCore } from './core.ts';
import { type GroupOptions, RaftGroup } from './group.ts';
import type { GroupLog } from './log/group-log.ts';
import { DEFAULT_LOG_OPTIONS, type LogOptions, type LogRuntime, RaftLog } from './log/log.ts';
import { PAYLOAD_BYTES_MAX } from './log/record.ts';
import type { OnAnswer, ProposeAnswer } from './proposals.ts';
import type { LogTerms } from './terms.ts';
import type { Ready, SnapshotMark } from './ready.ts';
import type { Entry, GroupId, IndexRange, ReplicaId } from './types.ts';

export interface SchedulerRuntime extends LogRuntime {
  readonly faults: Faults;
  readonly network: Network;
  readonly time: Time;
  readonly random: Random;
  readonly clock: IntervalClock;
  readonly nodeId: NodeId;
}

/** What became of a membership change. */
export type ChangeAnswer = ProposeAnswer | { readonly kind: 'refused'; readonly reason: string };

/** Told of messages to a group that does not run here: it may have to be made. */
export interface UnknownGroup {
  readonly groupId: GroupId;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

export interface SchedulerOptions {
  readonly log: LogOptions;
  /** Proposals of one group that may wait for their commit. */
  readonly groupProposalsMax: number;
  /** Bytes of all groups' proposals that may wait; one proposal alone may be larger. */
  readonly proposalBytesMax: number;
  /** onCommitted gets about as many bytes at once at most. */
  readonly deliveryBytesMax: number;
}

export const DEFAULT_SCHEDULER_OPTIONS: SchedulerOptions = {
  log: DEFAULT_LOG_OPTIONS,
  groupProposalsMax: 16 * 1024,
  proposalBytesMax: 64 * 1024 * 1024,
  deliveryBytesMax: 4 * 1024 * 1024,
};

interface Written {
  readonly group: RaftGroup;
  readonly ready: Ready;
}

const NOT_LEADING: ProposeAnswer = { kind: 'notLeader', leader: 0 };

export class RaftScheduler {
  private readonly runtime: SchedulerRuntime;
  private readonly options: SchedulerOptions;
  private readonly log: RaftLog;
  private readonly groups = new Map<GroupId, RaftGroup>();
  private queue: RaftGroup[] = [];
  private isRoundDue = false;
  /** A write is in flight: the next round starts after it. */
  private isWriting = false;
  /** Why nothing is taken any more. */
  private stopped: string | undefined;
  private failure: Error | undefined;
  private failureHandler: (error: Error) => void = () => {};
  private unknownGroupHandler: (unknown: UnknownGroup) => void = () => {};
  /** Proposed, and not yet staged for a write. */
  private freshCount = 0;
  private freshBytes = 0;
  /** Of all proposals that wait for their commit. */
  private waitingBytes = 0;

  private constructor(runtime: SchedulerRuntime, options: SchedulerOptions, log: RaftLog) {
    this.runtime = runtime;
    this.options = options;
    this.log = log;
    log.onFailure((error) => this.fail(error));
  }

  /** Opens the node's log; see RaftLog.open for how it refuses. */
  static async open(
    runtime: SchedulerRuntime,
    directory: string,
    options: SchedulerOptions = DEFAULT_SCHEDULER_OPTIONS,
  ): Promise<RaftScheduler> {
    return new RaftScheduler(runtime, options, await RaftLog.open(runtime, directory, options.log));
  }

  /** Called once, when the log can't be written any more: the node must stop (P35). */
  onFailure(handler: (error: Error) => void): void {
    this.failureHandler = handler;
    if (this.failure !== undefined) handler(this.failure);
  }

  /** Brings a group to life, from the log when that knows it. Nothing is called back in this turn. */
  createGroup(options: GroupOptions): RaftGroup {
    const { groupId, replicaId, appliedIndex } = options;
    assert(!this.groups.has(groupId), `group ${groupId} runs already`);
    const log =
      this.log.group(groupId) ??
      this.log.create(groupId, {
        replicaId,
        configuration: options.configuration ?? EMPTY_CONFIGURATION,
        configurationIndex: 0,
      });
    const { identity } = log;
    const terms = log.terms;
    assert(identity !== undefined && terms !== undefined, 'the log knows every group it has');
    assert(identity.replicaId === replicaId, `replica ${identity.replicaId} of group ${groupId}`);
    checkApplied(log, terms, appliedIndex);
    const core = new RaftCore({
      replicaId,
      configuration: identity.configuration,
      hardState: log.hardState,
      terms: terms.copy(),
      appliedIndex,
    });
    const group = new RaftGroup(options, core, log);
    this.groups.set(groupId, group);
    this.enqueue(group);
    return group;
  }

  /** Resolves when the entry has committed here, after onCommitted got it, or with why it was not taken. */
  propose(group: RaftGroup, data: Uint8Array): Promise<ProposeAnswer> {
    return new Promise((resolve) => this.submit(group, data, resolve));
  }

  /** As propose(), with a callback; refusals are told in this turn. `data` must not change any more. */
  submit(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    if (data.length > this.log.ordinaryBytesMax) this.submitLarge(group, data, answer);
    else this.submitReserved(group, data, answer);
  }

  private submitLarge(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    if (data.length > PAYLOAD_BYTES_MAX) {
      const message = `a command of ${data.length} bytes is larger than ${PAYLOAD_BYTES_MAX}`;
      answer({ kind: 'tooLarge', message });
      return;
    }
    this.log.reserve(data.length).then(
      (isReserved) => {
        if (isReserved) this.submitReserved(group, data, answer);
        else answer(diskFull());
      },
      (error: unknown) => {
        this.fail(error as Error);
        answer({ kind: 'unknown', message: (error as Error).message });
      },
    );
  }

  private submitReserved(group: RaftGroup, data: Uint8Array, answer: OnAnswer): void {
    const refusal = this.refusal(group, data.length);
    if (refusal !== undefined) {
      answer(refusal);
      return;
    }
    const index = group.core.propose(data);
    assert(index !== undefined, 'a leader takes proposals');
    group.proposals.push(index, data.length, answer);
    this.freshCount++;
    this.freshBytes += data.length;
    this.waitingBytes += data.length;
    this.enqueue(group);
  }

  private refusal(group: RaftGroup, bytes: number): ProposeAnswer | undefined {
    if (this.stopped !== undefined) return { kind: 'unknown', message: this.stopped };
    if (!group.isLeader) {
      const { leader } = group.core;
      return leader === 0 ? NOT_LEADING : { kind: 'notLeader', leader };
    }
    const { groupProposalsMax, proposalBytesMax } = this.options;
    if (
      group.proposals.count >= groupProposalsMax ||
      (this.waitingBytes > 0 && this.waitingBytes + bytes > proposalBytesMax)
    ) {
      return { kind: 'busy', message: 'too many writes wait for the log' };
    }
    return this.log.hasRoom(this.freshCount + 1, this.freshBytes + bytes) ? undefined : diskFull();
  }

  /** Resolves once the change has committed, after onChange was told. */
  proposeChange(group: RaftGroup, change: Change): Promise<ChangeAnswer> {
    const proposed = group.core.proposeChange(change);
    if (proposed.kind === 'refused') return Promise.resolve(proposed);
    if (proposed.kind === 'notLeader') return Promise.resolve(NOT_LEADING);
    this.enqueue(group);
    return new Promise((resolve) => group.proposals.push(proposed.index, 0, resolve));
  }

  /** Hands leadership over (P3): the lease is given up whatever comes of it. */
  transfer(group: RaftGroup, to: ReplicaId): Promise<'transferred' | 'failed'> {
    return Promise.resolve(to === group.options.replicaId ? 'transferred' : 'failed');
  }

  /** This replica ceases to exist. Resolves once that is synced (P32): no message, however late, revives it. */
  removeGroup(group: RaftGroup): Promise<void> {
    this.groups.delete(group.groupId);
    return Promise.resolve();
  }

  /** Where a snapshot of the state at `appliedIndex` lets a log begin. The configuration may be a later one than at that
   * index: configurationIndex says of when it is. */
  snapshotMark(group: RaftGroup, appliedIndex: number): SnapshotMark {
    const term = group.log.terms?.termAt(appliedIndex);
    assert(term !== undefined, `entry ${appliedIndex} is not in the log`);
    const { configuration } = group.core;
    return { index: appliedIndex, term, configuration, configurationIndex: 0 };
  }

  /** Called for messages to groups that don't run here and were not removed. */
  onUnknownGroup(handler: (unknown: UnknownGroup) => void): void {
    this.unknownGroupHandler = handler;
  }

  /** Groups that the log knows, of replicas that were not removed. */
  knownGroups(): readonly GroupId[] {
    return [...this.groups.keys()];
  }

  /** The state machine has made everything up to `durableAppliedIndex` durable; that index was read before the flush
   * that did it began (P30). The log may forget it. */
  truncate(group: RaftGroup, durableAppliedIndex: number): void {
    assert(
      durableAppliedIndex <= group.delivered,
      `truncating to ${durableAppliedIndex}, delivered ${group.delivered}`,
    );
    if (this.stopped === undefined) this.log.truncate(group.log, durableAppliedIndex);
  }

  /** Writes with a sync since the start. */
  get syncs(): number {
    return this.log.syncs;
  }

  /** Ends in order: what was proposed before is written; what has not committed by then is answered `unknown`. */
  async close(): Promise<void> {
    this.stopped ??= 'the node is stopping';
    this.log.expectClose();
    while (this.failure === undefined && (this.isWriting || this.queue.length > 0)) {
      this.round();
      // finish() runs before this resolves: it waited first.
      await this.log.sync().catch(() => {});
    }
    await this.log.close();
    this.abandonAll();
  }

  private enqueue(group: RaftGroup): void {
    if (!group.isQueued) {
      group.isQueued = true;
      this.queue.push(group);
    }
    if (this.isRoundDue || this.isWriting) return;
    this.isRoundDue = true;
    this.runtime.timers.soon(this.round);
  }

  private readonly round = (): void => {
    this.isRoundDue = false;
    if (this.isWriting || this.failure !== undefined || this.queue.length === 0) return;
    const queue = this.queue;
    this.queue = [];
    const written: Written[] = [];
    for (const group of queue) {
      group.isQueued = false;
      const ready = group.core.ready();
      if (ready === undefined) continue;
      if (ready.hardState !== undefined) this.log.appendHardState(group.log, ready.hardState);
      if (ready.entries.length > 0) this.log.appendEntries(group.log, ready.entries);
      if (ready.softState?.role === 'follower') this.tellFollowing(group);
      written.push({ group, ready });
      this.deliver(group, ready.committed);
    }
    this.freshCount = 0;
    this.freshBytes = 0;
    if (written.length === 0) return;
    this.isWriting = true;
    this.log
      .sync()
      .then(() => this.finish(written))
      .catch((error: unknown) => this.fail(error as Error));
  };

  /** What a round wrote is synced. */
  private finish(written: readonly Written[]): void {
    this.isWriting = false;
    for (const { group, ready } of written) {
      group.core.advance(ready);
      this.deliver(group, group.core.takeCommitted());
      // What was proposed meanwhile is queued already; a won election has an entry of its own to write.
      if (group.core.hasReady) this.enqueue(group);
    }
  }

  private deliver(group: RaftGroup, committed: IndexRange | undefined): void {
    if (committed === undefined) return;
    assert(committed.first === group.committed + 1, 'committed entries come in order');
    group.committed = committed.last;
    if (!group.isDelivering) this.deliverNext(group);
  }

  /** Hands on committed entries until there are no more, or one batch must be waited for. */
  private deliverNext(group: RaftGroup): void {
    while (group.delivered < group.committed) {
      const first = group.delivered + 1;
      const { deliveryBytesMax } = this.options;
      const entries = this.log.read(group.log, first, group.committed, deliveryBytesMax);
      if (isPromise(entries)) {
        this.resume(
          group,
          entries.then((read) => this.hand(group, read)),
        );
        return;
      }
      const applied = this.hand(group, entries);
      if (isPromise(applied)) {
        this.resume(group, applied);
        return;
      }
    }
  }

  private resume(group: RaftGroup, step: Promise<void>): void {
    group.isDelivering = true;
    step
      .then(() => {
        group.isDelivering = false;
        this.deliverNext(group);
      })
      .catch((error: unknown) => this.fail(error as Error));
  }

  private hand(group: RaftGroup, entries: readonly Entry[]): void | Promise<void> {
    const last = entries[entries.length - 1] as Entry;
    assert((entries[0] as Entry).index === group.delivered + 1, 'no committed entry is left out');
    group.delivered = last.index;
    const applied = group.options.onCommitted(entries);
    // P13: whoever is answered now finds the write among what onCommitted was given.
    this.waitingBytes -= group.proposals.commitTo(last.index, group.core.term);
    if (group.isLeader && last.term === group.core.term && group.toldTerm !== last.term) {
      group.toldTerm = last.term;
      group.options.onLeadership({ kind: 'leading', term: last.term });
    }
    return applied;
  }

  private tellFollowing(group: RaftGroup): void {
    group.options.onLeadership({ kind: 'following', leader: group.core.leader });
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.stopped = error.message;
    this.abandonAll();
    this.failureHandler(error);
  }

  private abandonAll(): void {
    const message = this.stopped ?? 'the node stopped';
    for (const group of this.groups.values()) {
      this.waitingBytes -= group.proposals.abandon({ kind: 'unknown', message });
    }
  }
}

/** What the state machine holds must be in the log or compacted away from it, without a gap. */
function checkApplied(log: GroupLog, terms: LogTerms, appliedIndex: number): void {
  const first = terms.compacted.index;
  if (first <= appliedIndex && appliedIndex <= terms.lastIndex) return;
  throw new DbError(
    'XX001',
    `group ${log.groupId} has applied its log up to ${appliedIndex}, but the log holds entries ${first + 1} to ${terms.lastIndex}`,
    { hint: 'The log and the store are of different times: restore both from the same backup.' },
  );
}

function diskFull(): ProposeAnswer {
  return { kind: 'diskFull', message: 'no space is left for the log' };
}

// One group as the scheduler sees it: the core, its part of the log, who waits for what.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import { ClosedMarks } from './closed-marks.ts';
import type { Configuration } from './configuration.ts';
import type { RaftCore } from './core.ts';
import type { Lease } from './lease.ts';
import type { PairHearing, Registrant } from './liveness.ts';
import type { GroupLog } from './log/group-log.ts';
import type { OutgoingAppend } from './messages.ts';
import type { ElectionPromise } from './promise.ts';
import { ProposalQueue } from './proposals.ts';
import type { SnapshotMark } from './ready.ts';
import type { LogPosition } from './terms.ts';
import type { Entry, GroupId, ReplicaId, Role } from './types.ts';

/** The least that a pulled snapshot must hold, and from whose node it can be had. */
export interface SnapshotSource {
  readonly from: ReplicaId;
  readonly index: number;
}

export interface GroupOptions {
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
  /** Of a group that the log does not know yet; afterwards the log knows better. Left out: nobody belongs to it yet as
   * far as this replica knows, and a leader will tell. */
  readonly configuration?: Configuration;
  /** Up to where the state machine holds the log's entries; delivery goes on after it. */
  readonly appliedIndex: number;
  /** Committed entries, each once, in order, none missing; a leader's first entry of its term has no bytes. Called
   * before the proposals among them are answered. A promise holds back what comes next until it resolves. */
  onCommitted(entries: readonly Entry[]): Maybe<void>;
  /** This replica began or ceased to lead, or another is known to. `leading` comes once the first entry of the own term
   * was delivered: all that earlier leaders committed has been delivered before it. */
  onLeadership(leadership: Leadership): void;
  /** A split whose entry this node has just applied gives birth to it; with `startAt`: birthMark(). It makes no difference
   * to a replica that was born before the node's last start. */
  readonly birth?: Birth;
  /** Who spoke to this replica when it was unknown here: whom it asks first while nobody has told it who belongs to the
   * group. */
  readonly contact?: ReplicaId;
  /** Nodes on which there may be replicas of the group: whom it asks then, when its contact does not answer. */
  anybody?(): readonly NodeId[];
  /** The state came from a snapshot that was installed beyond the log: the log begins anew there (P31). Nothing changes
   * when the log has been there already. */
  readonly startAt?: SnapshotMark;
  /** The node stopped while a snapshot was being installed: there is no state, and appliedIndex means nothing. The log
   * and the vote stay what they were, for others rely on them; a snapshot is pulled once a leader is known (P31). */
  readonly lacksState?: boolean;
  /** P3: stop serving, and resolve once an entry with the highest timestamp served is committed. Rejected: the transfer
   * is given up. */
  onTransfer?(): Promise<void>;
  /** Pull a snapshot from nodeOf(source.from) and install it durably; resolves with what was installed (P31). Until then
   * onCommitted is not called. Rejected: tried again when the leader offers one again. Undefined: the same, but nothing
   * is wrong; it can't be installed yet (P26). */
  pullSnapshot?(source: SnapshotSource): Promise<SnapshotMark | undefined>;
  /** A membership change has committed; called before onCommitted gets its entry. */
  onChange?(configuration: Configuration, index: number): void;
  /** Whether that replica was a member once and is none any more, as far as the state machine knows: it is told so when
   * it asks (P32: none comes back under its old id). */
  wasRemoved?(replica: ReplicaId): boolean;
  /** This replica is no member any more: its log says so, or another replica whose wasRemoved() does, or a node that knows
   * that the group is over. False: it is needed here still; called again, later. */
  onRemoved?(): boolean;
}

/** How a split gives birth to a replica (P25). */
export interface Birth {
  /** This node's replica of what was split. */
  readonly parent: RaftGroup;
  /** The split's, in the parent's log. */
  readonly entry: LogPosition;
  /** The replica to be born on the node that has proposed the split. */
  readonly proposer: ReplicaId;
}

export type Leadership =
  | { readonly kind: 'leading'; readonly term: number }
  | { readonly kind: 'following'; readonly leader: ReplicaId };

/** Proposals of a leadership that has ended. Their entries may still commit, under whoever leads now: `unknown` is
 * said only when that has not been decided for long. */
export interface LostProposals {
  readonly queue: ProposalQueue;
  readonly term: number;
  /** Entries above it never left this node. */
  readonly sentIndex: number;
  ticksLeft: number;
}

/** A hand-over of leadership that is under way. */
export interface Transfer {
  readonly to: ReplicaId;
  readonly term: number;
  /** The new leader has been asked; before that the group is being stopped. */
  isAsked: boolean;
  ticksLeft: number;
  resolve(outcome: 'transferred' | 'failed'): void;
}

/** `alone`: this replica decides for itself, nothing has to be watched. `asleep`: pairs of nodes speak for the group. */
export type Wakefulness = 'awake' | 'asleep' | 'alone';

/** Appends to one follower that wait for entries to be read from the log, in their order. */
export interface ReadingLane {
  readonly waiting: OutgoingAppend[];
}

/** Undefined: ask again. */
export type OnReadIndex = (index: number | undefined) => void;

export interface ReadRequest {
  readonly answer: OnReadIndex;
  ticksLeft: number;
}

export class RaftGroup implements Registrant {
  readonly options: GroupOptions;
  readonly groupId: GroupId;
  /** @internal The scheduler's. */
  readonly core: RaftCore;
  /** @internal The scheduler's. */
  readonly log: GroupLog;
  readonly lease: Lease;
  /** @internal */
  readonly promise: ElectionPromise;

  /** @internal Use closedAt(). */
  readonly closed: ClosedMarks = new ClosedMarks();

  /** @internal Proposals that wait for room in the log: their timestamps are taken. */
  reserving = 0;
  /** @internal Waiting for their entry to commit. */
  proposals: ProposalQueue = new ProposalQueue();
  /** @internal Of earlier leaderships, oldest first. */
  lost: LostProposals[] = [];
  /** @internal Of this leadership, the last index that left for another node. */
  sentIndex = 0;
  /** @internal */
  transfer: Transfer | undefined;

  /** @internal By context; undefined: none. */
  reads: Map<number, ReadRequest> | undefined;

  /** @internal It has something for the next round. */
  isQueued = false;
  /** @internal onCommitted or a read of the log is under way. */
  delivery: Promise<void> | undefined;
  /** @internal It waits for its turn to deliver. */
  isDeliveryDue = false;
  /** @internal The state is being replaced by a snapshot's, or is missing: nothing is delivered. */
  isInstalling = false;
  /** @internal It is missing: see GroupOptions. */
  lacksState: boolean;
  /** @internal Ticks until a snapshot is asked for again. */
  retryTicks = 0;
  /** @internal The state machine holds it, the log and the core do not yet. */
  installed: SnapshotMark | undefined;
  /** @internal Handed out by the core; delivered <= committed */
  committed: number;
  /** Given to onCommitted. */
  delivered: number;
  /** @internal The one that the log and onChange know. */
  seenConfiguration: Configuration;
  /** @internal Members other than this replica that the scheduler watches. */
  peers: readonly ReplicaId[] = [];
  isRemoved = false;
  /** @internal Its log says that it is no member. */
  isOutside = false;
  /** @internal onRemoved was called. */
  isToldRemoved = false;
  /** @internal Ticks without a leader. */
  lonelyTicks = 0;
  /** @internal What has committed is to leave with the next round. */
  tellsNow = false;

  /** @internal What the core was when it was last looked at. */
  seenRole: Role = 'follower';
  /** @internal */
  seenTerm: number;
  /** @internal The last that onLeadership was told. */
  told: Leadership | undefined;

  /** @internal */
  wakefulness: Wakefulness = 'awake';
  /** @internal Ticks without anything to do. */
  quietTicks = 0;
  /** @internal By follower: appends that tell nothing but the commit index. */
  commitsToTell: Map<ReplicaId, OutgoingAppend> | undefined;
  /** @internal By follower; there are few, and rarely any. */
  lanes: Map<ReplicaId, ReadingLane> | undefined;

  constructor(
    options: GroupOptions,
    core: RaftCore,
    log: GroupLog,
    lease: Lease,
    promise: ElectionPromise,
    appliedIndex: number,
  ) {
    this.options = options;
    this.groupId = options.groupId;
    this.core = core;
    this.log = log;
    this.lease = lease;
    this.promise = promise;
    this.lacksState = options.lacksState === true;
    this.isInstalling = this.lacksState;
    this.committed = appliedIndex;
    this.delivered = appliedIndex;
    this.seenConfiguration = core.configuration;
    this.seenTerm = core.term;
  }

  /** P23: up to which timestamp a state machine that has applied the log up to `index` has every write, but for those
   * whose outcome is not decided in this group. `index` never falls. */
  closedAt(index: number): Timestamp {
    return this.closed.reachedBy(index);
  }

  /** @internal Its leader's node speaks for it from now on: the log holds nothing that is not committed. */
  attach(hearing: PairHearing): void {
    this.promise.attach(hearing);
    this.closed.attach(hearing, this.core.lastIndex);
  }

  /** @internal */
  detach(): void {
    this.promise.detach();
    this.closed.detach();
  }

  /** Bytes of the log's entries in (after, last]. */
  bytesBetween(after: number, last: number): number {
    return this.log.terms?.bytesBetween(after, last) ?? 0;
  }

  get isLeader(): boolean {
    return this.core.role === 'leader';
  }

  get term(): number {
    return this.core.term;
  }

  /** 0: nobody is known to lead. */
  get leader(): ReplicaId {
    return this.core.leader;
  }

  /** Whether a leader was heard of within an election timeout, or speaks through its node while the group sleeps. A
   * replica of which nobody has been in touch for long may have been forgotten by all. */
  get hearsLeader(): boolean {
    return this.wakefulness !== 'awake' || this.core.hearsLeader;
  }

  get configuration(): Configuration {
    return this.core.configuration;
  }
}

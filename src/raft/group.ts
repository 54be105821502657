// One group as the scheduler sees it: the core, its part of the log, who waits for what.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Configuration } from './configuration.ts';
import type { RaftCore } from './core.ts';
import type { GroupLog } from './log/group-log.ts';
import { ProposalQueue } from './proposals.ts';
import type { SnapshotMark } from './ready.ts';
import type { Entry, GroupId, ReplicaId } from './types.ts';

/** The leader's lease (P1), as those ask who serve. Never held by a replica that does not lead. */
export interface GroupLease {
  covers(t: Timestamp): boolean;
  /** Whether it is held now: it covers now().latest. */
  isHeld(): boolean;
}

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
  /** The state came from a snapshot that was installed beyond the log: the log begins anew there (P31). */
  readonly startAt?: SnapshotMark;
  /** P3: stop serving, and resolve once an entry with the highest timestamp served is committed. Rejected: the transfer
   * is given up. */
  onTransfer?(): Promise<void>;
  /** Pull a snapshot from nodeOf(source.from) and install it durably; resolves with what was installed (P31). Until then
   * onCommitted is not called. Rejected: tried again when the leader offers one again. */
  pullSnapshot?(source: SnapshotSource): Promise<SnapshotMark>;
  /** A membership change has committed; called before onCommitted gets its entry. */
  onChange?(configuration: Configuration, index: number): void;
}

export type Leadership =
  | { readonly kind: 'leading'; readonly term: number }
  | { readonly kind: 'following'; readonly leader: ReplicaId };

export class RaftGroup {
  readonly options: GroupOptions;
  readonly groupId: GroupId;
  /** @internal The scheduler's. */
  readonly core: RaftCore;
  /** @internal The scheduler's. */
  readonly log: GroupLog;
  readonly lease: GroupLease = { covers: () => this.isLeader, isHeld: () => this.isLeader };
  /** @internal Waiting for their entry to commit. */
  readonly proposals: ProposalQueue = new ProposalQueue();
  /** @internal It has something for the next round. */
  isQueued = false;
  /** @internal onCommitted or a read of the log is under way. */
  isDelivering = false;
  /** @internal delivered <= committed */
  committed: number;
  /** @internal Of the last leadership that was told. */
  toldTerm = 0;
  delivered: number;

  constructor(options: GroupOptions, core: RaftCore, log: GroupLog) {
    this.options = options;
    this.groupId = options.groupId;
    this.core = core;
    this.log = log;
    this.committed = options.appliedIndex;
    this.delivered = options.appliedIndex;
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

  get configuration(): Configuration {
    return this.core.configuration;
  }
}

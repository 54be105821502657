// One group as the scheduler sees it: the core, its part of the log, who waits for what.

import type { Maybe } from '../base/maybe.ts';
import type { RaftCore } from './core.ts';
import type { GroupLog } from './log/group-log.ts';
import { ProposalQueue } from './proposals.ts';
import type { Entry, GroupId, ReplicaId } from './types.ts';

export interface GroupOptions {
  readonly groupId: GroupId;
  readonly replicaId: ReplicaId;
  /** Of a group that the log does not know yet; afterwards the log knows better. */
  readonly voters: readonly ReplicaId[];
  /** Up to where the state machine holds the log's entries; delivery goes on after it. */
  readonly appliedIndex: number;
  /** Committed entries, each once, in order, none missing; a leader's first entry of its term has no bytes. Called
   * before the proposals among them are answered. A promise holds back what comes next until it resolves. */
  onCommitted(entries: readonly Entry[]): Maybe<void>;
  /** This replica began or ceased to lead. `leading` comes once the first entry of the own term was delivered: all
   * that earlier leaders committed has been delivered before it. */
  onLeadership(leadership: Leadership): void;
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
}

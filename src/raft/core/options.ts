// What a core begins with, and how it answers its driver.

import type { Configuration } from '../configuration.ts';
import type { LogTerms } from '../terms.ts';
import type { CoreTuning } from '../tuning.ts';
import type { Entry, HardState, ReplicaId } from '../types.ts';

/** Whether a bug on purpose shows itself now; never in production. */
export interface BugSwitch {
  sometimes(point: string): boolean;
}

export interface CoreOptions {
  readonly replicaId: ReplicaId;
  /** Without voters: nobody has told this replica yet who belongs to the group. A snapshot will. */
  readonly configuration: Configuration;
  /** Of the change entry that made the configuration; 0: the group began with it. May be beyond the log's end. */
  readonly configurationIndex: number;
  /** Of that entry. Left out or 0: not known, and so neither whether the log has it, or another in its place. */
  readonly configurationTerm?: number;
  readonly hardState: HardState;
  /** What the log holds, all of it synced. The core keeps it. */
  readonly terms: LogTerms;
  /** The log's entries of kind 'change' after configurationIndex, in order: committed or not, they may still take
   * effect, and the core reads no bytes of old entries. */
  readonly changes: readonly Entry[];
  /** What the state machine holds: committed, and not to be handed out again. */
  readonly appliedIndex: number;
  /** The replica was born a moment ago and leads the term that it was born in (birth.ts). */
  readonly leadsFromBirth?: boolean;
  /** Uniform in [0, bound). */
  random(bound: number): number;
  readonly tuning: CoreTuning;
  /** Bugs on purpose, for the simulator to find; left out: none. */
  readonly faults?: BugSwitch;
}

export type ChangeProposal =
  /** P5: whoever proposes that this replica, the leader, votes no more drops its lease. See also isLeaving. */
  | { readonly kind: 'proposed'; readonly index: number; readonly removesLeader: boolean }
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'refused'; readonly reason: string };

/** `busy`: too much waits for its commit. `transferring`: the leader has asked another to lead. */
export type ProposalRefusal = 'notLeader' | 'transferring' | 'busy';

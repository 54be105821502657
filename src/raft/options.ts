// What the scheduler needs of its node, and the bounds that it keeps.

import type { IntervalClock } from '../clock/interval-clock.ts';
import type { Faults, Network, NodeId, Random, Time } from '../runtime/runtime.ts';
import type { RaftGroup } from './group.ts';
import { DEFAULT_LOG_OPTIONS, type LogOptions, type LogRuntime } from './log/log.ts';
import { DEFAULT_RETENTION, type RetentionBounds } from './retention.ts';
import { DEFAULT_TIMING, type RaftTiming } from './timing.ts';
import { type CoreTuning, DEFAULT_TUNING } from './tuning.ts';
import type { Entry } from './types.ts';

export interface SchedulerRuntime extends LogRuntime {
  readonly faults: Faults;
  readonly network: Network;
  readonly time: Time;
  readonly random: Random;
  readonly clock: IntervalClock;
  readonly nodeId: NodeId;
}

/** Watches all groups of a node, in simulations. */
export interface SchedulerObserver {
  /** The group's replica here has won an election. */
  onLeader?(group: RaftGroup): void;
  /** Just before the group's onCommitted. */
  onCommittedEntries?(group: RaftGroup, entries: readonly Entry[]): void;
}

export interface SchedulerOptions {
  readonly log: LogOptions;
  /** The same on all nodes. */
  readonly timing: RaftTiming;
  /** Without what `timing` says. */
  readonly tuning: Omit<CoreTuning, 'heartbeatTicks' | 'electionTicks'>;
  readonly retention: RetentionBounds;
  /** Proposals of one group that may wait for their commit. */
  readonly groupProposalsMax: number;
  /** Bytes of all groups' proposals that may wait; one proposal alone may be larger. */
  readonly proposalBytesMax: number;
  /** onCommitted gets about as many bytes at once at most. */
  readonly deliveryBytesMax: number;
  /** Reads of old entries, for followers, at a time. */
  readonly logReadsMax: number;
  readonly observer?: SchedulerObserver;
}

export const DEFAULT_SCHEDULER_OPTIONS: SchedulerOptions = {
  log: DEFAULT_LOG_OPTIONS,
  timing: DEFAULT_TIMING,
  tuning: DEFAULT_TUNING,
  retention: DEFAULT_RETENTION,
  groupProposalsMax: 16 * 1024,
  proposalBytesMax: 64 * 1024 * 1024,
  deliveryBytesMax: 4 * 1024 * 1024,
  logReadsMax: 4,
};

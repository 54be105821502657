// What the leases, promises and pairs of one node share: its clocks, its timing, its stamps, and what its peers' nodes
// have acknowledged. Nothing here has a timer: the scheduler drives it.

import type { IntervalClock } from '../clock/interval-clock.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Faults, NodeId, Random, Time } from '../runtime/runtime.ts';
import { Stamps } from './stamps.ts';
import { leaderLeaseMicros, type RaftTiming } from './timing.ts';

export interface LivenessRuntime {
  readonly time: Time;
  readonly random: Random;
  readonly faults: Faults;
  readonly clock: Pick<IntervalClock, 'earliest' | 'latest' | 'covers' | 'suspended'>;
}

/** What a peer's node says for all groups that it has registered with this one (P4). */
export interface PairAnswers {
  /** The newest heartbeat that it acknowledged while what it has registered was known here. */
  readonly answeredStamp: number;
  /** The newest that it acknowledged at all. */
  readonly heardStamp: number;
}

/** When a leader's node spoke last for all groups that are registered with it, on this node's monotonic clock. */
export interface PairHearing {
  readonly heardAtMicros: number;
  /** P23: up to here it has closed all of them, each with the entries that it fell asleep with. */
  readonly closedAt: Timestamp;
}

/** A follower that registers as asleep. */
export interface Registrant {
  attach(hearing: PairHearing): void;
  detach(): void;
}

export class Liveness {
  readonly runtime: LivenessRuntime;
  readonly timing: RaftTiming;
  readonly leaderLeaseMicros: number;
  readonly stamps: Stamps;
  /** On the monotonic clock. */
  readonly startedAtMicros: number;
  /** Kept by Pairs. */
  readonly answers: Map<NodeId, PairAnswers> = new Map();

  constructor(runtime: LivenessRuntime, timing: RaftTiming) {
    this.runtime = runtime;
    this.timing = timing;
    this.leaderLeaseMicros = leaderLeaseMicros(timing);
    this.stamps = new Stamps(runtime.time, runtime.clock, runtime.random, timing);
    this.startedAtMicros = runtime.time.monotonicMicros();
  }
}

// How long things take in Raft: one object for the core's ticks and the leases of all groups of a node, and the same in
// all nodes of a cluster. Followers keep their promises for as long as leaders rely on them, so nodes with different
// leases are nodes without leases.

import { DbError } from '../base/errors.ts';

export interface RaftTiming {
  readonly tickMicros: number;
  /** Between a leader's heartbeats, and between those of a pair of nodes. */
  readonly heartbeatTicks: number;
  /** A follower that hears of no leader campaigns after a random number of ticks in [electionTicks, 2 electionTicks). */
  readonly electionTicks: number;
  /** For how long a follower that heard from a leader helps nobody else, on its own monotonic clock (P2). */
  readonly leaseMicros: number;
  /** What a node's monotonic clock may be off the true rate, in millionths, either way. */
  readonly driftPerMillion: number;
}

/** For nodes on one site. */
export const DEFAULT_TIMING: RaftTiming = {
  tickMicros: 50_000,
  heartbeatTicks: 2,
  electionTicks: 12,
  leaseMicros: 500_000,
  driftPerMillion: 200,
};

export function heartbeatMicros(timing: RaftTiming): number {
  return timing.heartbeatTicks * timing.tickMicros;
}

/** What a leader may count on: a promise that lasts leaseMicros by a clock that is as fast as may be, measured by a
 * clock that is as slow as may be. */
export function leaderLeaseMicros({ leaseMicros, driftPerMillion }: RaftTiming): number {
  const drift = driftPerMillion / 1e6;
  return Math.floor((leaseMicros * (1 - drift)) / (1 + drift));
}

/** P6: with less, a leader could lose its lease between two heartbeats, or never cover now().latest. `uncertainty` is
 * half the width of now(). */
export function requireSaneTiming(timing: RaftTiming, uncertaintyMicros: number): void {
  const heartbeat = heartbeatMicros(timing);
  const election = timing.electionTicks * timing.tickMicros;
  if (heartbeat <= 0 || election <= heartbeat) {
    throw new DbError(
      '22023',
      `Raft's election timeout (${election} microseconds) must be longer than its heartbeat interval (${heartbeat})`,
    );
  }
  const needed = 2 * uncertaintyMicros + heartbeat;
  if (timing.leaseMicros > needed) return;
  throw new DbError(
    '22023',
    `the clock is too uncertain for leader leases of ${timing.leaseMicros} microseconds`,
    {
      detail: `A lease must be longer than twice the clock's uncertainty (${Math.ceil(uncertaintyMicros)}) plus the heartbeat interval (${heartbeat}), in microseconds.`,
      hint: 'Use a better clock source (--clock), or a longer lease.',
    },
  );
}

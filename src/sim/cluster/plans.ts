// Kinds of run: what goes wrong often in one is rare in another. 'any' is a mixture by chance; the others look where a
// certain kind of bug shows itself.

import type { RetentionBounds } from '../../raft/retention.ts';
import { DEFAULT_TIMING, type RaftTiming } from '../../raft/timing.ts';
import type { SeededRandom } from '../random.ts';
import { FAULT_KINDS, type FaultKind, type FaultPlan, randomFaultPlan } from './faults.ts';
import {
  MEMBERSHIP_KINDS,
  type MembershipKind,
  type MembershipPlan,
  randomMembershipPlan,
  VOTERS_MIN,
} from './membership.ts';

export interface ClusterShape {
  readonly nodes: number;
  readonly groups: number;
  readonly timing: RaftTiming;
  /** Half of the width of what a clock says. */
  readonly uncertaintyMicros: number;
  /** P8: how far ahead a node's bound is kept; a start waits for it. */
  readonly clockReserveMicros: number;
  /** Things go wrong for about so long, between times in which all is well. */
  readonly badMicrosMax: number;
  readonly faults: FaultPlan;
  readonly membership: MembershipPlan;
  /** Of how many groups clients ask at most times; the others fall asleep. */
  readonly hotGroupsMax: number;
  /** Little makes snapshots frequent. */
  readonly retention: RetentionBounds;
}

export type PlanName =
  | 'any'
  | 'elections'
  | 'restarts'
  | 'transfers'
  | 'learners'
  | 'sleepers'
  | 'clocks';

export const SHORT_LOGS: RetentionBounds = {
  keptBytes: 256,
  laggingBytes: 1024,
  snapshotBytes: 8192,
};
export const LONG_LOGS: RetentionBounds = {
  keptBytes: 8192,
  laggingBytes: 32_768,
  snapshotBytes: 65_536,
};
export const UNCERTAINTIES_MICROS: readonly number[] = [20, 500, 5_000, 50_000];

/** Leaders are followed as soon as promises allow. */
export const QUICK_TIMING: RaftTiming = {
  ...DEFAULT_TIMING,
  tickMicros: 20_000,
  electionTicks: 5,
  leaseMicros: 300_000,
};

type Planner = (random: SeededRandom) => Partial<ClusterShape>;

export const PLANS: Readonly<Record<PlanName, { readonly what: string; readonly plan: Planner }>> =
  {
    any: { what: 'a mixture, another one for each seed', plan: () => ({}) },
    elections: {
      what: 'leaders are lost all the time, and votes come late',
      plan: () => ({
        faults: faults({ isolate: 4, partition: 4, late: 3, crash: 1 }, 400_000, 1_500_000),
        membership: membership({}, 1_000_000),
        timing: QUICK_TIMING,
      }),
    },
    restarts: {
      what: 'nodes are back at once, while votes for others are on their way',
      plan: () => ({
        nodes: 3,
        groups: 8,
        faults: {
          ...faults({ crash: 4, slow: 6 }, 300_000, 600_000, 20_000),
          crashElectedOneIn: 2,
        },
        membership: membership({}, 1_000_000),
        timing: { ...QUICK_TIMING, tickMicros: 10_000, electionTicks: 20, leaseMicros: 25_000 },
        uncertaintyMicros: 500,
        clockReserveMicros: 5_000,
      }),
    },
    transfers: {
      what: 'leadership is handed over again and again, to whoever can be reached or not',
      plan: () => ({
        faults: {
          ...faults({ loss: 2, slow: 1, late: 1, oneWay: 2, pause: 1 }, 1_000_000, 1_000_000),
          deafAtTransferOneIn: 2,
        },
        membership: membership({ transfer: 1 }, 400_000),
      }),
    },
    learners: {
      what: 'learners come and go, and leaders are cut off with them',
      plan: () => ({
        nodes: 5,
        groups: 6,
        faults: faults({ partition: 6, isolate: 2, crash: 1 }, 1_000_000, 2_000_000),
        membership: membership({ demote: 6, grow: 3, promote: 1, shrink: 1 }, 300_000, 3),
        timing: QUICK_TIMING,
      }),
    },
    sleepers: {
      what: 'most groups sleep, and wake up to partitions and pauses',
      plan: () => ({
        groups: 8,
        hotGroupsMax: 1,
        faults: faults({ partition: 6, isolate: 3, pause: 3 }, 3_000_000, 1_600_000),
        membership: membership({ transfer: 1 }, 3_000_000),
      }),
    },
    clocks: {
      what: 'clocks run as fast or slow as they may, and leaders are cut off',
      plan: () => ({
        faults: faults({ clocks: 4, isolate: 4, partition: 2 }, 500_000, 2_000_000),
        membership: membership({}, 1_000_000),
        timing: QUICK_TIMING,
      }),
    },
  };

/** All of it by chance, but for what the plan says. */
export function shapeOf(name: PlanName, random: SeededRandom, nodes?: number): ClusterShape {
  const chosen = nodes ?? ([3, 3, 5, 7][random.below(4)] as number);
  const groups = 1 + random.below(random.oneIn(2) ? 3 : 8);
  const by = PLANS[name].plan(random);
  return {
    groups,
    timing: DEFAULT_TIMING,
    uncertaintyMicros: UNCERTAINTIES_MICROS[random.below(UNCERTAINTIES_MICROS.length)] as number,
    clockReserveMicros: 1_000_000,
    badMicrosMax: 20_000_000,
    faults: randomFaultPlan(random),
    membership: randomMembershipPlan(random),
    hotGroupsMax: groups,
    retention: random.oneIn(2) ? SHORT_LOGS : LONG_LOGS,
    nodes: chosen,
    ...by,
    ...(nodes === undefined ? {} : { nodes }),
  };
}

export function faults(
  weights: Partial<Record<FaultKind, number>>,
  everyMicrosMax: number,
  lastsMicrosMax: number,
  downMicrosMax: number = lastsMicrosMax,
): FaultPlan {
  return {
    weights: allOf(FAULT_KINDS, weights),
    everyMicrosMax,
    lastsMicrosMax,
    downMicrosMax,
    crashElectedOneIn: 0,
    deafAtTransferOneIn: 0,
    driftPerMillion: 200,
  };
}

export function membership(
  weights: Partial<Record<MembershipKind, number>>,
  everyMicrosMax: number,
  votersMin: number = VOTERS_MIN,
): MembershipPlan {
  return { weights: allOf(MEMBERSHIP_KINDS, weights), everyMicrosMax, votersMin };
}

export function allOf<Kind extends string>(
  kinds: readonly Kind[],
  weights: Partial<Record<Kind, number>>,
): Record<Kind, number> {
  return Object.fromEntries(kinds.map((kind) => [kind, weights[kind] ?? 0])) as Record<
    Kind,
    number
  >;
}

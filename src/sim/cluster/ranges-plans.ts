// Kinds of run of whole nodes with many ranges: what goes wrong, and how often ranges change in which way. As for Raft
// alone (plans.ts), 'any' is a mixture by chance, and the others look where a certain kind of bug shows itself.

import { DEFAULT_TIMING } from '../../raft/timing.ts';
import type { SettingName } from '../../node/placement/settings.ts';
import type { SeededRandom } from '../random.ts';
import { type FaultPlan, randomFaultPlan } from './faults.ts';
import {
  allOf,
  type ClusterShape,
  faults,
  LONG_LOGS,
  membership,
  QUICK_TIMING,
  SHORT_LOGS,
  UNCERTAINTIES_MICROS,
} from './plans.ts';
import { REGISTER_CLIENTS } from './subject.ts';

const SECOND = 1_000_000;
/** Groups of registers, between which ranges are split. */
const AREAS = 8;

export const MOVE_KINDS = [
  'split',
  'burst',
  'merge',
  'grow',
  'promote',
  'shrink',
  'swap',
  'transfer',
  'scatter',
  'drain',
] as const;
export type MoveKind = (typeof MOVE_KINDS)[number];

export interface MovesPlan {
  readonly weights: Readonly<Record<MoveKind, number>>;
  /** Between two moves, at most. */
  readonly everyMicrosMax: number;
}

export interface RangesShape extends ClusterShape {
  /** Of registers. */
  readonly clients: number;
  readonly moves: MovesPlan;
  /** Settings of the cluster that make it move ranges by itself. */
  readonly settings: readonly (readonly [SettingName, string])[];
}

export type RangesPlanName = 'any' | 'splits' | 'merges' | 'hot' | 'replicas';

type Planner = (random: SeededRandom) => Partial<RangesShape>;

export const RANGES_PLANS: Readonly<
  Record<RangesPlanName, { readonly what: string; readonly plan: Planner }>
> = {
  any: { what: 'a mixture, another one for each seed', plan: () => ({}) },
  splits: {
    what: 'ranges are split while nodes are cut off, die and come back',
    plan: () => ({
      nodes: 3,
      faults: faults({ isolate: 4, partition: 2, slow: 2, crash: 2 }, SECOND / 2, SECOND),
      moves: moves({ split: 3, burst: 2, transfer: 1 }, 150_000),
      timing: QUICK_TIMING,
      settings: [],
    }),
  },
  merges: {
    what: 'ranges are split and merged all the time, and leaders are lost',
    plan: () => ({
      nodes: 3,
      faults: faults({ isolate: 2, crash: 2, slow: 1, pause: 1 }, SECOND, SECOND),
      moves: moves({ split: 3, merge: 5, transfer: 2 }, 100_000),
      settings: [],
    }),
  },
  hot: {
    what: 'the few ranges that everybody asks are split and merged all the time, and frames come late',
    plan: () => ({
      nodes: 3,
      groups: 2,
      faults: faults({ late: 4, slow: 2, loss: 1, isolate: 1, crash: 1 }, SECOND / 4, SECOND),
      moves: moves({ split: 4, merge: 8, transfer: 1 }, 40_000),
      timing: QUICK_TIMING,
      settings: [],
    }),
  },
  replicas: {
    what: 'replicas come and go all the time, and those that stay are cut off',
    plan: () => ({
      nodes: 5,
      faults: faults({ isolate: 4, partition: 4, crash: 1 }, SECOND / 2, SECOND),
      moves: moves({ grow: 4, swap: 6, promote: 3, shrink: 3, split: 1, transfer: 1 }, 60_000),
      timing: QUICK_TIMING,
      settings: [],
    }),
  },
};

/** Ranges move by themselves as soon as they may. */
const EAGER: RangesShape['settings'] = [
  ['node.dead_after', '5s'],
  ['range.merge_after', '1s'],
  ['rebalance.lease_cooldown', '1s'],
  ['rebalance.replica_cooldown', '1s'],
];

/** Versions are removed as soon as they may be. */
const FORGETFUL: RangesShape['settings'] = [['gc.ttl', '1s']];

export function rangesShapeOf(
  name: RangesPlanName,
  random: SeededRandom,
  nodes?: number,
): RangesShape {
  const chosen = nodes ?? ([3, 3, 4, 5][random.below(4)] as number);
  return someRangesShape(random, chosen, RANGES_PLANS[name].plan(random), nodes);
}

/** All of it by chance, but for what the plan says. */
export function someRangesShape(
  random: SeededRandom,
  chosen: number,
  by: Partial<RangesShape>,
  nodes?: number,
): RangesShape {
  return {
    groups: AREAS,
    clients: REGISTER_CLIENTS,
    timing: DEFAULT_TIMING,
    uncertaintyMicros: UNCERTAINTIES_MICROS[random.below(UNCERTAINTIES_MICROS.length)] as number,
    clockReserveMicros: SECOND,
    badMicrosMax: 6 * SECOND,
    faults: denser(randomFaultPlan(random)),
    membership: membership({}, SECOND),
    hotGroupsMax: AREAS,
    retention: random.oneIn(2) ? SHORT_LOGS : LONG_LOGS,
    nodes: chosen,
    moves: randomMoves(random),
    settings: [
      ...(random.oneIn(3) ? EAGER : []),
      ...(random.fork('collection').oneIn(2) ? FORGETFUL : []),
    ],
    ...by,
    ...(nodes === undefined ? {} : { nodes }),
  };
}

/** Runs are short. */
function denser(plan: FaultPlan): FaultPlan {
  const least = SECOND / 4;
  return {
    ...plan,
    everyMicrosMax: least + Math.floor(plan.everyMicrosMax / 4),
    lastsMicrosMax: least + Math.floor(plan.lastsMicrosMax / 2),
    downMicrosMax: least + Math.floor(plan.downMicrosMax / 2),
  };
}

function randomMoves(random: SeededRandom): MovesPlan {
  const weights = {} as Record<MoveKind, number>;
  for (const kind of MOVE_KINDS) weights[kind] = random.oneIn(3) ? 0 : 1 + random.below(4);
  weights.split += 2;
  weights.merge += 1;
  weights.drain = random.oneIn(2) ? 0 : 1;
  return { weights, everyMicrosMax: 50_000 + random.below(400_000) };
}

export function moves(
  weights: Partial<Record<MoveKind, number>>,
  everyMicrosMax: number,
): MovesPlan {
  return { weights: allOf(MOVE_KINDS, weights), everyMicrosMax };
}

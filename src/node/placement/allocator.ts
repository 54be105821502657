// Where replicas and leases should be: a pure function of what the nodes are and have (placement.ts), without a clock
// and without I/O. It is asked for the ranges that a node leads, and answers at most one action for each; the next one
// follows from what there is then.
//
//   allocator-repair.ts    what must be done: replication, the dead, who drains or goes, places far apart
//   allocator-leases.ts    leases for load, then for their number
//   allocator-replicas.ts  replicas for load, bytes and their number
//
// Every move for balance lowers what it is made for by more than noise, and does not undo what comes before it in this
// order: so under a load that stays, moves come to an end.

import { leasesByCount, leasesByLoad } from './allocator-leases.ts';
import { Picture } from './allocator-picture.ts';
import { repair } from './allocator-repair.ts';
import { replicasByBytes, replicasByCount, replicasByLoad } from './allocator-replicas.ts';
import type { PlacementAction, PlacementInput, RangeView } from './placement.ts';

export interface PlacementPlan {
  readonly actions: readonly PlacementAction[];
  /** By range, why nothing can be done though something should be. */
  readonly stuck: ReadonlyMap<number, string>;
}

export function plan(input: PlacementInput): PlacementPlan {
  const { self, ranges, rules, leaseMovesMax, replicaMovesMax } = input;
  const picture = new Picture(input.nodes, rules);
  const actions: PlacementAction[] = [];
  const stuck = new Map<number, string>();
  const well: RangeView[] = [];
  let leases = leaseMovesMax;
  let replicas = replicaMovesMax;
  for (const range of ranges) {
    const found = repair(picture, self, range);
    if (found.kind === 'well') {
      well.push(range);
      continue;
    }
    if (found.kind === 'stuck') {
      stuck.set(range.range, found.reason);
      continue;
    }
    const { step } = found.action;
    const isLease = step.kind === 'transferLease';
    if (isLease ? leases <= 0 : step.kind === 'addLearner' && replicas <= 0) continue;
    if (isLease) leases -= 1;
    else if (step.kind === 'addLearner') replicas -= 1;
    apply(picture, self, range, found.action);
    actions.push(found.action);
  }
  if (!rules.isBalancing) return { actions, stuck };
  const add = (more: readonly PlacementAction[]): void => {
    actions.push(...more);
    for (const { step } of more) {
      if (step.kind === 'transferLease') leases -= 1;
      else replicas -= 1;
    }
  };
  const byLoad = leasesByLoad(picture, self, well, leases);
  add(byLoad.actions);
  const quiet = (): readonly RangeView[] => {
    const busy = new Set(actions.map(({ range }) => range));
    return well.filter(({ range }) => !busy.has(range));
  };
  if (!byLoad.isEnough) add(replicasByLoad(picture, self, quiet(), replicas));
  if (byLoad.actions.length === 0) {
    add(replicasByBytes(picture, self, quiet(), replicas));
    add(replicasByCount(picture, self, quiet(), replicas));
    add(leasesByCount(picture, self, quiet(), leases));
  }
  return { actions, stuck };
}

function apply(picture: Picture, self: number, range: RangeView, { step }: PlacementAction): void {
  switch (step.kind) {
    case 'addLearner':
      picture.addReplica(range, step.node);
      break;
    case 'promote':
      if (step.instead !== undefined) picture.removeReplica(range, step.instead);
      break;
    case 'remove':
      picture.removeReplica(range, step.node);
      break;
    case 'transferLease':
      picture.moveLease(range, self, step.node);
      break;
  }
}

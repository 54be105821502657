// Leases given away for load, then for their number. Moving a lease costs milliseconds and no bytes, so it comes before
// any move of replicas. A move is made only if what is given fits where it goes, or else if the busier of the two nodes
// is clearly less busy after it than before: each move brings the cluster nearer to even, so moves come to an end.

import type { NodeId } from '../../runtime/runtime.ts';
import { leaseLoad, mean, type NodePicture, type Picture } from './allocator-picture.ts';
import type { PlacementAction, RangeView } from './placement.ts';

/** Of even: so much less busy must the busier node be. */
const GAIN_SHARE = 0.05;
/** Nodes differ in leases by so many without anything being wrong: the three ranges of a new cluster may stay together. */
const LEASES_APART = 3;

/** Of what it can do: who does less gives nothing away for load. It does not matter then who does it, and whoever leads a
 * range knows best what is asked of it when it does begin to matter. */
const BUSY_SHARE_MIN = 0.05;

/** Of what nodes can do: a cluster that does less is as good as idle. */
export const IDLE_SHARE_MAX = 0.02;

export interface LeaseMoves {
  readonly actions: readonly PlacementAction[];
  /** There was, or will be, something to give: replicas need not move yet. */
  readonly isEnough: boolean;
}

/** Of the node that asks. */
export function leasesByLoad(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): LeaseMoves {
  const own = picture.node(self);
  const actions: PlacementAction[] = [];
  if (own === undefined || !isAboveEven(picture, own)) return { actions, isEnough: true };
  const moved = new Set<RangeView>();
  let isWaiting = false;
  // What fits goes before what merely helps: a large range in the wrong place is a move that has to be made again.
  for (const mustFit of [true, false]) {
    for (const range of byFit(ranges, own.load - picture.evenBusy * own.view.capacity)) {
      if (actions.length >= most || !isStillAbove(picture, own)) break;
      if (moved.has(range)) continue;
      const to = leaseTaker(picture, own, range, mustFit);
      if (to === undefined) continue;
      if (range.isLeaseCooling || range.isChanging) {
        isWaiting = true;
        continue;
      }
      moved.add(range);
      actions.push({
        range: range.range,
        step: { kind: 'transferLease', node: to.node },
        cause: 'load',
        reason: `node ${self} does ${percent(own.busy)} of what it can, node ${to.node} ${percent(to.busy)}, even is ${percent(picture.evenBusy)}`,
      });
      picture.moveLease(range, self, to.node);
    }
    if (actions.length > 0 || isWaiting) break;
  }
  return { actions, isEnough: actions.length > 0 || isWaiting };
}

/** It has more than its share by more than the threshold, or some node has less by as much. */
export function isAboveEven(picture: Picture, own: NodePicture): boolean {
  if (own.busy < BUSY_SHARE_MIN) return false;
  if (own.busy > picture.busyMax) return true;
  const isSomebodyIdle = picture.partners.some((one) => one.busy < picture.busyMin);
  return isSomebodyIdle && own.busy > (picture.evenBusy + picture.busyFit) / 2;
}

/** Who gives, gives until it is well within bounds: else noise would soon make it give again. */
export function isStillAbove(picture: Picture, own: NodePicture): boolean {
  return own.busy > picture.busyFit || isAboveEven(picture, own);
}

/** Who is within bounds gives only to who is not. */
export function isWorthIt(picture: Picture, own: NodePicture, to: NodePicture): boolean {
  return own.busy > picture.busyFit || to.busy < picture.busyMin;
}

/** Whoever would be the least busy with it. */
function leaseTaker(
  picture: Picture,
  own: NodePicture,
  range: RangeView,
  mustFit: boolean,
): NodePicture | undefined {
  const load = leaseLoad(range);
  if (load <= 0) return undefined;
  let best: NodePicture | undefined;
  for (const { node, isVoter, isCaughtUp } of range.replicas) {
    const one = picture.node(node);
    if (!isVoter || !isCaughtUp || one === undefined || one === own || !one.takesLeases) continue;
    if (best === undefined || one.busyWith(load) < best.busyWith(load)) best = one;
  }
  if (best === undefined || !isWorthIt(picture, own, best)) return undefined;
  const helps = mustFit ? fits(picture, best, load) : isGain(picture, own, best, load);
  return helps ? best : undefined;
}

export function fits(picture: Picture, to: NodePicture, load: number): boolean {
  return to.busyWith(load) <= picture.busyFit;
}

/** The busier of the two is less busy afterwards. */
export function isGain(
  picture: Picture,
  from: NodePicture,
  to: NodePicture,
  load: number,
): boolean {
  const gain = picture.evenBusy * GAIN_SHARE;
  return Math.max(to.busyWith(load), from.busyWith(-load)) < from.busy - gain;
}

/** Those first whose load is nearest to what is too much. */
export function byFit(ranges: readonly RangeView[], excess: number): readonly RangeView[] {
  return [...ranges].sort(
    (a, b) =>
      Math.abs(leaseLoad(a) - excess) - Math.abs(leaseLoad(b) - excess) || a.range - b.range,
  );
}

/** So that what comes next finds nodes that lead alike. Where there is load, load alone decides. */
export function leasesByCount(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  const own = picture.node(self);
  if (own === undefined || !picture.isCertain || picture.evenBusy > IDLE_SHARE_MAX) return [];
  const actions: PlacementAction[] = [];
  const apart = Math.max(
    LEASES_APART,
    2 * picture.rules.countThreshold * mean(picture.partners.map(({ leases }) => leases)),
  );
  for (const range of ranges) {
    if (actions.length >= most) break;
    if (range.isLeaseCooling || range.isChanging) continue;
    let best: NodePicture | undefined;
    for (const { node, isVoter, isCaughtUp } of range.replicas) {
      const one = picture.node(node);
      if (!isVoter || !isCaughtUp || one === undefined || one === own || !one.takesLeases) continue;
      if (own.leases - one.leases <= apart || !fits(picture, one, leaseLoad(range))) continue;
      if (best === undefined || one.leases < best.leases) best = one;
    }
    if (best === undefined) continue;
    actions.push({
      range: range.range,
      step: { kind: 'transferLease', node: best.node },
      cause: 'count',
      reason: `node ${self} leads ${own.leases} ranges, node ${best.node} ${best.leases}`,
    });
    picture.moveLease(range, self, best.node);
  }
  return actions;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

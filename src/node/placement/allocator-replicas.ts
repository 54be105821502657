// Replicas moved for balance: for load, when leases alone can't make it even; then for bytes; then for their number. A
// move for bytes must leave load within its bounds, one for the number both: so no two of them undo each other.

import type { NodeId } from '../../runtime/runtime.ts';
import {
  byFit,
  fits,
  isAboveEven,
  isGain,
  isStillAbove,
  isWorthIt,
  percent,
} from './allocator-leases.ts';
import { leaseLoad, mean, type NodePicture, type Picture } from './allocator-picture.ts';
import { diversityOf, voterNodes } from './allocator-targets.ts';
import type { PlacementAction, PlacementCause, RangeView } from './placement.ts';

const MIB = 1024 * 1024;
/** Nodes differ by so much without anything being wrong. */
const BYTES_APART = 128 * MIB;
const REPLICAS_APART = 2;

interface Move {
  readonly range: RangeView;
  readonly from: NodePicture;
  readonly to: NodePicture;
}

export function replicasByLoad(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  return [
    ...leadersByLoad(picture, self, ranges, most),
    ...followersByLoad(picture, self, ranges, most),
  ].slice(0, most);
}

/** Of the node that asks: a replica goes where nothing of the range is, and the lease follows it. */
function leadersByLoad(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  const own = picture.node(self);
  const actions: PlacementAction[] = [];
  if (own === undefined || !isAboveEven(picture, own)) return actions;
  for (const mustFit of [true, false]) {
    for (const range of byFit(ranges, own.load - picture.evenBusy * own.view.capacity)) {
      if (actions.length >= most || !isStillAbove(picture, own)) return actions;
      if (!isMovable(range) || actions.some((one) => one.range === range.range)) continue;
      const load = leaseLoad(range);
      if (load <= 0) continue;
      const move = bestMove(picture, range, [own], ({ to }) => {
        if (!isWorthIt(picture, own, to)) return false;
        const gained = load + range.followLoad;
        return mustFit ? fits(picture, to, gained) : isGain(picture, own, to, gained);
      });
      if (move === undefined) continue;
      // Who goes in the end is the voter that is the busiest by then; the lease moves with the learner first.
      actions.push(
        actionOf(
          move,
          'load',
          `node ${self} does ${percent(own.busy)} of what it can, node ${move.to.node} ${percent(move.to.busy)}, even is ${percent(picture.evenBusy)}`,
        ),
      );
      picture.addReplica(range, move.to.node);
      picture.moveLease(range, self, move.to.node);
      picture.removeReplica(range, self);
    }
    if (actions.length > 0) return actions;
  }
  return actions;
}

/** Nodes that have too much to do even if they led nothing. */
function followersByLoad(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  const actions: PlacementAction[] = [];
  for (const range of ranges) {
    if (actions.length >= most) break;
    if (!isMovable(range) || range.followLoad <= 0) continue;
    const crowded = voterNodes(range)
      .filter((node) => node !== self)
      .map((node) => picture.node(node))
      .filter((one) => one !== undefined)
      .filter((one) => one.followLoad > picture.busyMax * one.view.capacity);
    const move = bestMove(
      picture,
      range,
      crowded,
      ({ from, to }) =>
        fits(picture, to, range.followLoad) && isGain(picture, from, to, range.followLoad),
    );
    if (move === undefined) continue;
    const reason = `node ${move.from.node} follows for ${percent(move.from.followLoad / move.from.view.capacity)} of what it can do, even is ${percent(picture.evenBusy)}`;
    actions.push(actionOf(move, 'load', reason));
    carryOut(picture, move);
  }
  return actions;
}

export function replicasByBytes(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  const apart = Math.max(
    BYTES_APART,
    2 * picture.rules.bytesThreshold * mean(picture.partners.map(({ bytes }) => bytes)),
  );
  return bySize(picture, self, ranges, most, 'bytes', ({ range, from, to }) => {
    return from.bytes - to.bytes > apart && range.bytes > 0 && to.bytes + range.bytes < from.bytes;
  });
}

export function replicasByCount(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
): readonly PlacementAction[] {
  const { partners, rules } = picture;
  const apart = Math.max(
    REPLICAS_APART,
    2 * rules.countThreshold * mean(partners.map(({ replicas }) => replicas)),
  );
  const bytesApart = Math.max(
    BYTES_APART,
    2 * rules.bytesThreshold * mean(partners.map(({ bytes }) => bytes)),
  );
  const bytesMin = Math.min(...partners.map(({ bytes }) => bytes));
  const bytesMax = Math.max(...partners.map(({ bytes }) => bytes));
  return bySize(picture, self, ranges, most, 'count', ({ range, from, to }) => {
    if (from.replicas - to.replicas <= apart) return false;
    // What would be moved back for its bytes stays.
    return (
      to.bytes + range.bytes - bytesMin <= bytesApart &&
      bytesMax - (from.bytes - range.bytes) <= bytesApart
    );
  });
}

/** A leader moves no replica of its own, unless the range has no other: the leaders of the other ranges move those. */
function bySize(
  picture: Picture,
  self: NodeId,
  ranges: readonly RangeView[],
  most: number,
  cause: PlacementCause,
  helps: (move: Move) => boolean,
): readonly PlacementAction[] {
  const actions: PlacementAction[] = [];
  if (!picture.isCertain) return actions;
  for (const range of ranges) {
    if (actions.length >= most) break;
    if (!isMovable(range)) continue;
    const voters = voterNodes(range);
    const givers = voters
      .filter((node) => node !== self || voters.length === 1)
      .map((node) => picture.node(node))
      .filter((one) => one !== undefined);
    const move = bestMove(picture, range, givers, (one) => {
      const load = one.from.node === self ? range.leadLoad : range.followLoad;
      return helps(one) && fits(picture, one.to, load);
    });
    if (move === undefined) continue;
    const { from, to } = move;
    const reason =
      cause === 'bytes'
        ? `node ${from.node} holds ${mib(from.bytes)}, node ${to.node} ${mib(to.bytes)}`
        : `node ${from.node} has ${from.replicas} replicas, node ${to.node} ${to.replicas}`;
    actions.push(actionOf(move, cause, reason));
    carryOut(picture, move);
  }
  return actions;
}

/** The one to whoever has the least to do, of those that help and leave the range's replicas as far apart as they are. */
function bestMove(
  picture: Picture,
  range: RangeView,
  givers: readonly NodePicture[],
  helps: (move: Move) => boolean,
): Move | undefined {
  if (givers.length === 0) return undefined;
  const voters = voterNodes(range);
  const diversity = diversityOf(picture, voters);
  let best: Move | undefined;
  for (const to of picture.partners) {
    if (range.replicas.some(({ node }) => node === to.node) || !to.takes(range.bytes)) continue;
    for (const from of givers) {
      const move = { range, from, to };
      if (!helps(move)) continue;
      const after = [...voters.filter((node) => node !== from.node), to.node];
      if (picture.hasPlaces && diversityOf(picture, after) < diversity - 1e-9) continue;
      if (
        best === undefined ||
        isEmptier(to, best.to) ||
        (to === best.to && from.busy > best.from.busy)
      )
        best = move;
    }
  }
  return best;
}

function isEmptier(a: NodePicture, b: NodePicture): boolean {
  return a.busy < b.busy || (a.busy === b.busy && a.replicas < b.replicas);
}

function isMovable(range: RangeView): boolean {
  return (
    !range.isChanging &&
    !range.areReplicasCooling &&
    range.replicas.every(({ isVoter }) => isVoter) &&
    range.replicas.length >= range.factor
  );
}

function actionOf(
  { range, from, to }: Move,
  cause: PlacementCause,
  reason: string,
): PlacementAction {
  const step = { kind: 'addLearner', node: to.node, instead: from.node } as const;
  return { range: range.range, step, cause, reason };
}

function carryOut(picture: Picture, { range, from, to }: Move): void {
  picture.addReplica(range, to.node);
  picture.removeReplica(range, from.node);
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

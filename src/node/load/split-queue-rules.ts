// When a range is too large, too busy, or so small and cold that it should be one with its neighbour: pure functions of
// what is known.

import { compareBytes } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { isJoint, membersOf } from '../../raft/configuration.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import { nodesOf } from '../../ranges/descriptor.ts';
import { mayMergeAt } from '../../ranges/layout.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { TableSettings } from '../../sql/catalog/descriptor.ts';
import type { NodeView } from '../placement/placement.ts';
import { DEFAULT_SETTINGS, type Settings, settingFor } from '../placement/settings-store.ts';
import type { Neighbour, SplitLimits } from './split-queue-range.ts';

/** Nodes are even to within half of the largest piece that can be moved. Pieces of a fifth of what a node has on average
 * leave them within 10%, and splits are halvings: with a bound of a fifth pieces are between a tenth and a fifth. */
const PIECE_OF_MEAN = 0.2;
/** Of what a node can do: smaller pieces would be noise. */
const LEAST_PIECE = 0.005;
/** Of what makes a node busy. Rates take seconds to show what has begun: a hot spot shows as this much within a moment. */
const SOON_PART = 0.2;
/** Merged ranges are at most half as large as what is split, so that they don't split again soon. */
const MERGED_PART = 0.5;
/** Of what makes a node busy: ten of them and their ranges are as nothing. */
const MERGED_WORK_PART = 0.02;

export function limitsFrom(settings: Settings, table: TableSettings | undefined): SplitLimits {
  return {
    maxBytes: settingFor('range.bytes_max', table, settings),
    splitsByLoad: settingFor('range.split_by_load', table, settings) === 1,
    busyShare: settingFor('range.split_load', table, settings),
    merges: settings.get('range.merge') === 1,
    mergeBytes: settingFor('range.merge_bytes', table, settings),
    mergeCooldownMicros: settings.get('range.merge_after'),
  };
}

export const DEFAULT_SPLIT_LIMITS: SplitLimits = limitsFrom(DEFAULT_SETTINGS, undefined);

export interface ClusterPicture {
  /** Nodes that may be given leases. */
  readonly takers: number;
  /** Of what a node can do, on average. */
  readonly meanShare: number;
  /** Of the busiest. */
  readonly mostShare: number;
}

export function pictureOf(views: readonly NodeView[]): ClusterPicture {
  const takers = views.filter(mayTake);
  let work = 0;
  let capacity = 0;
  let mostShare = 0;
  for (const view of takers) {
    work += view.leadLoad + view.followLoad;
    capacity += view.capacity;
    mostShare = Math.max(mostShare, busy(view));
  }
  const meanShare = capacity === 0 ? 0 : work / capacity;
  return { takers: takers.length, meanShare, mostShare };
}

/** A range that takes more than this share of a node is split. Relative both to what a node can do and to what all have
 * to do: while no node has much to do, it does not matter who does it. Undefined: a split helps nobody. */
export function shareMax(limits: SplitLimits, cluster: ClusterPicture): number | undefined {
  return shareMaxFrom(limits, cluster, limits.busyShare);
}

/** The same for a range that may soon be split, while the load of its node grows. */
export function shareMaxSoon(limits: SplitLimits, cluster: ClusterPicture): number | undefined {
  return shareMaxFrom(limits, cluster, busyShareSoon(limits));
}

/** While no node does more, nothing is split for load, nor will be in a moment. */
export function busyShareSoon(limits: SplitLimits): number {
  return limits.busyShare * SOON_PART;
}

function shareMaxFrom(
  limits: SplitLimits,
  cluster: ClusterPicture,
  busyShare: number,
): number | undefined {
  if (!limits.splitsByLoad || cluster.takers < 2) return undefined;
  if (cluster.mostShare < busyShare) return undefined;
  return Math.max(LEAST_PIECE, cluster.meanShare * PIECE_OF_MEAN);
}

/** The voter that is the least busy; undefined: it is `self`, or nobody may take it. */
export function leastBusy(
  views: readonly NodeView[],
  descriptor: RangeDescriptor,
  self: NodeId,
): NodeId | undefined {
  const nodes = nodesOf(descriptor);
  let best: NodeView | undefined;
  for (const view of views) {
    if (!nodes.includes(view.node) || !mayTake(view)) continue;
    if (best === undefined || busy(view) < busy(best)) best = view;
  }
  return best === undefined || best.node === self ? undefined : best.node;
}

/** Whether it is worth asking about the one to the right. */
export function mayMerge(left: Neighbour, limits: SplitLimits, capacity: number): boolean {
  const { end } = left.descriptor.span;
  return (
    limits.merges &&
    end !== undefined &&
    mayMergeAt(end) &&
    !isJoint(left.descriptor.configuration) &&
    left.quietMicros >= limits.mergeCooldownMicros &&
    left.bytes <= mergedBytes(limits) &&
    left.work <= coldWork(limits, capacity)
  );
}

export function shouldMerge(
  left: Neighbour,
  right: Neighbour,
  limits: SplitLimits,
  capacity: number,
  now: Timestamp,
): boolean {
  const { end } = left.descriptor.span;
  return (
    mayMerge(left, limits, capacity) &&
    end !== undefined &&
    compareBytes(right.descriptor.span.start, end) === 0 &&
    right.descriptor.stickyUntil <= now &&
    right.quietMicros >= limits.mergeCooldownMicros &&
    left.bytes + right.bytes <= mergedBytes(limits) &&
    left.work + right.work <= coldWork(limits, capacity) &&
    linedUp(left.descriptor, right.descriptor)
  );
}

function mergedBytes(limits: SplitLimits): number {
  return Math.min(limits.mergeBytes, limits.maxBytes * MERGED_PART);
}

function coldWork(limits: SplitLimits, capacity: number): number {
  return limits.busyShare * MERGED_WORK_PART * capacity;
}

/** P27: the same nodes hold both, and no change of replicas is under way. */
function linedUp(left: RangeDescriptor, right: RangeDescriptor): boolean {
  if (isJoint(left.configuration) || isJoint(right.configuration)) return false;
  const [a, b] = [nodesOf(left), nodesOf(right)];
  const voters = (one: RangeDescriptor): boolean =>
    one.configuration.voters.length === membersOf(one.configuration).length;
  return (
    a.length === b.length && a.every((node) => b.includes(node)) && voters(left) && voters(right)
  );
}

function mayTake({ liveness, isDraining, isDecommissioning }: NodeView): boolean {
  return liveness === 'live' && !isDraining && !isDecommissioning;
}

function busy({ leadLoad, followLoad, capacity }: NodeView): number {
  return (leadLoad + followLoad) / capacity;
}

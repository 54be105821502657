// Which node is the best for one more replica, and which replica is missed the least. Places far apart come first, then
// those with the most room.

import type { NodeId } from '../../runtime/runtime.ts';
import { mean, type NodePicture, type Picture } from './allocator-picture.ts';
import { diversity } from './locality.ts';
import type { RangeView } from './placement.ts';

/** Of diversities: less is rounding. */
const DIFFERENCE_MIN = 1e-9;

export function voterNodes(range: RangeView): readonly NodeId[] {
  return range.replicas.filter(({ isVoter }) => isVoter).map(({ node }) => node);
}

export function diversityOf(picture: Picture, nodes: readonly NodeId[]): number {
  return diversity(nodes.map((node) => picture.localityOf(node)));
}

/** Shares of load, bytes and replicas, each against the mean: the lower, the more room. */
export function fullness(picture: Picture, one: NodePicture): number {
  const partners = picture.partners;
  const part = (value: number, values: readonly number[]): number => {
    const usual = mean(values);
    return usual <= 0 ? 0 : value / usual;
  };
  return (
    part(
      one.busy,
      partners.map(({ busy }) => busy),
    ) +
    part(
      one.bytes,
      partners.map(({ bytes }) => bytes),
    ) +
    part(
      one.replicas,
      partners.map(({ replicas }) => replicas),
    )
  );
}

/** For a replica beside `keeping`. Undefined: no node can take it. */
export function bestTarget(
  picture: Picture,
  range: RangeView,
  keeping: readonly NodeId[],
): NodePicture | undefined {
  const taken = new Set(range.replicas.map(({ node }) => node));
  let best: { one: NodePicture; diversity: number; fullness: number } | undefined;
  for (const one of picture.nodes) {
    if (taken.has(one.node) || !one.takes(range.bytes)) continue;
    const found = {
      one,
      diversity: diversityOf(picture, [...keeping, one.node]),
      fullness: fullness(picture, one),
    };
    if (best === undefined || isBetter(found, best)) best = found;
  }
  return best?.one;
}

function isBetter(
  a: { readonly diversity: number; readonly fullness: number },
  b: { readonly diversity: number; readonly fullness: number },
): boolean {
  if (Math.abs(a.diversity - b.diversity) > DIFFERENCE_MIN) return a.diversity > b.diversity;
  return a.fullness < b.fullness;
}

/** Of `voters`, the one whose going leaves the rest farthest apart and empties the fullest node. */
export function mostDispensable(
  picture: Picture,
  voters: readonly NodeId[],
  beside: readonly NodeId[],
): NodeId | undefined {
  let best: { node: NodeId; diversity: number; fullness: number } | undefined;
  for (const node of voters) {
    const rest = [...voters.filter((other) => other !== node), ...beside];
    const one = picture.node(node);
    const found = {
      node,
      diversity: diversityOf(picture, rest),
      fullness: one === undefined ? 0 : -fullness(picture, one),
    };
    if (best === undefined || isBetter(found, best)) best = found;
  }
  return best?.node;
}

/** A swap of voters that puts the range's replicas farther apart. */
export function betterSpread(
  picture: Picture,
  range: RangeView,
): { readonly from: NodeId; readonly to: NodeId } | undefined {
  const voters = voterNodes(range);
  let bestDiversity = diversityOf(picture, voters) + DIFFERENCE_MIN;
  let best: { from: NodeId; to: NodeId } | undefined;
  for (const from of voters) {
    const rest = voters.filter((node) => node !== from);
    const to = bestTarget(picture, range, rest);
    if (to === undefined) continue;
    const reached = diversityOf(picture, [...rest, to.node]);
    if (reached <= bestDiversity) continue;
    bestDiversity = reached;
    best = { from, to: to.node };
  }
  return best;
}

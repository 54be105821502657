// Which ranges are over, from what is known of one and of another that has its keys.

import { holdsKey, type RangeDescriptor } from '../../ranges/descriptor.ts';
import type { RangeState } from '../../ranges/range-state.ts';
import type { RangeId } from '../../storage/shard.ts';

/** P27: whether the left range has taken this one over. */
export function wasAbsorbed({ descriptor, frozen }: RangeState, left: RangeState): boolean {
  return (
    frozen !== undefined &&
    frozen.by === left.descriptor.range &&
    left.descriptor.generation > frozen.generation &&
    holdsKey(left.descriptor, descriptor.span.start)
  );
}

/** Whether a replica is one that was removed without hearing of it, and of a range that is over, so that nobody is left
 * to tell it: a range keeps its start for life, and whoever had that before it is of an earlier generation. One that is
 * frozen is still needed where who takes it over has a replica, whose log has yet to do so: every member was frozen by
 * then. */
export function isOver(
  { descriptor, frozen }: RangeState,
  other: RangeDescriptor,
  isHere: (range: RangeId) => boolean,
): boolean {
  return (
    (frozen === undefined || !isHere(frozen.by)) &&
    other.range !== descriptor.range &&
    other.generation > descriptor.generation &&
    holdsKey(other, descriptor.span.start)
  );
}

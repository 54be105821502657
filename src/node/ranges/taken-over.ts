// Which ranges are over, from what is known of one and of another that has its keys.

import { holdsKey, type RangeDescriptor } from '../../ranges/descriptor.ts';
import type { RangeState } from '../../ranges/range-state.ts';

/** P27: whether the left range has taken this one over. */
export function wasAbsorbed({ descriptor, frozen }: RangeState, left: RangeState): boolean {
  return (
    frozen !== undefined &&
    frozen.by === left.descriptor.range &&
    left.descriptor.generation > frozen.generation &&
    holdsKey(left.descriptor, descriptor.span.start)
  );
}

/** Whether a replica is one that was removed without hearing of it, and of a range that is over: a range keeps its start
 * for life, and whoever had that before it is of an earlier generation. */
export function isOver({ descriptor }: RangeState, other: RangeDescriptor): boolean {
  return (
    other.range !== descriptor.range &&
    other.generation > descriptor.generation &&
    holdsKey(other, descriptor.span.start)
  );
}

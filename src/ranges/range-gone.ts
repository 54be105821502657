// A scan in one range can't go on there: the range has changed, or moved to another leader. What was passed on is right;
// the rest is to be asked of the range that holds it now.

import type { RangeHead, RangeRefusal } from './endpoint.ts';

export class RangeGone extends Error {
  override readonly name = 'RangeGone';
  readonly refusal: RangeRefusal;
  /** Who says so, where several are read together. */
  readonly head: RangeHead | undefined;

  constructor(refusal: RangeRefusal, head?: RangeHead) {
    super('message' in refusal ? refusal.message : refusal.kind);
    this.refusal = refusal;
    this.head = head;
  }
}

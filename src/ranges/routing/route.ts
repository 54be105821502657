// Where a router believes a range to be: what it holds, and whom to ask. Wrong beliefs cost a round trip, never a wrong
// answer: whoever is asked checks the range and its keys (P28).

import { compareBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import { nodesOf, type RangeDescriptor } from '../descriptor.ts';
import type { RangeEndpoint, RangeHead } from '../endpoint.ts';
import type { Span } from '../requests.ts';
import type { Stand } from '../standing.ts';

export class Route implements RangeHead {
  readonly range: RangeId;
  readonly generation: number;
  readonly start: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly descriptor: RangeDescriptor;
  /** Who is asked; undefined: nobody has been chosen yet. */
  endpoint: RangeEndpoint | undefined = undefined;
  node: NodeId | undefined = undefined;
  /** Nodes tried in a row, and found not to lead. */
  tried = 0;

  constructor(descriptor: RangeDescriptor) {
    this.descriptor = descriptor;
    this.range = descriptor.range;
    this.generation = descriptor.generation;
    this.start = descriptor.span.start;
    this.end = descriptor.span.end;
  }

  get span(): Span {
    return this.descriptor.span;
  }

  /** Those that may lead it. */
  get nodes(): readonly NodeId[] {
    return nodesOf(this.descriptor);
  }

  holds(key: Uint8Array): boolean {
    return (
      compareBytes(key, this.start) >= 0 &&
      (this.end === undefined || compareBytes(key, this.end) < 0)
    );
  }

  /** Whether all of the span lies within. */
  covers(span: Span): boolean {
    if (compareBytes(span.start, this.start) < 0) return false;
    if (this.end === undefined) return true;
    return span.end !== undefined && compareBytes(span.end, this.end) <= 0;
  }

  /** Whether all that a transaction has locked there lies within, and nowhere else. */
  coversHull({ start, end, endsWithKey }: Stand): boolean {
    if (compareBytes(start, this.start) < 0) return false;
    if (this.end === undefined) return true;
    if (end === undefined) return false;
    const order = compareBytes(end, this.end);
    return order < 0 || (order === 0 && !endsWithKey);
  }
}

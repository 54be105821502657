// The ranges of a node in the order of their keys. No two share a key (P26), and each keeps its start for life.

import { assert } from '../../base/assert.ts';
import { compareBytes } from '../../base/bytes.ts';
import { holdsKey, overlaps, type RangeDescriptor } from '../../ranges/descriptor.ts';
import type { Span } from '../../storage/engine.ts';
import type { RangeId } from '../../storage/shard.ts';

/** Descriptors told to who asked for keys that are not here. */
const KNOWN_MAX = 16;

/** A range here; RangeHost is one. */
export interface Placed {
  readonly range: RangeId;
  readonly descriptor: RangeDescriptor;
}

export class PlacedRanges<Host extends Placed> {
  private readonly sorted: Host[] = [];
  /** The last one that was found. */
  private last: Host | undefined = undefined;

  get all(): readonly Host[] {
    return this.sorted;
  }

  /** The range that holds the key. Hot. */
  find(key: Uint8Array): Host | undefined {
    const { last } = this;
    if (last !== undefined && holdsKey(last.descriptor, key)) return last;
    const host = this.sorted[this.countUpTo(key) - 1];
    if (host === undefined || !holdsKey(host.descriptor, key)) return undefined;
    this.last = host;
    return host;
  }

  /** What is here of a span, the newest first. */
  known(span: Span): readonly RangeDescriptor[] {
    const found: RangeDescriptor[] = [];
    for (let at = Math.max(0, this.countUpTo(span.start) - 1); at < this.sorted.length; at++) {
      const { descriptor } = this.sorted[at] as Host;
      if (overlaps(descriptor.span, span)) found.push(descriptor);
      else if (compareBytes(descriptor.span.start, span.start) > 0) break;
      if (found.length === KNOWN_MAX) break;
    }
    return found.sort((a, b) => b.generation - a.generation);
  }

  /** The one behind it. */
  after(host: Host): Host | undefined {
    const at = this.sorted.indexOf(host);
    return at < 0 ? undefined : this.sorted[at + 1];
  }

  /** In its place, or in that of an older replica of its range, which is answered. */
  place(host: Host): Host | undefined {
    const at = this.countUpTo(host.descriptor.span.start) - 1;
    const there = this.sorted[at];
    if (there === host) return undefined;
    const isSameRange = there?.range === host.range;
    if (isSameRange) this.sorted[at] = host;
    else this.sorted.splice(at + 1, 0, host);
    assert(this.isInOrder(at) && this.isInOrder(at + 1), 'P26: ranges on a node share no key');
    return isSameRange ? there : undefined;
  }

  remove(host: Host): void {
    const at = this.sorted.indexOf(host);
    if (at >= 0) this.sorted.splice(at, 1);
    if (this.last === host) this.last = undefined;
  }

  private isInOrder(at: number): boolean {
    const [here, next] = [this.sorted[at], this.sorted[at + 1]];
    if (here === undefined || next === undefined) return true;
    return compareBytes(here.descriptor.span.start, next.descriptor.span.start) < 0;
  }

  /** How many begin at or before the key. */
  private countUpTo(key: Uint8Array): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { start } = (this.sorted[middle] as Host).descriptor.span;
      if (compareBytes(start, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// What a router knows of ranges: routes in the order of their keys, none of which overlap. Of two descriptors that
// overlap, the one with the higher generation is the later: splits, merges and changes of replicas all raise it above
// those of what they replace.

import { compareBytes } from '../../base/bytes.ts';
import type { RangeId } from '../../storage/shard.ts';
import { overlaps, type RangeDescriptor } from '../descriptor.ts';
import { Route } from './route.ts';

/** Beyond it all is forgotten, and learned again as it is needed. */
const ROUTES_MAX = 200_000;

export class RangeCache {
  private readonly routes: Route[] = [];
  private readonly byRange = new Map<RangeId, Route>();
  /** The last one found: requests come in runs. */
  private last: Route | undefined = undefined;

  get size(): number {
    return this.routes.length;
  }

  all(): readonly Route[] {
    return this.routes;
  }

  in(range: RangeId): Route | undefined {
    return this.byRange.get(range);
  }

  /** The one that holds the key. */
  find(key: Uint8Array): Route | undefined {
    const { last } = this;
    if (last?.holds(key) === true) return last;
    const route = this.routes[this.firstAfter(key) - 1];
    if (route === undefined || !route.holds(key)) return undefined;
    this.last = route;
    return route;
  }

  /** The one that holds the keys just before `end`; undefined end: the last keys there are. */
  findBefore(end: Uint8Array | undefined): Route | undefined {
    const route = this.findStartingBefore(end);
    if (route === undefined || route.end === undefined) return route;
    return end !== undefined && compareBytes(end, route.end) <= 0 ? route : undefined;
  }

  /** The last one that starts at or before the key, whether it holds it or not. */
  findAtOrBefore(key: Uint8Array): Route | undefined {
    return this.routes[this.firstAfter(key) - 1];
  }

  findStartingBefore(end: Uint8Array | undefined): Route | undefined {
    const at = end === undefined ? this.routes.length : this.firstAtOrAfter(end);
    return this.routes[at - 1];
  }

  /** The route of the descriptor's range, when that is news; undefined: as much or more is known. */
  insert(descriptor: RangeDescriptor): Route | undefined {
    const { span, generation } = descriptor;
    const from = this.firstOverlapping(span.start);
    let to = from;
    for (; to < this.routes.length; to++) {
      const route = this.routes[to] as Route;
      if (!overlaps(route.span, span)) break;
      if (route.generation >= generation) return undefined;
    }
    const known = this.byRange.get(descriptor.range);
    if (known !== undefined && known.generation >= generation) return undefined;
    const route = new Route(descriptor);
    for (const gone of this.routes.splice(from, to - from, route)) this.forget(gone);
    // A range whose keys are all others' now: it was merged away from there and lives elsewhere, or so it is said.
    if (known !== undefined) this.remove(known);
    this.byRange.set(descriptor.range, route);
    if (this.routes.length > ROUTES_MAX) this.keepOnly(route);
    return route;
  }

  remove(route: Route): void {
    const at = this.firstAfter(route.start) - 1;
    if (this.routes[at] === route) this.routes.splice(at, 1);
    this.forget(route);
  }

  private forget(route: Route): void {
    if (this.byRange.get(route.range) === route) this.byRange.delete(route.range);
    if (this.last === route) this.last = undefined;
  }

  private keepOnly(route: Route): void {
    const first = this.routes[0] as Route;
    this.routes.length = 0;
    this.byRange.clear();
    this.last = undefined;
    for (const kept of first === route ? [route] : [first, route]) {
      this.routes.push(kept);
      this.byRange.set(kept.range, kept);
    }
  }

  private firstOverlapping(start: Uint8Array): number {
    const at = this.firstAfter(start);
    const before = this.routes[at - 1];
    return before?.holds(start) === true ? at - 1 : at;
  }

  /** Of the first route that starts after the key. Starts between two that begin as the key does begin so too, which
   * spares most of each comparison: starts have long beginnings in common (bench: point, over 500 ranges). */
  private firstAfter(key: Uint8Array): number {
    const { routes } = this;
    let low = 0;
    let high = routes.length;
    let lowShared = 0;
    let highShared = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { start } = routes[middle] as Route;
      const shorter = start.length < key.length ? start.length : key.length;
      let shared = lowShared < highShared ? lowShared : highShared;
      while (shared < shorter && start[shared] === key[shared]) shared++;
      const isAfter =
        shared === shorter
          ? start.length > key.length
          : (start[shared] as number) > (key[shared] as number);
      if (isAfter) {
        high = middle;
        highShared = shared;
      } else {
        low = middle + 1;
        lowShared = shared;
      }
    }
    return low;
  }

  private firstAtOrAfter(key: Uint8Array): number {
    const at = this.firstAfter(key);
    const before = this.routes[at - 1];
    return before !== undefined && compareBytes(before.start, key) === 0 ? at - 1 : at;
  }
}

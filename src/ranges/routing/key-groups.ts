// Requests for many keys, divided by the range that holds them.

import type { Route } from './route.ts';
import type { RouteTable } from './route-table.ts';

export interface KeyGroup {
  readonly route: Route;
  /** Places in the request. */
  readonly places: number[];
}

/** The one that holds all of them; undefined: there are several, or none that is known. */
export function commonRoute(table: RouteTable, keys: readonly Uint8Array[]): Route | undefined {
  const first = keys[0];
  if (first === undefined) return undefined;
  const route = table.find(first);
  if (route === undefined) return undefined;
  for (let i = 1; i < keys.length; i++) {
    if (!route.holds(keys[i] as Uint8Array)) return undefined;
  }
  return route;
}

/** Of keyAt(place) for each place; undefined, and the key: no range is known that holds it. */
export function groupByRoute(
  table: RouteTable,
  places: readonly number[],
  keyAt: (place: number) => Uint8Array,
): { readonly groups: readonly KeyGroup[]; readonly unknown: Uint8Array | undefined } {
  const groups = new Map<Route, KeyGroup>();
  let group: KeyGroup | undefined;
  for (const place of places) {
    const key = keyAt(place);
    if (group === undefined || !group.route.holds(key)) {
      const route = table.find(key);
      if (route === undefined) return { groups: [], unknown: key };
      group = groups.get(route);
      if (group === undefined) {
        group = { route, places: [] };
        groups.set(route, group);
      }
    }
    group.places.push(place);
  }
  return { groups: [...groups.values()], unknown: undefined };
}

export function placesOf(count: number): number[] {
  return Array.from({ length: count }, (_, place) => place);
}

// Snapshot reads by key, of whichever ranges hold them. One key in a range that is known is asked for without anything
// being made for it (bench: point).

import type { Maybe } from '../../base/maybe.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { RangeEndpoint, RangeRefusal, RangeValues } from '../endpoint.ts';
import { detach } from '../reads/row-slice.ts';
import { refusalError } from '../refusals.ts';
import type { Refusal, RowSlice } from '../requests.ts';
import { commonRoute, groupByRoute, type KeyGroup, placesOf } from './key-groups.ts';
import type { Route } from './route.ts';
import { givenUp, type InVain, isElsewhere, type Routing } from './routing.ts';

type Values = readonly (Uint8Array | undefined)[];

export class RoutedReads {
  private readonly routing: Routing;

  constructor(routing: Routing) {
    this.routing = routing;
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    const route = this.routing.table.find(key);
    if (route === undefined) return this.readElsewhere(undefined, key, t, into);
    const reader = this.routing.table.readerOf(route, t);
    const answer = reader.readAt(route, key, t, into);
    if (answer === true) return true;
    return answer instanceof Promise
      ? answer.then((later) =>
          later === true ? true : this.unread(route, reader, later, key, t, into),
        )
      : this.unread(route, reader, answer, key, t, into);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<Values> {
    if (keys.length === 0) return [];
    const route = commonRoute(this.routing.table, keys);
    if (route === undefined) return this.getDivided(keys, t, undefined);
    const reader = this.routing.table.readerOf(route, t);
    const answer = reader.getAt(route, keys, t);
    return answer instanceof Promise
      ? answer.then((later) => this.got(route, reader, later, keys, t))
      : this.got(route, reader, answer, keys, t);
  }

  private unread(
    route: Route,
    reader: RangeEndpoint,
    answer: RangeRefusal,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Promise<true> {
    if (!isElsewhere(answer)) throw refusalError(answer);
    // What another than the leader says tells nothing of the leader.
    const inVain = reader === route.endpoint ? { route, answer } : undefined;
    return this.readElsewhere(inVain, key, t, into);
  }

  private async readElsewhere(
    inVain: InVain | undefined,
    key: Uint8Array,
    t: Timestamp,
    into: RowSlice,
  ): Promise<true> {
    const answer = await this.routing.ask<true | Refusal>(
      key,
      (endpoint, route) => {
        const read = endpoint.readAt(route, key, t, into);
        // Others run before our caller does.
        if (read === true) detach(into);
        return read;
      },
      inVain,
    );
    if (answer !== true) throw refusalError(answer);
    return true;
  }

  private got(
    route: Route,
    reader: RangeEndpoint,
    answer: RangeValues,
    keys: readonly Uint8Array[],
    t: Timestamp,
  ): Maybe<Values> {
    if (answer.kind === 'values') return answer.values;
    if (!isElsewhere(answer)) throw refusalError(answer);
    return this.getDivided(keys, t, reader === route.endpoint ? { route, answer } : undefined);
  }

  /** All ranges at once: the answers together are what was asked for. Those that are not there are asked again. */
  private async getDivided(
    keys: readonly Uint8Array[],
    t: Timestamp,
    inVain: InVain | undefined,
  ): Promise<Values> {
    const { routing } = this;
    const patience = routing.patience();
    const values = new Array<Uint8Array | undefined>(keys.length);
    let places = placesOf(keys.length);
    let last = inVain;
    while (places.length > 0) {
      if (last !== undefined && !(await routing.mend(last, patience))) {
        throw refusalError(givenUp(last.answer));
      }
      last = undefined;
      const { groups, unknown } = groupByRoute(routing.table, places, (i) => keys[i] as Uint8Array);
      if (unknown !== undefined) {
        await routing.find(unknown, patience);
        continue;
      }
      const asked = groups.map((group) => this.getGroup(group, keys, t));
      const answers = await Promise.all(asked);
      places = [];
      for (let g = 0; g < groups.length; g++) {
        const group = groups[g] as KeyGroup;
        const answer = answers[g] as RangeValues;
        if (answer.kind === 'values') {
          group.places.forEach((place, i) => {
            values[place] = answer.values[i];
          });
        } else if (isElsewhere(answer)) {
          if (last !== undefined) routing.table.correct(last.route, last.answer);
          last = { route: group.route, answer };
          places.push(...group.places);
        } else {
          throw refusalError(answer);
        }
      }
    }
    return values;
  }

  private async getGroup(
    { route, places }: KeyGroup,
    keys: readonly Uint8Array[],
    t: Timestamp,
  ): Promise<RangeValues> {
    const wanted = places.map((place) => keys[place] as Uint8Array);
    return (route.endpoint as RangeEndpoint).getAt(route, wanted, t);
  }
}

// Requests about spans, and writes outside transactions: carried out range by range, some at a time. Each range's part is
// atomic, the whole is not.

import type { Maybe } from '../../base/maybe.ts';
import { laterOf, MIN_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import { intersection } from '../descriptor.ts';
import type { Elsewhere, RangeCommit, RangeEndpoint, RangeRefusal } from '../endpoint.ts';
import { refusalError } from '../refusals.ts';
import type { CommitAnswer, Refusal, Span, Write } from '../requests.ts';
import { groupByRoute, placesOf } from './key-groups.ts';
import type { Route } from './route.ts';
import { givenUp, type InVain, isElsewhere, type Routing } from './routing.ts';

const AT_ONCE_MAX = 16;

export class RoutedSpans {
  private readonly routing: Routing;

  constructor(routing: Routing) {
    this.routing = routing;
  }

  async bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    const { routing } = this;
    const patience = routing.patience();
    let places = placesOf(writes.length);
    let s = MIN_TIMESTAMP;
    while (places.length > 0) {
      const { groups, unknown } = groupByRoute(
        routing.table,
        places,
        (place) => (writes[place] as Write).key,
      );
      if (unknown !== undefined) {
        await routing.find(unknown, patience);
        continue;
      }
      const rounds = await eachAtOnce(groups, async ({ route, places: placed }) => {
        const part =
          placed.length === writes.length ? writes : placed.map((place) => writes[place] as Write);
        const endpoint = route.endpoint as RangeEndpoint;
        return { route, placed, answer: await endpoint.bulkWrite(route, part, willBeRead) };
      });
      places = [];
      let last: InVain | undefined;
      for (const { route, placed, answer } of rounds) {
        if (answer.kind === 'committed') {
          s = laterOf(s, answer.timestamp);
        } else if (isElsewhere(answer)) {
          if (last !== undefined) routing.table.correct(last.route, last.answer);
          last = { route, answer };
          places.push(...placed);
        } else {
          return answer;
        }
      }
      if (last !== undefined && !(await routing.mend(last, patience))) return givenUp(last.answer);
    }
    return { kind: 'committed', timestamp: s };
  }

  async clearSpan(span: Span): Promise<CommitAnswer> {
    let s: Timestamp = MIN_TIMESTAMP;
    const refused = await this.overSpan<RangeCommit>(
      span,
      (endpoint, route, part) => endpoint.clearSpan(route, part),
      (answer) => {
        if (answer.kind !== 'committed') return answer;
        s = laterOf(s, answer.timestamp);
        return undefined;
      },
    );
    return refused ?? { kind: 'committed', timestamp: s };
  }

  async approximateBytes(span: Span): Promise<number> {
    let bytes = 0;
    const refused = await this.overSpan<number | RangeRefusal>(
      span,
      (endpoint, route, part) => endpoint.approximateBytes(route, part),
      (answer) => {
        if (typeof answer !== 'number') return answer;
        bytes += answer;
        return undefined;
      },
    );
    if (refused !== undefined) throw refusalError(refused as Refusal);
    return bytes;
  }

  /** `take`: of each part's answer, once; what it answers ends the whole. */
  private async overSpan<A>(
    span: Span,
    ask: (endpoint: RangeEndpoint, route: Route, part: Span) => Maybe<A | Elsewhere>,
    take: (answer: Exclude<A, Elsewhere>) => CommitAnswer | undefined,
  ): Promise<CommitAnswer | undefined> {
    const { routing } = this;
    const patience = routing.patience();
    let left: readonly Span[] = [span];
    while (left.length > 0) {
      const parts: { readonly route: Route; readonly part: Span }[] = [];
      for (const one of left) {
        for (const route of await routing.findAll(one, patience)) {
          const part = intersection(one, route.span);
          if (part !== undefined) parts.push({ route, part });
        }
      }
      const answers = await eachAtOnce(parts, async ({ route, part }) => ({
        route,
        part,
        answer: await ask(route.endpoint as RangeEndpoint, route, part),
      }));
      const again: Span[] = [];
      let last: InVain | undefined;
      for (const { route, part, answer } of answers) {
        if (isElsewhere(answer)) {
          if (last !== undefined) routing.table.correct(last.route, last.answer);
          last = { route, answer };
          again.push(part);
          continue;
        }
        const refused = take(answer as Exclude<A, Elsewhere>);
        if (refused !== undefined) return refused;
      }
      if (last !== undefined && !(await routing.mend(last, patience))) return givenUp(last.answer);
      left = again;
    }
    return undefined;
  }
}

/** All of them, some at a time; in their order. */
async function eachAtOnce<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE_MAX) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE_MAX).map(run))));
  }
  return results;
}

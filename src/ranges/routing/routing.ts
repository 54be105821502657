// Asks the range that holds a key, whichever that is: what a range answers mends the routes, and it is asked again, until
// one carries the request out or patience ends.

import type { Maybe } from '../../base/maybe.ts';
import type { Elsewhere, RangeEndpoint } from '../endpoint.ts';
import { refusalError } from '../refusals.ts';
import type { Refusal, Span } from '../requests.ts';
import type { Route } from './route.ts';
import type { RouteTable } from './route-table.ts';
import { Patience, type PatienceRuntime } from './routing-patience.ts';

/** What was asked in vain. */
export interface InVain {
  readonly route: Route;
  readonly answer: Elsewhere;
}

export class Routing {
  readonly table: RouteTable;
  private readonly runtime: PatienceRuntime;
  private isStopped = false;

  constructor(table: RouteTable, runtime: PatienceRuntime) {
    this.table = table;
    this.runtime = runtime;
  }

  patience(): Patience {
    return new Patience(this.runtime, () => this.isStopped);
  }

  /** P20: what was perhaps committed has been. */
  foundAmbiguous(): void {
    this.runtime.faults.reached('txn.ambiguous-found');
  }

  /** What can't be answered at once is not tried again. */
  stop(): void {
    this.isStopped = true;
  }

  /** Throws DbError 57P03 when it can't be found out. */
  async find(key: Uint8Array, patience: Patience): Promise<Route> {
    for (;;) {
      const route = this.table.find(key);
      if (route !== undefined) return route;
      const isKnown = await this.table.learn(key);
      if (!isKnown && !(await patience.again(false))) throw unknownRange();
    }
  }

  async findBefore(end: Uint8Array | undefined, patience: Patience): Promise<Route> {
    for (;;) {
      const route = this.table.findBefore(end);
      if (route !== undefined) return route;
      const isKnown = await this.table.learnBefore(end);
      if (!isKnown && !(await patience.again(false))) throw unknownRange();
    }
  }

  /** All that hold a part of the span, in the order of their keys. */
  async findAll(span: Span, patience: Patience): Promise<Route[]> {
    const routes: Route[] = [];
    for (let key: Uint8Array | undefined = span.start; key !== undefined; ) {
      const route: Route = await this.find(key, patience);
      routes.push(route);
      key = route.covers({ start: key, end: span.end }) ? undefined : route.end;
    }
    return routes;
  }

  /** Takes what an answer tells to heart, and waits if that helps nobody. False: patience is over. */
  async mend({ route, answer }: InVain, patience: Patience): Promise<boolean> {
    return patience.again(this.table.correct(route, answer));
  }

  /** `inVain`: it was asked once already. */
  async ask<A>(
    key: Uint8Array,
    call: (endpoint: RangeEndpoint, route: Route) => Maybe<A | Elsewhere>,
    inVain?: InVain,
  ): Promise<A | Refusal> {
    const patience = this.patience();
    let last = inVain;
    for (;;) {
      if (last !== undefined && !(await this.mend(last, patience))) return givenUp(last.answer);
      const route = await this.find(key, patience);
      const answer = await call(route.endpoint as RangeEndpoint, route);
      if (!isElsewhere(answer)) return answer;
      last = { route, answer };
    }
  }
}

export function isElsewhere<A>(answer: A | Elsewhere): answer is Elsewhere {
  if (typeof answer !== 'object' || answer === null) return false;
  const { kind } = answer as { readonly kind?: string };
  return kind === 'wrongRange' || kind === 'notLeader';
}

/** What is told of a range that could not be asked for a long time. */
export function givenUp(answer: Elsewhere): Refusal {
  return answer.kind === 'notLeader'
    ? { kind: 'notServing', message: answer.message, leaderNode: answer.leaderNode }
    : { kind: 'notServing', message: "the range that holds the key can't be found" };
}

export function unknownRange(): Error {
  return refusalError({ kind: 'notServing', message: 'it is not known which range holds a key' });
}

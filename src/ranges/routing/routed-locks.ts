// Reads under locks, of whichever ranges hold the keys. What is granted is written into the transaction's standing; what
// is granted after the transaction has ended is let go of at once.

import type { Maybe } from '../../base/maybe.ts';
import type {
  LockedGet,
  LockedGetAnswer,
  LockedReadAnswer,
  LockedScan,
  LockRequest,
} from '../api.ts';
import type {
  RangeEndpoint,
  RangeRefusal,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
} from '../endpoint.ts';
import { Asking, LOST, type Locked, OVER, sessionIn, stands } from '../locks/standings.ts';
import { detach } from '../reads/row-slice.ts';
import type { LockSession, Refusal, RowScan, RowSlice, ScanRequest, TxnRef } from '../requests.ts';
import type { Standing } from '../standing.ts';
import { commonRoute, groupByRoute, type KeyGroup, placesOf } from './key-groups.ts';
import type { Route } from './route.ts';
import { givenUp, type InVain, isElsewhere, type Routing } from './routing.ts';

/** Of a range. */
type Grant = { readonly kind: string; readonly session: LockSession };

export class RoutedLocks {
  private readonly routing: Routing;
  private readonly asking = new Asking();

  constructor(routing: Routing) {
    this.routing = routing;
  }

  read(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    const { txn, standing } = request;
    const route = this.routing.table.find(key);
    if (route === undefined || standing.lost !== undefined) {
      return this.readElsewhere(keptOf(request), key, into, undefined);
    }
    const quoted = sessionIn(standing, route);
    const endpoint = route.endpoint as RangeEndpoint;
    const answer = endpoint.lockedRead(route, this.asking.by(txn, quoted), request, key, into);
    if (answer instanceof Promise) {
      // The caller uses its request again meanwhile.
      const kept = keptOf(request);
      return this.awaited(kept, route, endpoint, answer, key).then((later) =>
        isElsewhere(later) ? this.readElsewhere(kept, key, into, { route, answer: later }) : later,
      );
    }
    if (answer.kind !== 'row') {
      standing.visit({ head: route, endpoint });
      if (!isElsewhere(answer)) return answer;
      return this.readElsewhere(keptOf(request), key, into, { route, answer });
    }
    // The common case, written out: it stands there already (bench: point, UPDATE).
    const { first } = standing;
    if (first !== undefined && first.session === answer.session) first.coverKey(key);
    else if (!stands(standing, answer.session, endpoint, key)) return LOST;
    return answer;
  }

  getMany(request: LockedGet): Maybe<LockedGetAnswer> {
    const { keys } = request;
    if (keys.length === 0) return { kind: 'rows', rows: [] };
    const route = commonRoute(this.routing.table, keys);
    if (route === undefined) return this.getDivided(request, undefined);
    const answer = this.getIn(route, keys, request);
    if (answer instanceof Promise) {
      return answer.then((later) =>
        isElsewhere(later) ? this.getDivided(request, { route, answer: later }) : later,
      );
    }
    return isElsewhere(answer) ? this.getDivided(request, { route, answer }) : answer;
  }

  /** The part of a scan that lies in a range, asked for once. */
  scanIn(route: Route, scan: ScanRequest, request: LockedScan): Maybe<RangeScanning> {
    return this.once<RangeScanning>(request, route, scan.span, (endpoint, txn) =>
      endpoint.lockedScan(route, txn, request, scan),
    );
  }

  /** Ends what a transaction has, everywhere where it stands, was divided off to, or has asked. */
  release(txn: TxnRef, standing: Standing): void {
    standing.isOver = true;
    const { table } = this.routing;
    for (const { head, endpoint } of standing.asked ?? []) {
      endpoint.release(head, this.asking.by(txn, undefined));
    }
    for (const { head, endpoint } of standing.visited ?? []) {
      endpoint.release(head, this.asking.by(txn, undefined));
    }
    const { first, more } = standing;
    if (first === undefined) return;
    const route = table.cache.in(first.session.range);
    if (more === undefined && route !== undefined && route.endpoint === first.endpoint) {
      if (route.coversHull(first)) {
        first.endpoint?.release(route, this.asking.by(txn, first.session));
        return;
      }
    }
    for (const stand of standing.all()) {
      const { range } = stand.session;
      stand.endpoint?.release({ range, generation: 0 }, this.asking.by(txn, stand.session));
      for (const heir of table.findAll(stand.span) ?? []) {
        if (heir.range !== range) heir.endpoint?.release(heir, this.asking.by(txn, undefined));
      }
    }
  }

  private async readElsewhere(
    request: LockRequest,
    key: Uint8Array,
    into: RowSlice,
    inVain: InVain | undefined,
  ): Promise<LockedReadAnswer> {
    return this.routing.ask<Exclude<RangeRow, RangeRefusal>>(
      key,
      (_, route) =>
        this.once<RangeRow>(request, route, key, (endpoint, txn) => {
          const read = endpoint.lockedRead(route, txn, request, key, into);
          // Others run before our caller does.
          if (!(read instanceof Promise) && read.kind === 'row') detach(into);
          return read;
        }) as Maybe<Exclude<RangeRow, RangeRefusal>>,
      inVain,
    );
  }

  private getIn(route: Route, keys: readonly Uint8Array[], request: LockedGet): Maybe<RangeRows> {
    return this.once<RangeRows>(request, route, keys, (endpoint, txn) =>
      endpoint.lockedGet(route, txn, request, keys),
    );
  }

  /** All ranges at once. Returns only when all have answered: what they granted is in the standing then. */
  private async getDivided(
    request: LockedGet,
    inVain: InVain | undefined,
  ): Promise<LockedGetAnswer> {
    const { routing } = this;
    const { keys } = request;
    const patience = routing.patience();
    const rows = new Array<Uint8Array | undefined>(keys.length);
    const keyAt = (place: number): Uint8Array => keys[place] as Uint8Array;
    let places = placesOf(keys.length);
    let last = inVain;
    while (places.length > 0) {
      if (last !== undefined && !(await routing.mend(last, patience))) return givenUp(last.answer);
      last = undefined;
      const { groups, unknown } = groupByRoute(routing.table, places, keyAt);
      if (unknown !== undefined) {
        await routing.find(unknown, patience);
        continue;
      }
      places = [];
      let refusal: Refusal | undefined;
      const answers = await Promise.allSettled(
        groups.map(async (group) => this.getIn(group.route, group.places.map(keyAt), request)),
      );
      for (let g = 0; g < groups.length; g++) {
        const group = groups[g] as KeyGroup;
        const answer = valueOf(answers[g] as PromiseSettledResult<RangeRows>);
        if (answer.kind === 'rows') {
          group.places.forEach((place, i) => {
            rows[place] = answer.rows[i];
          });
        } else if (isElsewhere(answer)) {
          if (last !== undefined) routing.table.correct(last.route, last.answer);
          last = { route: group.route, answer };
          places.push(...group.places);
        } else {
          refusal = answer;
        }
      }
      if (refusal !== undefined) return refusal;
    }
    return { kind: 'rows', rows };
  }

  /** Asks one range, and writes what it grants into the standing. */
  private once<A extends Grant | RangeRefusal>(
    { txn, standing }: LockRequest,
    route: Route,
    locked: Locked,
    ask: (endpoint: RangeEndpoint, txn: RangeTxn) => Maybe<A>,
  ): Maybe<A | Refusal> {
    if (standing.lost !== undefined) return LOST;
    if (standing.isOver) return OVER;
    const quoted = sessionIn(standing, route);
    const endpoint = route.endpoint as RangeEndpoint;
    const answer = ask(endpoint, this.asking.by(txn, quoted));
    if (answer instanceof Promise) {
      return this.awaited({ txn, standing }, route, endpoint, answer, locked);
    }
    if (!('session' in answer)) {
      standing.visit({ head: route, endpoint });
      return answer;
    }
    return stands(standing, answer.session, endpoint, locked) ? answer : dropped(answer);
  }

  /** While an answer is waited for, the standing knows of it, so that whoever ends the transaction ends that too. */
  private async awaited<A extends Grant | RangeRefusal>(
    { txn, standing }: Pick<LockRequest, 'txn' | 'standing'>,
    route: Route,
    endpoint: RangeEndpoint,
    asked: Promise<A>,
    locked: Locked,
  ): Promise<A | Refusal> {
    const entry = { head: route, endpoint };
    const entries = (standing.asked ??= []);
    entries.push(entry);
    let answer: A;
    try {
      answer = await asked;
    } finally {
      entries.splice(entries.indexOf(entry), 1);
    }
    if (!('session' in answer)) {
      if (standing.isOver) endpoint.release(route, this.asking.by(txn, undefined));
      else standing.visit({ head: route, endpoint });
      return answer;
    }
    if (standing.isOver) {
      endpoint.release(route, this.asking.by(txn, answer.session));
      dropped(answer);
      return OVER;
    }
    return stands(standing, answer.session, endpoint, locked) ? answer : dropped(answer);
  }
}

/** Nobody is told of it. */
function dropped(answer: Grant): Refusal {
  if ('scan' in answer) (answer.scan as RowScan).close();
  return LOST;
}

function keptOf({ txn, standing, mode, wait, timeoutMicros }: LockRequest): LockRequest {
  return { txn, standing, mode, wait, timeoutMicros };
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

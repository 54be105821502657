// A scan over however many ranges its span has, in the order of its keys. It is made of parts: neighbours that lie in one
// store of this node, and can be read at once, are one part and cost the store one scan; every other range is a part of its
// own. Without a limit of rows the parts to come are read ahead, a few of them, each as far as its scan runs ahead of its
// reader. When a range splits, merges, moves or dies under the scan, it goes on after the last key that was passed on, in
// whatever range that is then.

import { compareBytes, keyAfter } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import { intersection } from '../descriptor.ts';
import type { RangeHead, RangeRefusal } from '../endpoint.ts';
import { RangeGone } from '../range-gone.ts';
import type { ScanGrant } from '../reads/scan-grant.ts';
import { refusalError } from '../refusals.ts';
import type { RowScan, ScanBatch, ScanRequest, Span } from '../requests.ts';
import type { Route } from './route.ts';
import { givenUp, type InVain, isElsewhere, type Routing } from './routing.ts';
import type { Patience } from './routing-patience.ts';

/** Parts that are read before it is their turn. */
const AHEAD_MAX = 3;
/** Ranges in one part: so many are read again when one of them changes under an aggregate. */
const JOINED_MAX = 64;
/** With a limit, what lies ahead is mostly not wanted: parts begin with one range and grow so. */
const JOINED_GROWTH = 4;

type Opened =
  | {
      readonly kind: 'scan';
      readonly scan: RowScan;
      /** By another than the leader, who is asked when this comes to nothing. */
      readonly isFollowers?: boolean;
    }
  | RangeRefusal;

export interface PartOpener {
  /** Begins the scan of a part that lies within one range. */
  open(route: Route, part: ScanRequest, onlyLeader: boolean): Maybe<Opened>;
  /** The range's leave to be read together with its neighbours, in this turn. */
  grant?(route: Route, span: Span, onlyLeader: boolean): Granted | undefined;
  /** Begins the scan of a part that has leave of all its ranges. */
  join?(grants: readonly ScanGrant[], part: ScanRequest): RowScan;
}

export interface Granted {
  readonly grant: ScanGrant;
  /** By another than the leader. */
  readonly isFollowers: boolean;
}

interface Part {
  /** In the order of the scan. */
  readonly routes: readonly Route[];
  readonly span: Span;
  readonly opened: Maybe<Opened>;
  /** As far as it was passed on; undefined: nothing was. */
  lastKey: Uint8Array | undefined;
  /** All of it was passed on. */
  isThrough: boolean;
}

export class RoutedScan implements RowScan {
  private readonly routing: Routing;
  private readonly request: ScanRequest;
  private readonly opener: PartOpener;
  /** Being read, in the order of the scan. */
  private readonly parts: Part[] = [];
  /** What is in none of them; undefined: nothing. */
  private rest: Span | undefined;
  private rowsLeft: number;
  private joinedMax: number;
  /** Of the trouble that it has now. */
  private patience: Patience | undefined = undefined;
  private onlyLeaders = false;
  private isClosed = false;

  constructor(routing: Routing, request: ScanRequest, opener: PartOpener) {
    this.routing = routing;
    this.request = request;
    this.opener = opener;
    this.joinedMax = request.limitRows === 0 ? JOINED_MAX : 1;
    this.rest = isEmpty(request.span) ? undefined : request.span;
    this.rowsLeft = request.limitRows === 0 ? Number.POSITIVE_INFINITY : request.limitRows;
    this.openKnown();
  }

  /** Of the first part: whether it could be opened at all, which a locked scan answers before its first batch. */
  get first(): Maybe<Opened> | undefined {
    return this.parts[0]?.opened;
  }

  async next(): Promise<ScanBatch | undefined> {
    while (!this.isClosed) {
      const part = this.parts[0];
      if (part === undefined) {
        if (this.rest === undefined || this.rowsLeft <= 0) return undefined;
        await this.findNext(this.rest);
        continue;
      }
      const batch = await this.nextOf(part);
      if (this.isClosed) return undefined;
      if (batch === 'again') continue;
      this.patience = undefined;
      if (batch === undefined) {
        this.parts.shift();
        this.openKnown();
        continue;
      }
      part.lastKey = batch.lastKey;
      part.isThrough = batch.lastKey === undefined;
      this.rowsLeft -= batch.rowCount;
      // A short scan costs its reader one turn and not two (bench: range-scan).
      if (!part.isThrough || !this.isLastPart()) return batch;
      return { rows: batch.rows, rowCount: batch.rowCount, isLast: true };
    }
    return undefined;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeParts();
  }

  private isLastPart(): boolean {
    return this.parts.length === 1 && (this.rest === undefined || this.rowsLeft <= 0);
  }

  /** Opens what is known of what comes next, as far ahead as may be. */
  private openKnown(): void {
    // With a limit, what lies ahead is mostly not wanted.
    const partsMax = this.request.limitRows === 0 ? 1 + AHEAD_MAX : 1;
    while (this.parts.length < partsMax && this.rest !== undefined && this.rowsLeft > 0) {
      if (this.openJoined(this.rest)) continue;
      const next = this.nextIn(this.rest);
      if (next === undefined) return;
      const { route, span } = next;
      const opened = this.opener.open(route, this.requestFor(span), this.onlyLeaders);
      this.push([route], span, opened);
    }
  }

  /** What is known to hold the beginning of `rest`, in the order of the scan. */
  private nextIn(rest: Span): { readonly route: Route; readonly span: Span } | undefined {
    const { table } = this.routing;
    const route = this.request.reverse ? table.findBefore(rest.end) : table.find(rest.start);
    const span = route && intersection(rest, route.span);
    return route && span && { route, span };
  }

  /** Opens as one part as many ranges as give leave and lie in one store. False: the next one does not. */
  private openJoined(all: Span): boolean {
    const { opener, request, onlyLeaders } = this;
    if (opener.grant === undefined || opener.join === undefined) return false;
    const routes: Route[] = [];
    const grants: ScanGrant[] = [];
    let first: Granted | undefined;
    for (let rest: Span | undefined = all; rest && grants.length < this.joinedMax; ) {
      const next = this.nextIn(rest);
      if (next === undefined) break;
      const granted = opener.grant(next.route, next.span, onlyLeaders);
      if (granted === undefined) break;
      first ??= granted;
      if (granted.grant.shard !== first.grant.shard) break;
      if (granted.isFollowers !== first.isFollowers) break;
      routes.push(next.route);
      grants.push(granted.grant);
      rest = afterPart(rest, next.span, request.reverse);
    }
    if (first === undefined) return false;
    this.joinedMax = Math.min(this.joinedMax * JOINED_GROWTH, JOINED_MAX);
    const [one, other] = [first.grant.span, (grants.at(-1) as ScanGrant).span];
    const span = request.reverse
      ? { start: other.start, end: one.end }
      : { start: one.start, end: other.end };
    const scan = opener.join(grants, this.requestFor(span));
    this.push(routes, span, { kind: 'scan', scan, isFollowers: first.isFollowers });
    return true;
  }

  private requestFor(span: Span): ScanRequest {
    const { reverse, program, parameters, limitRows, batchBytes } = this.request;
    const rowsLeft = limitRows === 0 ? 0 : this.rowsLeft;
    return { span, reverse, program, parameters, limitRows: rowsLeft, batchBytes };
  }

  private push(routes: readonly Route[], span: Span, opened: Maybe<Opened>): void {
    this.rest = afterPart(this.rest as Span, span, this.request.reverse);
    if (opened instanceof Promise) opened.catch(() => undefined);
    this.parts.push({ routes, span, opened, lastKey: undefined, isThrough: false });
  }

  private async findNext(rest: Span): Promise<void> {
    const { routing } = this;
    this.patience ??= routing.patience();
    if (this.request.reverse) await routing.findBefore(rest.end, this.patience);
    else await routing.find(rest.start, this.patience);
    if (!this.isClosed) this.openKnown();
  }

  private async nextOf(part: Part): Promise<ScanBatch | undefined | 'again'> {
    try {
      const opened = part.opened instanceof Promise ? await part.opened : part.opened;
      if (opened.kind === 'scan') return await opened.scan.next();
      return await this.refused(part, opened);
    } catch (error) {
      if (error instanceof RangeGone) return this.refused(part, error.refusal, error.head);
      throw error;
    }
  }

  private async refused(
    part: Part,
    refusal: RangeRefusal,
    by?: RangeHead,
  ): Promise<undefined | 'again'> {
    if (!isElsewhere(refusal)) throw refusalError(refusal);
    if (part.isThrough) return undefined;
    const route = part.routes.find(({ range }) => range === by?.range);
    await this.goOnAfter(part, { route: route ?? (part.routes[0] as Route), answer: refusal });
    return 'again';
  }

  private async goOnAfter(part: Part, inVain: InVain): Promise<void> {
    const { span, reverse } = this.request;
    const { lastKey } = part;
    this.closeParts();
    const rest: Span = reverse
      ? { start: span.start, end: lastKey ?? part.span.end }
      : { start: lastKey === undefined ? part.span.start : keyAfter(lastKey), end: span.end };
    this.rest = isEmpty(rest) ? undefined : rest;
    this.patience ??= this.routing.patience();
    if (isFollowers(part.opened)) this.onlyLeaders = true;
    else if (!(await this.routing.mend(inVain, this.patience))) {
      throw refusalError(givenUp(inVain.answer));
    }
    if (!this.isClosed) this.openKnown();
  }

  private closeParts(): void {
    for (const { opened } of this.parts.splice(0)) {
      if (opened instanceof Promise) void opened.then(close, () => undefined);
      else close(opened);
    }
  }
}

function close(opened: Opened): void {
  if (opened.kind === 'scan') opened.scan.close();
}

/** Only scans at a timestamp, which are opened at once, may be another's than the leader's. */
function isFollowers(opened: Maybe<Opened>): boolean {
  return !(opened instanceof Promise) && opened.kind === 'scan' && opened.isFollowers === true;
}

function afterPart(rest: Span, part: Span, reverse: boolean): Span | undefined {
  if (reverse) {
    return compareBytes(rest.start, part.start) < 0
      ? { start: rest.start, end: part.start }
      : undefined;
  }
  if (part.end === undefined) return undefined;
  const left = { start: part.end, end: rest.end };
  return isEmpty(left) ? undefined : left;
}

function isEmpty({ start, end }: Span): boolean {
  return end !== undefined && compareBytes(start, end) >= 0;
}

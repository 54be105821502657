// A scan over however many ranges its span has, in the order of its keys. Without a limit of rows the ranges to come are
// read ahead, a few of them, each as far as its scan runs ahead of its reader. When a range splits, merges, moves or dies
// under the scan, it goes on after the last key that was passed on, in whatever range that is then.

import { compareBytes, keyAfter } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import { intersection } from '../descriptor.ts';
import type { Elsewhere, RangeRefusal } from '../endpoint.ts';
import { RangeGone } from '../range-gone.ts';
import { refusalError } from '../refusals.ts';
import type { RowScan, ScanBatch, ScanRequest, Span } from '../requests.ts';
import type { Route } from './route.ts';
import { givenUp, isElsewhere, type Routing } from './routing.ts';
import type { Patience } from './routing-patience.ts';

/** Ranges that are read before it is their turn. */
const AHEAD_MAX = 3;

type Opened =
  | {
      readonly kind: 'scan';
      readonly scan: RowScan;
      /** By another than the leader, who is asked when this comes to nothing. */
      readonly isFollowers?: boolean;
    }
  | RangeRefusal;

/** Begins the scan of a part that lies within one range. */
export type OpenPart = (route: Route, part: ScanRequest, onlyLeader: boolean) => Maybe<Opened>;

interface Part {
  readonly route: Route;
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
  private readonly openPart: OpenPart;
  /** Being read, in the order of the scan. */
  private readonly parts: Part[] = [];
  /** What is in none of them; undefined: nothing. */
  private rest: Span | undefined;
  private rowsLeft: number;
  /** Of the trouble that it has now. */
  private patience: Patience | undefined = undefined;
  private onlyLeaders = false;
  private isClosed = false;

  constructor(routing: Routing, request: ScanRequest, openPart: OpenPart) {
    this.routing = routing;
    this.request = request;
    this.openPart = openPart;
    this.rest = request.span;
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
      return batch;
    }
    return undefined;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeParts();
  }

  /** Opens what is known of what comes next, as far ahead as may be. */
  private openKnown(): void {
    // With a limit, what lies ahead is mostly not wanted.
    const partsMax = this.request.limitRows === 0 ? 1 + AHEAD_MAX : 1;
    while (this.parts.length < partsMax && this.rest !== undefined && this.rowsLeft > 0) {
      const { table } = this.routing;
      const route = this.request.reverse
        ? table.findBefore(this.rest.end)
        : table.find(this.rest.start);
      if (route === undefined) return;
      this.open(route, this.rest);
    }
  }

  private open(route: Route, rest: Span): void {
    const { request } = this;
    const span = intersection(rest, route.span);
    if (span === undefined) {
      this.rest = undefined;
      return;
    }
    this.rest = afterPart(rest, span, request.reverse);
    const limitRows = request.limitRows === 0 ? 0 : this.rowsLeft;
    const opened = this.openPart(route, { ...request, span, limitRows }, this.onlyLeaders);
    if (opened instanceof Promise) opened.catch(() => undefined);
    this.parts.push({ route, span, opened, lastKey: undefined, isThrough: false });
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
      const opened = await part.opened;
      if (opened.kind === 'scan') return await opened.scan.next();
      return await this.refused(part, opened);
    } catch (error) {
      if (error instanceof RangeGone) return this.refused(part, error.refusal);
      throw error;
    }
  }

  private async refused(part: Part, refusal: RangeRefusal): Promise<undefined | 'again'> {
    if (!isElsewhere(refusal)) throw refusalError(refusal);
    if (part.isThrough) return undefined;
    await this.goOnAfter(part, refusal);
    return 'again';
  }

  private async goOnAfter(part: Part, elsewhere: Elsewhere): Promise<void> {
    const { span, reverse } = this.request;
    const { lastKey } = part;
    this.closeParts();
    const rest: Span = reverse
      ? { start: span.start, end: lastKey ?? part.span.end }
      : { start: lastKey === undefined ? part.span.start : keyAfter(lastKey), end: span.end };
    this.rest = isEmpty(rest) ? undefined : rest;
    this.patience ??= this.routing.patience();
    const inVain = { route: part.route, answer: elsewhere };
    if (isFollowers(part.opened)) this.onlyLeaders = true;
    else if (!(await this.routing.mend(inVain, this.patience))) {
      throw refusalError(givenUp(elsewhere));
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

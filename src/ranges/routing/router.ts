// Ranges as transactions see them: requests go to the range that holds their keys, here or on another node. What holds
// several keys is divided by range and put together again. A request in one range that is known and led here costs a
// look-up and nothing else (bench: point).

import type { Maybe } from '../../base/maybe.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type {
  CommitPlan,
  CommitRequest,
  Divided,
  LockedGet,
  LockedGetAnswer,
  LockedReadAnswer,
  LockedScan,
  LockedScanAnswer,
  LockRequest,
  RangeAddress,
  Ranges,
} from '../api.ts';
import type { RangeDescriptor } from '../descriptor.ts';
import type { Elsewhere, RangeEndpoint, RangeHead } from '../endpoint.ts';
import type {
  CommitAnswer,
  Refusal,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnRef,
  Write,
} from '../requests.ts';
import { openScan, RangeScan } from '../reads/range-scan.ts';
import type { Standing } from '../standing.ts';
import { Directory } from './directory.ts';
import type { Route } from './route.ts';
import { type LocalRanges, type RemoteNodes, RouteTable } from './route-table.ts';
import { RoutedCommits } from './routed-commits.ts';
import { RoutedLocks } from './routed-locks.ts';
import { RoutedReads } from './routed-reads.ts';
import { RoutedScan } from './routed-scan.ts';
import { RoutedSpans } from './routed-spans.ts';
import { Routing } from './routing.ts';
import type { PatienceRuntime } from './routing-patience.ts';

export type { LocalRanges, RemoteNodes } from './route-table.ts';

export interface RouterParts {
  readonly runtime: PatienceRuntime;
  readonly clock: Pick<IntervalClock, 'latest'>;
  readonly local: LocalRanges;
  readonly remote: RemoteNodes;
  /** With which the cluster began (layout.ts), the root range first. */
  readonly seeds: readonly RangeDescriptor[];
}

export class Router implements Ranges {
  readonly directory: Directory;
  readonly table: RouteTable;
  private readonly routing: Routing;
  private readonly reads: RoutedReads;
  private readonly locks: RoutedLocks;
  private readonly commits: RoutedCommits;
  private readonly spans: RoutedSpans;

  constructor({ runtime, clock, local, remote, seeds }: RouterParts) {
    this.directory = new Directory({
      now: () => clock.latest(),
      scanAt: (request, t) => this.scanAt(request, t),
    });
    this.table = new RouteTable(local, remote, seeds, this.directory);
    this.routing = new Routing(this.table, runtime);
    this.reads = new RoutedReads(this.routing);
    this.locks = new RoutedLocks(this.routing);
    this.commits = new RoutedCommits(this.routing);
    this.spans = new RoutedSpans(this.routing);
  }

  /** What is known of a range from elsewhere: a replica that changed here, for one. */
  learned(descriptor: RangeDescriptor): void {
    this.table.cache.insert(descriptor);
  }

  /** The node stops, or is broken. */
  stop(): void {
    this.routing.stop();
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    return this.reads.readAt(key, t, into);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]> {
    return this.reads.getAt(keys, t);
  }

  readableHere(span: Span): Timestamp {
    return this.table.readableHere(span);
  }

  scanAt(request: ScanRequest, t: Timestamp): RowScan {
    const readerOf = (route: Route, onlyLeader: boolean): RangeEndpoint =>
      onlyLeader ? (route.endpoint as RangeEndpoint) : this.table.readerOf(route, t);
    return new RoutedScan(this.routing, request, {
      open: (route, part, onlyLeader) => {
        const reader = readerOf(route, onlyLeader);
        const scan = reader.scanAt(route, part, t);
        return { kind: 'scan', scan, isFollowers: reader !== route.endpoint };
      },
      grant: (route, span, onlyLeader) => {
        const reader = readerOf(route, onlyLeader);
        const grant = reader.grantScan?.(route, span, t);
        return grant && { grant, isFollowers: reader !== route.endpoint };
      },
      join: (grants, part) => new RangeScan(grants, part.reverse, openScan(grants, part, t)),
    });
  }

  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    return this.locks.read(request, key, into);
  }

  lockedGet(request: LockedGet): Maybe<LockedGetAnswer> {
    return this.locks.getMany(request);
  }

  /** What lies in the first range is locked when this has answered; the rest as the scan comes to it. */
  lockedScan(request: LockedScan): Maybe<LockedScanAnswer> {
    const scan = new RoutedScan(this.routing, request, {
      open: (route, part) => this.locks.scanIn(route, part, request),
    });
    const { first } = scan;
    if (first instanceof Promise) return first.then((opened) => answerOf(scan, opened));
    return first === undefined ? { kind: 'scan', scan } : answerOf(scan, first);
  }

  commit(request: CommitRequest): Promise<CommitAnswer | Divided> {
    return this.commits.commit(request);
  }

  release(txn: TxnRef, standing: Standing): void {
    this.locks.release(txn, standing);
  }

  plan(standing: Standing, writes: readonly Write[]): Maybe<CommitPlan> {
    return this.commits.plan(standing, writes);
  }

  locate(span: Span): Maybe<readonly RangeAddress[]> {
    return this.commits.locate(span);
  }

  rangeOf(key: Uint8Array): number {
    return this.table.find(key)?.range ?? 0;
  }

  correct(head: RangeHead, elsewhere: Elsewhere): Maybe<void> {
    return this.commits.correct(head, elsewhere);
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    return this.spans.bulkWrite(writes, willBeRead);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
    return this.spans.clearSpan(span);
  }

  approximateBytes(span: Span): Promise<number> {
    return this.spans.approximateBytes(span);
  }
}

/** Where the first range is elsewhere, or can't be asked yet, the scan finds out. */
function answerOf(
  scan: RoutedScan,
  opened: { readonly kind: 'scan' } | Refusal | Elsewhere,
): LockedScanAnswer {
  switch (opened.kind) {
    case 'scan':
    case 'wrongRange':
    case 'notLeader':
      return { kind: 'scan', scan };
    default:
      scan.close();
      return opened;
  }
}

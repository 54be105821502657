// One replica, or some on one node, as transactions see ranges, with nothing between: a request for what is not there is
// refused at once. The router's own tests are in routing.test.ts.

import { DbError } from '../../src/base/errors.ts';
import type { Maybe } from '../../src/base/maybe.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import type {
  CommitAnswer,
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
  Refusal,
} from '../../src/ranges/api.ts';
import type {
  Elsewhere,
  RangeHead,
  RangeRefusal,
  RangeTxn,
  RangeValues,
} from '../../src/ranges/endpoint.ts';
import { RangeGone } from '../../src/ranges/range-gone.ts';
import { notServing } from '../../src/ranges/reads/range-scan.ts';
import type { Replica } from '../../src/ranges/replica.ts';
import type {
  LockSession,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnRef,
  Write,
} from '../../src/ranges/requests.ts';
import { Stand, type Standing } from '../../src/ranges/standing.ts';

/** Who asks; used again for every request. */
class Asking implements RangeTxn {
  id = '';
  age: Timestamp = MIN_TIMESTAMP;
  session: LockSession | undefined = undefined;

  by(txn: TxnRef, standing: Standing | undefined): this {
    this.id = txn.id;
    this.age = txn.age;
    this.session = standing?.first?.session;
    return this;
  }
}

/** Where the replica is that has a key. */
export interface LocalRanges {
  find(key: Uint8Array): Replica | undefined;
  all(): Iterable<Replica>;
}

export class DirectRanges implements Ranges {
  private readonly ranges: LocalRanges;
  private readonly asking = new Asking();

  constructor(ranges: LocalRanges) {
    this.ranges = ranges;
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    const read = this.at(key).endpoint.readAt(ANY, key, t, into);
    if (read === true) return read;
    return read instanceof Promise ? read.then(demandTrue) : demandTrue(read);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]> {
    if (keys.length === 0) return [];
    const got = this.at(keys[0] as Uint8Array).endpoint.getAt(ANY, keys, t);
    return got instanceof Promise ? got.then(demandValues) : demandValues(got);
  }

  scanAt(request: ScanRequest, t: Timestamp): RowScan {
    const scan = this.at(request.span.start).endpoint.scanAt(ANY, request, t);
    return {
      next: () =>
        scan.next().catch((error: unknown) => {
          throw error instanceof RangeGone ? errorOf(error.refusal) : error;
        }),
      close: () => scan.close(),
    };
  }

  readableHere(): Timestamp {
    return MAX_TIMESTAMP;
  }

  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    const { txn, standing } = request;
    const answer = this.at(key).endpoint.lockedRead(
      ANY,
      this.asking.by(txn, standing),
      request,
      key,
      into,
    );
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  lockedGet(request: LockedGet): Maybe<LockedGetAnswer> {
    const { txn, standing, keys } = request;
    if (keys.length === 0) return { kind: 'rows', rows: [] };
    const replica = this.at(keys[0] as Uint8Array);
    const answer = replica.endpoint.lockedGet(ANY, this.asking.by(txn, standing), request, keys);
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  lockedScan(request: LockedScan): Maybe<LockedScanAnswer> {
    const { txn, standing, span } = request;
    const asking = this.asking.by(txn, standing);
    const answer = this.at(span.start).endpoint.lockedScan(ANY, asking, request, request);
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  commit({ txn, standing, writes, deadline }: CommitRequest): Promise<CommitAnswer | Divided> {
    const key = (writes[0] as Write).key;
    const commit = this.at(key).endpoint.commit(
      ANY,
      this.asking.by(txn, standing),
      writes,
      deadline,
    );
    return commit.then(refusalOf);
  }

  release(txn: TxnRef, standing: Standing): void {
    const { range } = standing.first?.session ?? ANY;
    for (const replica of this.ranges.all()) {
      if (range === ANY.range || replica.descriptor.range === range)
        replica.endpoint.release(ANY, txn);
    }
  }

  plan(): CommitPlan {
    throw several();
  }

  locate(): readonly RangeAddress[] {
    throw several();
  }

  rangeOf(): number {
    return 0;
  }

  correct(): void {
    throw several();
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    const key = (writes[0] as Write).key;
    return this.at(key).endpoint.bulkWrite(ANY, writes, willBeRead).then(refusalOf);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
    return this.at(span.start).endpoint.clearSpan(ANY, span).then(refusalOf);
  }

  async approximateBytes(span: Span): Promise<number> {
    const bytes = await this.at(span.start).endpoint.approximateBytes(ANY, span);
    if (typeof bytes === 'number') return bytes;
    throw several();
  }

  private at(key: Uint8Array): Replica {
    const replica = this.ranges.find(key);
    if (replica === undefined) throw notServing('it has no replica on this node');
    return replica;
  }
}

const ANY: RangeHead = { range: 0, generation: 0 };

function several(): DbError {
  return new DbError('0A000', 'requests to several ranges at once are not supported');
}

function demandTrue(read: true | RangeRefusal): true {
  if (read === true) return read;
  throw errorOf(read);
}

function demandValues(got: RangeValues): readonly (Uint8Array | undefined)[] {
  if (got.kind === 'values') return got.values;
  throw errorOf(got);
}

function errorOf(refusal: RangeRefusal): DbError {
  if (refusal.kind === 'wrongRange') return several();
  return notServing('message' in refusal ? refusal.message : refusal.kind);
}

function refusalOf<A extends { readonly kind: string }>(answer: A | Elsewhere): A | Refusal {
  if (answer.kind === 'wrongRange') throw several();
  if (answer.kind !== 'notLeader') return answer as A;
  const { message, leaderNode } = answer as Elsewhere & { readonly kind: 'notLeader' };
  return { kind: 'notServing', message, leaderNode };
}

const EVERYTHING: Span = { start: new Uint8Array(0), end: undefined };

/** All its locks belong to one session; a second one means that the first was lost on the way (P15). */
function stood<A extends { readonly kind: string }>(
  standing: Standing,
  told: A | Elsewhere,
): A | Refusal {
  const answer = refusalOf(told);
  if (!('session' in answer)) return answer;
  const session = answer.session as LockSession;
  const { first } = standing;
  if (first === undefined) {
    standing.add(new Stand(session, EVERYTHING.start, EVERYTHING.end, false));
  } else if (
    first.session !== session &&
    (first.session.session !== session.session || first.session.term !== session.term)
  ) {
    return { kind: 'sessionGone', message: 'its locks were lost' };
  }
  return answer;
}

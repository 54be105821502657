// Ranges as transactions see them: requests go to the range that holds their keys. There is one range, which covers
// everything; with more of them this is where a request is divided by range and its answers are put together.

import { DbError } from '../base/errors.ts';
import type { Maybe } from '../base/maybe.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
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
} from './api.ts';
import type { RangeTxn } from './endpoint.ts';
import type { Replica } from './replica.ts';
import type {
  LockSession,
  RowScan,
  RowSlice,
  ScanRequest,
  Span,
  TxnRef,
  Write,
} from './requests.ts';
import { Stand, type Standing } from './standing.ts';

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

export class Router implements Ranges {
  private readonly replica: Replica;
  private readonly asking = new Asking();

  constructor(replica: Replica) {
    this.replica = replica;
  }

  readAt(key: Uint8Array, t: Timestamp, into: RowSlice): Maybe<true> {
    return this.replica.snapshots.read(key, t, into);
  }

  getAt(keys: readonly Uint8Array[], t: Timestamp): Maybe<readonly (Uint8Array | undefined)[]> {
    return this.replica.snapshots.getMany(keys, t);
  }

  scanAt(request: ScanRequest, t: Timestamp): RowScan {
    return this.replica.snapshots.scan(request, t);
  }

  lockedRead(request: LockRequest, key: Uint8Array, into: RowSlice): Maybe<LockedReadAnswer> {
    const { txn, standing } = request;
    const answer = this.replica.locked.read(this.asking.by(txn, standing), request, key, into);
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  lockedGet(request: LockedGet): Maybe<LockedGetAnswer> {
    const { txn, standing, keys } = request;
    const answer = this.replica.locked.getMany(this.asking.by(txn, standing), request, keys);
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  lockedScan(request: LockedScan): Maybe<LockedScanAnswer> {
    const { txn, standing } = request;
    const answer = this.replica.locked.scan(this.asking.by(txn, standing), request, request);
    return answer instanceof Promise
      ? answer.then((a) => stood(standing, a))
      : stood(standing, answer);
  }

  commit({ txn, standing, writes, deadline }: CommitRequest): Promise<CommitAnswer | Divided> {
    return this.replica.commits.commit(this.asking.by(txn, standing), writes, deadline);
  }

  release(txn: TxnRef, _standing: Standing): void {
    this.replica.release(txn);
  }

  plan(): CommitPlan {
    throw new DbError('0A000', 'there is one range only');
  }

  locate(): readonly RangeAddress[] {
    throw new DbError('0A000', 'there is one range only');
  }

  correct(): void {
    throw new DbError('0A000', 'there is one range only');
  }

  bulkWrite(writes: readonly Write[], willBeRead: boolean): Promise<CommitAnswer> {
    return this.replica.commits.bulkWrite(writes, willBeRead);
  }

  clearSpan(span: Span): Promise<CommitAnswer> {
    return this.replica.commits.clearSpan(span);
  }

  approximateBytes(span: Span): Promise<number> {
    return this.replica.approximateBytes(span);
  }
}

const EVERYTHING: Span = { start: new Uint8Array(0), end: undefined };

/** All its locks belong to one session; a second one means that the first was lost on the way (P15). */
function stood<A extends object>(standing: Standing, answer: A | Refusal): A | Refusal {
  if (!('session' in answer)) return answer;
  const session = answer.session as LockSession;
  const { first } = standing;
  if (first === undefined) {
    standing.add(new Stand(session, EVERYTHING, false));
  } else if (
    first.session !== session &&
    (first.session.session !== session.session || first.session.term !== session.term)
  ) {
    return { kind: 'sessionGone', message: 'its locks were lost' };
  }
  return answer;
}

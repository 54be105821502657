// Ranges that another node leads, as this node asks them: all through one stream (remote-link.ts). An answer that never
// comes, since the stream broke, is 'notLeader' where asking again does no harm, and 'ambiguous' where something may
// have been committed.

import type { Timestamp } from '../../clock/timestamp.ts';
import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import type {
  ConfirmAnswer,
  DecideRequest,
  Elsewhere,
  OutcomeAnswer,
  PrepareAnswer,
  PrepareRequest,
  RangeCommit,
  RangeEndpoint,
  RangeHead,
  RangeLocking,
  RangeRefusal,
  RangeRow,
  RangeRows,
  RangeScanning,
  RangeTxn,
  RangeValues,
  ResolveAnswer,
  ResolveRequest,
  TwoPhaseEndpoint,
} from '../endpoint.ts';
import { fromVersion } from '../reads/row-slice.ts';
import type { RowScan, RowSlice, ScanRequest, Span, TxnId, Write } from '../requests.ts';
import { endsSession } from '../gateway.ts';
import { lostOnTheWay, refusalOf, unexpected } from './remote-answers.ts';
import { RemoteLink } from './remote-link.ts';
import { RemoteScan, SCAN_CREDIT } from './remote-scan.ts';
import type { WireAnswer } from './wire-answers.ts';
import type { RangeRequest } from './wire-requests.ts';

type Ambiguous = { readonly kind: 'ambiguous'; readonly message: string };

export class RemoteRanges implements RangeEndpoint, TwoPhaseEndpoint {
  private readonly link: RemoteLink;

  constructor(node: NodeId, runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'log'>) {
    this.link = new RemoteLink(node, runtime);
  }

  get twoPhase(): TwoPhaseEndpoint {
    return this;
  }

  /** Asked since the start. */
  get requests(): number {
    return this.link.requests;
  }

  close(): void {
    this.link.close();
  }

  readAt(
    head: RangeHead,
    key: Uint8Array,
    at: Timestamp,
    into: RowSlice,
  ): Promise<true | RangeRefusal> {
    return this.ask<true | RangeRefusal>({ kind: 'readAt', head, key, at }, retryable, (answer) => {
      if (answer.kind !== 'slice') return refusalOf(answer);
      fromVersion(answer, into);
      return true;
    });
  }

  getAt(head: RangeHead, keys: readonly Uint8Array[], at: Timestamp): Promise<RangeValues> {
    return this.ask<RangeValues>({ kind: 'getAt', head, keys, at }, retryable, (answer) =>
      answer.kind === 'values' ? answer : refusalOf(answer),
    );
  }

  scanAt(head: RangeHead, scan: ScanRequest, at: Timestamp): RowScan {
    const remote = new RemoteScan(this.link);
    const request: RangeRequest = { kind: 'scanAt', head, scan, at, credit: SCAN_CREDIT };
    remote.begun(this.link.ask(request, remote));
    return remote;
  }

  lockedRead(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    key: Uint8Array,
    into: RowSlice,
  ): Promise<RangeRow> {
    this.link.hold(txn.id, head.range);
    return this.ask<RangeRow>(
      { kind: 'lockedRead', head, txn, locking, key },
      retryable,
      (answer) => {
        if (answer.kind !== 'row') return refusalOf(answer);
        fromVersion(answer, into);
        return answer;
      },
    );
  }

  lockedGet(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    keys: readonly Uint8Array[],
  ): Promise<RangeRows> {
    this.link.hold(txn.id, head.range);
    return this.ask<RangeRows>(
      { kind: 'lockedGet', head, txn, locking, keys },
      retryable,
      (answer) => (answer.kind === 'rows' ? answer : refusalOf(answer)),
    );
  }

  lockedScan(
    head: RangeHead,
    txn: RangeTxn,
    locking: RangeLocking,
    scan: ScanRequest,
  ): Promise<RangeScanning> {
    this.link.hold(txn.id, head.range);
    const remote = new RemoteScan(this.link);
    const request: RangeRequest = {
      kind: 'lockedScan',
      head,
      txn,
      locking,
      scan,
      credit: SCAN_CREDIT,
    };
    return new Promise((resolve, reject) => {
      let isOpen = false;
      const id = this.link.ask(request, {
        take: (answer) => {
          if (isOpen) return remote.take(answer);
          if (answer.kind === 'scan') {
            isOpen = true;
            resolve({ kind: 'scan', session: answer.session, scan: remote });
            return false;
          }
          const refusal = refusalOf(answer);
          if (refusal === undefined) reject(unexpected(answer, 'a locked scan'));
          else resolve(refusal);
          return true;
        },
        lost: (isSent, message) => {
          if (isOpen) remote.lost(isSent, message);
          else resolve(lostOnTheWay(message));
        },
      });
      remote.begun(id);
    });
  }

  async commit(
    head: RangeHead,
    txn: RangeTxn,
    writes: readonly Write[],
    deadline: Timestamp,
  ): Promise<RangeCommit> {
    // The caller uses `txn` again meanwhile.
    const { id } = txn;
    this.link.hold(id, head.range);
    const answer = await this.ask<RangeCommit>(
      { kind: 'commit', head, txn, writes, deadline },
      perhaps,
      commitOf,
    );
    if (endsSession('commit', answer.kind)) this.link.letGo(id, head.range);
    return answer;
  }

  release(head: RangeHead, txn: RangeTxn): void {
    this.link.letGoOfAll(txn.id);
    this.link.tell(0, { kind: 'release', head, txn });
  }

  bulkWrite(head: RangeHead, writes: readonly Write[], willBeRead: boolean): Promise<RangeCommit> {
    return this.ask<RangeCommit>(
      { kind: 'bulkWrite', head, writes, willBeRead },
      perhaps,
      commitOf,
    );
  }

  clearSpan(head: RangeHead, span: Span): Promise<RangeCommit> {
    return this.ask<RangeCommit>({ kind: 'clearSpan', head, span }, perhaps, commitOf);
  }

  approximateBytes(head: RangeHead, span: Span): Promise<number | RangeRefusal> {
    return this.ask<number | RangeRefusal>(
      { kind: 'approximateBytes', head, span },
      retryable,
      (answer) => (answer.kind === 'size' ? answer.bytes : refusalOf(answer)),
    );
  }

  prepare(head: RangeHead, request: PrepareRequest): Promise<PrepareAnswer | Elsewhere> {
    this.link.hold(request.txn.id, head.range);
    return this.ask<PrepareAnswer | Elsewhere>(
      { kind: 'prepare', head, request },
      perhaps,
      (got) => (got.kind === 'prepared' || got.kind === 'ambiguous' ? got : refusalOf(got)),
    );
  }

  confirm(head: RangeHead, txn: RangeTxn): Promise<ConfirmAnswer | Elsewhere> {
    this.link.hold(txn.id, head.range);
    return this.ask<ConfirmAnswer | Elsewhere>({ kind: 'confirm', head, txn }, retryable, (got) =>
      got.kind === 'confirmed' ? got : refusalOf(got),
    );
  }

  async decide(head: RangeHead, request: DecideRequest): Promise<RangeCommit> {
    const { id } = request.txn;
    this.link.hold(id, head.range);
    const asked: RangeRequest = { kind: 'decide', head, request };
    const answer = await this.ask<RangeCommit>(asked, perhaps, commitOf);
    if (endsSession('decide', answer.kind)) this.link.letGo(id, head.range);
    return answer;
  }

  async resolve(head: RangeHead, request: ResolveRequest): Promise<ResolveAnswer | Elsewhere> {
    const answer = await this.ask<ResolveAnswer | Elsewhere>(
      { kind: 'resolve', head, request },
      retryable,
      (got) => (got.kind === 'resolved' ? got : refusalOf(got)),
    );
    if (endsSession('resolve', answer.kind)) this.link.letGo(request.txn, head.range);
    return answer;
  }

  inquire(
    head: RangeHead,
    txn: TxnId,
    anchor: Uint8Array,
    deadline: Timestamp,
  ): Promise<OutcomeAnswer | Elsewhere> {
    return this.ask<OutcomeAnswer | Elsewhere>(
      { kind: 'inquire', head, txn, anchor, deadline },
      retryable,
      (got) => (got.kind === 'committed' || got.kind === 'aborted' ? got : refusalOf(got)),
    );
  }

  settled(head: RangeHead, txn: TxnId, anchor: Uint8Array): Promise<ResolveAnswer | Elsewhere> {
    return this.ask<ResolveAnswer | Elsewhere>(
      { kind: 'settled', head, txn, anchor },
      retryable,
      (got) => (got.kind === 'resolved' ? got : refusalOf(got)),
    );
  }

  /** `pick`: undefined is no answer to this. */
  private ask<A>(
    request: RangeRequest,
    lost: (isSent: boolean, message: string) => A,
    pick: (answer: WireAnswer) => A | undefined,
  ): Promise<A> {
    return new Promise((resolve, reject) => {
      this.link.ask(request, {
        take: (answer) => {
          const picked = pick(answer);
          if (picked === undefined) reject(unexpected(answer, `'${request.kind}'`));
          else resolve(picked);
          return true;
        },
        lost: (isSent, message) => resolve(lost(isSent, message)),
      });
    });
  }
}

function retryable(_isSent: boolean, message: string): Elsewhere {
  return lostOnTheWay(message);
}

function perhaps(isSent: boolean, message: string): Ambiguous | Elsewhere {
  return isSent ? { kind: 'ambiguous', message } : lostOnTheWay(message);
}

function commitOf(answer: WireAnswer): RangeCommit | undefined {
  return answer.kind === 'committed' || answer.kind === 'ambiguous' ? answer : refusalOf(answer);
}

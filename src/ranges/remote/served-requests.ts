// One request of another node, asked of a range here.

import { unreachable } from '../../base/assert.ts';
import { type Maybe, whenReady } from '../../base/maybe.ts';
import type { RangeEndpoint } from '../endpoint.ts';
import { copyOf } from '../reads/row-slice.ts';
import type { RowSlice } from '../requests.ts';
import type { WireAnswer } from './wire-answers.ts';
import type { RangeRequest } from './wire-requests.ts';

/** `row`: nobody else's until the answer is there. */
export function serveRequest(
  endpoint: RangeEndpoint,
  request: Exclude<RangeRequest, { kind: 'scanAt' | 'lockedScan' }>,
  row: RowSlice,
): Maybe<WireAnswer> {
  const { head } = request;
  const { twoPhase } = endpoint;
  switch (request.kind) {
    case 'readAt':
      return whenReady(endpoint.readAt(head, request.key, request.at, row), (answer) =>
        answer === true ? { kind: 'slice', timestamp: row.timestamp, value: copyOf(row) } : answer,
      );
    case 'getAt':
      return endpoint.getAt(head, request.keys, request.at);
    case 'lockedRead':
      return whenReady(
        endpoint.lockedRead(head, request.txn, request.locking, request.key, row),
        (answer) =>
          answer.kind === 'row'
            ? { ...answer, timestamp: row.timestamp, value: copyOf(row) }
            : answer,
      );
    case 'lockedGet':
      return endpoint.lockedGet(head, request.txn, request.locking, request.keys);
    case 'commit':
      return endpoint.commit(head, request.txn, request.writes, request.deadline);
    case 'release':
      endpoint.release(head, request.txn);
      return { kind: 'resolved' };
    case 'bulkWrite':
      return endpoint.bulkWrite(head, request.writes, request.willBeRead);
    case 'clearSpan':
      return endpoint.clearSpan(head, request.span);
    case 'approximateBytes':
      return endpoint
        .approximateBytes(head, request.span)
        .then((answer) => (typeof answer === 'number' ? { kind: 'size', bytes: answer } : answer));
    case 'prepare':
      return twoPhase.prepare(head, request.request);
    case 'confirm':
      return twoPhase.confirm(head, request.txn);
    case 'decide':
      return twoPhase.decide(head, request.request);
    case 'resolve':
      return twoPhase.resolve(head, request.request);
    case 'inquire':
      return twoPhase.inquire(head, request.txn, request.anchor, request.deadline);
    case 'settled':
      return twoPhase.settled(head, request.txn, request.anchor);
    default:
      return unreachable(request);
  }
}

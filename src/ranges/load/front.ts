// Work whose front moves through the keys in one direction: inserts with a growing key, a queue that is read from one
// end. Every key that was asked for divides the past; what comes lies beyond all of them. So the range is split ahead of
// the front, where nothing is asked for yet, and the part that will be is moved before the front gets there.
//
// The movement shows in the order of arrival: of four quarters of the sample, each lies mostly beyond the one before.
// Mostly, not wholly: several nodes that each take keys from a block of their own advance side by side. A hot spot that
// has jumped once does not look like this, since only one quarter lies beyond the one before.

import { compareBytes, keyAfter } from '../../base/bytes.ts';
import { commonLength, keyAt, position } from './key-position.ts';
import type { SampledRequest } from './request-sample.ts';

export interface Front {
  readonly at: Uint8Array;
  /** Of `at`: where the work will be. */
  readonly side: 'left' | 'right';
}

/** Of pairs of one request and one of the quarter before: so many must lie in the direction of the movement. */
const IN_ORDER_MIN = 0.8;
/** Of the work: so much must move for the rest not to matter. */
const MOVING_MIN = 0.6;
const REQUESTS_MIN = 64;
/** Positions are compared from a little before where keys begin to differ. */
const BYTES_FOR_CARRY = 2;

export function findFront(
  requests: readonly SampledRequest[],
  aheadMicros: number,
): Front | undefined {
  const moving = whatMoves(requests);
  if (moving.length < REQUESTS_MIN) return undefined;
  const length = Math.floor(moving.length / 4);
  // The oldest are left out where they don't divide.
  const quarter = (i: number): Quarter =>
    moving.slice(moving.length - (4 - i) * length, moving.length - (3 - i) * length);
  const [first, second, third, fourth] = [quarter(0), quarter(1), quarter(2), quarter(3)] as const;
  const shares = [inOrder(first, second), inOrder(second, third), inOrder(third, fourth)];
  const isRising = shares.every((share) => share >= IN_ORDER_MIN);
  const isFalling = shares.every((share) => share <= 1 - IN_ORDER_MIN);
  if (!isRising && !isFalling) return undefined;
  const way = travelled(first, fourth, aheadMicros);
  if (isRising) {
    const greatest = extreme(moving, 1);
    return { at: way(greatest, 1) ?? keyAfter(greatest), side: 'right' };
  }
  const least = extreme(moving, -1);
  return { at: way(least, -1) ?? least, side: 'left' };
}

type Quarter = readonly SampledRequest[];

/** Writes, when they are most of the work: reads of what was written are anywhere. */
function whatMoves(requests: readonly SampledRequest[]): readonly SampledRequest[] {
  let all = 0;
  let written = 0;
  for (const { work, isWrite } of requests) {
    all += work;
    if (isWrite) written += work;
  }
  return written >= all * MOVING_MIN ? requests.filter((request) => request.isWrite) : requests;
}

/** Share of pairs whose later one lies right of the earlier one. */
function inOrder(earlier: Quarter, later: Quarter): number {
  const before = earlier.map((request) => request.start).sort(compareBytes);
  let score = 0;
  for (const { start } of later) {
    score += (below(before, start, false) + below(before, start, true)) / 2;
  }
  return score / (earlier.length * later.length);
}

/** How many of the sorted keys lie below `key`, or at it. */
function below(sorted: readonly Uint8Array[], key: Uint8Array, orAt: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compareBytes(sorted[middle] as Uint8Array, key);
    if (order < 0 || (orAt && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function extreme(requests: readonly SampledRequest[], direction: 1 | -1): Uint8Array {
  let found = (requests[0] as SampledRequest).start;
  for (const { start } of requests) {
    if (compareBytes(start, found) * direction > 0) found = start;
  }
  return found;
}

function medianKey(quarter: Quarter): Uint8Array {
  const keys = quarter.map((request) => request.start).sort(compareBytes);
  return keys[keys.length >> 1] as Uint8Array;
}

function meanMicros(quarter: Quarter): number {
  let total = 0;
  for (const { tickMicros } of quarter) total += tickMicros;
  return total / quarter.length;
}

/** From a key, as far on as the front gets within `aheadMicros` at its speed; undefined where that can't be told. */
function travelled(
  first: Quarter,
  fourth: Quarter,
  aheadMicros: number,
): (from: Uint8Array, direction: 1 | -1) => Uint8Array | undefined {
  const [a, b] = [medianKey(first), medianKey(fourth)];
  const micros = meanMicros(fourth) - meanMicros(first);
  return (from, direction) => {
    if (micros <= 0 || aheadMicros <= 0) return undefined;
    const common = Math.min(commonLength(a, b), commonLength(b, from));
    const at = Math.max(0, common - BYTES_FOR_CARRY);
    const distance = position(b, at) - position(a, at);
    const ahead = (distance * BigInt(Math.round(aheadMicros))) / BigInt(Math.round(micros));
    if (ahead === 0n) return undefined;
    const key = keyAt(from, at, position(from, at) + ahead, from.length);
    if (key === undefined) return undefined;
    return compareBytes(key, from) * direction > 0 ? key : undefined;
  };
}

// Where two replicas begin to differ: halves of a span are compared until one key is left. A span is divided between the
// first and the last key that either has in it, so that what all keys have in common costs nothing.

import { compareBytes } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { ShardChecksum } from '../../storage/shard.ts';
import type { Span } from '../api.ts';
import type { SpanSummary } from './consistency-format.ts';

export type Summarize = (span: Span, at: Timestamp) => Promise<SpanSummary>;

/** Every step halves what a byte of the key can be; keys have at most 16 KiB. */
const STEPS_MAX = 4096;

export function isSame(a: ShardChecksum, b: ShardChecksum): boolean {
  return a.sum === b.sum && a.rows === b.rows && a.bytes === b.bytes;
}

/** Undefined: they hold the same (now). */
export async function firstDifference(
  whole: Span,
  at: Timestamp,
  here: Summarize,
  there: Summarize,
): Promise<Uint8Array | undefined> {
  let span = whole;
  for (let step = 0; step < STEPS_MAX; step++) {
    const [a, b] = await Promise.all([here(span, at), there(span, at)]);
    if (isSame(a.sum, b.sum)) return undefined;
    const first = least(a.first, b.first);
    const last = greatest(a.last, b.last);
    if (first === undefined || last === undefined) return undefined;
    if (compareBytes(first, last) >= 0) return first;
    const middle = between(first, last);
    const left = { start: span.start, end: middle };
    const [aLeft, bLeft] = await Promise.all([here(left, at), there(left, at)]);
    span = isSame(aLeft.sum, bLeft.sum) ? { start: middle, end: span.end } : left;
  }
  return span.start;
}

/** Above `low`, at most `high`, and about in the middle. */
export function between(low: Uint8Array, high: Uint8Array): Uint8Array {
  let common = 0;
  while (common < low.length && low[common] === high[common]) common++;
  const a = common < low.length ? (low[common] as number) : -1;
  const b = high[common] as number;
  const middle = high.slice(0, common + 1);
  middle[common] = a + Math.ceil((b - a) / 2);
  return middle;
}

function least(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBytes(a, b) <= 0 ? a : b;
}

function greatest(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareBytes(a, b) >= 0 ? a : b;
}

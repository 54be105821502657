// Where a range that is asked too much should be split, judged by a sample of what it is asked: at the key that divides
// the work best and is crossed least. Two cases that no such key helps are told apart: work whose front moves through
// the keys in one direction (a monotonic key: front.ts), and a single row that is asked for most.

import { compareBytes } from '../../base/bytes.ts';
import type { Span } from '../../storage/engine.ts';
import { type Front, findFront } from './front.ts';
import type { SampledRequest } from './request-sample.ts';

export type SplitChoice =
  /** The sample is too small, or too young to show a movement. */
  | { readonly kind: 'unsure' }
  | {
      readonly kind: 'balanced';
      readonly at: Uint8Array;
      /** Shares of the work; what crosses `at` counts in neither. */
      readonly left: number;
      readonly right: number;
      readonly crossing: number;
    }
  /** Everything moves on to one side: `at` lies ahead of it, and nothing there is asked for yet. */
  | { readonly kind: 'front'; readonly at: Uint8Array; readonly side: 'left' | 'right' }
  /** Long scans of much the same keys: split where the data within has its middle. */
  | { readonly kind: 'middle'; readonly within: Span }
  | { readonly kind: 'hotRow'; readonly key: Uint8Array; readonly share: number }
  /** No key divides it well enough to be worth it. */
  | { readonly kind: 'indivisible' };

export interface ChoiceLimits {
  readonly requestsMin: number;
  readonly sampledMicrosMin: number;
  /** Share of the work that either side must have at least, less what crossings cost. */
  readonly gainMin: number;
  /** How far ahead of a moving front: so long does it take to prepare for it. */
  readonly aheadMicros: number;
}

export const CHOICE_LIMITS: ChoiceLimits = {
  // Shares are right to within 9 percentage points, twice the standard deviation of a half.
  requestsMin: 128,
  sampledMicrosMin: 1_000_000,
  gainMin: 0.2,
  aheadMicros: 2_000_000,
};

/** A single row is the matter when it has most of the work. */
const HOT_ROW_SHARE = 0.5;

/** `requests` in the order in which they came, each touching `span`. */
export function chooseSplit(
  requests: readonly SampledRequest[],
  span: Span,
  limits: ChoiceLimits = CHOICE_LIMITS,
): SplitChoice {
  const first = requests[0];
  const last = requests.at(-1);
  if (first === undefined || last === undefined) return { kind: 'unsure' };
  // Few large requests take longer to be judged, and are worth it.
  const sampledMicros = last.tickMicros - first.tickMicros;
  const enough =
    sampledMicros >= 4 * limits.sampledMicrosMin ? limits.requestsMin / 4 : limits.requestsMin;
  if (requests.length < enough || sampledMicros < limits.sampledMicrosMin) {
    return { kind: 'unsure' };
  }
  const front = findFront(requests, limits.aheadMicros);
  if (front !== undefined) return splitAtFront(front, span);
  const counts = new CandidateCounts(requests, span);
  const best = counts.best();
  if (best !== undefined && best.gain >= limits.gainMin) {
    const { at, left, right, crossing } = best;
    return { kind: 'balanced', at, left, right, crossing };
  }
  return counts.whyIndivisible(span);
}

function splitAtFront({ at, side }: Front, span: Span): SplitChoice {
  const isWithin =
    compareBytes(at, span.start) > 0 && (span.end === undefined || compareBytes(at, span.end) < 0);
  // It leaves the range soon, by itself.
  return isWithin ? { kind: 'front', at, side } : { kind: 'indivisible' };
}

interface Candidate {
  readonly at: Uint8Array;
  readonly left: number;
  readonly right: number;
  readonly crossing: number;
  readonly gain: number;
}

/** Every sampled key is a candidate, but for the span's start. For each: the work left of it, right of it, and across. */
class CandidateCounts {
  private readonly requests: readonly SampledRequest[];
  private readonly start: Uint8Array;
  private readonly candidates: readonly Uint8Array[];
  /** Work of requests by the candidate at which they begin, and by the first one at or after their end. Requests that
   * begin before the first candidate or end after the last are in neither. */
  private readonly begins: Float64Array;
  private readonly ends: Float64Array;
  private readonly crossingBegins: Float64Array;
  private readonly crossingEnds: Float64Array;
  /** Of requests for single keys, by key. */
  private readonly points: Float64Array;
  private readonly total: number;
  private readonly totalCrossing: number;

  constructor(requests: readonly SampledRequest[], span: Span) {
    this.requests = requests;
    this.start = span.start;
    this.candidates = distinct(
      requests.map((request) => request.start),
      span,
    );
    const count = this.candidates.length;
    this.begins = new Float64Array(count);
    this.ends = new Float64Array(count + 1);
    this.crossingBegins = new Float64Array(count);
    this.crossingEnds = new Float64Array(count + 1);
    this.points = new Float64Array(count);
    let total = 0;
    let totalCrossing = 0;
    for (const { start, end, work, crossing } of requests) {
      total += work;
      totalCrossing += crossing;
      const from = lowerBound(this.candidates, start);
      const isCandidate =
        from < count && compareBytes(this.candidates[from] as Uint8Array, start) === 0;
      if (isCandidate) {
        this.begins[from] = (this.begins[from] as number) + work;
        this.crossingBegins[from] = (this.crossingBegins[from] as number) + crossing;
        if (end === undefined) this.points[from] = (this.points[from] as number) + work;
      }
      if (end === null) continue;
      const to =
        end === undefined ? from + (isCandidate ? 1 : 0) : lowerBound(this.candidates, end);
      this.ends[to] = (this.ends[to] as number) + work;
      this.crossingEnds[to] = (this.crossingEnds[to] as number) + crossing;
    }
    this.total = total;
    this.totalCrossing = totalCrossing;
  }

  /** The one that takes most work to either side, less what crossing it costs. */
  best(): Candidate | undefined {
    const { candidates, total, totalCrossing } = this;
    // What began before the first candidate is left of all or crosses: it is in no `begins`.
    const beginning = sum(this.begins);
    const beginningCrossing = sum(this.crossingBegins);
    let best: Candidate | undefined;
    let left = 0;
    let leftCrossing = 0;
    let before = 0;
    let beforeCrossing = 0;
    for (let i = 0; i < candidates.length; i++) {
      left += this.ends[i] as number;
      leftCrossing += this.crossingEnds[i] as number;
      const right = beginning - before;
      const rightCrossing = beginningCrossing - beforeCrossing;
      const crossing = total - left - right;
      const cost = totalCrossing - leftCrossing - rightCrossing;
      // What crosses is carried out on both sides.
      const gain = (Math.min(left, right) + crossing / 2 - cost) / total;
      const isInside = compareBytes(candidates[i] as Uint8Array, this.start) > 0;
      if (isInside && (best === undefined || gain > best.gain)) {
        best = {
          at: candidates[i] as Uint8Array,
          left: left / total,
          right: right / total,
          crossing: crossing / total,
          gain,
        };
      }
      before += this.begins[i] as number;
      beforeCrossing += this.crossingBegins[i] as number;
    }
    return best;
  }

  whyIndivisible(span: Span): SplitChoice {
    const { points, candidates, total } = this;
    let hottest = 0;
    for (let i = 1; i < points.length; i++) {
      if ((points[i] as number) > (points[hottest] as number)) hottest = i;
    }
    const key = candidates[hottest];
    const share = (points[hottest] ?? 0) / total;
    if (key !== undefined && share >= HOT_ROW_SHARE) return { kind: 'hotRow', key, share };
    return this.scanned(span) ?? { kind: 'indivisible' };
  }

  private scanned(span: Span): SplitChoice | undefined {
    const scans = this.requests.filter(({ end, isWrite }) => end !== undefined && !isWrite);
    if (sum(scans.map((scan) => scan.work)) < this.total / 2) return undefined;
    let { start, end } = span;
    for (const scan of scans) {
      if (compareBytes(scan.start, start) > 0) start = scan.start;
      if (scan.end === null || scan.end === undefined) continue;
      if (end === undefined || compareBytes(scan.end, end) < 0) end = scan.end;
    }
    if (end !== undefined && compareBytes(start, end) >= 0) return undefined;
    return { kind: 'middle', within: { start, end } };
  }
}

/** In order; of those within the span. */
function distinct(keys: readonly Uint8Array[], span: Span): Uint8Array[] {
  const sorted = [...keys].sort(compareBytes);
  return sorted.filter((key, i) => {
    if (compareBytes(key, span.start) < 0) return false;
    return i === 0 || compareBytes(key, sorted[i - 1] as Uint8Array) !== 0;
  });
}

/** The first of `keys` at or after `key`. */
function lowerBound(keys: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(keys[middle] as Uint8Array, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

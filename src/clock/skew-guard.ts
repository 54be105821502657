// P12: whether this node's clock agrees with its peers'. Each exchange says where true time lies as a peer sees it, by
// this node's own monotonic clock: the peer read its clock between the sending and the answer. Where more than half of
// the peers agree with each other and none of that overlaps what this node claims, this node is wrong, the one fault
// that commit-wait can't survive. Two nodes can't tell which of them is wrong: then it is only worth a warning.
//
// What is compared is true time minus this node's monotonic clock: an interval that stands still, but for drift.

import type { WallReading } from '../runtime/runtime.ts';

export interface ClockExchange {
  /** On this node's monotonic clock. */
  readonly sentMicros: number;
  readonly receivedMicros: number;
  /** The peer's claim, read in between. */
  readonly earliestMicros: number;
  readonly latestMicros: number;
}

export type ClockVerdict =
  /** Nobody was heard of lately. */
  | { readonly kind: 'alone' }
  | { readonly kind: 'within' }
  /** Someone is wrong; it can't be said who. */
  | { readonly kind: 'disputed'; readonly reason: string }
  /** This node is: it must not serve. */
  | { readonly kind: 'outOfBounds'; readonly reason: string };

export interface SkewGuardOptions {
  /** Of each monotonic clock against true time, in millionths. */
  readonly driftPerMillion: number;
  /** A peer that was not heard of for so long has no say. */
  readonly freshMicros?: number;
  /** For how long it must be within before it is believed again. */
  readonly settleMicros?: number;
}

/** Of these the narrowest counts: the one that waited least in queues. */
const SAMPLES = 8;
/** Doubles near 2e15 have steps of a quarter of a microsecond. */
const ROUNDING_MICROS = 2;

interface Sample {
  /** True time - monotonic, as the peer claims it. */
  readonly low: number;
  readonly high: number;
  readonly at: number;
}

interface Edge {
  readonly offset: number;
  readonly step: 1 | -1;
}

export class SkewGuard {
  readonly #drift: number;
  readonly #freshMicros: number;
  readonly #settleMicros: number;
  readonly #peers = new Map<number, Sample[]>();
  #isOut = false;
  /** Since when it is within, while it is not believed yet. */
  #withinSince: number | undefined;

  constructor(options: SkewGuardOptions) {
    // Between two clocks.
    this.#drift = (2 * options.driftPerMillion) / 1e6;
    this.#freshMicros = options.freshMicros ?? 2_000_000;
    this.#settleMicros = options.settleMicros ?? 5_000_000;
  }

  exchanged(peer: number, exchange: ClockExchange): void {
    const { sentMicros, receivedMicros, earliestMicros, latestMicros } = exchange;
    let samples = this.#peers.get(peer);
    if (samples === undefined) {
      samples = [];
      this.#peers.set(peer, samples);
    }
    if (samples.length === SAMPLES) samples.shift();
    const drift = (receivedMicros - sentMicros) * this.#drift + ROUNDING_MICROS;
    samples.push({
      low: earliestMicros - receivedMicros - drift,
      high: latestMicros - sentMicros + drift,
      at: receivedMicros,
    });
  }

  forget(peer: number): void {
    this.#peers.delete(peer);
  }

  /** `own` is read now. */
  judge(own: WallReading): ClockVerdict {
    const now = own.monotonicMicros;
    const verdict = this.#compare(
      own.earliestMicros - now - ROUNDING_MICROS,
      own.latestMicros - now + ROUNDING_MICROS,
      now,
    );
    if (verdict.kind === 'outOfBounds') {
      this.#isOut = true;
      this.#withinSince = undefined;
    }
    return this.#isOut ? this.#settle(verdict, now) : verdict;
  }

  /** Who was wrong is believed again once it was seen to be right for a while. */
  #settle(verdict: ClockVerdict, now: number): ClockVerdict {
    if (verdict.kind === 'outOfBounds') return verdict;
    if (verdict.kind !== 'within') {
      this.#withinSince = undefined;
      return {
        kind: 'outOfBounds',
        reason: 'it disagreed with its peers, and has not agreed since',
      };
    }
    this.#withinSince ??= now;
    if (now - this.#withinSince >= this.#settleMicros) {
      this.#isOut = false;
      this.#withinSince = undefined;
      return verdict;
    }
    return {
      kind: 'outOfBounds',
      reason: 'it agrees with its peers again, but not for long enough',
    };
  }

  #compare(low: number, high: number, now: number): ClockVerdict {
    const edges: Edge[] = [];
    let peers = 0;
    for (const samples of this.#peers.values()) {
      const claim = this.#narrowest(samples, now);
      if (claim === undefined) continue;
      peers++;
      edges.push({ offset: claim.low, step: 1 }, { offset: claim.high, step: -1 });
    }
    if (peers === 0) return { kind: 'alone' };
    const distance = distanceToMajority(edges, (peers >> 1) + 1, low, high);
    if (distance === 0) return { kind: 'within' };
    if (distance === undefined) {
      return {
        kind: 'disputed',
        reason: `the clocks of ${peers} peers do not agree with each other`,
      };
    }
    const reason = `it is at least ${Math.ceil(Math.abs(distance))} microseconds ${distance > 0 ? 'behind' : 'ahead of'} what most of ${peers} peers say`;
    // Two peers and this node are three (P12).
    return peers < 2 ? { kind: 'disputed', reason } : { kind: 'outOfBounds', reason };
  }

  #narrowest(samples: readonly Sample[], now: number): Sample | undefined {
    let best: Sample | undefined;
    for (const sample of samples) {
      const age = now - sample.at;
      if (age > this.#freshMicros) continue;
      const low = sample.low - age * this.#drift;
      const high = sample.high + age * this.#drift;
      if (best === undefined || high - low < best.high - best.low) {
        best = { low, high, at: sample.at };
      }
    }
    return best;
  }
}

/** How far [low, high] is from the nearest place where `majority` intervals overlap: 0 when it touches one, positive
 * when the place is above, negative below, undefined when there is none. Sorts `edges`. */
function distanceToMajority(
  edges: Edge[],
  majority: number,
  low: number,
  high: number,
): number | undefined {
  // Where one interval ends another may begin: they touch.
  edges.sort((a, b) => a.offset - b.offset || b.step - a.step);
  let depth = 0;
  let beginsAt = 0;
  let nearest: number | undefined;
  for (const { offset, step } of edges) {
    depth += step;
    if (step === 1 && depth === majority) beginsAt = offset;
    if (step === 1 || depth !== majority - 1) continue;
    // [beginsAt, offset] is such a place.
    if (beginsAt <= high && low <= offset) return 0;
    const distance = beginsAt > high ? beginsAt - high : offset - low;
    if (nearest === undefined || Math.abs(distance) < Math.abs(nearest)) nearest = distance;
  }
  return nearest;
}

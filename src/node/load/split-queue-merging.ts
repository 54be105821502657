// Finds two neighbours that are small and cold enough to be one, and merges them: two at a time, when there is nothing
// else to do.

import type { Span } from '../../storage/engine.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { RangeHistories } from './split-queue-history.ts';
import type {
  LedRange,
  Neighbour,
  SplitLimits,
  SplitQueueCounts,
  SplitQueueParts,
} from './split-queue-range.ts';
import { mayMerge, shouldMerge } from './split-queue-rules.ts';

const NEIGHBOURS_PER_LOOK_MAX = 4;
const FAILED_REST_MICROS = 10_000_000;

export class Merging {
  readonly #parts: SplitQueueParts;
  readonly #histories: RangeHistories;
  readonly #counts: SplitQueueCounts;
  /** Where the search goes on. */
  #next: RangeId = 0;

  constructor(parts: SplitQueueParts, histories: RangeHistories, counts: SplitQueueCounts) {
    this.#parts = parts;
    this.#histories = histories;
    this.#counts = counts;
  }

  /** Looks at a few neighbours; merges the first two that should be one. */
  async mergeOne(led: readonly LedRange[]): Promise<void> {
    const { ranges, keeper, clock } = this.#parts;
    const candidates = led
      .filter((range) => this.#isCandidate(range))
      .sort((a, b) => a.descriptor.range - b.descriptor.range);
    const from = candidates.findIndex(({ descriptor }) => descriptor.range >= this.#next);
    for (let i = 0; i < Math.min(candidates.length, NEIGHBOURS_PER_LOOK_MAX); i++) {
      const left = candidates[(Math.max(0, from) + i) % candidates.length] as LedRange;
      this.#next = left.descriptor.range + 1;
      const { end } = left.descriptor.span;
      const right = end === undefined ? undefined : await ranges.neighbour(end);
      // The left one may have changed while the right one's leader was asked.
      if (right === undefined || !this.#isCandidate(left)) continue;
      const limits = this.#limitsOfBoth(left.descriptor.span, right.descriptor.span);
      const candidate = this.#histories.tell(left);
      if (!shouldMerge(candidate, right, limits, keeper.capacity, clock.earliest())) continue;
      await this.#merge(left, right);
      return;
    }
  }

  async #merge(left: LedRange, right: Neighbour): Promise<void> {
    const { time, log } = this.#parts;
    const { range } = left.descriptor;
    const history = this.#histories.of(left);
    const fields = { range, right: right.descriptor.range };
    try {
      await left.merge();
      this.#counts.merges++;
      history.notice(left.descriptor, time.monotonicMicros());
      log.info('merged two ranges', fields);
    } catch (error) {
      history.restsUntilMicros = time.monotonicMicros() + FAILED_REST_MICROS;
      this.#counts.failures++;
      log.warn('two ranges could not be merged', { ...fields, error: String(error) });
    }
  }

  #isCandidate(range: LedRange): boolean {
    const { keeper, time } = this.#parts;
    const history = this.#histories.of(range);
    if (history.bytes === undefined || history.restsUntilMicros > time.monotonicMicros()) {
      return false;
    }
    const limits = this.#parts.limits(range.descriptor.span);
    return mayMerge(this.#histories.tell(range), limits, keeper.capacity);
  }

  /** The stricter of each: no table gets what it did not ask for. */
  #limitsOfBoth(left: Span, right: Span): SplitLimits {
    const [a, b] = [this.#parts.limits(left), this.#parts.limits(right)];
    return {
      maxBytes: Math.min(a.maxBytes, b.maxBytes),
      splitsByLoad: a.splitsByLoad && b.splitsByLoad,
      busyShare: Math.min(a.busyShare, b.busyShare),
      merges: a.merges && b.merges,
      mergeBytes: Math.min(a.mergeBytes, b.mergeBytes),
      mergeCooldownMicros: Math.max(a.mergeCooldownMicros, b.mergeCooldownMicros),
    };
  }
}

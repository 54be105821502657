// Splits and merges the ranges that this node leads, one at a time: those that are too busy (a key that divides the
// load, or one ahead of where it moves), those that are too large, and small cold neighbours. What is too much is said by
// split-queue-rules.ts, where to split by ranges/load/split-key.ts.

import { compareBytes } from '../../base/bytes.ts';
import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import { CATALOG_END, whyNotSplit } from '../../ranges/layout.ts';
import { chooseSplit } from '../../ranges/load/split-key.ts';
import type { Span } from '../../storage/engine.ts';
import type { RangeId } from '../../storage/shard.ts';
import { type HotRow, RangeHistories, type RangeHistory } from './split-queue-history.ts';
import { Merging } from './split-queue-merging.ts';
import type {
  LedRange,
  Neighbour,
  SplitQueueCounts,
  SplitQueueParts,
} from './split-queue-range.ts';
import {
  busyShareSoon,
  leastBusy,
  pictureOf,
  shareMax,
  shareMaxSoon,
} from './split-queue-rules.ts';

const LOOK_MICROS = 500_000;
/** While no node has anything to do that could matter, sizes and neighbours are looked at only each so many times. */
const CALM_LOOKS = 4;
/** A hot range falls into pieces within a look or two; then others are heard again. */
const SPLITS_PER_LOOK_MAX = 8;
const MEASURES_PER_LOOK_MAX = 64;
/** What was asked longer ago says little of what is asked now. */
const SAMPLE_MICROS = 10_000_000;
/** Judging takes about a millisecond, and what can't be divided now can't be in a moment. */
const INDIVISIBLE_REST_MICROS = 2_000_000;
const FAILED_REST_MICROS = 10_000_000;
/** Between two splits ahead of the same front: each gives the work to another node for about as long. */
const FRONT_MICROS = 6_000_000;
const HOT_ROW_TOLD_MICROS = 60_000_000;
/** What can't be divided by then is moved as it is. */
const DIVIDING_MICROS_MAX = 10_000_000;

type Split =
  | { readonly cause: 'load'; readonly at: Uint8Array; readonly rightShare: number }
  | { readonly cause: 'front'; readonly at: Uint8Array; readonly side: 'left' | 'right' }
  | { readonly cause: 'load' | 'size'; readonly middleOf: Span };

export class SplitQueue {
  readonly counts: SplitQueueCounts = {
    loadSplits: 0,
    frontSplits: 0,
    sizeSplits: 0,
    merges: 0,
    failures: 0,
  };
  readonly #parts: SplitQueueParts;
  readonly #histories: RangeHistories;
  readonly #merging: Merging;
  #timer: Disposable | undefined;
  #stopped = false;
  /** Of the ranges here: from how much work on, on one node, something may be split soon. */
  #soonShare = 0;
  #calmLooks = 0;

  constructor(parts: SplitQueueParts) {
    this.#parts = parts;
    this.#histories = new RangeHistories(parts.time);
    this.#merging = new Merging(parts, this.#histories, this.counts);
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** The row that makes a range busy, where no split can help. */
  hotRow(range: RangeId): HotRow | undefined {
    return this.#histories.find(range)?.hotRow;
  }

  /** It is busy, or becomes so, and where to split it is being found out: whoever leads it knows most of that, and should
   * go on. */
  isDividing(range: RangeId): boolean {
    const history = this.#histories.find(range);
    if (history?.busySinceMicros === undefined) return false;
    const now = this.#parts.time.monotonicMicros();
    return now - history.busySinceMicros < DIVIDING_MICROS_MAX && history.restsUntilMicros <= now;
  }

  /** As it was measured last. */
  bytesOf(range: RangeId): number | undefined {
    return this.#histories.find(range)?.bytes;
  }

  /** What is known of a range that this node leads. */
  tell(range: LedRange): Neighbour {
    return this.#histories.tell(range);
  }

  /** By hand, at a key: each half has what is asked of it from now on, as far as is known. */
  wasSplit(left: LedRange, right: LedRange): void {
    const { keeper, time } = this.#parts;
    const { span } = right.descriptor;
    const whole = { start: left.descriptor.span.start, end: span.end };
    const since = time.monotonicMicros() - SAMPLE_MICROS;
    const share = left.load.sample?.shareFrom(span.start, whole, since) ?? 0.5;
    keeper.book.divide(left.load, right.load, share);
  }

  /** Unless that was done before. */
  async measure(range: LedRange): Promise<void> {
    const history = this.#histories.of(range);
    if (history.bytes !== undefined) return;
    history.measured(await range.approximateBytes(), this.#parts.time.monotonicMicros());
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.timers.after(LOOK_MICROS, () => {
      this.#look()
        .catch((error: unknown) => {
          this.#parts.log.warn('ranges could not be looked at', { error: String(error) });
        })
        .finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    if (this.#isCalm()) return;
    let led = [...this.#parts.ranges.led()];
    this.#histories.refresh(led);
    // Leases may have moved meanwhile. Where nothing was waited for, the list is good (bench: many-ranges).
    if (await this.#measure(led)) led = [...this.#parts.ranges.led()];
    let split = 0;
    // Halves of what was split are looked at again at once, and so is what was split meanwhile by others.
    for (; split < SPLITS_PER_LOOK_MAX && !this.#stopped; split++) {
      const next = this.#busiest(led) ?? this.#largest(led);
      if (next === undefined) break;
      await this.#split(next.range, next.split);
      led = [...this.#parts.ranges.led()];
    }
    if (split === 0 && !this.#stopped) await this.#merging.mergeOne(led);
  }

  /** Thousands of idle ranges cost nothing to speak of (bench: many-ranges). */
  #isCalm(): boolean {
    const { mostShare } = pictureOf(this.#parts.cluster.views());
    if (mostShare >= this.#soonShare) this.#calmLooks = 0;
    else this.#calmLooks = (this.#calmLooks + 1) % CALM_LOOKS;
    return this.#calmLooks !== 0;
  }

  /** Whether anything was measured. */
  async #measure(led: readonly LedRange[]): Promise<boolean> {
    const { time } = this.#parts;
    const now = time.monotonicMicros();
    const stale: LedRange[] = [];
    for (const range of led) {
      if (stale.length >= MEASURES_PER_LOOK_MAX) break;
      const { maxBytes } = this.#parts.limits(range.descriptor.span);
      if (this.#histories.of(range).isStale(maxBytes, now)) stale.push(range);
    }
    await Promise.all(
      stale.map(async (range) => {
        const { generation } = range.descriptor;
        const bytes = await range.approximateBytes();
        if (range.descriptor.generation !== generation) return;
        this.#histories.of(range).measured(bytes, now);
      }),
    );
    return stale.length > 0;
  }

  #busiest(
    led: readonly LedRange[],
  ): { readonly range: LedRange; readonly split: Split } | undefined {
    const { keeper, cluster } = this.#parts;
    const now = this.#parts.time.monotonicMicros();
    const picture = pictureOf(cluster.views());
    this.#soonShare = Number.POSITIVE_INFINITY;
    const busy: { readonly range: LedRange; readonly share: number }[] = [];
    for (const range of led) {
      const share = keeper.shareOf(range.load);
      const limits = this.#parts.limits(range.descriptor.span);
      this.#soonShare = Math.min(this.#soonShare, busyShareSoon(limits));
      const most = shareMax(limits, picture);
      const soon = shareMaxSoon(limits, picture);
      const history = this.#histories.of(range);
      const isBusy = most !== undefined && share > most && isDivisible(range);
      const isSoon = soon !== undefined && share > soon && isDivisible(range);
      history.noticeBusy(isBusy ? 'busy' : isSoon ? 'soon' : 'not', now);
      if (most === undefined || share <= most / 2) history.hotRow = undefined;
      if (isBusy && history.restsUntilMicros <= now) busy.push({ range, share });
    }
    busy.sort((a, b) => b.share - a.share);
    for (const { range } of busy) {
      const split = this.#judge(range, now);
      if (split !== undefined) return { range, split: besideCatalog(range, split) };
    }
    return undefined;
  }

  /** Where a busy range should be split; undefined: nowhere, now. */
  #judge(range: LedRange, now: number): Split | undefined {
    const { load, descriptor } = range;
    const history = this.#histories.of(range);
    const requests = load.sample?.within(descriptor.span, now - SAMPLE_MICROS) ?? [];
    const choice = chooseSplit(requests, descriptor.span);
    switch (choice.kind) {
      case 'unsure':
        return undefined;
      case 'balanced': {
        history.hotRow = undefined;
        const { at, right, crossing } = choice;
        return { cause: 'load', at, rightShare: right + crossing / 2 };
      }
      case 'middle':
        history.hotRow = undefined;
        return { cause: 'load', middleOf: choice.within };
      case 'front': {
        history.hotRow = undefined;
        if (now - history.frontMicros < FRONT_MICROS) return undefined;
        const { at, side } = choice;
        return { cause: 'front', at, side };
      }
      case 'hotRow':
        history.hotRow = { key: choice.key, share: choice.share };
        history.restsUntilMicros = now + INDIVISIBLE_REST_MICROS;
        this.#tellHotRow(range, history, now);
        return undefined;
      case 'indivisible':
        history.hotRow = undefined;
        history.restsUntilMicros = now + INDIVISIBLE_REST_MICROS;
        return undefined;
    }
  }

  #largest(
    led: readonly LedRange[],
  ): { readonly range: LedRange; readonly split: Split } | undefined {
    const now = this.#parts.time.monotonicMicros();
    for (const range of led) {
      const { bytes, restsUntilMicros } = this.#histories.of(range);
      const { span } = range.descriptor;
      if (bytes === undefined || bytes <= this.#parts.limits(span).maxBytes) continue;
      if (restsUntilMicros > now || !isDivisible(range)) continue;
      return { range, split: { cause: 'size', middleOf: span } };
    }
    return undefined;
  }

  async #split(range: LedRange, split: Split): Promise<void> {
    const { time, log, keeper } = this.#parts;
    const history = this.#histories.of(range);
    const rest = (): void => {
      history.restsUntilMicros = time.monotonicMicros() + FAILED_REST_MICROS;
    };
    try {
      const at = 'at' in split ? split.at : await range.middleKey(split.middleOf);
      if (at === undefined) {
        rest();
        return;
      }
      const work = range.load.work;
      const right = await range.split({ at, stickyUntil: MIN_TIMESTAMP });
      keeper.book.divide(range.load, right.load, shareOfRight(split));
      const now = time.monotonicMicros();
      history.notice(range.descriptor, now);
      // What holds for one half holds for the other.
      this.#histories.of(right).frontMicros = history.frontMicros;
      log.info('split a range', {
        range: range.descriptor.range,
        right: right.descriptor.range,
        cause: split.cause,
      });
      this.#count(split.cause);
      if (split.cause !== 'front') return;
      history.frontMicros = now;
      await this.#placeAhead(split.side === 'right' ? right : range, work);
    } catch (error) {
      rest();
      this.counts.failures++;
      log.warn('a range could not be split', {
        range: range.descriptor.range,
        error: String(error),
      });
    }
  }

  #count(cause: Split['cause']): void {
    if (cause === 'front') this.counts.frontSplits++;
    else if (cause === 'size') this.counts.sizeSplits++;
    else this.counts.loadSplits++;
  }

  /** Nothing is asked of this half yet, and soon all will be: whoever has the least to do gets it before. */
  async #placeAhead(empty: LedRange, work: number): Promise<void> {
    const { cluster, self, log } = this.#parts;
    const target = leastBusy(cluster.views(), empty.descriptor, self);
    if (target === undefined) return;
    const { range } = empty.descriptor;
    try {
      await empty.transferTo(target);
      cluster.gave(target, work);
    } catch (error) {
      log.warn('a range was not placed ahead of its load', {
        range,
        node: target,
        error: String(error),
      });
    }
  }

  #tellHotRow(range: LedRange, history: RangeHistory, now: number): void {
    if (now - history.hotRowToldMicros < HOT_ROW_TOLD_MICROS) return;
    history.hotRowToldMicros = now;
    this.#parts.log.warn('one row has most of the load of its range, which no split can divide', {
      range: range.descriptor.range,
      percent: Math.round((history.hotRow?.share ?? 0) * 100),
    });
  }
}

/** The catalog is not to be dragged along by the load of the first table that is busy: its range's leader is asked by
 * all nodes what the schema is. So the first split parts the two. */
function besideCatalog({ descriptor }: LedRange, split: Split): Split {
  const at = 'at' in split ? split.at : split.middleOf.start;
  const isCatalogs = compareBytes(descriptor.span.start, CATALOG_END) < 0;
  return isCatalogs && compareBytes(at, CATALOG_END) > 0
    ? { cause: 'load', at: CATALOG_END, rightShare: 1 }
    : split;
}

function isDivisible(range: LedRange): boolean {
  return whyNotSplit(range.descriptor) === undefined;
}

function shareOfRight(split: Split): number {
  if ('rightShare' in split) return split.rightShare;
  if (split.cause === 'front') return split.side === 'right' ? 0 : 1;
  return 0.5;
}

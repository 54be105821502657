// The rows of a range in the row cache, which only a leader fills: they are what there is for as long as it leads, and
// are forgotten when somebody else may have written (P14).

import type { RowCache } from '../../storage/row-cache.ts';
import type { Bounds } from '../bounds.ts';
import type { Span } from '../requests.ts';

export class CachedRows {
  private readonly cache: RowCache;
  private readonly bounds: Pick<Bounds, 'span'>;
  /** There may be some from when this replica, or its parent, led. */
  mayBeCached = false;

  constructor(cache: RowCache, bounds: Pick<Bounds, 'span'>) {
    this.cache = cache;
    this.bounds = bounds;
  }

  /** Unless there are none. */
  forget(): void {
    if (this.mayBeCached) this.forgetAll();
  }

  /** Also what is known of keys that were never written. */
  forgetAll(): void {
    const { span } = this.bounds;
    if (this.mayBeCached) this.cache.dropSpan(span);
    this.mayBeCached = false;
    this.cache.written.forget(span);
  }

  /** Others may have written what has become a part of the range. */
  forgetPart(span: Span, wasCached: boolean): void {
    this.cache.written.forget(span);
    if (wasCached) this.cache.dropSpan(span);
  }
}

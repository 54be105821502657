// The latest of the requests that were sampled of one range: from which key to which, and what they cost. A ring, so
// that a hot spot which has moved is forgotten within seconds. Candidates for a split and what lies left, right and
// across of each are worked out from it only when somebody asks (split-key.ts).

import { compareBytes } from '../../base/bytes.ts';
import type { Span } from '../../storage/engine.ts';

export const SAMPLED_REQUESTS_MAX = 512;

export interface SampledRequest {
  readonly start: Uint8Array;
  /** Undefined: one key, the start. Null: the end of the keyspace. */
  readonly end: Uint8Array | undefined | null;
  /** work.ts */
  readonly work: number;
  /** What it would cost on top if it crossed a boundary between ranges. */
  readonly crossing: number;
  readonly isWrite: boolean;
  readonly tickMicros: number;
}

export class RequestSample {
  private readonly ring: SampledRequest[] = [];
  private next = 0;

  add(request: SampledRequest): void {
    this.ring[this.next] = request;
    this.next = (this.next + 1) % SAMPLED_REQUESTS_MAX;
  }

  copy(): RequestSample {
    const copy = new RequestSample();
    copy.ring.push(...this.ring);
    copy.next = this.next;
    return copy;
  }

  /** Of the work within the span, how much lies at or after a key in it; half of what crosses it. Undefined: nothing was
   * sampled. */
  shareFrom(at: Uint8Array, span: Span, sinceMicros: number): number | undefined {
    let total = 0;
    let right = 0;
    for (const { start, end, work } of this.within(span, sinceMicros)) {
      total += work;
      if (compareBytes(start, at) >= 0) right += work;
      else if (end === null || (end !== undefined && compareBytes(end, at) > 0)) right += work / 2;
    }
    return total === 0 ? undefined : right / total;
  }

  /** In the order in which they came; those of long ago left out, and those beside the span (the range was split). */
  within(span: Span, sinceMicros: number): SampledRequest[] {
    const { ring, next } = this;
    const first = ring.length < SAMPLED_REQUESTS_MAX ? 0 : next;
    const found: SampledRequest[] = [];
    for (let i = 0; i < ring.length; i++) {
      const request = ring[(first + i) % ring.length] as SampledRequest;
      if (request.tickMicros >= sinceMicros && touches(request, span)) found.push(request);
    }
    return found;
  }
}

function touches({ start, end }: SampledRequest, span: Span): boolean {
  if (span.end !== undefined && compareBytes(start, span.end) >= 0) return false;
  if (compareBytes(start, span.start) >= 0) return true;
  return end === null || (end !== undefined && compareBytes(end, span.start) > 0);
}

// Asking about transactions that were prepared, and ending them: whoever leads the keys in question now is found, and
// asked again when that has changed meanwhile. Used by who commits, and by ranges that were left behind by one that
// never came back (P18, P19).

import { keyAfter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type {
  Elsewhere,
  OutcomeAnswer,
  RangeAddress,
  Ranges,
  ResolveAnswer,
  ResolveRequest,
  Span,
  TxnId,
} from '../ranges/api.ts';
import type { Timers } from '../runtime/runtime.ts';

/** Who asks comes back later: there is no hurry in it that would justify more. */
const TRIES_MAX = 12;
const PAUSE_MICROS_MIN = 5_000;
const PAUSE_MICROS_MAX = 500_000;

export class Outcomes {
  private readonly ranges: Ranges;
  private readonly timers: Timers;

  constructor(ranges: Ranges, timers: Timers) {
    this.ranges = ranges;
    this.timers = timers;
  }

  /** Of the range that holds the anchor now. */
  async inquire(txn: TxnId, anchor: Uint8Array, deadline: Timestamp): Promise<OutcomeAnswer> {
    const span = spanOfKey(anchor);
    const answer = await this.askAll(span, (at) =>
      at.endpoint.inquire(at.head, txn, anchor, deadline),
    );
    return answer ?? NOBODY_ANSWERS;
  }

  /** Of all ranges that have a part of the span now. */
  async resolve(request: ResolveRequest): Promise<ResolveAnswer> {
    const answer = await this.askAll(request.span, (at) => at.endpoint.resolve(at.head, request));
    return answer ?? NOBODY_ANSWERS;
  }

  async settled(txn: TxnId, anchor: Uint8Array): Promise<ResolveAnswer> {
    const answer = await this.askAll(spanOfKey(anchor), (at) =>
      at.endpoint.settled(at.head, txn, anchor),
    );
    return answer ?? NOBODY_ANSWERS;
  }

  /** The last answer, once all have given one that is no refusal; undefined: some would not. Asking again is harmless. */
  private async askAll<A extends { readonly kind: string }>(
    span: Span,
    ask: (at: RangeAddress) => Promise<A | Elsewhere>,
  ): Promise<A | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (tries > 0) await this.pause(tries);
      const answer = await this.askOnce(span, ask);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  private async askOnce<A extends { readonly kind: string }>(
    span: Span,
    ask: (at: RangeAddress) => Promise<A | Elsewhere>,
  ): Promise<A | undefined> {
    const { ranges } = this;
    let last: A | undefined;
    try {
      for (const at of await ranges.locate(span)) {
        const answer = await ask(at);
        if (isElsewhere(answer)) {
          await ranges.correct(at.head, answer);
          return undefined;
        }
        if (answer.kind === 'notServing') return undefined;
        last = answer;
      }
    } catch {
      // The way there is broken, or nobody knows it: the next try may find another.
      return undefined;
    }
    return last;
  }

  pause(tries: number): Promise<void> {
    const micros = Math.min(PAUSE_MICROS_MAX, PAUSE_MICROS_MIN * 2 ** Math.min(tries - 1, 10));
    return new Promise((resolve) => void this.timers.after(micros, resolve));
  }
}

export function isElsewhere<A extends { readonly kind: string }>(
  answer: A | Elsewhere,
): answer is Elsewhere {
  return answer.kind === 'wrongRange' || answer.kind === 'notLeader';
}

const NOBODY_ANSWERS = { kind: 'notServing', message: 'no range answers for its keys' } as const;

function spanOfKey(key: Uint8Array): Span {
  return { start: key, end: keyAfter(key) };
}

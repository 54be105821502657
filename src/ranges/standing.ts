// Where a transaction stands: for each range that it has locked something in, the session that its locks belong to
// (P15), and between which keys they are. Kept by the transaction, filled by the router. A transaction that works in one
// range, as most do, has no list.

import { compareBytes, keyAfter } from '../base/bytes.ts';
import type { RangeEndpoint, RangeHead } from './endpoint.ts';
import type { LockSession, Span } from './requests.ts';

export class Stand {
  session: LockSession;
  /** Hull of what was asked for under locks there; undefined end: to the end of the keyspace. P18: participants are
   * found by it, wherever its keys have gone meanwhile. */
  start: Uint8Array;
  end: Uint8Array | undefined;
  /** `end` itself belongs to it: it is a key that was read. */
  endsWithKey: boolean;
  /** Whoever has granted it: there the locks are let go. */
  endpoint: RangeEndpoint | undefined = undefined;
  /** Of the stand whose session this one took over when its range was divided (P15). */
  inherited: LockSession | undefined = undefined;

  constructor(session: LockSession, span: Span, endsWithKey: boolean) {
    this.session = session;
    this.start = span.start;
    this.end = span.end;
    this.endsWithKey = endsWithKey;
  }

  get span(): Span {
    const { start, end } = this;
    return { start, end: end === undefined || !this.endsWithKey ? end : keyAfter(end) };
  }

  holds(key: Uint8Array): boolean {
    if (compareBytes(key, this.start) < 0) return false;
    if (this.end === undefined) return true;
    const order = compareBytes(key, this.end);
    return order < 0 || (order === 0 && this.endsWithKey);
  }

  coverKey(key: Uint8Array): void {
    if (compareBytes(key, this.start) < 0) this.start = key.slice();
    if (this.end === undefined) return;
    const order = compareBytes(key, this.end);
    if (order < 0 || (order === 0 && this.endsWithKey)) return;
    this.end = key.slice();
    this.endsWithKey = true;
  }

  coverSpan(span: Span): void {
    if (compareBytes(span.start, this.start) < 0) this.start = span.start;
    if (this.end === undefined) return;
    if (span.end !== undefined && compareBytes(span.end, this.end) <= 0) return;
    this.end = span.end;
    this.endsWithKey = false;
  }
}

export interface Asked {
  readonly head: RangeHead;
  readonly endpoint: RangeEndpoint;
}

export class Standing {
  first: Stand | undefined = undefined;
  more: Stand[] | undefined = undefined;
  /** Set when locks were lost: the transaction can only end. */
  lost: string | undefined = undefined;
  /** Asked for locks, and not answered yet. */
  asked: Asked[] | undefined = undefined;
  /** It was let go of: locks that are granted later go at once. */
  isOver = false;

  in(range: number): Stand | undefined {
    const { first, more } = this;
    if (first === undefined || first.session.range === range) return first;
    return more?.find((stand) => stand.session.range === range);
  }

  add(stand: Stand): void {
    if (this.first === undefined) this.first = stand;
    else (this.more ??= []).push(stand);
  }

  all(): readonly Stand[] {
    if (this.first === undefined) return [];
    return this.more === undefined ? [this.first] : [this.first, ...this.more];
  }
}

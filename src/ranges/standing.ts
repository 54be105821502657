// Where a transaction stands: for each range that it has locked something in, the session that its locks belong to
// (P15), and which keys they are on. Kept by the transaction, filled by the router. A transaction that works in one
// range, as most do, has no list.

import { compareBytes, keyAfter } from '../base/bytes.ts';
import type { RangeEndpoint, RangeHead } from './endpoint.ts';
import type { LockSession, Span } from './requests.ts';

/** More pieces are taken for larger ones: then ranges may be asked that a transaction has nothing to do with. */
const PIECES_MAX = 16;

/** Keys that are known to be locked, or asked for: a single one, or a span. */
interface Piece {
  start: Uint8Array;
  /** Undefined: to the end of the keyspace. */
  end: Uint8Array | undefined;
  /** `end` itself belongs to it: it is a key that was read. */
  endsWithKey: boolean;
}

export class Stand {
  session: LockSession;
  /** Whoever has granted it: there the locks are let go. */
  endpoint: RangeEndpoint | undefined = undefined;
  /** What was asked for under locks there, in the order of the keys, none of which overlap. P18: participants are found
   * by it, wherever its keys have gone meanwhile; what lies between, and was divided off, has nothing of it. */
  private readonly pieces: Piece[];

  constructor(
    session: LockSession,
    start: Uint8Array,
    end: Uint8Array | undefined,
    endsWithKey: boolean,
  ) {
    this.session = session;
    this.pieces = [{ start, end, endsWithKey }];
  }

  /** `key` must not change any more, here as in coverKey(). */
  static ofKey(session: LockSession, key: Uint8Array): Stand {
    return new Stand(session, key, key, true);
  }

  get start(): Uint8Array {
    return (this.pieces[0] as Piece).start;
  }

  /** Of the hull. */
  get end(): Uint8Array | undefined {
    return (this.pieces[this.pieces.length - 1] as Piece).end;
  }

  get endsWithKey(): boolean {
    return (this.pieces[this.pieces.length - 1] as Piece).endsWithKey;
  }

  /** The hull. */
  get span(): Span {
    const { start, end, endsWithKey } = this;
    return { start, end: end === undefined || !endsWithKey ? end : keyAfter(end) };
  }

  get spans(): readonly Span[] {
    return this.pieces.map(({ start, end, endsWithKey }) => {
      return { start, end: end === undefined || !endsWithKey ? end : keyAfter(end) };
    });
  }

  coverKey(key: Uint8Array): void {
    const { pieces } = this;
    const at = this.lastAtOrBefore(key);
    const before = pieces[at];
    if (before !== undefined && holds(before, key)) return;
    if (pieces.length < PIECES_MAX) {
      pieces.splice(at + 1, 0, { start: key, end: key, endsWithKey: true });
    } else if (before === undefined) {
      (pieces[0] as Piece).start = key;
    } else {
      before.end = key;
      before.endsWithKey = true;
    }
  }

  coverSpan({ start, end }: Span): void {
    const { pieces } = this;
    let from = this.lastAtOrBefore(start);
    if (from < 0 || !reaches(pieces[from] as Piece, start)) from++;
    let to = from;
    while (to < pieces.length && isBefore((pieces[to] as Piece).start, end)) to++;
    if (to === from && pieces.length === PIECES_MAX) {
      if (from === 0) to++;
      else from--;
    }
    const merged: Piece = { start, end, endsWithKey: false };
    for (const piece of pieces.slice(from, to)) {
      if (compareBytes(piece.start, merged.start) < 0) merged.start = piece.start;
      if (merged.end === undefined) continue;
      const isMore = piece.end === undefined || compareBytes(piece.end, merged.end) > 0;
      const isSame = piece.end !== undefined && compareBytes(piece.end, merged.end) === 0;
      if (isMore || (isSame && piece.endsWithKey)) {
        merged.end = piece.end;
        merged.endsWithKey = piece.endsWithKey;
      }
    }
    pieces.splice(from, to - from, merged);
  }

  /** -1: all begin after it. */
  private lastAtOrBefore(key: Uint8Array): number {
    const { pieces } = this;
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((pieces[middle] as Piece).start, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Of a key at or after its start. */
function holds({ end, endsWithKey }: Piece, key: Uint8Array): boolean {
  if (end === undefined) return true;
  const order = compareBytes(key, end);
  return order < 0 || (order === 0 && endsWithKey);
}

/** Whether it holds the key, which is at or after its start, or ends there. */
function reaches({ end }: Piece, key: Uint8Array): boolean {
  return end === undefined || compareBytes(key, end) <= 0;
}

function isBefore(key: Uint8Array, end: Uint8Array | undefined): boolean {
  return end === undefined || compareBytes(key, end) < 0;
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
  /** Asked to commit, or for locks in vain: something may be left there. */
  visited: Asked[] | undefined = undefined;
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

  visit(asked: Asked): void {
    this.visited ??= [];
    const { range } = asked.head;
    const isKnown = (other: Asked): boolean =>
      other.head.range === range && other.endpoint === asked.endpoint;
    if (!this.visited.some(isKnown)) this.visited.push(asked);
  }

  all(): readonly Stand[] {
    if (this.first === undefined) return [];
    return this.more === undefined ? [this.first] : [this.first, ...this.more];
  }
}

// Which term each index of a log belongs to, one run for each term, and how many bytes its entries have. It is all that
// the core needs to know of entries that it has handed out; their bytes stay in the shared log.

import { assert, AssertionError } from '../base/assert.ts';

/** A position in a group's log. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** What an entry weighs beside its data: index, term, kind and length in a frame. Without it, entries without data
 * would escape every bound. */
export const ENTRY_OVERHEAD_BYTES = 24;

/** Most groups sleep with few entries. A power of two. */
const SLOTS_MIN = 8;

export class LogTerms {
  // first[i] is the index at which terms[i] begins; both rise. The run of the position before the log's first entry
  // (where it was compacted) comes first, so there is always one.
  private first: number[];
  private terms: number[];
  /** A ring by index, from startIndex to lastIndex: the bytes of all entries up to there, from some beginning on. */
  private totals = new Float64Array(SLOTS_MIN);
  /** The position before the first entry. */
  private startIndex: number;
  /** startIndex when the log is empty. */
  lastIndex: number;

  constructor(start: LogPosition) {
    this.first = [start.index];
    this.terms = [start.term];
    this.startIndex = start.index;
    this.lastIndex = start.index;
  }

  get compacted(): LogPosition {
    return { index: this.startIndex, term: this.terms[0] as number };
  }

  get compactedIndex(): number {
    return this.startIndex;
  }

  get lastTerm(): number {
    return this.terms[this.terms.length - 1] as number;
  }

  /** Undefined outside [compacted, last]. */
  termAt(index: number): number | undefined {
    if (index < this.startIndex || index > this.lastIndex) return undefined;
    let run = this.first.length - 1;
    while ((this.first[run] as number) > index) run--;
    return this.terms[run] as number;
  }

  /** The last position at or below `index` of a term at or below `term`; the compacted one when there is none above
   * it. Of two logs of which one has (index, term), nothing above it can be alike (Raft paper, section 5.3). */
  lastPositionWithin(index: number, term: number): LogPosition {
    let end = Math.min(index, this.lastIndex);
    for (let run = this.first.length - 1; run >= 0; run--) {
      const first = this.first[run] as number;
      if (first > end) continue;
      if ((this.terms[run] as number) <= term)
        return { index: end, term: this.terms[run] as number };
      end = first - 1;
    }
    return this.compacted;
  }

  /** The bytes of the entries after `after`, up to `last`; what is compacted counts nothing. */
  bytesBetween(after: number, last: number): number {
    const from = after > this.startIndex ? after : this.startIndex;
    return last <= from ? 0 : this.totalAt(last) - this.totalAt(from);
  }

  /** The last entry of a run that begins with `first` and has at most so many bytes, or is `first` alone. */
  lastWithin(first: number, bytesMax: number): number {
    assert(first > this.startIndex && first <= this.lastIndex, `no entry ${first} to begin with`);
    const limit = this.totalAt(first - 1) + bytesMax;
    if (this.totalAt(this.lastIndex) <= limit) return this.lastIndex;
    // Totals rise: the answer is in [low, high).
    let low = first;
    let high = this.lastIndex;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.totalAt(middle) <= limit) low = middle;
      else high = middle;
    }
    return low;
  }

  /** The next entry, with so many bytes of data. Terms never fall along a log. */
  append(term: number, bytes: number): void {
    const lastTerm = this.terms[this.terms.length - 1] as number;
    // Every entry comes by here: the words are made when they are needed.
    if (term < lastTerm) throw new AssertionError(`term ${term} after ${lastTerm} in a log`);
    const total = this.totalAt(this.lastIndex);
    this.lastIndex++;
    if (this.lastIndex - this.startIndex >= this.totals.length) {
      this.resize(this.totals.length * 2, this.lastIndex - 1);
    }
    this.totals[this.lastIndex & (this.totals.length - 1)] = total + bytes + ENTRY_OVERHEAD_BYTES;
    if (term !== lastTerm) {
      this.first.push(this.lastIndex);
      this.terms.push(term);
    }
  }

  /** Forgets everything above `index`: a newer leader's entries replace it. */
  truncateAfter(index: number): void {
    assert(index >= this.startIndex, `truncating at ${index}, compacted to ${this.startIndex}`);
    if (index >= this.lastIndex) return;
    while ((this.first[this.first.length - 1] as number) > index) {
      this.first.pop();
      this.terms.pop();
    }
    this.lastIndex = index;
  }

  /** Forgets everything at and below `index`, but for its term. */
  compactTo(index: number): void {
    if (index <= this.startIndex) return;
    assert(index <= this.lastIndex, `compacting to ${index}, last ${this.lastIndex}`);
    let gone = 0;
    while (gone + 1 < this.first.length && (this.first[gone + 1] as number) <= index) gone++;
    this.first.splice(0, gone);
    this.terms.splice(0, gone);
    this.first[0] = index;
    this.startIndex = index;
    // A backlog that has gone takes its memory along.
    const live = this.lastIndex - this.startIndex + 1;
    let slots = this.totals.length;
    while (slots > 1024 && live * 8 < slots) slots >>= 1;
    if (slots !== this.totals.length) this.resize(slots, this.lastIndex);
  }

  copy(): LogTerms {
    const twin = new LogTerms(this.compacted);
    twin.first = [...this.first];
    twin.terms = [...this.terms];
    twin.totals = this.totals.slice();
    twin.lastIndex = this.lastIndex;
    return twin;
  }

  private totalAt(index: number): number {
    return this.totals[index & (this.totals.length - 1)] as number;
  }

  private resize(slots: number, last: number): void {
    const totals = new Float64Array(slots);
    for (let index = this.startIndex; index <= last; index++) {
      totals[index & (slots - 1)] = this.totalAt(index);
    }
    this.totals = totals;
  }
}

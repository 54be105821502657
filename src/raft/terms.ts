// Which term each index of a log belongs to: one run for each term, not one number for each entry. It is all that the
// core needs to know of entries that it has handed out; their bytes stay in the shared log.

import { assert } from '../base/assert.ts';

/** A position in a group's log. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

export class LogTerms {
  // first[i] is the index at which terms[i] begins; both rise. The run of the position before the log's first entry
  // (where it was compacted) comes first, so there is always one.
  private first: number[];
  private terms: number[];
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

  /** The next entry. Terms never fall along a log. */
  append(term: number): void {
    const lastTerm = this.lastTerm;
    assert(term >= lastTerm, `term ${term} after ${lastTerm} in a log`);
    this.lastIndex++;
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
  }

  copy(): LogTerms {
    const twin = new LogTerms(this.compacted);
    twin.first = [...this.first];
    twin.terms = [...this.terms];
    twin.lastIndex = this.lastIndex;
    return twin;
  }
}

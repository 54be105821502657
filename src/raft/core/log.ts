// A replica's log as the core sees it: which entries it has, which of them are synced, committed, handed out. It has no
// bytes but those of entries that wait for the next Ready.
//
// compacted <= handed <= min(committed, stable), stable <= last, committed <= last

import { assert, AssertionError } from '../../base/assert.ts';
import { type LogPosition, LogTerms } from '../terms.ts';
import type { Entry, EntryKind, IndexRange } from '../types.ts';

const NOTHING: readonly Entry[] = [];

export class CoreLog {
  terms: LogTerms;
  committed: number;
  /** Everything up to here is synced in this replica's own log. */
  stable: number;
  /** Given out to be applied. */
  handed: number;
  /** Nothing is given out while a snapshot is pulled: the state machine must not move under it (P31). */
  isHeld = false;
  /** Appended, not yet given out to be written. */
  private fresh: Entry[] = [];
  /** Readies given out and not reported yet. Of the oldest `overtaken`, entries above `overtakenLimit` have been
   * replaced since: their sync says nothing about what the log has there now. */
  private inFlight = 0;
  private overtaken = 0;
  private overtakenLimit = 0;

  constructor(terms: LogTerms, committed: number, applied: number) {
    const compacted = terms.compactedIndex;
    assert(
      compacted <= applied && applied <= terms.lastIndex,
      `applied ${applied} outside the log (${compacted}, ${terms.lastIndex}]`,
    );
    this.terms = terms;
    this.stable = terms.lastIndex;
    this.committed = Math.max(applied, Math.min(committed, terms.lastIndex));
    this.handed = applied;
  }

  get lastIndex(): number {
    return this.terms.lastIndex;
  }

  get lastTerm(): number {
    return this.terms.lastTerm;
  }

  get hasFresh(): boolean {
    return this.fresh.length > 0;
  }

  get hasCommitted(): boolean {
    return !this.isHeld && Math.min(this.committed, this.stable) > this.handed;
  }

  get uncommittedBytes(): number {
    return this.terms.bytesBetween(this.committed, this.terms.lastIndex);
  }

  get committedTerm(): number {
    return this.terms.termAt(this.committed) as number;
  }

  /** Whether a log that ends so has all that this one has committed, as far as one can tell (paper, section 5.4.1). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return (
      lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.terms.lastIndex)
    );
  }

  append(term: number, kind: EntryKind, data: Uint8Array): Entry {
    this.terms.append(term, data.length);
    const entry = { index: this.terms.lastIndex, term, kind, data };
    this.fresh.push(entry);
    return entry;
  }

  /** Where this log may agree with one that has (index, term), by the receiver of an append: the conflict hint. */
  conflictHint(index: number, term: number): LogPosition {
    return this.terms.lastPositionWithin(Math.min(index, this.terms.lastIndex), term);
  }

  /** Whether the position is in this log. What is committed is the same in every log, also where this one no longer
   * reaches. */
  matches(index: number, term: number): boolean {
    const known = this.terms.termAt(index);
    if (index > this.committed) return known === term;
    assert(
      known === undefined || known === term,
      `entry ${index} is committed with term ${known}, and said to be of term ${term}`,
    );
    return true;
  }

  /** Takes a leader's entries, which follow a position that matches. An entry that conflicts is removed with all after
   * it (paper, figure 2, AppendEntries rules 3 and 4). Those that are there already are left: a late message must not
   * shorten the log. The index of the first that was taken; undefined when none was news. */
  accept(entries: readonly Entry[]): number | undefined {
    const { terms } = this;
    let at = 0;
    while (at < entries.length) {
      const { index, term } = entries[at] as Entry;
      if (!this.matches(index, term)) break;
      at++;
    }
    if (at === entries.length) return undefined;
    const { index: first } = entries[at] as Entry;
    if (first <= terms.lastIndex) this.truncateAfter(first - 1);
    for (; at < entries.length; at++) {
      const entry = entries[at] as Entry;
      if (entry.index !== terms.lastIndex + 1) {
        throw new AssertionError(`entry ${entry.index} after ${terms.lastIndex}`);
      }
      terms.append(entry.term, entry.data.length);
      this.fresh.push(entry);
    }
    return first;
  }

  private truncateAfter(index: number): void {
    assert(index >= this.committed, `entry ${index + 1} is committed and would be replaced`);
    this.terms.truncateAfter(index);
    this.stable = Math.min(this.stable, index);
    if (this.inFlight > 0) {
      this.overtakenLimit = this.overtaken > 0 ? Math.min(this.overtakenLimit, index) : index;
      this.overtaken = this.inFlight;
    }
    const { fresh } = this;
    while (fresh.length > 0 && (fresh[fresh.length - 1] as Entry).index > index) fresh.pop();
  }

  /** The log begins anew after a position that a snapshot holds, unless it has that very position. */
  restore(position: LogPosition): void {
    const { index, term } = position;
    if (this.terms.termAt(index) !== term && index > this.committed) {
      this.terms = new LogTerms(position);
      this.fresh = [];
      this.overtaken = this.inFlight;
      this.overtakenLimit = index;
      this.stable = index;
    }
    this.fresh = this.fresh.filter((entry) => entry.index > index);
    // The driver made it durable, and with it all that the log has up to there.
    this.stable = Math.max(this.stable, index);
    this.committed = Math.max(this.committed, index);
    this.handed = Math.max(this.handed, index);
  }

  compactTo(index: number): void {
    assert(index <= this.handed, `compacting to ${index}, handed out ${this.handed}`);
    this.terms.compactTo(index);
  }

  /** What is to be written, once. */
  takeFresh(): readonly Entry[] {
    this.inFlight++;
    const { fresh } = this;
    if (fresh.length === 0) return NOTHING;
    this.fresh = [];
    return fresh;
  }

  /** What is to be applied, once. */
  takeCommitted(): IndexRange | undefined {
    // P29: never apply what is not synced here, even if a majority elsewhere has it.
    const last = Math.min(this.committed, this.stable);
    if (last <= this.handed || this.isHeld) return undefined;
    const range = { first: this.handed + 1, last };
    this.handed = last;
    return range;
  }

  /** What the oldest Ready gave out is synced. Whether that made more of the log stable. */
  synced(entries: readonly Entry[]): boolean {
    assert(this.inFlight > 0, 'more was reported than was taken');
    this.inFlight--;
    let last = entries.length === 0 ? 0 : (entries[entries.length - 1] as Entry).index;
    if (this.overtaken > 0) {
      this.overtaken--;
      last = Math.min(last, this.overtakenLimit);
    }
    if (last <= this.stable) return false;
    this.stable = last;
    return true;
  }
}

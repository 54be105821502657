// The newest entries of all groups, in memory: what is handed to apply or sent to followers right after it was
// written need not be read back. Bounded in bytes; the oldest go first. Entries come here once they are written: until
// then they are in memory anyway, bounded by what waits for the log.
//
// Only which entries there are is known here: one that nobody will ask for any more (GroupLog.delivered) is let go of by
// its group, and dies while it is young. Were it in the way of the garbage collector until it is the oldest, each would be
// copied twice and marked once (bench: point, INSERT).

import type { Entry } from '../types.ts';
import type { GroupLog } from './group-log.ts';

/** What an entry costs besides its bytes. */
const ENTRY_BYTES = 100;

export class TailCache {
  private readonly bytesMax: number;
  private bytes = 0;
  // A queue in parallel arrays; `head` counts what has left.
  private groups: GroupLog[] = [];
  private indexes: number[] = [];
  private terms: number[] = [];
  private sizes: number[] = [];
  private head = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** The newest stays even when it is larger than the whole cache. */
  add(group: GroupLog, entry: Entry): void {
    if (group.cachedAt(entry.index) !== entry) return;
    const size = entry.data.length + ENTRY_BYTES;
    this.groups.push(group);
    this.indexes.push(entry.index);
    this.terms.push(entry.term);
    this.sizes.push(size);
    this.bytes += size;
    while (this.bytes > this.bytesMax && this.head < this.indexes.length - 1) this.evictOldest();
  }

  private evictOldest(): void {
    const { head } = this;
    (this.groups[head] as GroupLog).evict(this.indexes[head] as number, this.terms[head] as number);
    this.bytes -= this.sizes[head] as number;
    this.head++;
    if (this.head >= 4096 && this.head * 2 >= this.indexes.length) {
      this.groups = this.groups.slice(this.head);
      this.indexes = this.indexes.slice(this.head);
      this.terms = this.terms.slice(this.head);
      this.sizes = this.sizes.slice(this.head);
      this.head = 0;
    }
  }
}

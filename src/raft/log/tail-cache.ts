// The newest entries of all groups, in memory: what is handed to apply or sent to followers right after it was
// written need not be read back. Bounded in bytes; the oldest go first. Entries come here once they are written: until
// then they are in memory anyway, bounded by what waits for the log.

import type { Entry } from '../types.ts';
import type { GroupLog } from './group-log.ts';

/** What an entry costs besides its bytes. */
const ENTRY_BYTES = 100;

export class TailCache {
  private readonly bytesMax: number;
  private bytes = 0;
  // A queue in two arrays; `head` counts what has left.
  private groups: GroupLog[] = [];
  private entries: (Entry | undefined)[] = [];
  private head = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** The newest stays even when it is larger than the whole cache. */
  add(group: GroupLog, entry: Entry): void {
    if (group.cachedAt(entry.index) !== entry) return;
    this.groups.push(group);
    this.entries.push(entry);
    this.bytes += entry.data.length + ENTRY_BYTES;
    while (this.bytes > this.bytesMax && this.head < this.entries.length - 1) this.evictOldest();
  }

  private evictOldest(): void {
    const entry = this.entries[this.head] as Entry;
    (this.groups[this.head] as GroupLog).evict(entry);
    this.bytes -= entry.data.length + ENTRY_BYTES;
    this.entries[this.head] = undefined;
    this.head++;
    if (this.head >= 4096 && this.head * 2 >= this.entries.length) {
      this.groups = this.groups.slice(this.head);
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
  }
}

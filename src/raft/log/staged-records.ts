// Records that wait for the next write, as parallel arrays: no object for each on the path of every proposal.

import type { Entry } from '../types.ts';
import type { GroupLog } from './group-log.ts';
import { RECORD_HEADER_BYTES } from './record.ts';
import type { TailCache } from './tail-cache.ts';

export class StagedRecords {
  kinds: number[] = [];
  groups: GroupLog[] = [];
  terms: number[] = [];
  indexes: number[] = [];
  payloads: Uint8Array[] = [];
  /** Undefined unless the record is an entry. */
  entries: (Entry | undefined)[] = [];
  /** Records taken for the write that is in flight, and whose entries they are. */
  inFlight = 0;
  private flyingGroups: GroupLog[] = [];
  private flyingEntries: (Entry | undefined)[] = [];
  /** Of those that wait. */
  bytes = 0;

  get count(): number {
    return this.kinds.length;
  }

  get firstBytes(): number {
    return this.bytesAt(0);
  }

  bytesAt(i: number): number {
    return RECORD_HEADER_BYTES + (this.payloads[i] as Uint8Array).length;
  }

  push(
    kind: number,
    group: GroupLog,
    term: number,
    index: number,
    payload: Uint8Array,
    entry: Entry | undefined,
  ): void {
    this.kinds.push(kind);
    this.groups.push(group);
    this.terms.push(term);
    this.indexes.push(index);
    this.payloads.push(payload);
    this.entries.push(entry);
    this.bytes += RECORD_HEADER_BYTES + payload.length;
  }

  /** The first `count` are in flight now. */
  take(count: number): void {
    for (let i = 0; i < count; i++) this.bytes -= this.bytesAt(i);
    this.inFlight = count;
    if (count === this.count) {
      this.flyingGroups = this.groups;
      this.flyingEntries = this.entries;
      this.kinds = [];
      this.groups = [];
      this.terms = [];
      this.indexes = [];
      this.payloads = [];
      this.entries = [];
      return;
    }
    this.flyingGroups = this.groups.splice(0, count);
    this.flyingEntries = this.entries.splice(0, count);
    this.kinds.splice(0, count);
    this.terms.splice(0, count);
    this.indexes.splice(0, count);
    this.payloads.splice(0, count);
  }

  /** What was in flight is synced: its entries can be read from the file from now on, so `cache` may drop them. */
  written(cache: TailCache): void {
    const { flyingGroups, flyingEntries } = this;
    for (let i = 0; i < flyingEntries.length; i++) {
      const entry = flyingEntries[i];
      if (entry !== undefined) cache.add(flyingGroups[i] as GroupLog, entry);
    }
    this.inFlight = 0;
    this.flyingGroups = [];
    this.flyingEntries = [];
  }
}

// What the shared log holds of one group: where each entry lies, the terms, the live state that every restart needs,
// and which segments hold any of it.

import { assert, AssertionError } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readConfiguration, writeConfiguration } from '../codec.ts';
import { type Configuration, membersOf } from '../configuration.ts';
import { ENTRY_OVERHEAD_BYTES, type LogPosition, LogTerms } from '../terms.ts';
import {
  type Entry,
  type GroupId,
  type HardState,
  NO_HARD_STATE,
  type ReplicaId,
} from '../types.ts';

/** Who this replica is and who belongs to the group, as of the change entry at `configurationIndex`. */
export interface GroupIdentity {
  readonly replicaId: ReplicaId;
  readonly configuration: Configuration;
  readonly configurationIndex: number;
  /** Of that entry; left out: not known. */
  readonly configurationTerm?: number;
}

/** The entries of one group that one segment holds are all at or below `lastIndex`. */
interface SegmentRun {
  readonly segment: number;
  lastIndex: number;
}

const SEGMENT_SCALE = 0x100000000;
/** Most groups sleep with a few entries. A power of two. */
const SLOTS_MIN = 8;

export class GroupLog {
  readonly groupId: GroupId;
  hardState: HardState = NO_HARD_STATE;
  identity: GroupIdentity | undefined;
  /** It has one member: nobody will be sent its entries. */
  private isLone = false;
  /** Segments of the newest hard state and mark records. */
  hardStateSegment = 0;
  markSegment = 0;
  /** Up to where the newest mark record says that the log is compacted. */
  markIndex = 0;
  /** What was appended, written or not. Undefined until the first entry or mark. */
  terms: LogTerms | undefined;
  /** Membership changes above the identity's configurationIndex: a restart has to know them. */
  changes: Entry[] = [];
  /** The state machine is durable up to here: entries above the compacted ones are kept for others, while there is
   * room. */
  durableIndex = 0;

  // Rings indexed by entry index: where the record lies (0: not written), and the entry while it is in memory.
  private positions = new Float64Array(SLOTS_MIN);
  private cached: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS_MIN).fill(undefined);
  private runs: SegmentRun[] = [];

  constructor(groupId: GroupId) {
    this.groupId = groupId;
  }

  get firstIndex(): number {
    return this.terms === undefined ? 1 : this.terms.compactedIndex + 1;
  }

  get lastIndex(): number {
    return this.terms === undefined ? 0 : this.terms.lastIndex;
  }

  /** An entry was appended, and is to be written. One at an index that is there already replaces it and everything
   * after it. It is in memory until it was written, and as long as the cache keeps it. */
  stage(entry: Entry): void {
    const { index } = entry;
    const slot = this.append(index, entry.term, entry.data.length);
    this.positions[slot] = 0;
    this.cached[slot] = entry;
    if (entry.kind === 'change') this.changes.push(entry);
  }

  /** A staged entry was given its place. Nothing is known of the place when another has replaced it meanwhile. */
  place(entry: Entry, segment: number, offset: number): void {
    const { index } = entry;
    const slot = index & (this.cached.length - 1);
    if (this.cached[slot] === entry) this.positions[slot] = segment * SEGMENT_SCALE + offset;
    this.noteRun(segment, index);
  }

  /** An entry was met while reading the log. Those between it and what was met before may have gone with a removed
   * segment, and those before it too when it replaces an older term's: then the log begins with it, and a mark, which
   * was written before the segment was removed, comes later. */
  placeRecovered(
    index: number,
    term: number,
    segment: number,
    offset: number,
    length: number,
    change: Entry | undefined,
  ): void {
    const { terms } = this;
    if (terms === undefined || index > terms.lastIndex + 1 || index <= terms.compactedIndex) {
      this.begin({ index: index - 1, term: 0 });
    }
    const slot = this.append(index, term, length);
    this.positions[slot] = segment * SEGMENT_SCALE + offset;
    if (change !== undefined) this.changes.push(change);
    this.noteRun(segment, index);
  }

  /** The slot of an entry that is the last from now on. */
  private append(index: number, term: number, length: number): number {
    const { terms } = this;
    // Every entry comes by here: the words are made when they are needed.
    if (terms === undefined) throw new AssertionError(`group ${this.groupId} has no beginning`);
    if (index <= terms.lastIndex) this.truncateFrom(index);
    if (index !== terms.lastIndex + 1 || index <= terms.compactedIndex) {
      const last = terms.lastIndex;
      throw new AssertionError(`entry ${index} of group ${this.groupId} after ${last}`);
    }
    terms.append(term, length);
    if (index - terms.compactedIndex > this.positions.length) this.grow();
    return index & (this.positions.length - 1);
  }

  /** Forgets entries from `index` on: a newer leader's replace them. */
  private truncateFrom(index: number): void {
    const terms = this.terms as LogTerms;
    assert(index > terms.compactedIndex, `entry ${index} replaces one that is forgotten`);
    for (let i = index; i <= terms.lastIndex; i++) {
      this.cached[i & (this.cached.length - 1)] = undefined;
    }
    terms.truncateAfter(index - 1);
    const { changes } = this;
    while (changes.length > 0 && (changes[changes.length - 1] as Entry).index >= index) {
      changes.pop();
    }
  }

  private noteRun(segment: number, index: number): void {
    const run = this.runs[this.runs.length - 1];
    if (run === undefined || run.segment !== segment) {
      this.runs.push({ segment, lastIndex: index });
    } else if (run.lastIndex < index) {
      run.lastIndex = index;
    }
  }

  segmentOf(index: number): number {
    return Math.floor(this.positionAt(index) / SEGMENT_SCALE);
  }

  offsetOf(index: number): number {
    return this.positionAt(index) % SEGMENT_SCALE;
  }

  lengthOf(index: number): number {
    return (this.terms as LogTerms).bytesBetween(index - 1, index) - ENTRY_OVERHEAD_BYTES;
  }

  cachedAt(index: number): Entry | undefined {
    const entry = this.cached[index & (this.cached.length - 1)];
    return entry?.index === index ? entry : undefined;
  }

  /** The state machine was given these, which are synced: of a lone group nobody asks for them again. */
  delivered(first: number, last: number): void {
    if (!this.isLone) return;
    const { cached } = this;
    for (let i = first; i <= last; i++) cached[i & (cached.length - 1)] = undefined;
  }

  /** Drops the entry from memory, unless it is gone, or another leader's has taken its place. */
  evict(index: number, term: number): void {
    if (this.cachedAt(index)?.term !== term) return;
    this.cached[index & (this.cached.length - 1)] = undefined;
  }

  /** Forgets entries at and below `index`. Their segments may go once a mark says so. */
  compactTo(index: number): void {
    const terms = this.terms;
    if (terms === undefined) return;
    for (let i = terms.compactedIndex + 1; i <= index; i++) {
      this.cached[i & (this.cached.length - 1)] = undefined;
    }
    terms.compactTo(index);
  }

  /** The log begins anew after `position`: a snapshot has replaced what came before (P31). What follows stays when the
   * log holds that very position; whether it does. */
  resetTo(position: LogPosition, identity: GroupIdentity): boolean {
    const { terms } = this;
    this.setIdentity(identity);
    this.durableIndex = position.index;
    if (terms !== undefined && terms.termAt(position.index) === position.term) {
      this.compactTo(position.index);
      return true;
    }
    this.begin(position);
    return false;
  }

  /** A record was met that nothing before it counts. */
  forgetLog(): void {
    this.terms = undefined;
    this.markIndex = 0;
  }

  setIdentity(identity: GroupIdentity): void {
    this.identity = identity;
    this.isLone = membersOf(identity.configuration).length === 1;
    const { changes } = this;
    while (changes.length > 0 && (changes[0] as Entry).index <= identity.configurationIndex) {
      changes.shift();
    }
  }

  /** A mark record was met while reading the log. */
  adoptMark(index: number, term: number, identity: GroupIdentity, segment: number): void {
    this.setIdentity(identity);
    this.markSegment = segment;
    this.markIndex = Math.max(this.markIndex, index);
    const terms = this.terms;
    if (terms === undefined || index > terms.lastIndex) {
      this.begin({ index, term });
    } else if (index > terms.compactedIndex) {
      assert(terms.termAt(index) === term, `group ${this.groupId} is compacted to what it has not`);
      this.compactTo(index);
    } else if (index === terms.compactedIndex && terms.compacted.term !== term) {
      const rebased = new LogTerms({ index, term });
      for (let i = index + 1; i <= terms.lastIndex; i++) {
        rebased.append(terms.termAt(i) as number, this.lengthOf(i));
      }
      this.terms = rebased;
    }
  }

  /** An empty log after `position`. */
  private begin(position: LogPosition): void {
    this.terms = new LogTerms(position);
    this.cached.fill(undefined);
    this.runs = [];
    this.changes = [];
  }

  /** Whether removing `segment`, the oldest, would lose an entry that is still needed. */
  needsEntriesOf(segment: number): boolean {
    const run = this.runs[0];
    return run !== undefined && run.segment <= segment && run.lastIndex >= this.firstIndex;
  }

  /** The greatest index among those that `segment`, the oldest, has of this group; 0: none. */
  lastIndexIn(segment: number): number {
    const run = this.runs[0];
    return run !== undefined && run.segment <= segment ? run.lastIndex : 0;
  }

  /** Whether removing `segment`, the oldest, needs the live state written again first (P33). */
  needsRewriteBefore(segment: number): boolean {
    const run = this.runs[0];
    return (
      this.hardStateSegment === segment ||
      this.markSegment === segment ||
      (run !== undefined && run.segment <= segment && this.markIndex < run.lastIndex)
    );
  }

  forgetSegment(segment: number): void {
    while (this.runs[0] !== undefined && this.runs[0].segment <= segment) this.runs.shift();
  }

  private positionAt(index: number): number {
    assert(
      index >= this.firstIndex && index <= this.lastIndex,
      `entry ${index} of group ${this.groupId} is not in [${this.firstIndex}, ${this.lastIndex}]`,
    );
    return this.positions[index & (this.positions.length - 1)] as number;
  }

  private grow(): void {
    const { positions, cached } = this;
    const size = positions.length;
    this.positions = new Float64Array(size * 2);
    this.cached = new Array<Entry | undefined>(size * 2).fill(undefined);
    // All but the entry that is being added, which had no slot left.
    for (let index = this.lastIndex - size; index < this.lastIndex; index++) {
      if (index < 0) continue;
      const from = index & (size - 1);
      const to = index & (size * 2 - 1);
      this.positions[to] = positions[from] as number;
      this.cached[to] = cached[from];
    }
  }
}

export function encodeIdentity(identity: GroupIdentity): Uint8Array {
  const writer = new ByteWriter(64);
  writer.u53(identity.replicaId);
  writer.u53(identity.configurationIndex);
  writeConfiguration(writer, identity.configuration);
  writer.u53(identity.configurationTerm ?? 0);
  return writer.take();
}

export function decodeIdentity(bytes: Uint8Array): GroupIdentity {
  const reader = new ByteReader(bytes);
  const replicaId = reader.u53();
  const configurationIndex = reader.u53();
  const identity = { replicaId, configuration: readConfiguration(reader), configurationIndex };
  // Logs that were written before it was known end here.
  const configurationTerm = reader.remaining === 0 ? 0 : reader.u53();
  return configurationTerm === 0 ? identity : { ...identity, configurationTerm };
}

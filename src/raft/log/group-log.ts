// What the shared log holds of one group: where each entry lies, the terms, the live state that every restart needs,
// and which segments hold any of it.

import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readConfiguration, writeConfiguration } from '../codec.ts';
import type { Configuration } from '../configuration.ts';
import { LogTerms } from '../terms.ts';
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
}

/** The entries of one group that one segment holds are all at or below `lastIndex`. */
interface SegmentRun {
  readonly segment: number;
  lastIndex: number;
}

const SEGMENT_SCALE = 0x100000000;

export class GroupLog {
  readonly groupId: GroupId;
  hardState: HardState = NO_HARD_STATE;
  identity: GroupIdentity | undefined;
  /** Segments of the newest hard state and mark records. */
  hardStateSegment = 0;
  markSegment = 0;
  /** Up to where the newest mark record says that the log is compacted. */
  markIndex = 0;
  /** Undefined until the first entry or mark. */
  terms: LogTerms | undefined;

  // Rings indexed by entry index: where the record lies, how long its payload is, and the entry while it is cached.
  private positions = new Float64Array(64);
  private lengths = new Uint32Array(64);
  private cached: (Entry | undefined)[] = new Array<Entry | undefined>(64).fill(undefined);
  private runs: SegmentRun[] = [];

  constructor(groupId: GroupId) {
    this.groupId = groupId;
  }

  get firstIndex(): number {
    return this.terms === undefined ? 1 : this.terms.compacted.index + 1;
  }

  get lastIndex(): number {
    return this.terms === undefined ? 0 : this.terms.lastIndex;
  }

  /** An entry was written. One at an index that is there already replaces it and everything after it. */
  place(
    index: number,
    term: number,
    segment: number,
    offset: number,
    length: number,
    entry: Entry | undefined,
  ): void {
    const { terms } = this;
    assert(terms !== undefined, `group ${this.groupId} has no beginning`);
    if (index <= terms.compacted.index) return;
    if (index <= terms.lastIndex) terms.truncateAfter(index - 1);
    assert(index === terms.lastIndex + 1, `entry ${index} of group ${this.groupId} leaves a gap`);
    terms.append(term);
    if (index - terms.compacted.index > this.positions.length) this.grow();
    const slot = index & (this.positions.length - 1);
    this.positions[slot] = segment * SEGMENT_SCALE + offset;
    this.lengths[slot] = length;
    this.cached[slot] = entry;
    const run = this.runs[this.runs.length - 1];
    if (run === undefined || run.segment !== segment) {
      this.runs.push({ segment, lastIndex: index });
    } else if (run.lastIndex < index) {
      run.lastIndex = index;
    }
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
  ): void {
    const { terms } = this;
    if (terms === undefined || index > terms.lastIndex + 1 || index <= terms.compacted.index) {
      this.terms = new LogTerms({ index: index - 1, term: 0 });
    }
    this.place(index, term, segment, offset, length, undefined);
  }

  segmentOf(index: number): number {
    return Math.floor(this.positionAt(index) / SEGMENT_SCALE);
  }

  offsetOf(index: number): number {
    return this.positionAt(index) % SEGMENT_SCALE;
  }

  lengthOf(index: number): number {
    return this.lengths[index & (this.lengths.length - 1)] as number;
  }

  cachedAt(index: number): Entry | undefined {
    const entry = this.cached[index & (this.cached.length - 1)];
    return entry?.index === index ? entry : undefined;
  }

  /** Drops `entry` from memory unless another has taken its place. */
  evict(entry: Entry): void {
    const slot = entry.index & (this.cached.length - 1);
    if (this.cached[slot] === entry) this.cached[slot] = undefined;
  }

  /** Forgets entries at and below `index`. Their segments may go once a mark says so. */
  compactTo(index: number): void {
    const terms = this.terms;
    if (terms === undefined) return;
    for (let i = terms.compacted.index + 1; i <= index; i++) {
      this.cached[i & (this.cached.length - 1)] = undefined;
    }
    terms.compactTo(index);
  }

  /** A mark record was met while reading the log. */
  adoptMark(index: number, term: number, identity: GroupIdentity, segment: number): void {
    this.identity = identity;
    this.markSegment = segment;
    this.markIndex = Math.max(this.markIndex, index);
    const terms = this.terms;
    if (terms === undefined || index > terms.lastIndex) {
      this.terms = new LogTerms({ index, term });
    } else if (index > terms.compacted.index) {
      this.compactTo(index);
    } else if (index === terms.compacted.index && terms.compacted.term !== term) {
      const rebased = new LogTerms({ index, term });
      for (let i = index + 1; i <= terms.lastIndex; i++) rebased.append(terms.termAt(i) as number);
      this.terms = rebased;
    }
  }

  /** Whether removing `segment`, the oldest, would lose an entry that is still needed. */
  needsEntriesOf(segment: number): boolean {
    const run = this.runs[0];
    return run !== undefined && run.segment <= segment && run.lastIndex >= this.firstIndex;
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
    const { positions, lengths, cached } = this;
    const size = positions.length;
    this.positions = new Float64Array(size * 2);
    this.lengths = new Uint32Array(size * 2);
    this.cached = new Array<Entry | undefined>(size * 2).fill(undefined);
    // All but the entry that is being added, which had no slot left.
    for (let index = this.lastIndex - size; index < this.lastIndex; index++) {
      if (index < 0) continue;
      const from = index & (size - 1);
      const to = index & (size * 2 - 1);
      this.positions[to] = positions[from] as number;
      this.lengths[to] = lengths[from] as number;
      this.cached[to] = cached[from];
    }
  }
}

export function encodeIdentity(identity: GroupIdentity): Uint8Array {
  const writer = new ByteWriter(64);
  writer.u53(identity.replicaId);
  writer.u53(identity.configurationIndex);
  writeConfiguration(writer, identity.configuration);
  return writer.take();
}

export function decodeIdentity(bytes: Uint8Array): GroupIdentity {
  const reader = new ByteReader(bytes);
  const replicaId = reader.u53();
  const configurationIndex = reader.u53();
  return { replicaId, configuration: readConfiguration(reader), configurationIndex };
}

// The Raft log of a node: one segmented append-only file for all its groups, so that one sync serves them all. Appends
// gather while a write is in flight and go out together in the next (group commit). This folder knows bytes, files and
// where each entry lies; what an entry means and when it counts is the core's affair.
//
// A failed write or sync stops the log for good (P35): the page cache may have dropped what was not written, so a
// second attempt that succeeds would prove nothing. A disk too full to preallocate is another matter: nothing is lost,
// what was appended waits, and hasRoom() tells before anything is accepted that could not be written.

import { assert } from '../../base/assert.ts';
import { ByteWriter, EMPTY_BYTES } from '../../base/bytes.ts';
import type { Maybe } from '../../base/maybe.ts';
import {
  type Faults,
  FileError,
  type Files,
  type Log,
  type Timers,
} from '../../runtime/runtime.ts';
import { writeHardState } from '../codec.ts';
import type { LogPosition } from '../terms.ts';
import {
  type Entry,
  EVERY_REPLICA,
  type GroupId,
  type HardState,
  type ReplicaId,
} from '../types.ts';
import { encodeIdentity, type GroupIdentity, GroupLog } from './group-log.ts';
import { readEntries } from './read.ts';
import {
  BATCH,
  BEGINNING,
  CHANGE,
  COMMAND,
  HARD_STATE,
  MARK,
  PAYLOAD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  TOMBSTONE,
  writeRecord,
} from './record.ts';
import { type RecoveredLog, recoverLog, type Tombstone } from './recover.ts';
import { SegmentRemoval } from './removal.ts';
import { type Segment, SEGMENT_HEADER_BYTES } from './segment.ts';
import { SegmentSupply } from './segment-supply.ts';
import { StagedRecords } from './staged-records.ts';
import { TailCache } from './tail-cache.ts';

export interface LogOptions {
  /** Size of a segment; larger records get a segment of their own size. */
  readonly segmentBytes: number;
  /** Entries kept in memory. */
  readonly cacheBytes: number;
  /** One write takes no more than this, unless a single record is larger. */
  readonly writeBytesMax: number;
  /** Entries that are kept for lagging followers alone go once there are more segments. */
  readonly keptSegments: number;
}

export const DEFAULT_LOG_OPTIONS: LogOptions = {
  segmentBytes: 16 * 1024 * 1024,
  cacheBytes: 16 * 1024 * 1024,
  writeBytesMax: 4 * 1024 * 1024,
  keptSegments: 8,
};

/** What the log needs of the runtime. */
export interface LogRuntime {
  readonly files: Files;
  readonly timers: Timers;
  readonly log: Log;
  readonly faults?: Faults;
}

interface Waiter {
  /** Resolved once so many records have been written and synced. */
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const NOWHERE: LogPosition = { index: 0, term: 0 };
/** Of tombstones. */
const FIRST_WRITTEN = 1;
const REWRITTEN = 0;
/** Kept free for the live state that must be written before a segment can go: else a full disk could not be freed. */
const RESERVED_BYTES = 64 * 1024;
/** The write buffer is given back beyond this. */
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;

export class RaftLog {
  private readonly options: LogOptions;
  private readonly faults: Faults | undefined;
  private readonly groups: Map<GroupId, GroupLog>;
  private readonly tombstones: Map<GroupId, Tombstone>;
  private readonly cache: TailCache;
  private readonly supply: SegmentSupply;
  /** Oldest first; the last is written on. */
  private readonly segments: Segment[];

  private readonly staged = new StagedRecords();
  private writer = new ByteWriter(64 * 1024);
  /** Records synced since the log was opened. */
  private syncedSequence = 0;
  private waiters: Waiter[] = [];
  private isWriting = false;
  /** Records of the write that is in flight. */
  private writingCount = 0;
  /** What is staged waits for space on the disk. */
  private isStalled = false;
  private isClosing = false;
  private readonly removal: SegmentRemoval;
  private isClosed = false;
  private failure: Error | undefined;
  private failureHandler: (error: Error) => void = () => {};
  private compactedHandler: (group: GroupLog) => void = () => {};
  /** Writes, each with its sync, since the log was opened. */
  syncs = 0;

  private constructor(
    options: LogOptions,
    faults: Faults | undefined,
    recovered: RecoveredLog,
    segments: Segment[],
    supply: SegmentSupply,
  ) {
    this.options = options;
    this.faults = faults;
    this.groups = recovered.groups;
    this.tombstones = recovered.tombstones;
    this.segments = segments;
    this.supply = supply;
    this.cache = new TailCache(options.cacheBytes);
    this.removal = new SegmentRemoval({
      segments,
      groups: this.groups,
      tombstones: this.tombstones,
      keptSegments: options.keptSegments,
      isStopped: () => this.failure !== undefined || this.isClosed,
      rewriteGroup: (group) => {
        this.stageMark(group);
        this.appendHardState(group, group.hardState);
      },
      rewriteTombstone: (groupId, { replicaId }) => {
        this.stageTombstone(new GroupLog(groupId), replicaId, REWRITTEN);
      },
      sync: () => this.sync(),
      compact: (group, index) => this.compact(group, index),
      remove: async (segment) => {
        await segment.file.close();
        await supply.remove(segment);
      },
      failed: (error) => this.fail(error),
    });
    supply.onRoom(() => this.pump());
    supply.onFailure((error) => this.fail(error));
  }

  /** Throws DbError XX001 with file and offset when synced data is damaged, 0A000 when a newer version wrote it. */
  static async open(
    runtime: LogRuntime,
    directory: string,
    options: LogOptions = DEFAULT_LOG_OPTIONS,
  ): Promise<RaftLog> {
    assert(options.segmentBytes > 4 * RECORD_HEADER_BYTES + SEGMENT_HEADER_BYTES, 'tiny segments');
    await runtime.files.makeDirectory(directory);
    const recovered = await recoverLog(runtime.files, directory, runtime.log);
    const segments = [...recovered.segments];
    const supply = new SegmentSupply(
      runtime,
      directory,
      options.segmentBytes,
      (segments[segments.length - 1]?.number ?? 0) + 1,
      recovered.prepared,
    );
    if (segments.length === 0) segments.push(await supply.take(0));
    supply.prepareNext();
    return new RaftLog(options, runtime.faults, recovered, segments, supply);
  }

  /** What the log holds of a group; undefined when it never heard of it, or its replica was removed. */
  group(groupId: GroupId): GroupLog | undefined {
    return this.groups.get(groupId);
  }

  get groupIds(): readonly GroupId[] {
    return [...this.groups.keys()];
  }

  /** The newest replica of the group that was removed here; 0: none (P32); EVERY_REPLICA: the group is over. */
  removedReplica(groupId: GroupId): ReplicaId {
    return this.tombstones.get(groupId)?.replicaId ?? 0;
  }

  /** Called once, when a write or sync has failed: the node must stop (P35). */
  onFailure(handler: (error: Error) => void): void {
    this.failureHandler = handler;
    if (this.failure !== undefined) handler(this.failure);
  }

  /** Called when entries of a group were forgotten by truncation, up to its log's new beginning. */
  onCompacted(handler: (group: GroupLog) => void): void {
    this.compactedHandler = handler;
  }

  /** Begins the log of a new group, empty and with its first configuration. */
  create(groupId: GroupId, identity: GroupIdentity, start: LogPosition = NOWHERE): GroupLog {
    assert(!this.groups.has(groupId), `group ${groupId} exists`);
    assert(identity.replicaId > this.removedReplica(groupId), 'P32: replica ids are never reused');
    const group = new GroupLog(groupId);
    group.resetTo(start, identity);
    this.groups.set(groupId, group);
    this.stageMark(group, BEGINNING);
    return group;
  }

  /** The first replaces what the log holds from its index on. Can be read at once. */
  appendEntries(group: GroupLog, entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.data.length <= PAYLOAD_BYTES_MAX, 'entry beyond the largest record');
      const kind = entry.kind === 'command' ? COMMAND : CHANGE;
      group.stage(entry);
      this.staged.push(kind, group, entry.term, entry.index, entry.data, entry);
    }
  }

  /** Who belongs to the group has changed. */
  appendIdentity(group: GroupLog, identity: GroupIdentity): void {
    group.setIdentity(identity);
    this.stageMark(group);
  }

  /** The log of the group begins anew after `start`: a snapshot has replaced what came before (P31). What it holds
   * beyond stays if it holds that very position. */
  reset(group: GroupLog, start: LogPosition, identity: GroupIdentity): void {
    const isKept = group.resetTo(start, identity);
    this.stageMark(group, isKept ? MARK : BEGINNING);
    this.removal.start();
  }

  /** The replica ceases to exist: once this is synced, neither it nor what was sent to it comes to life again (P32). With
   * the group: nor does any other, and who asks is told so. */
  remove(group: GroupLog, isOver: boolean): void {
    const { groupId, identity } = group;
    assert(this.groups.get(groupId) === group && identity !== undefined, 'a group of this log');
    this.groups.delete(groupId);
    // A bug on purpose, for the simulator to find: P32 turned off.
    const forgets = this.faults?.sometimes('raft.drop-tombstone') === true;
    const replicaId = isOver ? EVERY_REPLICA : identity.replicaId;
    if (!forgets) this.tombstones.set(groupId, { replicaId, segment: 0 });
    this.stageTombstone(group, replicaId, FIRST_WRITTEN);
    this.removal.start();
  }

  appendHardState(group: GroupLog, state: HardState): void {
    group.hardState = state;
    const payload = new ByteWriter(16);
    writeHardState(payload, state);
    this.staged.push(HARD_STATE, group, state.term, 0, payload.take(), undefined);
  }

  /** Resolves once everything that was appended before is written and synced. */
  sync(): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    assert(!this.isClosed, 'the log is closed');
    const sequence = this.syncedSequence + this.staged.count + this.staged.inFlight;
    if (sequence === this.syncedSequence) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiters.push({ sequence, resolve, reject });
      this.pump();
    });
  }

  /** Whether `count` more records with `bytes` in all can surely be written, as far as disk space is concerned. */
  hasRoom(count: number, bytes: number): boolean {
    if (!this.supply.isFull) return true;
    // Each may become a batch of its own.
    const headers = (2 * count + this.staged.count) * RECORD_HEADER_BYTES;
    const needed = this.staged.bytes + bytes + headers + RESERVED_BYTES;
    return needed <= Math.max(this.current.room, this.supply.preparedRoom);
  }

  /** Larger records want reserve() before they are appended. */
  get ordinaryBytesMax(): number {
    return this.options.segmentBytes - SEGMENT_HEADER_BYTES - 2 * RECORD_HEADER_BYTES;
  }

  /** Makes the next segment large enough for one record; false when the disk has no room for that. */
  reserve(bytes: number): Promise<boolean> {
    return this.supply.reserve(bytes + SEGMENT_HEADER_BYTES + 2 * RECORD_HEADER_BYTES);
  }

  /** Entries [first, last] of a group as far as bytesMax goes, at least one; at once when they are in memory. */
  read(group: GroupLog, first: number, last: number, bytesMax: number): Maybe<readonly Entry[]> {
    assert(first >= group.firstIndex && last <= group.lastIndex && first <= last, 'reads the log');
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = first; index <= last; index++) {
      const entry = group.cachedAt(index);
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    if (entries.length > 0) return entries;
    const number = group.segmentOf(first);
    const segment = this.segments.find((candidate) => candidate.number === number);
    assert(segment !== undefined, `segment ${number} is gone, though entry ${first} is needed`);
    return readEntries(segment, group, first, last, bytesMax);
  }

  /** The state machine has made everything up to `durableIndex` durable: the log may forget it (P30 is the caller's to
   * keep: the index was read before a flush that has completed). What is above `keptAfter` is kept while there is room
   * for it. */
  truncate(group: GroupLog, durableIndex: number, keptAfter: number = durableIndex): void {
    group.durableIndex = Math.max(group.durableIndex, durableIndex);
    this.compact(group, Math.min(durableIndex, keptAfter));
    this.removal.start();
  }

  private compact(group: GroupLog, index: number): void {
    if (index < group.firstIndex) return;
    group.compactTo(index);
    this.compactedHandler(group);
  }

  /** The oldest and the newest segment's number. */
  get segmentRange(): { readonly oldest: number; readonly newest: number } {
    return { oldest: (this.segments[0] as Segment).number, newest: this.current.number };
  }

  /** Writes what was appended, and a last batch header: so even the last record is known to have been synced. */
  async close(): Promise<void> {
    this.expectClose();
    if (this.failure === undefined) {
      await this.sync().catch(() => {});
      this.isClosed = true;
      await this.removal.settled();
      await this.writeClosingBatch();
    }
    this.isClosed = true;
    await this.supply.close();
    for (const segment of this.segments) await segment.file.close();
  }

  /** From now on nothing waits for a full disk to get space. */
  expectClose(): void {
    this.isClosing = true;
    if (this.isStalled) this.abandonStaged();
  }

  private abandonStaged(): void {
    this.fail(new FileError('full', this.current.file.path, 'no space was left for the log'));
  }

  private async writeClosingBatch(): Promise<void> {
    if (this.failure !== undefined || this.current.room < RECORD_HEADER_BYTES) return;
    this.writer.reset();
    this.beginBatch(this.current);
    await this.current.file.writeSynced(this.current.end, this.writer.peek());
  }

  private get current(): Segment {
    return this.segments[this.segments.length - 1] as Segment;
  }

  private pump(): void {
    if (this.isWriting || this.failure !== undefined || this.staged.count === 0) return;
    this.isWriting = true;
    try {
      this.writeNext();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Not an async loop: under load it would go on for ever, and so never be compiled well (bench: point, INSERT). */
  private writeNext(): void {
    if (this.staged.count === 0) {
      // In the turn that found nothing more to do: what is staged from now on starts the next write.
      this.isWriting = false;
    } else if (this.fits(this.current, this.staged.firstBytes)) {
      this.writeBatch();
    } else {
      this.rotate().then(this.rotated).catch(this.failed);
    }
  }

  private readonly rotated = (isRotated: boolean): void => {
    if (isRotated) {
      this.writeBatch();
      return;
    }
    this.isStalled = true;
    if (this.isClosing) this.abandonStaged();
    this.isWriting = false;
  };

  private writeBatch(): void {
    this.isStalled = false;
    const segment = this.current;
    this.writingCount = this.encodeBatch(segment);
    const bytes = this.writer.peek();
    const offset = segment.end;
    segment.end += bytes.length;
    // A bug on purpose, for the simulator to find: P29 turned off.
    const isEager = this.faults?.sometimes('raft.ack-before-sync') === true;
    const writing = isEager
      ? segment.file.write(offset, bytes)
      : segment.file.writeSynced(offset, bytes);
    writing.then(this.written).catch(this.failed);
  }

  private readonly written = (): void => {
    this.syncs++;
    this.staged.written(this.cache);
    this.syncedSequence += this.writingCount;
    if (this.writer.bytes.length > BUFFER_BYTES_MAX) this.writer = new ByteWriter(64 * 1024);
    this.wakeWaiters();
    this.writeNext();
  };

  private readonly failed = (error: unknown): void => this.fail(error as Error);

  private fits(segment: Segment, recordBytes: number): boolean {
    return RECORD_HEADER_BYTES + recordBytes <= segment.room;
  }

  /** False when the disk has no room for another segment: what is staged waits until it has. */
  private async rotate(): Promise<boolean> {
    const needed = SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + this.staged.firstBytes;
    const next = await this.supply.takeWhenRoom(needed);
    if (next === undefined) return false;
    this.previousEnd = { segment: this.current.number, offset: this.current.end };
    this.segments.push(next);
    this.supply.prepareNext();
    if (this.segments.length > this.options.keptSegments) this.removal.start();
    return true;
  }

  /** Where the log ended before the current segment. */
  private previousEnd = { segment: 0, offset: 0 };

  private beginBatch(segment: Segment): void {
    // One write is in flight at a time, so everything before this batch is synced: its own place is the watermark.
    const isFirst = segment.end === SEGMENT_HEADER_BYTES;
    const mark = isFirst ? this.previousEnd : { segment: segment.number, offset: segment.end };
    const { writer } = this;
    writeRecord(
      writer,
      segment.number,
      segment.end,
      BATCH,
      0,
      mark.segment,
      mark.offset,
      EMPTY_BYTES,
    );
  }

  /** Packs staged records into the write buffer, and places their entries. */
  private encodeBatch(segment: Segment): number {
    const { writer, staged } = this;
    writer.reset();
    this.beginBatch(segment);
    let count = 0;
    while (count < staged.count) {
      const size = staged.bytesAt(count);
      if (writer.length + size > segment.room) break;
      if (count > 0 && writer.length + size > this.options.writeBytesMax) break;
      const offset = segment.end + writer.length;
      const kind = staged.kinds[count] as number;
      const group = staged.groups[count] as GroupLog;
      const term = staged.terms[count] as number;
      const index = staged.indexes[count] as number;
      const payload = staged.payloads[count] as Uint8Array;
      writeRecord(writer, segment.number, offset, kind, group.groupId, term, index, payload);
      if (kind === HARD_STATE) group.hardStateSegment = segment.number;
      else if (kind === MARK || kind === BEGINNING) group.markSegment = segment.number;
      else if (kind === TOMBSTONE) this.buried(group.groupId, term, segment.number);
      else group.place(staged.entries[count] as Entry, segment.number, offset);
      count++;
    }
    staged.take(count);
    return count;
  }

  private wakeWaiters(): void {
    const { waiters, syncedSequence } = this;
    let woken = 0;
    while (woken < waiters.length && (waiters[woken] as Waiter).sequence <= syncedSequence) {
      (waiters[woken] as Waiter).resolve();
      woken++;
    }
    if (woken > 0) this.waiters = waiters.slice(woken);
  }

  /** A tombstone was given its place; a newer one may wait for its own. */
  private buried(groupId: GroupId, replicaId: ReplicaId, segment: number): void {
    if (this.removedReplica(groupId) === replicaId) {
      this.tombstones.set(groupId, { replicaId, segment });
    }
  }

  private stageTombstone(group: GroupLog, replicaId: ReplicaId, writing: number): void {
    this.staged.push(TOMBSTONE, group, replicaId, writing, EMPTY_BYTES, undefined);
  }

  private stageMark(group: GroupLog, kind: number = MARK): void {
    const { identity, terms } = group;
    assert(identity !== undefined && terms !== undefined, 'a group without a beginning');
    const { index, term } = terms.compacted;
    group.markIndex = index;
    this.staged.push(kind, group, term, index, encodeIdentity(identity), undefined);
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.failureHandler(error);
  }
}

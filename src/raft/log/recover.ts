// Reading the log back at start (P34). A write that power loss cut short leaves a torn tail, which is cut; but only one
// write is ever in flight, and each begins with a batch header that proves everything before it synced. So a bad
// record with a batch header after it can't be a torn tail: it was synced and is damaged, and the node must not start.

import type { Files, Log, OpenFile } from '../../runtime/runtime.ts';
import { ByteReader } from '../../base/bytes.ts';
import { readHardState } from '../codec.ts';
import type { GroupId, ReplicaId } from '../types.ts';
import { decodeIdentity, GroupLog } from './group-log.ts';
import {
  BATCH,
  BEGINNING,
  CHANGE,
  COMMAND,
  emptyRecordView,
  HARD_STATE,
  isBatchHeader,
  MARK,
  readRecord,
  RECORD_HEADER_BYTES,
  type RecordView,
  TOMBSTONE,
} from './record.ts';
import {
  checkSegmentHeader,
  logDamage,
  Segment,
  SEGMENT_HEADER_BYTES,
  segmentName,
  segmentNumber,
} from './segment.ts';

export interface RecoveredLog {
  /** Oldest first; the last is written on. Empty for a new log. */
  readonly segments: readonly Segment[];
  /** Preallocated before the crash, still unused. */
  readonly prepared: Segment | undefined;
  readonly groups: Map<GroupId, GroupLog>;
  readonly tombstones: Map<GroupId, Tombstone>;
}

/** The newest replica of a group that was removed from this node, and where its newest record lies. */
export interface Tombstone {
  readonly replicaId: ReplicaId;
  readonly segment: number;
}

/** What records say, as far as they were read. */
interface Found {
  readonly groups: Map<GroupId, GroupLog>;
  readonly tombstones: Map<GroupId, Tombstone>;
}

/** What reading one segment found. */
interface Scan {
  readonly segment: Segment;
  readonly isBlank: boolean;
  /** One past the last byte beyond `end` that is not zero; 0 when all are. */
  readonly tornEnd: number;
}

const ZEROS_BYTES = 1024 * 1024;

export async function recoverLog(files: Files, directory: string, log: Log): Promise<RecoveredLog> {
  const opened: OpenFile[] = [];
  try {
    return await recover(files, directory, log, opened);
  } catch (error) {
    for (const file of opened) await file.close();
    throw error;
  }
}

/** `opened` gets every file that must be closed when this throws. */
async function recover(
  files: Files,
  directory: string,
  log: Log,
  opened: OpenFile[],
): Promise<RecoveredLog> {
  const found: Found = { groups: new Map(), tombstones: new Map() };
  const scans: Scan[] = [];
  const numbers = await listSegments(files, directory);
  for (const number of numbers) {
    const path = `${directory}/${segmentName(number)}`;
    const file = await files.open(path, { create: false });
    opened.push(file);
    const segment = new Segment(number, file, await file.size());
    const isLast = number === numbers[numbers.length - 1];
    const scan = await scanSegment(segment, isLast, scans[scans.length - 1]?.segment, found);
    if (scan !== undefined) {
      scans.push(scan);
    } else {
      opened.pop();
      await discard(files, directory, segment);
    }
  }
  const lastUsed = Math.max(
    0,
    scans.findLastIndex((scan) => !scan.isBlank),
  );
  for (const scan of scans.slice(lastUsed)) await cutTornTail(scan, log);
  // A batch that was torn at the head of a new segment, and the segment prepared after that.
  for (const { segment } of scans.slice(lastUsed + 2)) {
    opened.splice(opened.indexOf(segment.file), 1);
    await discard(files, directory, segment);
  }
  for (const group of found.groups.values()) checkGroup(group, scans);
  return {
    segments: scans.slice(0, lastUsed + 1).map((scan) => scan.segment),
    prepared: scans[lastUsed + 1]?.segment,
    ...found,
  };
}

async function listSegments(files: Files, directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await files.list(directory)) {
    const number = segmentNumber(name);
    if (number !== undefined) numbers.push(number);
  }
  numbers.sort((a, b) => a - b);
  for (let i = 1; i < numbers.length; i++) {
    const expected = (numbers[i - 1] as number) + 1;
    if (numbers[i] !== expected) {
      throw logDamage(`${directory}/${segmentName(expected)}`, 0, 'the file is missing');
    }
  }
  return numbers;
}

/** Undefined when the segment was still being prepared when power went: it holds nothing. */
async function scanSegment(
  segment: Segment,
  isLast: boolean,
  previous: Segment | undefined,
  found: Found,
): Promise<Scan | undefined> {
  const { number, file } = segment;
  const { path } = file;
  const bytes = await file.read(0, segment.capacity);
  if (!checkSegmentHeader(bytes, number, path)) {
    // Records are written only once the header is synced.
    if (!isLast || lastNonZero(bytes, SEGMENT_HEADER_BYTES) > 0) {
      throw logDamage(path, 0, 'the header of the file is not whole');
    }
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const record = emptyRecordView();
  let at = SEGMENT_HEADER_BYTES;
  while (readRecord(bytes, view, at, number, at, record) === 'record') {
    if (at === SEGMENT_HEADER_BYTES && previous !== undefined) checkSealed(previous, record);
    adopt(record, bytes, path, number, at, found);
    at = record.payloadEnd;
  }
  segment.end = at;
  const tornEnd = lastNonZero(bytes, at);
  const proof = tornEnd === 0 ? 0 : findBatchHeader(bytes, view, number, at + 1, tornEnd);
  if (proof > 0) {
    throw logDamage(path, at, `a record is not whole, though the log was synced up to ${proof}`);
  }
  return { segment, isBlank: at === SEGMENT_HEADER_BYTES, tornEnd };
}

function adopt(
  record: RecordView,
  bytes: Uint8Array,
  path: string,
  segment: number,
  offset: number,
  found: Found,
): void {
  const { kind, term, index, payloadStart, payloadEnd } = record;
  if (kind === BATCH) return;
  if (kind === TOMBSTONE) {
    if (index === 1) found.groups.delete(record.group);
    found.tombstones.set(record.group, { replicaId: term, segment });
    return;
  }
  let group = found.groups.get(record.group);
  if (group === undefined) {
    group = new GroupLog(record.group);
    found.groups.set(record.group, group);
  }
  switch (kind) {
    case COMMAND:
    case CHANGE: {
      const data = kind === CHANGE ? bytes.slice(payloadStart, payloadEnd) : undefined;
      const change = data && ({ index, term, kind: 'change', data } as const);
      group.placeRecovered(index, term, segment, offset, payloadEnd - payloadStart, change);
      break;
    }
    case HARD_STATE:
      group.hardState = readHardState(new ByteReader(bytes, payloadStart), term);
      group.hardStateSegment = segment;
      break;
    case BEGINNING:
    case MARK:
      if (kind === BEGINNING) group.forgetLog();
      group.adoptMark(index, term, decodeIdentity(bytes.slice(payloadStart, payloadEnd)), segment);
      break;
    default:
      throw logDamage(path, offset, `a record of unknown kind ${kind}`);
  }
}

/** A segment was synced to its end before the next was written on, whose first batch says where that is. */
function checkSealed(segment: Segment, firstBatch: RecordView): void {
  const { term: sealedSegment, index: sealedOffset } = firstBatch;
  if (sealedSegment !== segment.number || sealedOffset !== segment.end) {
    throw logDamage(
      segment.file.path,
      segment.end,
      `a record is not whole, though the log was synced up to ${sealedOffset}`,
    );
  }
}

async function cutTornTail(scan: Scan, log: Log): Promise<void> {
  const { segment, tornEnd } = scan;
  // Synced before anything is appended: otherwise a shorter batch could be followed by what is left of this one.
  for (let at = segment.end; at < tornEnd; at += ZEROS_BYTES) {
    await segment.file.writeSynced(at, new Uint8Array(Math.min(ZEROS_BYTES, tornEnd - at)));
  }
  if (tornEnd > 0) {
    const cut = { path: segment.file.path, offset: segment.end, bytes: tornEnd - segment.end };
    log.warn('cut the torn tail of the log', cut);
  }
  // After a crash of the process alone, what was read may not be on the disk yet (P29).
  await segment.file.sync();
}

function checkGroup(group: GroupLog, scans: readonly Scan[]): void {
  if (group.identity !== undefined && group.firstIndex <= group.markIndex + 1) return;
  const oldest = (scans[0] as Scan).segment;
  throw logDamage(
    oldest.file.path,
    SEGMENT_HEADER_BYTES,
    `the log of group ${group.groupId} lacks its beginning`,
  );
}

async function discard(files: Files, directory: string, segment: Segment): Promise<void> {
  await segment.file.close();
  await files.remove(segment.file.path);
  await files.syncDirectory(directory);
}

/** One past the last byte at or after `from` that is not zero; 0 when there is none. */
function lastNonZero(bytes: Uint8Array, from: number): number {
  let at = bytes.length;
  while (at > from && bytes[at - 1] === 0) at--;
  return at > from ? at : 0;
}

function findBatchHeader(
  bytes: Uint8Array,
  view: DataView,
  segment: number,
  from: number,
  to: number,
): number {
  // A header may end in zeros: it can reach beyond `to`.
  const last = Math.min(to, bytes.length - RECORD_HEADER_BYTES);
  for (let at = from; at <= last; at++) {
    if (isBatchHeader(bytes, view, at, segment, at)) return at;
  }
  return 0;
}

// The directory: descriptors of all ranges as rows of two tables, found by where a range starts. The replicas of a range
// are the truth (P28); what is here may lag behind, and says where to ask. The rows of data ranges are in the directory
// range, those of directory ranges in the root range.

import { ByteReader, compareBytes, equalBytes, keyAfter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import { encodeDescriptor, overlaps, type RangeDescriptor, readDescriptor } from '../descriptor.ts';
import { DATA_SPAN, DIRECTORY_SPAN, directoryKey, ROOT_SPAN, rootKey } from '../layout.ts';
import type { RowScan, ScanRequest, Span } from '../requests.ts';
import type { DescriptorSource } from './route-table.ts';

/** Descriptors that a look-up reads beyond the one that was looked for: scans want the next ones soon. */
const FOLLOWING_MAX = 31;
const BATCH_BYTES = 64 * 1024;

export interface DirectoryReads {
  /** A strong read is at now().latest. */
  now(): Timestamp;
  scanAt(request: ScanRequest, t: Timestamp): RowScan;
}

/** A transaction as the directory needs it (txn/api.ts has it). */
export interface DirectoryTransaction {
  scan(request: ScanRequest): Maybe<RowScan>;
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  commit(): Promise<unknown>;
  rollback(): void;
}

export class Directory implements DescriptorSource {
  private readonly reads: DirectoryReads;

  constructor(reads: DirectoryReads) {
    this.reads = reads;
  }

  async around(key: Uint8Array): Promise<readonly RangeDescriptor[]> {
    const table = tableOf(key);
    const at = directoryKey(key);
    const [here, following] = await Promise.all([
      this.read({ start: table.start, end: keyAfter(at) }, true, 1),
      this.read({ start: keyAfter(at), end: table.end }, false, FOLLOWING_MAX),
    ]);
    return [...here, ...following];
  }

  async before(end: Uint8Array | undefined): Promise<readonly RangeDescriptor[]> {
    const isDirectory = end !== undefined && compareBytes(end, DATA_SPAN.start) <= 0;
    const table = isDirectory ? DIRECTORY_ROWS : DATA_ROWS;
    const isLast = end === undefined || compareBytes(end, DATA_SPAN.start) === 0;
    const span = isLast ? table : { start: table.start, end: directoryKey(end) };
    return this.read(span, true, 1 + FOLLOWING_MAX);
  }

  /** The key of the row before that of a range that starts there. */
  async rowBefore(start: Uint8Array): Promise<Uint8Array | undefined> {
    const span = { start: tableOf(start).start, end: directoryKey(start) };
    const [row] = await this.rows(span, true, 1);
    return row?.key;
  }

  /** Every descriptor that is here, those of the directory first. */
  async all(): Promise<readonly RangeDescriptor[]> {
    return [
      ...(await this.read(DIRECTORY_ROWS, false, 0)),
      ...(await this.read(DATA_ROWS, false, 0)),
    ];
  }

  private async read(
    span: Span,
    reverse: boolean,
    limitRows: number,
  ): Promise<readonly RangeDescriptor[]> {
    return (await this.rows(span, reverse, limitRows)).map(({ descriptor }) => descriptor);
  }

  private rows(span: Span, reverse: boolean, limitRows: number): Promise<readonly DirectoryRow[]> {
    return rowsOf(this.reads.scanAt(requestOf(span, reverse, limitRows), this.reads.now()));
  }
}

/** Writes a range's descriptor, in place of all that it has taken the place of; nothing when that is there already.
 * 'overtaken': the directory knows of something later. `begin`: of the transactions of this node. */
export async function publish(
  directory: Directory,
  begin: () => DirectoryTransaction,
  descriptor: RangeDescriptor,
): Promise<'published' | 'overtaken'> {
  const { start } = descriptor.span;
  const key = directoryKey(start);
  // The range before may have absorbed this one: its row tells.
  const before = await directory.rowBefore(start);
  const within = { start: before ?? tableOf(start).start, end: rowsEnd(descriptor, key) };
  const transaction = begin();
  try {
    // Under locks: nobody else writes any of it until this has committed, so that generations only grow (P28).
    const rows = await rowsOf(await transaction.scan(requestOf(within, false, 0)));
    if (before !== undefined && !equalBytes(rows[0]?.key ?? key, before)) {
      throw new DbError('40001', 'the directory has changed meanwhile', { hint: 'Try again.' });
    }
    if (rows.some((row) => isLater(row.descriptor, descriptor))) return 'overtaken';
    const own = rows.filter((row) => compareBytes(row.key, key) >= 0);
    const [first] = own;
    const isThere = own.length === 1 && first?.descriptor.generation === descriptor.generation;
    if (isThere && equalBytes(first.key, key)) return 'published';
    for (const row of own) if (!equalBytes(row.key, key)) transaction.delete(row.key);
    transaction.put(key, encodeDescriptor(descriptor));
    await transaction.commit();
    return 'published';
  } finally {
    transaction.rollback();
  }
}

function isLater(known: RangeDescriptor, mine: RangeDescriptor): boolean {
  return overlaps(known.span, mine.span) && known.generation > mine.generation;
}

/** The root range also keeps rows that are no descriptors, after these. */
const DIRECTORY_ROWS: Span = { start: directoryKey(DIRECTORY_SPAN.start), end: rootKey('') };
const DATA_ROWS: Span = { start: DIRECTORY_SPAN.start, end: DATA_SPAN.start };

/** Where ranges that start there have their rows. The root range has its own among those of data. */
function tableOf(start: Uint8Array): Span {
  const isDirectory = holdsKey(DIRECTORY_SPAN, start);
  return isDirectory ? DIRECTORY_ROWS : DATA_ROWS;
}

/** Of the rows of ranges that start within the range: its own of earlier, and what was merged into it. */
function rowsEnd({ span }: RangeDescriptor, key: Uint8Array): Uint8Array | undefined {
  const table = tableOf(span.start);
  if (span.end === undefined) return table.end;
  const isRoot = compareBytes(span.start, ROOT_SPAN.start) === 0;
  if (!isRoot && tableOf(span.end) === table) return directoryKey(span.end);
  return table === DATA_ROWS ? keyAfter(key) : table.end;
}

function holdsKey({ start, end }: Span, key: Uint8Array): boolean {
  return compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0);
}

function requestOf(span: Span, reverse: boolean, limitRows: number): ScanRequest {
  return {
    span,
    reverse,
    program: undefined,
    parameters: undefined,
    limitRows,
    batchBytes: BATCH_BYTES,
  };
}

interface DirectoryRow {
  readonly key: Uint8Array;
  readonly descriptor: RangeDescriptor;
}

async function rowsOf(scan: RowScan): Promise<readonly DirectoryRow[]> {
  const rows: DirectoryRow[] = [];
  const reader = new PackedRowReader();
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      reader.reset(batch.rows);
      while (reader.next()) {
        rows.push({ key: reader.key(), descriptor: readDescriptor(new ByteReader(reader.row())) });
      }
    }
  } finally {
    scan.close();
  }
  return rows;
}

// The main thread's side of a storage shard. All traffic is packed batches over a Port; requests of one shard are
// carried out in the order in which they were posted as far as each sees every apply() posted before it.

import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';

export type RangeId = number;

/** The newest version of a key at or below the asked time. A key that never had one answers as if it had been deleted
 * at time 0. */
export interface Version {
  readonly timestamp: Timestamp;
  /** Undefined is a tombstone. A view into the answer's message: copy what is kept for long. */
  readonly value: Uint8Array | undefined;
  /** No newer version was there when it was read: only then may it go into the row cache (P14). */
  readonly isNewest: boolean;
}

export interface ShardScanRequest {
  readonly span: Span;
  readonly at: Timestamp;
  readonly reverse: boolean;
  /** A packed ScanProgram (rows/program.ts); undefined returns keys and whole rows. */
  readonly program: Uint8Array | undefined;
  /** The program's parameters, packed. */
  readonly parameters: Uint8Array | undefined;
  /** Stop after so many output rows; 0 is no limit. Counted after the filter. */
  readonly limitRows: number;
  /** Bytes in one batch; the shard runs at most a few batches ahead of the reader. */
  readonly batchBytes: number;
}

/** Packed output: see rows/packed-rows.ts for the layout. */
export interface ShardScanBatch {
  readonly rows: Uint8Array;
  readonly rowCount: number;
  /** Newest version timestamp (tombstones included) that the scan has met so far (P10). */
  readonly newest: Timestamp;
  /** The scan is through with everything up to it, and what it has put out says all of that: another scan may go on
   * after it. Undefined with the last batch. */
  readonly lastKey: Uint8Array | undefined;
}

export interface ShardScan {
  /** Undefined at the end. A batch may be without rows when `newest` has grown. */
  next(): Promise<ShardScanBatch | undefined>;
  /** Stops early; idempotent. */
  close(): void;
}

export interface AppliedRange {
  readonly range: RangeId;
  readonly appliedIndex: number;
  /** What the range keeps beside its rows, by name (ranges/range-state.ts). */
  readonly records: ReadonlyMap<string, Uint8Array>;
  /** A snapshot was being installed when the store was closed or died: what is there is no state of the range (P31). */
  readonly isInstalling: boolean;
}

/** A range's data at one applied index, in bounded memory. */
export interface ShardSnapshot {
  /** The index up to which entries are in it, and the range's records as of then. Resolves once the snapshot is taken;
   * rejects when the range is being installed itself. */
  readonly taken: Promise<AppliedRange>;
  /** Packed records and versions, for installChunk() on another shard; undefined at the end. At most a few chunks are read ahead. */
  next(): Promise<Uint8Array | undefined>;
  /** Stops early; idempotent. */
  close(): void;
}

/** What one slice of collecting versions has done. */
export interface ShardCollected {
  /** Removed. */
  readonly versions: number;
  /** For the next slice; undefined: there is nothing left. */
  readonly rest: Uint8Array | undefined;
}

/** Of the newest versions at or below a timestamp, tombstones left out. */
export interface ShardChecksum {
  readonly rows: number;
  readonly bytes: number;
  /** 64 bits in hex. */
  readonly sum: string;
}

export interface ShardUsage {
  readonly getsServed: number;
  readonly scansServed: number;
  readonly entriesApplied: number;
  readonly bytesApplied: number;
}

export interface Shard {
  /** Resolves once the store is open: what it already holds of each range. */
  readonly opened: Promise<readonly AppliedRange[]>;

  /** Committed entries of one range, in order; visible to every request posted afterwards. `entries` are packed
   * commands (command-format.ts) with their log indexes, as storage/apply.ts reads them. */
  apply(range: RangeId, entries: Uint8Array, lastIndex: number): Promise<void>;
  /** Undefined: the key has versions, all above `at`. */
  get(keys: readonly Uint8Array[], at: Timestamp): Promise<readonly (Version | undefined)[]>;
  scan(request: ShardScanRequest): ShardScan;
  /** Makes applied state durable; answers which index of each range surely is (P30), without its records. */
  flush(): Promise<readonly AppliedRange[]>;
  approximateBytes(span: Span): Promise<number>;
  /** Packing takes space before it gives some back: on a disk that is nearly full it rests. */
  letPack(isAllowed: boolean): void;

  /** A consistent copy of what the range holds in `span`; it sees every apply() posted before. */
  readSnapshot(range: RangeId, span: Span, chunkBytes: number): ShardSnapshot;
  /** P31: durably marks the range as being installed, then drops what it holds in `span`. Nothing is applied to the range until
   * finishInstall(). */
  beginInstall(range: RangeId, span: Span): Promise<void>;
  /** In order; resolves when the shard has room for another. */
  installChunk(range: RangeId, chunk: Uint8Array): Promise<void>;
  /** Makes it durable and takes the mark away in one step: the range is at `appliedIndex`, and `state` is its record of
   * that name. Answers what was installed, records and all. */
  finishInstall(range: RangeId, appliedIndex: number, state: Uint8Array): Promise<AppliedRange>;
  /** P32: a replica that was removed, once its tombstone is durable: all that is kept of the range goes, and its rows in
   * `span` do. Undefined: it never had any. */
  drop(range: RangeId, span: Span | undefined): Promise<void>;
  /** Of what `span` holds at `at`, read in bounded memory. Two replicas that differ find their first differing key by
   * asking for halves of the span. It sees every apply() posted before. */
  checksum(span: Span, at: Timestamp): Promise<ShardChecksum>;

  /** P24: removes some of what nobody may ask for who reads above the threshold; it sees every apply() posted before.
   * `from`: the rest that the slice before has left. */
  collect(span: Span, threshold: Timestamp, from: Uint8Array | undefined): Promise<ShardCollected>;

  /** Packs some quiet rows into pages now. The shard sees to that by itself when nothing is asked of it; this is for who
   * can't wait. Answers whether there is more. */
  pack(): Promise<boolean>;
  usage(): Promise<ShardUsage>;
  close(): Promise<void>;
  /** Called when the shard's thread dies or its store fails: the node must stop. A FileError of kind 'full' says that
   * the disk is full; everything asked of this shard fails from then on. */
  onFailure(handler: (error: Error) => void): void;
}

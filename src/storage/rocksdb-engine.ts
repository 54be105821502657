// The Engine over RocksDB, through rocksdb-native: the only file that loads it. It runs on a storage shard's thread.
// Every native handle (batch, iterator, snapshot) is made and destroyed here and counted, because closing a database
// never finishes while one lives. Writes go to RocksDB's write-ahead log unsynced: after power loss the store is an
// earlier consistent state at or after the last flush(), and our own log replays the rest (DESIGN.md, section 5).

import type RocksDB from 'rocksdb-native';
import type { Batch, Iterator, Options, ReadBatch, WriteBatch } from 'rocksdb-native';
import { assert } from '../base/assert.ts';
import { compareBytes, keyAfter } from '../base/bytes.ts';
import { FileError, type FileErrorKind } from '../runtime/runtime.ts';
import type {
  Engine,
  EngineBatch,
  EngineOp,
  EngineReader,
  EngineScanOptions,
  EngineSnapshot,
  Span,
} from './engine.ts';

// The block cache can't be sized through the binding: it is RocksDB's own default of 32 MiB, and holds the index and
// filter blocks too. With two write buffers the store stays near 100 MiB; the hot-row cache is in front of it.
const OPTIONS: Options = {
  writeBufferSize: 32 << 20,
  maxWriteBufferNumber: 2,
  maxBackgroundJobs: 2,
  bytesPerSync: 1 << 20,
  optimizeFiltersForMemory: true,
  skipStatsUpdateOnOpen: true,
};

const DEFAULT_BATCH_BYTES = 64 << 10;
/** Rows of a scan's first chunk: as if they had this size, and few, since their real size is not known yet. */
const ASSUMED_ROW_BYTES = 1 << 10;
const FIRST_CHUNK_ROWS_MAX = 64;
const CHUNK_ROWS_MAX = 2048;
const CHUNK_GROWTH = 8;
const IDLE_BATCHES_MAX = 8;
/** Above every key that the shard writes. */
const KEYSPACE_END = new Uint8Array(16).fill(0xff);

export async function openRocksEngine(path: string): Promise<Engine> {
  const Database = await loadBinding();
  const db = new Database(path, OPTIONS);
  try {
    await db.ready();
  } catch (error) {
    throw storeError(path, error);
  }
  return RocksEngine.create(db, path);
}

async function loadBinding(): Promise<typeof RocksDB> {
  try {
    return (await import('rocksdb-native')).default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `can't load RocksDB (rocksdb-native): ${reason}. On Linux it needs glibc 2.34 or newer and libatomic ` +
        '(Debian and Ubuntu: apt-get install libatomic1; Fedora: dnf install libatomic; Alpine is not supported).',
      { cause },
    );
  }
}

/** What RocksDB says, as a FileError that names the file where RocksDB does. */
function storeError(path: string, error: unknown): FileError {
  const messages: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof FileError) return at;
    messages.push(at.message);
    if (at instanceof AggregateError) messages.push(...at.errors.filter(Boolean).map(String));
  }
  const said = messages.join(': ');
  let kind: FileErrorKind = 'io';
  if (/no space left|enospc|disk quota/i.test(said)) kind = 'full';
  else if (/\bLOCK\b|lock hold by/.test(said)) kind = 'locked';
  const file = /\S*(?:\d+\.(?:sst|log|blob)|MANIFEST-\d+|CURRENT|LOCK)\b/.exec(said)?.[0];
  const where = file === undefined ? path : file.startsWith('/') ? file : `${path}/${file}`;
  return new FileError(kind, where, `RocksDB at ${path}: ${said}`);
}

/** The fields that the binding looks for in an operation of a read batch. */
class GetOperation {
  readonly type: number;
  readonly key: Uint8Array;
  readonly columnFamily: object;

  constructor(type: number, key: Uint8Array, columnFamily: object) {
    this.type = type;
    this.key = key;
    this.columnFamily = columnFamily;
  }
}

/** One for all who read between two writes: to make and to drop one takes as long as a short scan. */
interface SharedSnapshot {
  readonly session: RocksDB;
  users: number;
}

class RocksEngine implements Engine {
  private readonly db: RocksDB;
  private readonly path: string;
  private readonly getType: number;
  private readonly columnFamily: object;
  private readonly idleReads: ReadBatch[] = [];
  private readonly idleWrites: WriteBatch[] = [];
  /** Nothing was written since it was taken. */
  private latest: SharedSnapshot | undefined;
  /** Batches in use, iterators and snapshots. */
  private handles = 0;
  private closing = false;

  private constructor(db: RocksDB, path: string, sample: GetOperation) {
    this.db = db;
    this.path = path;
    this.getType = sample.type;
    this.columnFamily = sample.columnFamily;
  }

  static async create(db: RocksDB, path: string): Promise<RocksEngine> {
    // One read the ordinary way: it shows the binding's codes for "get" and for the column family.
    const batch = db.read({ capacity: 1 });
    const answer = batch.get(KEYSPACE_END);
    const { type, columnFamily } = batch._operations[0] as GetOperation;
    await Promise.all([batch.flush(), answer]);
    batch.destroy();
    return new RocksEngine(db, path, new GetOperation(type, KEYSPACE_END, columnFamily));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.getManyIn(this.db, keys);
  }

  scan(span: Span, options: EngineScanOptions = {}): AsyncIterable<EngineBatch> {
    return this.scanIn(this.db, span, options);
  }

  async write(ops: readonly EngineOp[]): Promise<void> {
    this.assertOpen();
    if (ops.length === 0) return;
    const ends = await this.ends(ops);
    const batch = this.idleWrites.pop() ?? this.db.write({ capacity: 64 });
    this.handles++;
    try {
      for (const op of ops) {
        if (op.kind === 'put') batch.tryPut(op.key, op.value);
        else if (op.kind === 'delete') batch.tryDelete(op.key);
        else {
          const end = op.span.end ?? ends.get(op);
          // RocksDB refuses a whole batch for one empty range.
          if (end !== undefined && compareBytes(op.span.start, end) < 0)
            batch.tryDeleteRange(op.span.start, end);
        }
      }
      this.outdate();
      if (batch._operations.length > 0) await batch.flush();
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      // One that was taken meanwhile has perhaps none of it.
      this.outdate();
      this.giveBack(this.idleWrites, batch);
    }
  }

  async flush(): Promise<void> {
    this.assertOpen();
    this.handles++;
    try {
      await this.db.flush();
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      this.handles--;
    }
  }

  snapshot(): EngineSnapshot {
    this.assertOpen();
    this.handles++;
    this.latest ??= { session: this.db.snapshot(), users: 0 };
    const shared = this.latest;
    const { session } = shared;
    shared.users++;
    let held = true;
    return {
      getMany: (keys) => this.getManyIn(session, keys),
      scan: (span, options = {}) => this.scanIn(session, span, options),
      release: () => {
        if (!held) return;
        held = false;
        this.handles--;
        shared.users--;
        if (shared !== this.latest) dropUnused(shared);
      },
    } satisfies EngineReader & EngineSnapshot;
  }

  /** Who takes a snapshot from now on takes a new one. */
  private outdate(): void {
    const { latest } = this;
    this.latest = undefined;
    if (latest !== undefined) dropUnused(latest);
  }

  async approximateBytes(span: Span): Promise<number> {
    this.assertOpen();
    this.handles++;
    try {
      const end = span.end ?? KEYSPACE_END;
      if (compareBytes(span.start, end) >= 0) return 0;
      return await this.db.approximateSize(span.start, end, { includeMemtables: true });
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      this.handles--;
    }
  }

  async close(): Promise<void> {
    if (this.closing) return;
    assert(this.handles === 0, `engine closed with ${this.handles} handles open`);
    this.closing = true;
    this.outdate();
    for (const batch of this.idleReads) batch.destroy();
    for (const batch of this.idleWrites) batch.destroy();
    try {
      await this.db.close();
    } catch (error) {
      throw storeError(this.path, error);
    }
  }

  private assertOpen(): void {
    assert(!this.closing, 'the engine is closed');
  }

  private giveBack<B extends Batch>(idle: B[], batch: B): void {
    this.handles--;
    if (idle.length < IDLE_BATCHES_MAX && batch._operations.length === 0) idle.push(batch);
    else batch.destroy();
  }

  private async getManyIn(
    session: RocksDB,
    keys: readonly Uint8Array[],
  ): Promise<(Uint8Array | undefined)[]> {
    this.assertOpen();
    if (keys.length === 0) return [];
    // A batch reads where it was made: those of a snapshot are not kept.
    const ownsBatch = session !== this.db;
    const batch = (ownsBatch ? undefined : this.idleReads.pop()) ?? session.read({ capacity: 64 });
    this.handles++;
    try {
      const values = await this.readAll(batch, keys);
      const out = new Array<Uint8Array | undefined>(values.length);
      for (let i = 0; i < values.length; i++) {
        const value = values[i] as ArrayBuffer | null;
        out[i] = value === null ? undefined : new Uint8Array(value);
      }
      return out;
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      if (ownsBatch) {
        this.handles--;
        batch.destroy();
      } else {
        this.giveBack(this.idleReads, batch);
      }
    }
  }

  /** All keys in one call into RocksDB, without the promise for each key that the binding's get() makes. */
  private readAll(batch: ReadBatch, keys: readonly Uint8Array[]): Promise<(ArrayBuffer | null)[]> {
    const { getType, columnFamily } = this;
    return new Promise((resolve, reject) => {
      batch._onread = (errors, values) => {
        batch._onfinished(null);
        const error = errors.find((candidate) => candidate !== undefined);
        if (error === undefined) resolve(values);
        else reject(error);
      };
      for (const key of keys) batch._operations.push(new GetOperation(getType, key, columnFamily));
      batch._resize();
      batch.tryFlush();
    });
  }

  private async *scanIn(
    session: RocksDB,
    span: Span,
    options: EngineScanOptions,
  ): AsyncGenerator<EngineBatch> {
    this.assertOpen();
    const end = span.end;
    if (end !== undefined && compareBytes(span.start, end) >= 0) return;
    const batchBytes = options.batchBytes ?? DEFAULT_BATCH_BYTES;
    const iterator = session.iterator(
      end === undefined ? { gte: span.start } : { gte: span.start, lt: end },
      {
        capacity: Math.max(1, Math.min(batchBytes / ASSUMED_ROW_BYTES, FIRST_CHUNK_ROWS_MAX)) >>> 0,
        reverse: options.reverse ?? false,
      },
    );
    this.handles++;
    const chunks = new ChunkReader(iterator);
    try {
      await chunks.open();
      for (;;) {
        const batch = await chunks.read();
        const rows = batch.keys.length;
        if (rows > 0) yield batch;
        if (batch.isLast) return;
        const capacity = iterator._capacity;
        const wanted = Math.floor((batchBytes * rows) / Math.max(1, chunks.lastBytes));
        iterator._capacity = Math.max(1, Math.min(wanted, capacity * CHUNK_GROWTH, CHUNK_ROWS_MAX));
        iterator._resize();
      }
    } catch (error) {
      throw storeError(this.path, error);
    } finally {
      await chunks.close();
      this.handles--;
    }
  }

  /** The ends of spans that have none: RocksDB deletes ranges only up to a key. */
  private async ends(ops: readonly EngineOp[]): Promise<Map<EngineOp, Uint8Array>> {
    const ends = new Map<EngineOp, Uint8Array>();
    for (const op of ops) {
      if (op.kind !== 'deleteSpan' || op.span.end !== undefined) continue;
      let last = op.span.start;
      for await (const batch of this.scan(op.span, { reverse: true, batchBytes: 1 })) {
        last = batch.keys[0] as Uint8Array;
        break;
      }
      for (const other of ops) {
        if (other.kind === 'put' && compareBytes(other.key, last) > 0) last = other.key;
      }
      ends.set(op, keyAfter(last));
    }
    return ends;
  }
}

/** Drives a binding's iterator in whole chunks, past the stream of single rows that it otherwise is. */
class ChunkReader {
  /** Of keys and values in the last chunk. */
  lastBytes = 0;
  private readonly iterator: Iterator;
  private chunk: EngineBatch = { keys: [], values: [], isLast: true };

  constructor(iterator: Iterator) {
    this.iterator = iterator;
    iterator._onread = (error, keys, values) => {
      const done = iterator._pendingRead;
      iterator._pendingRead = null;
      iterator._db._state.io.dec();
      if (error === undefined) this.take(keys, values);
      done?.(error);
    };
  }

  open(): Promise<void> {
    return settle((done) => this.iterator._open(done));
  }

  async read(): Promise<EngineBatch> {
    await settle((done) => this.iterator._read(done));
    return this.chunk;
  }

  close(): Promise<void> {
    return settle((done) => this.iterator._destroy(done));
  }

  private take(keyBuffers: readonly ArrayBuffer[], valueBuffers: readonly ArrayBuffer[]): void {
    const count = keyBuffers.length;
    const keys = new Array<Uint8Array>(count);
    const values = new Array<Uint8Array>(count);
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const key = new Uint8Array(keyBuffers[i] as ArrayBuffer);
      const value = new Uint8Array(valueBuffers[i] as ArrayBuffer);
      keys[i] = key;
      values[i] = value;
      bytes += key.length + value.length;
    }
    this.lastBytes = bytes;
    this.chunk = { keys, values, isLast: count < this.iterator._capacity };
  }
}

function settle(start: (done: (error?: Error | null) => void) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    };
    start(done).catch(reject);
  });
}

/** It only hands the snapshot back, at once; there is nothing to wait for. */
function dropUnused({ session, users }: SharedSnapshot): void {
  if (users === 0) void session.close();
}

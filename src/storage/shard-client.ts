// The owner's side of a shard: what is asked in one turn becomes one message.

import { DbError } from '../base/errors.ts';
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter, EMPTY_BYTES } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Port, Runtime, WorkerEntry } from '../runtime/runtime.ts';
import type { Span } from './engine.ts';
import { LATEST_PREFIX } from './mvcc.ts';
import type {
  AppliedRange,
  RangeId,
  Shard,
  ShardChecksum,
  ShardCollected,
  ShardScan,
  ShardScanBatch,
  ShardScanRequest,
  ShardSnapshot,
  ShardUsage,
  Version,
} from './shard.ts';
import { PackingPace } from './packing-pace.ts';
import * as protocol from './shard-protocol.ts';
import { ClientStream, type Pending } from './shard-stream.ts';

/** Batches of a scan that the shard may have under way before the reader has asked for them. */
const SCAN_CREDITS = 3;
const SNAPSHOT_CREDITS = 2;
const WRITER_BYTES_KEPT_MAX = 1 << 20;

/** Starts a thread (or what stands for it) that runs shard-entry.ts; `data` is for its engine. */
export function startShard(
  runtime: Pick<Runtime, 'threads' | 'timers'>,
  entry: WorkerEntry,
  data: unknown,
): Shard {
  return new ShardClient(runtime, runtime.threads.start(entry, data));
}

class ShardClient implements Shard {
  readonly opened: Promise<readonly AppliedRange[]>;
  private readonly port: Port;
  private readonly runtime: Pick<Runtime, 'timers'>;
  private readonly packing: PackingPace;
  private out = new ByteWriter(4096);
  private readonly pending = new Map<number, Pending>();
  /** What the shard sends in pieces: scans, snapshots, checksums. */
  private readonly streams = new Map<number, ClientStream<unknown>>();
  private lastId = 0;
  private resolveOpened: Pending | undefined;
  private failure: Error | undefined;
  private readonly failureHandlers: ((error: Error) => void)[] = [];
  private closed: Promise<void> | undefined;
  private whenIdle: (() => void) | undefined;

  constructor(runtime: Pick<Runtime, 'timers'>, port: Port) {
    this.runtime = runtime;
    this.port = port;
    this.packing = new PackingPace(runtime.timers, (isIdle) => this.packSlice(isIdle));
    this.opened = new Promise((resolve, reject) => {
      this.resolveOpened = { resolve: resolve as (answer: unknown) => void, reject };
    });
    // Whoever waits for it gets the error; who does not must not bring the process down.
    this.opened.catch(() => {});
    port.onMessage((message) => this.receive(message));
    port.onClose((error) => this.fail(error ?? new Error('the storage shard has ended')));
  }

  apply(range: RangeId, entries: Uint8Array, lastIndex: number): Promise<void> {
    this.packing.expectRows();
    return this.request(protocol.REQUEST_APPLY, (out) => {
      out.u32(range);
      out.u53(lastIndex);
      out.block(entries);
    });
  }

  get(keys: readonly Uint8Array[], at: Timestamp): Promise<readonly (Version | undefined)[]> {
    return this.request(protocol.REQUEST_GET, (out) => {
      out.u53(at);
      out.u32(keys.length);
      for (const key of keys) {
        out.u32(key.length + 1);
        out.u8(LATEST_PREFIX);
        out.raw(key);
      }
    });
  }

  scan(request: ShardScanRequest): ShardScan {
    const { span, program, parameters } = request;
    const scan = new ClientScan();
    this.openStream(scan, protocol.REQUEST_SCAN, (out) => {
      out.u53(request.at);
      out.u8(
        (request.reverse ? protocol.SCAN_REVERSE : 0) |
          (span.end === undefined ? 0 : protocol.SCAN_HAS_END) |
          (program === undefined ? 0 : protocol.SCAN_HAS_PROGRAM) |
          (parameters === undefined ? 0 : protocol.SCAN_HAS_PARAMETERS),
      );
      out.block(span.start);
      if (span.end !== undefined) out.block(span.end);
      if (program !== undefined) out.block(program);
      if (parameters !== undefined) out.block(parameters);
      out.u32(request.limitRows);
      out.u32(request.batchBytes);
      out.u32(SCAN_CREDITS);
    });
    return scan;
  }

  flush(): Promise<readonly AppliedRange[]> {
    return this.request(protocol.REQUEST_FLUSH);
  }

  letPack(isAllowed: boolean): void {
    this.packing.rest(!isAllowed);
  }

  approximateBytes(span: Span): Promise<number> {
    return this.request(protocol.REQUEST_APPROXIMATE_BYTES, (out) => protocol.writeSpan(out, span));
  }

  readSnapshot(range: RangeId, span: Span, chunkBytes: number): ShardSnapshot {
    const snapshot = new ClientSnapshot();
    this.openStream(snapshot, protocol.REQUEST_SNAPSHOT, (out) => {
      out.u32(range);
      protocol.writeSpan(out, span);
      out.u32(chunkBytes);
      out.u32(SNAPSHOT_CREDITS);
    });
    return snapshot;
  }

  beginInstall(range: RangeId, span: Span): Promise<void> {
    return this.request(protocol.REQUEST_INSTALL_BEGIN, (out) => {
      out.u32(range);
      protocol.writeSpan(out, span);
    });
  }

  installChunk(range: RangeId, chunk: Uint8Array): Promise<void> {
    this.packing.expectRows();
    return this.request(protocol.REQUEST_INSTALL_CHUNK, (out) => {
      out.u32(range);
      protocol.writeChunk(out, chunk);
    });
  }

  finishInstall(range: RangeId, appliedIndex: number, state: Uint8Array): Promise<AppliedRange> {
    return this.request(protocol.REQUEST_INSTALL_FINISH, (out) => {
      out.u32(range);
      out.u53(appliedIndex);
      out.block(state);
    });
  }

  drop(range: RangeId, span: Span | undefined): Promise<void> {
    return this.request(protocol.REQUEST_DROP, (out) => {
      out.u32(range);
      out.u8(span === undefined ? 0 : 1);
      if (span !== undefined) protocol.writeSpan(out, span);
    });
  }

  async checksum(span: Span, at: Timestamp): Promise<ShardChecksum> {
    // A stream of one piece: it may take long, and a shard that closes does not wait for it.
    const stream = new ClientStream<ShardChecksum>();
    this.openStream(stream, protocol.REQUEST_CHECKSUM, (out) => {
      protocol.writeSpan(out, span);
      out.u53(at);
    });
    const checksum = await stream.next();
    assert(checksum !== undefined, 'a checksum ended without an answer');
    return checksum;
  }

  async pack(): Promise<boolean> {
    return (await this.packSlice(true)) !== protocol.NOTHING_TO_PACK;
  }

  collect(span: Span, threshold: Timestamp, from: Uint8Array | undefined): Promise<ShardCollected> {
    return this.request(protocol.REQUEST_COLLECT, (out) => {
      protocol.writeSpan(out, span);
      out.u53(threshold);
      out.block(from ?? EMPTY_BYTES);
    });
  }

  private packSlice(isIdle: boolean): Promise<number> {
    return this.request(protocol.REQUEST_PACK, (out) => out.u8(isIdle ? 1 : 0));
  }

  usage(): Promise<ShardUsage> {
    return this.request(protocol.REQUEST_USAGE);
  }

  onFailure(handler: (error: Error) => void): void {
    this.failureHandlers.push(handler);
    if (this.failure !== undefined) handler(this.failure);
  }

  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.packing.stop();
    for (const stream of [...this.streams.values()]) stream.abandon(closedError());
    if (this.pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
    }
    this.flushOut();
    await this.port.close();
    this.resolveOpened?.reject(closedError());
  }

  private openStream<T>(
    stream: ClientStream<T>,
    kind: number,
    write: (out: ByteWriter) => void,
  ): void {
    if (this.failure !== undefined || this.closed !== undefined) {
      stream.fail(this.failure ?? closedError());
      return;
    }
    const id = this.nextId();
    stream.open({
      credit: () => this.post(protocol.REQUEST_SCAN_CREDIT, id, (out) => out.u32(1)),
      close: () => {
        if (this.streams.delete(id)) this.post(protocol.REQUEST_SCAN_CLOSE, id);
      },
    });
    this.streams.set(id, stream as ClientStream<unknown>);
    this.post(kind, id, write);
  }

  private nextId(): number {
    this.lastId = (this.lastId + 1) >>> 0;
    return this.lastId;
  }

  private request<T>(kind: number, write?: (out: ByteWriter) => void): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.closed !== undefined) {
      return Promise.reject(closedError());
    }
    const id = this.nextId();
    this.post(kind, id, write);
    return new Promise<T>((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as (answer: unknown) => void, reject });
    });
  }

  private post(kind: number, id: number, write?: (out: ByteWriter) => void): void {
    if (this.failure !== undefined) return;
    if (kind !== protocol.REQUEST_PACK) this.packing.noteRequest();
    const { out } = this;
    if (out.length === 0) this.runtime.timers.soon(() => this.flushOut());
    out.u8(kind);
    out.u32(id);
    write?.(out);
  }

  private flushOut(): void {
    const { out } = this;
    if (out.length === 0) return;
    this.port.post(out.take());
    if (out.bytes.length > WRITER_BYTES_KEPT_MAX) this.out = new ByteWriter(4096);
    else out.reset();
  }

  private receive(message: Uint8Array): void {
    const reader = new ByteReader(message);
    while (reader.remaining > 0) {
      const kind = reader.u8();
      const id = reader.u32();
      switch (kind) {
        case protocol.ANSWER_OPENED:
          this.resolveOpened?.resolve(protocol.readRanges(reader));
          this.resolveOpened = undefined;
          this.packing.expectRows();
          break;
        case protocol.ANSWER_DONE:
          this.answer(id, undefined);
          break;
        case protocol.ANSWER_VERSIONS:
          this.answer(id, readVersions(reader));
          break;
        case protocol.ANSWER_SCAN_BATCH:
          this.scanBatch(id, reader);
          break;
        case protocol.ANSWER_FLUSHED:
          this.answer(id, protocol.readRanges(reader));
          break;
        case protocol.ANSWER_INSTALLED:
          this.answer(id, protocol.readRanges(reader)[0]);
          break;
        case protocol.ANSWER_NUMBER:
          this.answer(id, reader.u53());
          break;
        case protocol.ANSWER_USAGE:
          this.answer(id, readUsage(reader));
          break;
        case protocol.ANSWER_COLLECTED:
          this.answer(id, readCollected(reader));
          break;
        case protocol.ANSWER_SNAPSHOT: {
          const [taken] = protocol.readRanges(reader) as [AppliedRange];
          (this.streams.get(id) as ClientSnapshot | undefined)?.began(taken);
          break;
        }
        case protocol.ANSWER_SNAPSHOT_CHUNK: {
          const isLast = reader.u8() === 1;
          const chunk = reader.block();
          this.streamed(id, isLast)?.receive(chunk, isLast);
          break;
        }
        case protocol.ANSWER_CHECKSUM: {
          const checksum = readChecksum(reader);
          this.streamed(id, true)?.receive(checksum, true);
          break;
        }
        case protocol.ANSWER_ERROR:
          this.refuse(id, protocol.readError(reader));
          break;
        case protocol.ANSWER_FAILED:
          this.fail(protocol.readError(reader));
          break;
        default:
          assert(false, `unknown answer ${kind} of a storage shard`);
      }
    }
  }

  private scanBatch(id: number, reader: ByteReader): void {
    const isLast = reader.u8() === 1;
    const newest = reader.u53() as Timestamp;
    const rowCount = reader.u32();
    const rows = reader.block();
    const lastKey = isLast ? undefined : reader.block();
    const scan = this.streamed(id, isLast) as ClientScan | undefined;
    scan?.receiveBatch({ rows, rowCount, newest, lastKey }, isLast);
  }

  /** Undefined: it was closed while a piece of it was under way. */
  private streamed(id: number, isLast: boolean): ClientStream<unknown> | undefined {
    const stream = this.streams.get(id);
    if (isLast) this.streams.delete(id);
    return stream;
  }

  private answer(id: number, answer: unknown): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    pending.resolve(answer);
    this.checkIdle();
  }

  private refuse(id: number, error: Error): void {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    pending?.reject(error);
    const stream = this.streams.get(id);
    this.streams.delete(id);
    stream?.fail(error);
    this.checkIdle();
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.packing.stop();
    this.failure = error;
    this.out.reset();
    const failedToOpen = this.resolveOpened !== undefined;
    this.resolveOpened?.reject(error);
    this.resolveOpened = undefined;
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
    for (const stream of this.streams.values()) stream.fail(error);
    this.streams.clear();
    // Who waits for `opened` has been told.
    if (!failedToOpen) for (const handler of this.failureHandlers) handler(error);
    this.checkIdle();
  }

  private checkIdle(): void {
    if (this.pending.size === 0) this.whenIdle?.();
  }
}

/** Batches without news are not worth the reader's while. */
class ClientScan extends ClientStream<ShardScanBatch> {
  private newest = 0;

  receiveBatch(batch: ShardScanBatch, isLast: boolean): void {
    const isNews = batch.rowCount > 0 || batch.newest > this.newest;
    this.newest = batch.newest;
    this.receive(isNews ? batch : undefined, isLast);
  }
}

class ClientSnapshot extends ClientStream<Uint8Array> implements ShardSnapshot {
  readonly taken: Promise<AppliedRange>;
  private begin: Pending | undefined;

  constructor() {
    super();
    this.taken = new Promise((resolve, reject) => {
      this.begin = { resolve: resolve as (answer: unknown) => void, reject };
    });
    // Whoever waits for it gets the error; who does not must not bring the process down.
    this.taken.catch(() => {});
  }

  began(taken: AppliedRange): void {
    this.begin?.resolve(taken);
    this.begin = undefined;
  }

  override close(): void {
    this.notBegun(new Error('the snapshot was closed before it was taken'));
    super.close();
  }

  override fail(error: Error): void {
    this.notBegun(error);
    super.fail(error);
  }

  private notBegun(error: Error): void {
    this.begin?.reject(error);
    this.begin = undefined;
  }
}

function readVersions(reader: ByteReader): (Version | undefined)[] {
  const count = reader.u32();
  const versions = new Array<Version | undefined>(count);
  for (let i = 0; i < count; i++) {
    const flags = reader.u8();
    if ((flags & protocol.VERSION_FOUND) === 0) {
      versions[i] = undefined;
      continue;
    }
    const timestamp = reader.u53() as Timestamp;
    const value = (flags & protocol.VERSION_IS_ROW) === 0 ? undefined : reader.block();
    versions[i] = { timestamp, value, isNewest: (flags & protocol.VERSION_IS_NEWEST) !== 0 };
  }
  return versions;
}

function readUsage(reader: ByteReader): ShardUsage {
  const getsServed = reader.u53();
  const scansServed = reader.u53();
  const entriesApplied = reader.u53();
  return { getsServed, scansServed, entriesApplied, bytesApplied: reader.u53() };
}

function readCollected(reader: ByteReader): ShardCollected {
  const versions = reader.u32();
  const rest = reader.block();
  return { versions, rest: rest.length === 0 ? undefined : rest.slice() };
}

function readChecksum(reader: ByteReader): ShardChecksum {
  const rows = reader.u53();
  const bytes = reader.u53();
  return { rows, bytes, sum: reader.text() };
}

/** Clients may still be reading when the node stops. */
function closedError(): DbError {
  return new DbError('57P01', 'the node is stopping: its storage is closed');
}

// The owner's side of a shard: what is asked in one turn becomes one message.

import { DbError } from '../base/errors.ts';
import { assert } from '../base/assert.ts';
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Port, Runtime, WorkerEntry } from '../runtime/runtime.ts';
import type { Span } from './engine.ts';
import { LATEST_PREFIX } from './mvcc.ts';
import type {
  AppliedRange,
  RangeId,
  Shard,
  ShardScan,
  ShardScanBatch,
  ShardScanRequest,
  ShardUsage,
  Version,
} from './shard.ts';
import * as protocol from './shard-protocol.ts';

/** Batches of a scan that the shard may have under way before the reader has asked for them. */
const SCAN_CREDITS = 3;
const WRITER_BYTES_KEPT_MAX = 1 << 20;

/** Starts a thread (or what stands for it) that runs shard-entry.ts; `data` is for its engine. */
export function startShard(
  runtime: Pick<Runtime, 'threads' | 'timers'>,
  entry: WorkerEntry,
  data: unknown,
): Shard {
  return new ShardClient(runtime, runtime.threads.start(entry, data));
}

interface Pending {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

class ShardClient implements Shard {
  readonly opened: Promise<readonly AppliedRange[]>;
  private readonly port: Port;
  private readonly runtime: Pick<Runtime, 'timers'>;
  private out = new ByteWriter(4096);
  private readonly pending = new Map<number, Pending>();
  private readonly scans = new Map<number, ClientScan>();
  private lastId = 0;
  private resolveOpened: Pending | undefined;
  private failure: Error | undefined;
  private readonly failureHandlers: ((error: Error) => void)[] = [];
  private closed: Promise<void> | undefined;
  private whenIdle: (() => void) | undefined;

  constructor(runtime: Pick<Runtime, 'timers'>, port: Port) {
    this.runtime = runtime;
    this.port = port;
    this.opened = new Promise((resolve, reject) => {
      this.resolveOpened = { resolve: resolve as (answer: unknown) => void, reject };
    });
    // Whoever waits for it gets the error; who does not must not bring the process down.
    this.opened.catch(() => {});
    port.onMessage((message) => this.receive(message));
    port.onClose((error) => this.fail(error ?? new Error('the storage shard has ended')));
  }

  apply(range: RangeId, entries: Uint8Array, lastIndex: number): Promise<void> {
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
    const id = this.nextId();
    const scan = new ClientScan({
      credit: () => this.post(protocol.REQUEST_SCAN_CREDIT, id, (out) => out.u32(1)),
      close: () => {
        if (this.scans.delete(id)) this.post(protocol.REQUEST_SCAN_CLOSE, id);
      },
    });
    if (this.failure !== undefined || this.closed !== undefined) {
      scan.fail(this.failure ?? closedError());
      return scan;
    }
    this.scans.set(id, scan);
    this.post(protocol.REQUEST_SCAN, id, (out) => {
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

  approximateBytes(span: Span): Promise<number> {
    return this.request(protocol.REQUEST_APPROXIMATE_BYTES, (out) => {
      out.block(span.start);
      out.u8(span.end === undefined ? 0 : 1);
      if (span.end !== undefined) out.block(span.end);
    });
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
    for (const scan of [...this.scans.values()]) scan.abandon(closedError());
    if (this.pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
    }
    this.flushOut();
    await this.port.close();
    this.resolveOpened?.reject(closedError());
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
        case protocol.ANSWER_NUMBER:
          this.answer(id, reader.u53());
          break;
        case protocol.ANSWER_USAGE:
          this.answer(id, readUsage(reader));
          break;
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
    const scan = this.scans.get(id);
    // It was closed while the batch was under way.
    if (scan === undefined) return;
    if (isLast) this.scans.delete(id);
    scan.receive({ rows, rowCount, newest }, isLast);
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
    const scan = this.scans.get(id);
    this.scans.delete(id);
    scan?.fail(error);
    this.checkIdle();
  }

  private fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.out.reset();
    const failedToOpen = this.resolveOpened !== undefined;
    this.resolveOpened?.reject(error);
    this.resolveOpened = undefined;
    for (const pending of this.pending.values()) pending.reject(error);
    this.pending.clear();
    for (const scan of this.scans.values()) scan.fail(error);
    this.scans.clear();
    // Who waits for `opened` has been told.
    if (!failedToOpen) for (const handler of this.failureHandlers) handler(error);
    this.checkIdle();
  }

  private checkIdle(): void {
    if (this.pending.size === 0) this.whenIdle?.();
  }
}

interface ScanLink {
  readonly credit: () => void;
  readonly close: () => void;
}

class ClientScan implements ShardScan {
  private readonly link: ScanLink;
  private readonly batches: ShardScanBatch[] = [];
  private waiter: Pending | undefined;
  private state: 'running' | 'ended' | 'closed' = 'running';
  private error: Error | undefined;
  private newest = 0;

  constructor(link: ScanLink) {
    this.link = link;
  }

  next(): Promise<ShardScanBatch | undefined> {
    assert(this.waiter === undefined, 'one next() of a scan at a time');
    if (this.state === 'closed') return Promise.resolve(undefined);
    const batch = this.batches.shift();
    if (batch !== undefined) {
      if (this.state === 'running') this.link.credit();
      return Promise.resolve(batch);
    }
    if (this.error !== undefined) return Promise.reject(this.error);
    if (this.state === 'ended') return Promise.resolve(undefined);
    return new Promise<ShardScanBatch | undefined>((resolve, reject) => {
      this.waiter = { resolve: resolve as (answer: unknown) => void, reject };
    });
  }

  close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.batches.length = 0;
    this.link.close();
    this.waiter?.resolve(undefined);
    this.waiter = undefined;
  }

  receive(batch: ShardScanBatch, isLast: boolean): void {
    if (isLast) this.state = 'ended';
    const isNews = batch.rowCount > 0 || batch.newest > this.newest;
    this.newest = batch.newest;
    if (isNews) this.batches.push(batch);
    else if (!isLast) this.link.credit();
    this.wake();
  }

  fail(error: Error): void {
    if (this.state === 'closed') return;
    this.state = 'ended';
    this.error = error;
    this.wake();
  }

  /** Its shard closes: what its reader has seen is not all, and must not pass for it. */
  abandon(error: Error): void {
    this.batches.length = 0;
    this.fail(error);
    this.link.close();
  }

  private wake(): void {
    const { waiter } = this;
    if (waiter === undefined) return;
    this.waiter = undefined;
    this.next().then(waiter.resolve, waiter.reject);
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

/** Clients may still be reading when the node stops. */
function closedError(): DbError {
  return new DbError('57P01', 'the node is stopping: its storage is closed');
}

// The Engine of the simulator: in memory, with the crash semantics of the real one. Writes are atomic and ordered; a
// crash keeps everything up to a random write at or after the last flush, as RocksDB's unsynced write-ahead log does.

import { assert } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import type { Random } from '../runtime/runtime.ts';
import type {
  Engine,
  EngineBatch,
  EngineOp,
  EngineScanOptions,
  EngineSnapshot,
  Span,
} from './engine.ts';
import { lookUp, type MapView, SnapshotMap, ViewCursor } from './snapshot-map.ts';

/** Unflushed bytes at which the store flushes by itself, as RocksDB does when its memtable is full. */
const SELF_FLUSH_BYTES = 32 << 20;
const DEFAULT_BATCH_BYTES = 64 << 10;

/** What survives a simulated restart. One engine may be open on it at a time. */
export interface MemoryDisk {
  open(): Promise<Engine>;
  /** Power loss: the open engine is dead, and the disk is as it was after a random write at or after the last flush. */
  crash(random: Random): void;
  /** The process dies, the system goes on: nothing is lost, and nothing becomes durable. */
  kill(): void;
}

export function createMemoryDisk(): MemoryDisk {
  return new Disk();
}

class Disk implements MemoryDisk {
  private current: SnapshotMap = new SnapshotMap();
  private durable: MapView = [];
  /** Writes since the last flush: a crash keeps some first part of them. */
  private sinceFlush: (readonly EngineOp[])[] = [];
  private bytesSinceFlush = 0;
  private engine: MemoryEngine | undefined;

  async open(): Promise<Engine> {
    assert(this.engine === undefined, 'the memory disk is open already');
    this.engine = new MemoryEngine(this);
    return this.engine;
  }

  crash(random: Random): void {
    this.kill();
    const kept = random.below(this.sinceFlush.length + 1);
    this.current = SnapshotMap.from(this.durable);
    for (const ops of this.sinceFlush.slice(0, kept)) carryOut(this.current, ops);
    this.flush();
  }

  kill(): void {
    this.engine?.die();
    this.engine = undefined;
  }

  view(): MapView {
    return this.current.view();
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.current.get(key);
  }

  write(ops: readonly EngineOp[]): void {
    const own = ops.map(copyOp);
    carryOut(this.current, own);
    this.sinceFlush.push(own);
    for (const op of own) this.bytesSinceFlush += opBytes(op);
    if (this.bytesSinceFlush > SELF_FLUSH_BYTES) this.flush();
  }

  flush(): void {
    this.durable = this.current.view();
    this.sinceFlush = [];
    this.bytesSinceFlush = 0;
  }

  closed(engine: MemoryEngine): void {
    if (this.engine === engine) this.engine = undefined;
  }
}

function carryOut(map: SnapshotMap, ops: readonly EngineOp[]): void {
  for (const op of ops) {
    if (op.kind === 'put') map.set(op.key, op.value);
    else if (op.kind === 'delete') map.delete(op.key);
    else map.deleteSpan(op.span.start, op.span.end);
  }
}

/** The caller may reuse its buffers once write() has returned. */
function copyOp(op: EngineOp): EngineOp {
  if (op.kind === 'put') return { kind: 'put', key: op.key.slice(), value: op.value.slice() };
  if (op.kind === 'delete') return { kind: 'delete', key: op.key.slice() };
  return { kind: 'deleteSpan', span: { start: op.span.start.slice(), end: op.span.end?.slice() } };
}

function opBytes(op: EngineOp): number {
  return op.kind === 'put' ? op.key.length + op.value.length : 16;
}

class MemoryEngine implements Engine {
  private readonly disk: Disk;
  private state: 'open' | 'closed' | 'crashed' = 'open';
  private snapshots = 0;

  constructor(disk: Disk) {
    this.disk = disk;
  }

  die(): void {
    this.state = 'crashed';
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.assertOpen();
    return keys.map((key) => this.disk.get(key));
  }

  async *scan(span: Span, options: EngineScanOptions = {}): AsyncGenerator<EngineBatch> {
    this.assertOpen();
    for (const batch of scanView(this.disk.view(), span, options)) {
      this.assertOpen();
      yield batch;
    }
  }

  async write(ops: readonly EngineOp[]): Promise<void> {
    this.assertOpen();
    this.disk.write(ops);
  }

  async flush(): Promise<void> {
    this.assertOpen();
    this.disk.flush();
  }

  snapshot(): EngineSnapshot {
    this.assertOpen();
    this.snapshots++;
    return new MemorySnapshot(this.disk.view(), {
      assertOpen: () => this.assertOpen(),
      released: () => this.snapshots--,
    });
  }

  async approximateBytes(span: Span): Promise<number> {
    this.assertOpen();
    let bytes = 0;
    for (const batch of scanView(this.disk.view(), span, {})) {
      for (const key of batch.keys) bytes += key.length;
      for (const value of batch.values) bytes += value.length;
    }
    return bytes;
  }

  async close(): Promise<void> {
    assert(this.snapshots === 0, `engine closed with ${this.snapshots} snapshots open`);
    if (this.state === 'open') this.state = 'closed';
    this.disk.closed(this);
  }

  private assertOpen(): void {
    assert(this.state === 'open', `the engine is ${this.state}`);
  }
}

interface SnapshotOwner {
  readonly assertOpen: () => void;
  readonly released: () => void;
}

class MemorySnapshot implements EngineSnapshot {
  private readonly view: MapView;
  private owner: SnapshotOwner | undefined;

  constructor(view: MapView, owner: SnapshotOwner) {
    this.view = view;
    this.owner = owner;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.assertHeld();
    return keys.map((key) => lookUp(this.view, key));
  }

  async *scan(span: Span, options: EngineScanOptions = {}): AsyncGenerator<EngineBatch> {
    for (const batch of scanView(this.view, span, options)) {
      this.assertHeld();
      yield batch;
    }
  }

  release(): void {
    this.owner?.released();
    this.owner = undefined;
  }

  private assertHeld(): void {
    assert(this.owner !== undefined, 'the snapshot was released');
    this.owner.assertOpen();
  }
}

function* scanView(view: MapView, span: Span, options: EngineScanOptions): Generator<EngineBatch> {
  const reverse = options.reverse ?? false;
  const batchBytes = options.batchBytes ?? DEFAULT_BATCH_BYTES;
  const cursor = new ViewCursor(view, reverse ? span.end : span.start, reverse);
  let keys: Uint8Array[] = [];
  let values: Uint8Array[] = [];
  let bytes = 0;
  for (let key = cursor.key; key !== undefined; cursor.advance(), key = cursor.key) {
    if (reverse && compareBytes(key, span.start) < 0) break;
    if (!reverse && span.end !== undefined && compareBytes(key, span.end) >= 0) break;
    keys.push(key);
    values.push(cursor.value);
    bytes += key.length + cursor.value.length;
    if (bytes >= batchBytes) {
      yield { keys, values, isLast: false };
      keys = [];
      values = [];
      bytes = 0;
    }
  }
  if (keys.length > 0) yield { keys, values, isLast: true };
}

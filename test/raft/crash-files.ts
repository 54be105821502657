// Files in memory that lose power: a crash keeps a random part of what was not synced, sector by sector, and of the
// directory's unsynced changes. Faults and waits can be planted.

import {
  type Faults,
  FileError,
  type FileErrorKind,
  type Files,
  type Log,
  type OpenFile,
} from '../../src/runtime/runtime.ts';
import { createIntervalClock } from '../../src/clock/clock.ts';
import type { SchedulerRuntime } from '../../src/raft/scheduler.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const SECTOR_BYTES = 64;

interface Content {
  /** As written. */
  bytes: Uint8Array;
  /** As it surely is after a crash. */
  durable: Uint8Array;
  unsynced: { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** The disk, which outlives the nodes that use it. */
export class CrashDisk {
  names: Map<string, Content> = new Map();
  durableNames: Map<string, Content> = new Map();
  /** Counts crashes. */
  life = 0;
  /** Total bytes that files may have. */
  capacityBytes: number = Number.POSITIVE_INFINITY;
  /** Synced writes and syncs so far. */
  syncs = 0;
  /** What each of the coming synced writes waits for. */
  gate: Promise<void> | undefined;
  private planted: { readonly operation: string; readonly kind: FileErrorKind } | undefined;
  readonly calls: string[] = [];

  /** The next `operation` fails. */
  failNext(operation: string, kind: FileErrorKind): void {
    this.planted = { operation, kind };
  }

  /** Power is lost. `random` decides what of the unsynced survives. */
  crash(random: (bound: number) => number): void {
    this.kill();
    const survivors = new Map<string, Content>();
    for (const name of new Set([...this.names.keys(), ...this.durableNames.keys()])) {
      const before = this.durableNames.get(name);
      const after = this.names.get(name);
      const content = before === after || random(2) === 0 ? after : before;
      if (content !== undefined) survivors.set(name, content);
    }
    for (const content of survivors.values()) surviveCrash(content, random);
    this.names = survivors;
    this.durableNames = new Map(survivors);
  }

  /** The process dies; what it had written stays, synced or not. */
  kill(): void {
    this.life++;
    this.gate = undefined;
    this.planted = undefined;
  }

  /** Changes a byte behind everyone's back. */
  corrupt(path: string, offset: number, flip = 0xff): void {
    const content = this.content(path);
    content.bytes[offset] = (content.bytes[offset] as number) ^ flip;
    content.durable[offset] = (content.durable[offset] as number) ^ flip;
  }

  overwrite(path: string, offset: number, bytes: Uint8Array): void {
    this.content(path).bytes.set(bytes, offset);
    this.content(path).durable.set(bytes, offset);
  }

  peek(path: string): Uint8Array {
    return this.content(path).bytes;
  }

  namesIn(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.names.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .sort();
  }

  get usedBytes(): number {
    let total = 0;
    for (const { bytes } of this.names.values()) total += bytes.length;
    return total;
  }

  /** What every operation of a node that lives in `life` does first; after a crash it never ends. */
  async step(life: number, operation: string, path: string): Promise<void> {
    if (life !== this.life) await new Promise<never>(() => {});
    this.calls.push(`${operation} ${path}`);
    if (operation === 'writeSynced' && this.gate !== undefined) await this.gate;
    await Promise.resolve();
    if (life !== this.life) await new Promise<never>(() => {});
    if (this.planted?.operation === operation) {
      const { kind } = this.planted;
      this.planted = undefined;
      throw new FileError(kind, path, `${operation} of ${path}: planted ${kind}`);
    }
  }

  content(path: string): Content {
    const content = this.names.get(path);
    if (content === undefined) throw new FileError('missing', path, `${path} is missing`);
    return content;
  }
}

/** The disk as a node sees it that started after the last crash. */
class CrashFiles implements Files {
  private readonly disk: CrashDisk;
  private readonly life: number;

  constructor(disk: CrashDisk) {
    this.disk = disk;
    this.life = disk.life;
  }

  async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    await this.disk.step(this.life, 'open', path);
    if (!this.disk.names.has(path)) {
      if (!options.create) throw new FileError('missing', path, `${path} is missing`);
      this.disk.names.set(path, {
        bytes: new Uint8Array(0),
        durable: new Uint8Array(0),
        unsynced: [],
      });
    }
    return new CrashFile(this.disk, this.life, path);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    await this.disk.step(this.life, 'read', path);
    return this.disk.names.get(path)?.bytes.slice();
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.disk.step(this.life, 'replace', path);
    const content = { bytes: bytes.slice(), durable: bytes.slice(), unsynced: [] };
    this.disk.names.set(path, content);
    this.disk.durableNames.set(path, content);
  }

  makeDirectory(path: string): Promise<void> {
    return this.disk.step(this.life, 'makeDirectory', path);
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.disk.step(this.life, 'list', directory);
    return this.disk.namesIn(directory);
  }

  async remove(path: string): Promise<void> {
    await this.disk.step(this.life, 'remove', path);
    this.disk.names.delete(path);
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.disk.step(this.life, 'syncDirectory', directory);
    this.disk.durableNames = new Map(this.disk.names);
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(this.disk.capacityBytes - this.disk.usedBytes);
  }

  lockDirectory(): Promise<Disposable> {
    return Promise.resolve({ [Symbol.dispose]: () => {} });
  }
}

function surviveCrash(content: Content, random: (bound: number) => number): void {
  for (const { offset, bytes } of content.unsynced) {
    const fate = random(4);
    for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
      // Nothing, all, a beginning, or any sectors.
      const isKept = fate === 1 || (fate > 1 && random(3) > 0);
      if (fate === 2 && !isKept) break;
      if (!isKept) continue;
      const part = bytes.subarray(at, at + SECTOR_BYTES);
      content.durable = extended(content.durable, offset + at + part.length);
      content.durable.set(part, offset + at);
    }
  }
  content.unsynced = [];
  content.bytes = content.durable.slice();
}

function extended(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length >= size) return bytes;
  const out = new Uint8Array(size);
  out.set(bytes);
  return out;
}

class CrashFile implements OpenFile {
  readonly path: string;
  private readonly disk: CrashDisk;
  private readonly content: Content;
  private readonly life: number;
  private isClosed = false;

  constructor(disk: CrashDisk, life: number, path: string) {
    this.disk = disk;
    this.life = life;
    this.path = path;
    this.content = disk.content(path);
  }

  async size(): Promise<number> {
    await this.begin('size');
    return this.content.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.begin('read');
    return this.content.bytes.slice(offset, offset + length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.begin('write');
    this.put(offset, bytes.slice());
  }

  async writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    const mine = bytes.slice();
    // On its way from now on: a crash before it resolves may keep any part of it.
    this.put(offset, mine);
    await this.begin('writeSynced');
    this.disk.syncs++;
    this.flush();
  }

  async sync(): Promise<void> {
    await this.begin('sync');
    this.disk.syncs++;
    this.flush();
  }

  async preallocate(bytes: number): Promise<void> {
    await this.begin('preallocate');
    const more = bytes - this.content.bytes.length;
    if (more > 0 && this.disk.usedBytes + more > this.disk.capacityBytes) {
      throw new FileError('full', this.path, `no space is left for ${this.path}`);
    }
    this.content.bytes = extended(this.content.bytes, bytes);
    this.content.durable = extended(this.content.durable, bytes);
  }

  async truncate(size: number): Promise<void> {
    await this.begin('truncate');
    this.content.bytes = this.content.bytes.slice(0, size);
  }

  async close(): Promise<void> {
    await this.begin('close');
    this.isClosed = true;
  }

  private put(offset: number, bytes: Uint8Array): void {
    // A node that has crashed writes nothing more.
    if (this.life !== this.disk.life) return;
    this.content.bytes = extended(this.content.bytes, offset + bytes.length);
    this.content.bytes.set(bytes, offset);
    this.content.unsynced.push({ offset, bytes });
  }

  private flush(): void {
    this.content.durable = this.content.bytes.slice();
    this.content.unsynced = [];
  }

  private async begin(operation: string): Promise<void> {
    await this.disk.step(this.life, operation, this.path);
    if (this.isClosed) throw new FileError('io', this.path, `${operation} of ${this.path}: closed`);
  }
}

/** A runtime with these files; timers run when the test says so, but for soon(). */
export interface TestRuntime extends Omit<SchedulerRuntime, 'files' | 'timers' | 'log' | 'faults'> {
  readonly disk: CrashDisk;
  /** Those of a node that starts now. */
  readonly files: Files;
  readonly timers: TestTimers;
  readonly log: Log & { readonly warnings: string[] };
  readonly faults: Faults;
}

export class TestTimers {
  private waiting: (() => void)[] = [];

  after(_micros: number, run: () => void): Disposable {
    this.waiting.push(run);
    return {
      [Symbol.dispose]: () => {
        this.waiting = this.waiting.filter((other) => other !== run);
      },
    };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  /** Whatever waits is due. */
  fire(): void {
    const due = this.waiting;
    this.waiting = [];
    for (const run of due) run();
  }
}

export function testRuntime(
  disk: CrashDisk = new CrashDisk(),
  faults: ReadonlySet<string> = new Set(),
): TestRuntime {
  const warnings: string[] = [];
  const timers = new TestTimers();
  // Time stands still: whoever asks how long something lasted is told in simulated runs (scheduler-cluster.ts).
  const time = {
    monotonicMicros: () => 0,
    wall: () => ({ earliestMicros: 1e15, latestMicros: 1e15 + 10, monotonicMicros: 0 }),
  };
  const quiet = { info: () => {}, warn: () => {}, error: () => {} };
  return {
    disk,
    nodeId: 1,
    time,
    clock: createIntervalClock({ time, timers, log: quiet }),
    random: new SeededRandom(1),
    network: {
      send: () => {},
      onFrame: () => {},
      openStream: () => Promise.reject(new Error('nobody is there')),
      onStream: () => {},
    },
    get files(): Files {
      return new CrashFiles(disk);
    },
    timers,
    log: {
      warnings,
      info: () => {},
      warn: (message) => {
        warnings.push(message);
      },
      error: () => {},
    },
    faults: { sometimes: (point) => faults.has(point), reached: () => {} },
  };
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

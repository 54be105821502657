// A node's simulated disk. What was written and not synced is kept, torn or lost at a crash, write by write; names
// that were made or removed count only after their directory was synced. Slow, full and failing disks are settings.

import { assert } from '../base/assert.ts';
import { FileError, type Files, type OpenFile } from '../runtime/runtime.ts';
import type { SeededRandom } from './random.ts';
import type { Life, World } from './world.ts';

/** What is written at once reaches the disk in pieces of this size, each whole or not at all. */
const SECTOR_BYTES = 512;

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

class DiskFile {
  /** As reads see it. */
  bytes: Uint8Array = new Uint8Array(0);
  /** As a crash leaves it, without any of `pending`. */
  durable: Uint8Array = new Uint8Array(0);
  /** Writes and truncations (undefined bytes) since the last sync, in order. */
  pending: (PendingWrite | { readonly truncate: number })[] = [];

  write(offset: number, bytes: Uint8Array): void {
    this.bytes = patched(this.bytes, offset, bytes);
    this.pending.push({ offset, bytes: bytes.slice() });
  }

  truncate(size: number): void {
    this.bytes = resized(this.bytes, size);
    this.pending.push({ truncate: size });
  }

  sync(): void {
    this.durable = this.bytes.slice();
    this.pending = [];
  }

  /** Each unsynced write survives whole, in part, or not. */
  crash(random: SeededRandom): void {
    let bytes = this.durable;
    for (const write of this.pending) {
      const fate = random.below(3);
      if (fate === 0) continue;
      if ('truncate' in write) bytes = resized(bytes, write.truncate);
      else if (fate === 1) bytes = patched(bytes, write.offset, write.bytes);
      else bytes = tornInto(bytes, write, random);
    }
    this.bytes = bytes.slice();
    this.durable = bytes.slice();
    this.pending = [];
  }
}

function tornInto(bytes: Uint8Array, write: PendingWrite, random: SeededRandom): Uint8Array {
  let out = bytes;
  for (let at = 0; at < write.bytes.length; at += SECTOR_BYTES) {
    if (random.oneIn(2)) continue;
    out = patched(out, write.offset + at, write.bytes.subarray(at, at + SECTOR_BYTES));
  }
  return out;
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(bytes.subarray(0, Math.min(size, bytes.length)));
  return out;
}

/** In place where it fits: `bytes` of a DiskFile are never shared (sync and crash copy). */
function patched(bytes: Uint8Array, offset: number, part: Uint8Array): Uint8Array {
  const out = offset + part.length > bytes.length ? resized(bytes, offset + part.length) : bytes;
  out.set(part, offset);
  return out;
}

export interface DiskSettings {
  capacityBytes: number;
  /** Each operation takes a random time up to this. */
  latencyMicrosMax: number;
  /** One operation in so many takes a hundred times as long; 0 never. */
  slowOneIn: number;
  /** One write or sync in so many fails with an I/O error; 0 never. */
  failOneIn: number;
}

export class SimDisk {
  readonly settings: DiskSettings = {
    capacityBytes: 1 << 30,
    latencyMicrosMax: 200,
    slowOneIn: 0,
    failOneIn: 0,
  };
  readonly #world: World;
  readonly #random: SeededRandom;
  #files = new Map<string, DiskFile>();
  /** Names as a crash leaves them. */
  #durableNames = new Map<string, DiskFile>();
  #lockedBy = new Map<string, Life>();

  constructor(world: World, label: string) {
    this.#world = world;
    this.#random = world.random.fork(label);
  }

  get usedBytes(): number {
    let total = 0;
    for (const file of this.#files.values()) total += file.bytes.length;
    return total;
  }

  /** The power fails. */
  crash(): void {
    const names = new Map<string, DiskFile>();
    for (const name of new Set([...this.#files.keys(), ...this.#durableNames.keys()])) {
      const current = this.#files.get(name);
      const durable = this.#durableNames.get(name);
      const kept = current === durable || this.#random.oneIn(2) ? current : durable;
      if (kept !== undefined) names.set(name, kept);
    }
    for (const file of new Set(names.values())) file.crash(this.#random);
    this.#files = names;
    this.#durableNames = new Map(names);
    this.#lockedBy.clear();
  }

  /** Changes one byte of a file for good; for tests of corruption. */
  corrupt(path: string, offset: number): void {
    const file = this.#files.get(path);
    assert(file !== undefined && offset < file.bytes.length, `no byte ${offset} in ${path}`);
    file.bytes[offset] = (file.bytes[offset] as number) ^ 0x40;
    file.sync();
  }

  names(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  /** The disk as one life of the node sees it. */
  files(life: Life): Files {
    const step = <T>(what: string, change: () => T): Promise<T> => this.#step(life, what, change);
    const find = (path: string): DiskFile => {
      const file = this.#files.get(path);
      if (file === undefined) throw new FileError('missing', path, `${path}: no such file`);
      return file;
    };
    return {
      open: (path, { create }) =>
        step(path, () => {
          if (!this.#files.has(path) && create) this.#files.set(path, new DiskFile());
          return this.#handle(life, path, find(path));
        }),
      read: (path) => step(path, () => this.#files.get(path)?.bytes.slice()),
      replace: (path, bytes) =>
        step(path, () => {
          this.#room(path, bytes.length);
          const file = new DiskFile();
          file.write(0, bytes);
          file.sync();
          this.#files.set(path, file);
          this.#durableNames.set(path, file);
        }),
      makeDirectory: (path) => step(path, () => undefined),
      list: (directory) =>
        step(directory, () => {
          const prefix = `${directory}/`;
          const names = new Set<string>();
          for (const path of this.#files.keys()) {
            if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0] as string);
          }
          return [...names].sort();
        }),
      remove: (path) =>
        step(path, () => {
          for (const name of [...this.#files.keys()]) {
            if (name === path || name.startsWith(`${path}/`)) this.#files.delete(name);
          }
        }),
      syncDirectory: (directory) =>
        step(directory, () => {
          const inside = (name: string): boolean => name.startsWith(`${directory}/`);
          for (const name of [...this.#durableNames.keys()]) {
            if (inside(name) && !this.#files.has(name)) this.#durableNames.delete(name);
          }
          for (const [name, file] of this.#files) if (inside(name)) this.#durableNames.set(name, file);
        }),
      freeBytes: (path) =>
        step(path, () => Math.max(0, this.settings.capacityBytes - this.usedBytes)),
      lockDirectory: (directory) =>
        step(directory, () => {
          const holder = this.#lockedBy.get(directory);
          if (holder?.alive === true) {
            throw new FileError('locked', directory, `${directory} is in use by node ${holder.node}`);
          }
          this.#lockedBy.set(directory, life);
          return { [Symbol.dispose]: () => void this.#lockedBy.delete(directory) };
        }),
    };
  }

  #handle(life: Life, path: string, file: DiskFile): OpenFile {
    const step = <T>(change: () => T): Promise<T> => this.#step(life, path, change);
    return {
      path,
      size: () => step(() => file.bytes.length),
      read: (offset, length) => step(() => file.bytes.slice(offset, offset + length)),
      write: (offset, bytes) => {
        this.#mayFail(path);
        this.#room(path, offset + bytes.length - file.bytes.length);
        file.write(offset, bytes);
        return step(() => undefined);
      },
      // The write is under way at once, so that a crash before the answer finds it pending.
      writeSynced: (offset, bytes) =>
        this.#attempt(() => {
          this.#room(path, offset + bytes.length - file.bytes.length);
          file.write(offset, bytes);
        }).then(() =>
          step(() => {
            this.#mayFail(path);
            file.sync();
          }),
        ),
      sync: () =>
        step(() => {
          this.#mayFail(path);
          file.sync();
        }),
      preallocate: (bytes) =>
        step(() => {
          if (bytes <= file.bytes.length) return;
          this.#room(path, bytes - file.bytes.length);
          file.write(file.bytes.length, new Uint8Array(bytes - file.bytes.length));
          file.sync();
        }),
      truncate: (size) => step(() => file.truncate(size)),
      close: () => step(() => undefined),
    };
  }

  #attempt(change: () => void): Promise<void> {
    try {
      change();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #room(path: string, more: number): void {
    if (more > 0 && this.usedBytes + more > this.settings.capacityBytes) {
      throw new FileError('full', path, `${path}: no space left on device`);
    }
  }

  #mayFail(path: string): void {
    const { failOneIn } = this.settings;
    if (failOneIn > 0 && this.#random.oneIn(failOneIn)) {
      throw new FileError('io', path, `${path}: input/output error`);
    }
  }

  #step<T>(life: Life, what: string, change: () => T): Promise<T> {
    const { latencyMicrosMax, slowOneIn } = this.settings;
    let micros = 10 + this.#random.below(latencyMicrosMax);
    if (slowOneIn > 0 && this.#random.oneIn(slowOneIn)) micros *= 100;
    return new Promise((resolve, reject) => {
      this.#world.after(micros, life, () => {
        this.#world.trace.number(what.length);
        try {
          resolve(change());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}

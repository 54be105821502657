// A node's simulated disk. What was written and not synced is kept, torn or lost when the power fails, write by write;
// names that were made or removed count only after their directory was synced. When only the process dies, everything
// written stays readable and is still as unsafe as before. Slow, full and failing disks are settings.

import { assert } from '../base/assert.ts';
import { FileError, type Files, type OpenFile } from '../runtime/runtime.ts';
import type { SeededRandom } from './random.ts';
import type { Life, World } from './world.ts';

/** What is written at once reaches the disk in pieces of this size, each whole or not at all: less than a sector, as
 * nobody should rely on those. */
const PIECE_BYTES = 64;

/** A write, or (without bytes) a truncation to `offset`. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array | undefined;
}

/** What has become of unsynced writes. */
export interface WriteFates {
  kept: number;
  torn: number;
  lost: number;
}

class DiskFile {
  /** As reads see it. */
  bytes: Uint8Array = new Uint8Array(0);
  /** As a power loss leaves it, without any of `pending`. */
  durable: Uint8Array = new Uint8Array(0);
  /** Changes that are not synced, in order. */
  pending: Change[] = [];

  write(offset: number, bytes: Uint8Array): Change {
    this.bytes = patched(this.bytes, offset, bytes);
    const change = { offset, bytes: bytes.slice() };
    this.pending.push(change);
    return change;
  }

  truncate(size: number): void {
    this.bytes = resized(this.bytes, size);
    this.pending.push({ offset: size, bytes: undefined });
  }

  /** Makes durable what was changed before `until`; what came while the sync was under way is not part of it. */
  sync(until: readonly Change[]): void {
    const covered = new Set(until);
    for (const change of this.pending)
      if (covered.has(change)) this.durable = carriedOut(this.durable, change);
    this.pending = this.pending.filter((change) => !covered.has(change));
  }

  syncAll(): void {
    this.sync(this.pending);
  }

  /** Makes one write durable, with the earlier ones below it, and no other. */
  syncOne(change: Change): void {
    const earlier = this.pending.slice(0, this.pending.indexOf(change) + 1);
    this.sync(earlier.filter((other) => other.bytes === undefined || overlap(other, change)));
  }

  /** Each unsynced write survives whole, in part, or not. */
  losePower(random: SeededRandom, fates: WriteFates): void {
    let bytes = this.durable;
    for (const change of this.pending) {
      const fate = random.below(3);
      if (fate === 0) fates.lost += 1;
      else if (fate === 1) fates.kept += 1;
      else fates.torn += 1;
      if (fate === 0) continue;
      if (fate === 1 || change.bytes === undefined) bytes = carriedOut(bytes, change);
      else bytes = tornInto(bytes, change.offset, change.bytes, random);
    }
    this.bytes = bytes.slice();
    this.durable = bytes;
    this.pending = [];
  }
}

function carriedOut(bytes: Uint8Array, change: Change): Uint8Array {
  if (change.bytes === undefined) return resized(bytes, change.offset);
  return patched(bytes, change.offset, change.bytes);
}

function overlap(a: Change, b: Change): boolean {
  return (
    a.offset < b.offset + (b.bytes?.length ?? 0) && b.offset < a.offset + (a.bytes?.length ?? 0)
  );
}

function tornInto(
  bytes: Uint8Array,
  offset: number,
  written: Uint8Array,
  random: SeededRandom,
): Uint8Array {
  let out = bytes;
  for (let at = 0; at < written.length; at += PIECE_BYTES) {
    if (random.oneIn(2)) continue;
    out = patched(out, offset + at, written.subarray(at, at + PIECE_BYTES));
  }
  return out;
}

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(bytes.subarray(0, Math.min(size, bytes.length)));
  return out;
}

/** In place where it fits: the arrays of a DiskFile are never shared. */
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
  /** Writes and syncs that `failOneIn` has failed. */
  failures = 0;
  readonly fates: WriteFates = { kept: 0, torn: 0, lost: 0 };

  constructor(world: World, label: string) {
    this.#world = world;
    this.#random = world.random.fork(label);
  }

  get usedBytes(): number {
    let total = 0;
    for (const file of this.#files.values()) total += file.bytes.length;
    return total;
  }

  /** Whether a power loss now could lose or tear something that was written. */
  get hasUnsynced(): boolean {
    for (const file of this.#files.values()) if (file.pending.length > 0) return true;
    return false;
  }

  /** The power fails. */
  losePower(): void {
    const names = new Map<string, DiskFile>();
    for (const name of new Set([...this.#files.keys(), ...this.#durableNames.keys()])) {
      const current = this.#files.get(name);
      const durable = this.#durableNames.get(name);
      const kept = current === durable || this.#random.oneIn(2) ? current : durable;
      if (kept !== undefined) names.set(name, kept);
    }
    for (const file of new Set(names.values())) file.losePower(this.#random, this.fates);
    this.#files = names;
    this.#durableNames = new Map(names);
    this.#lockedBy.clear();
  }

  /** The process dies, the system goes on: what was written can be read, what was not synced can still be lost. */
  killProcess(): void {
    this.#lockedBy.clear();
  }

  /** Everything is lost for ever: another disk takes its place. */
  replace(): void {
    this.#files.clear();
    this.#durableNames.clear();
    this.#lockedBy.clear();
  }

  /** Changes one byte of a file for good; for tests of corruption. */
  corrupt(path: string, offset: number): void {
    const file = this.#files.get(path);
    assert(file !== undefined && offset < file.bytes.length, `no byte ${offset} in ${path}`);
    file.write(offset, Uint8Array.of((file.bytes[offset] as number) ^ 0x40));
    file.syncAll();
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
          file.syncAll();
          this.#files.set(path, file);
          this.#durableNames.set(path, file);
        }),
      makeDirectory: (path) => step(path, () => undefined),
      list: (directory) =>
        step(directory, () => {
          const prefix = `${directory}/`;
          const names = new Set<string>();
          for (const path of this.#files.keys()) {
            if (path.startsWith(prefix))
              names.add(path.slice(prefix.length).split('/')[0] as string);
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
          for (const [name, file] of this.#files)
            if (inside(name)) this.#durableNames.set(name, file);
        }),
      freeBytes: (path) =>
        step(path, () => Math.max(0, this.settings.capacityBytes - this.usedBytes)),
      lockDirectory: (directory) =>
        step(directory, () => {
          const holder = this.#lockedBy.get(directory);
          if (holder?.alive === true) {
            throw new FileError(
              'locked',
              directory,
              `${directory} is in use by node ${holder.node}`,
            );
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
      // Writes are under way at once, so that a crash before the answer finds them pending.
      write: (offset, bytes) =>
        this.#attempt(() => {
          this.#mayFail(path);
          this.#room(path, offset + bytes.length - file.bytes.length);
          return file.write(offset, bytes);
        }).then(() => step(() => undefined)),
      writeSynced: (offset, bytes) =>
        this.#attempt(() => {
          this.#room(path, offset + bytes.length - file.bytes.length);
          return file.write(offset, bytes);
        }).then((change) =>
          step(() => {
            this.#mayFail(path);
            file.syncOne(change);
          }),
        ),
      sync: () => {
        const until = [...file.pending];
        return step(() => {
          this.#mayFail(path);
          file.sync(until);
        });
      },
      preallocate: (bytes) =>
        step(() => {
          if (bytes <= file.bytes.length) return;
          this.#room(path, bytes - file.bytes.length);
          file.syncOne(file.write(file.bytes.length, new Uint8Array(bytes - file.bytes.length)));
        }),
      truncate: (size) => step(() => file.truncate(size)),
      close: () => step(() => undefined),
    };
  }

  #attempt<T>(change: () => T): Promise<T> {
    try {
      return Promise.resolve(change());
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
      this.failures += 1;
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

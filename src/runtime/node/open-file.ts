// An open file over Node's callback API: a write to the log is one hop through the thread pool and one promise.
// FileHandle's methods cost several times as much.

import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { OpenFile } from '../runtime.ts';
import type { DiskQuota } from './disk-quota.ts';
import { fileError, telling } from './file-errors.ts';

const openAsync = promisify(fs.open);
const closeAsync = promisify(fs.close);
const fstatAsync = promisify(fs.fstat);
const fsyncAsync = promisify(fs.fsync);
const fdatasyncAsync = promisify(fs.fdatasync);
const ftruncateAsync = promisify(fs.ftruncate);

const ZEROS_BYTES = 256 * 1024;

/** Elsewhere O_DSYNC is missing, or leaves the data in the disk's cache (macOS), where fdatasync does not. */
const WRITES_THROUGH = process.platform === 'linux';

export async function openNodeFile(
  path: string,
  create: boolean,
  quota: DiskQuota | undefined,
): Promise<OpenFile> {
  return telling(path, async () => {
    const flags = fs.constants.O_RDWR | (create ? fs.constants.O_CREAT : 0);
    const fd = await openAsync(path, flags, 0o644);
    let syncedFd: number | undefined;
    try {
      if (WRITES_THROUGH)
        syncedFd = await openAsync(path, fs.constants.O_RDWR | fs.constants.O_DSYNC);
      const { size } = await fstatAsync(fd);
      return new NodeFile(path, fd, syncedFd, size, quota);
    } catch (error) {
      await closeAsync(fd);
      if (syncedFd !== undefined) await closeAsync(syncedFd);
      throw error;
    }
  });
}

class NodeFile implements OpenFile {
  readonly path: string;
  readonly #fd: number;
  /** The same file, each of whose writes is durable when it returns. */
  readonly #syncedFd: number | undefined;
  readonly #quota: DiskQuota | undefined;
  /** As far as this object knows: for the quota. */
  #size: number;

  constructor(
    path: string,
    fd: number,
    syncedFd: number | undefined,
    size: number,
    quota: DiskQuota | undefined,
  ) {
    this.path = path;
    this.#fd = fd;
    this.#syncedFd = syncedFd;
    this.#size = size;
    this.#quota = quota;
  }

  size(): Promise<number> {
    return telling(this.path, async () => (await fstatAsync(this.#fd)).size);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const out = new Uint8Array(length);
      let done = 0;
      const next = (): void => {
        fs.read(this.#fd, out, done, length - done, offset + done, (error, count) => {
          if (error !== null) return reject(fileError(this.path, error));
          done += count;
          if (count === 0 || done === length) resolve(done === length ? out : out.slice(0, done));
          else next();
        });
      };
      if (length === 0) resolve(out);
      else next();
    });
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#writeTo(this.#fd, offset, bytes);
  }

  writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#syncedFd !== undefined) return this.#writeTo(this.#syncedFd, offset, bytes);
    return this.#writeTo(this.#fd, offset, bytes).then(() => this.sync());
  }

  #writeTo(fd: number, offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#quota === undefined) return this.#writeAll(fd, offset, bytes);
    const growth = offset + bytes.length - this.#size;
    return this.#quota.grant(this.path, growth).then(() => this.#writeAll(fd, offset, bytes));
  }

  #writeAll(fd: number, offset: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        fs.write(fd, bytes, done, bytes.length - done, offset + done, (error, count) => {
          if (error !== null) return reject(fileError(this.path, error));
          done += count;
          if (done < bytes.length) return next();
          this.#size = Math.max(this.#size, offset + done);
          resolve();
        });
      };
      next();
    });
  }

  sync(): Promise<void> {
    return telling(this.path, () => fdatasyncAsync(this.#fd));
  }

  async preallocate(bytes: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(ZEROS_BYTES, bytes));
    for (let at = await this.size(); at < bytes; at += zeros.length) {
      await this.write(at, zeros.subarray(0, Math.min(zeros.length, bytes - at)));
    }
    await telling(this.path, () => fsyncAsync(this.#fd));
  }

  truncate(size: number): Promise<void> {
    this.#size = size;
    return telling(this.path, () => ftruncateAsync(this.#fd, size));
  }

  close(): Promise<void> {
    return telling(this.path, async () => {
      if (this.#syncedFd !== undefined) await closeAsync(this.#syncedFd);
      await closeAsync(this.#fd);
    });
  }
}

// A disk that is full when we say so: a bound on the bytes under a directory, other people's files (RocksDB's) included.
// For tests of a full disk, and for hosts that grant a part of theirs.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from '../runtime.ts';
import { codeOf } from './file-errors.ts';

export interface DiskQuotaOptions {
  readonly directory: string;
  /** Asked each time, so that space can come back. */
  readonly bytes: () => number;
}

export class DiskQuota {
  readonly #options: DiskQuotaOptions;
  /** As last counted, plus what was granted since. */
  #used = Number.POSITIVE_INFINITY;

  constructor(options: DiskQuotaOptions) {
    this.#options = options;
  }

  async freeBytes(): Promise<number> {
    this.#used = await bytesUnder(this.#options.directory);
    return Math.max(0, this.#options.bytes() - this.#used);
  }

  /** Room for a file to grow; FileError 'full' when there is none. */
  async grant(path: string, growth: number): Promise<void> {
    if (growth <= 0) return;
    if (this.#used + growth > this.#options.bytes()) {
      const free = await this.freeBytes();
      if (growth > free) {
        throw new FileError('full', path, `${path}: needs ${growth} bytes, the quota has ${free}`);
      }
    }
    this.#used += growth;
  }
}

async function bytesUnder(directory: string): Promise<number> {
  const entries = await ifPresent(readdir(directory, { recursive: true, withFileTypes: true }));
  const files = (entries ?? []).filter((entry) => entry.isFile());
  const sizes = files.map(async (file) => {
    const found = await ifPresent(stat(join(file.parentPath, file.name)));
    return found?.size ?? 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Files come and go while they are counted. */
async function ifPresent<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

// Files on a real disk. Durable means synced, the directory entry included: a rename or a new file that is not in its
// synced directory may be gone after power loss.

import * as fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Files } from '../runtime.ts';
import { lockDirectory } from './directory-lock.ts';
import { DiskQuota, type DiskQuotaOptions } from './disk-quota.ts';
import { codeOf, telling } from './file-errors.ts';
import { openNodeFile } from './open-file.ts';

export function createFiles(quotaOptions?: DiskQuotaOptions): Files {
  const quota = quotaOptions === undefined ? undefined : new DiskQuota(quotaOptions);
  /** The replacement under way of each path: they share its temporary name. */
  const replacing = new Map<string, Promise<void>>();

  async function replaceNow(path: string, bytes: Uint8Array): Promise<void> {
    await quota?.grant(path, bytes.length);
    const temporary = `${path}.new`;
    const handle = await fs.open(temporary, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, path);
    await syncDirectory(dirname(path));
  }

  return {
    open: (path, options) => openNodeFile(path, options.create, quota),
    read: (path) => telling(path, () => readWhole(path)),
    async replace(path, bytes) {
      const before = replacing.get(path);
      const work = (async (): Promise<void> => {
        // Its failure is its caller's.
        await before?.catch(() => {});
        await telling(path, () => replaceNow(path, bytes));
      })();
      replacing.set(path, work);
      try {
        await work;
      } finally {
        if (replacing.get(path) === work) replacing.delete(path);
      }
    },
    makeDirectory: (path) => telling(path, () => makeDirectory(path)),
    list: (directory) => telling(directory, () => listNames(directory)),
    remove: (path) => telling(path, () => fs.rm(path, { recursive: true, force: true })),
    syncDirectory: (directory) => telling(directory, () => syncDirectory(directory)),
    freeBytes: (path) =>
      telling(path, async () => {
        const { bavail, bsize } = await fs.statfs(path);
        const free = bavail * bsize;
        return quota === undefined ? free : Math.min(free, await quota.freeBytes());
      }),
    lockDirectory,
  };
}

async function readWhole(path: string): Promise<Uint8Array | undefined> {
  try {
    const found = await fs.readFile(path);
    // A plain array: slice() of a Buffer does not copy.
    return new Uint8Array(found.buffer, found.byteOffset, found.byteLength);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function makeDirectory(path: string): Promise<void> {
  const full = resolve(path);
  const first = await fs.mkdir(full, { recursive: true });
  if (first === undefined) return;
  // Each new directory is an entry of its parent.
  const outermost = dirname(first);
  for (let parent = dirname(full); ; parent = dirname(parent)) {
    await syncDirectory(parent);
    if (parent === outermost) return;
  }
}

async function listNames(directory: string): Promise<readonly string[]> {
  try {
    return (await fs.readdir(directory)).toSorted();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows can't open directories; its file systems log their entries.
  if (process.platform === 'win32') return;
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

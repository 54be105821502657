// One process for a data directory. Node has no flock, and a file with a pid in it can't be taken over safely: between
// finding the holder dead and replacing the file, another may do the same. So the lock is something that the kernel
// hands to one process at a time and takes back when that dies, however it dies:
//
// - Linux: an abstract Unix socket named after the directory's device and inode. bind() is atomic, nothing is left
//   behind. (It does not reach across network namespaces: two containers on one volume are stopped by RocksDB's lock.)
// - macOS and the BSDs: open() with O_EXLOCK.
// - Windows: a named pipe, of which the first instance is exclusive.
//
// The lock file says who holds it, for the message; it decides nothing where a socket does.

import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { FileError } from '../runtime.ts';
import { codeOf, telling } from './file-errors.ts';

const LOCK_FILE = 'meridian.lock';
/** <fcntl.h> of macOS and the BSDs; Node does not name it. */
const O_EXLOCK = 0x20;

export function lockDirectory(directory: string): Promise<Disposable> {
  return telling(directory, async () => {
    const file = join(directory, LOCK_FILE);
    const bySocket = process.platform === 'linux' || process.platform === 'win32';
    const release = bySocket ? await bindName(directory) : await openExclusively(file);
    if (release === undefined) throw await lockedError(directory, file);
    // For the message only: a full disk must not keep a node from starting.
    await fs.writeFile(file, `${process.pid}\n`).catch(() => {});
    return { [Symbol.dispose]: release };
  });
}

/** Undefined when another has it. */
async function bindName(directory: string): Promise<(() => void) | undefined> {
  const { dev, ino } = await fs.stat(directory, { bigint: true });
  const id = createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32);
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\meridian-${id}` : `\0meridian-${id}`;
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    // Exclusive: a worker of node:cluster must not share its parent's.
    server.listen({ path, exclusive: true }, () => resolve(() => server.close()));
  });
}

/** Undefined when another has it. */
async function openExclusively(file: string): Promise<(() => void) | undefined> {
  const { O_RDWR, O_CREAT, O_NONBLOCK } = fs.constants;
  try {
    const handle = await fs.open(file, O_RDWR | O_CREAT | O_NONBLOCK | O_EXLOCK, 0o644);
    return () => void handle.close();
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

async function lockedError(directory: string, file: string): Promise<FileError> {
  const text = await fs.readFile(file, 'utf8').catch(() => '');
  const pid = /^\d+/.exec(text)?.[0];
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new FileError('locked', directory, `${directory} is in use by ${holder}`);
}

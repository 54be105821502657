import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/runtime/runtime.ts';
import type { EngineOp } from '../../src/storage/engine.ts';
import { openRocksEngine } from '../../src/storage/rocksdb-engine.ts';
import { collect, engineConformance } from './engine-conformance.ts';

const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'meridian-rocksdb-'));

engineConformance('RocksDB engine', async () => {
  const path = await temporary();
  return {
    open: () => openRocksEngine(join(path, 'db')),
    wipe: () => rm(path, { recursive: true, force: true }),
  };
});

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

describe('RocksDB engine', () => {
  it('refuses a directory that is open already, and says so', async () => {
    const path = await temporary();
    const engine = await openRocksEngine(path);
    const error = await rejection(openRocksEngine(path));
    expect(error).toBeInstanceOf(FileError);
    expect((error as FileError).kind).toBe('locked');
    await engine.close();
    await rm(path, { recursive: true });
  });

  it('names the file of a corrupt block and gives no wrong answer', async () => {
    const path = await temporary();
    const value = new Uint8Array(200).fill(5);
    const ops = Array.from({ length: 5000 }, (_, n): EngineOp => {
      return { kind: 'put', key: Uint8Array.of(n >>> 8, n & 255), value };
    });
    const engine = await openRocksEngine(path);
    await engine.write(ops);
    await engine.flush();
    await engine.close();

    const table = (await readdir(path)).find((name) => name.endsWith('.sst')) as string;
    const file = await open(join(path, table), 'r+');
    await file.write(new Uint8Array(64).fill(0xa5), 0, 64, 100);
    await file.close();

    const again = await openRocksEngine(path);
    const errors = [
      await rejection(again.getMany([Uint8Array.of(0, 0)])),
      await rejection(collect(again, { start: new Uint8Array(0), end: undefined })),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(FileError);
      expect((error as FileError).path).toContain(table);
    }
    // What lies in sound blocks is still answered.
    expect((await again.getMany([Uint8Array.of(19, 130)]))[0]).toEqual(value);
    await again.close();
    await rm(path, { recursive: true });
  });

  it('says that a handle is still open rather than hang in close', async () => {
    const path = await temporary();
    const engine = await openRocksEngine(path);
    const snapshot = engine.snapshot();
    await expect(engine.close()).rejects.toThrow('1 handles open');
    snapshot.release();
    await engine.close();
    await rm(path, { recursive: true });
  });
});

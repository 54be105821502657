import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { findMiddleKey } from '../../../src/ranges/load/middle-key.ts';
import { createMemoryDisk } from '../../../src/storage/memory-engine.ts';
import { openRocksEngine } from '../../../src/storage/rocksdb-engine.ts';
import type { Shard } from '../../../src/storage/shard.ts';
import { startShard } from '../../../src/storage/shard-client.ts';
import { shardEntry } from '../../../src/storage/shard-entry.ts';
import { packEntries, put } from '../../storage/commands.ts';
import { inlineRuntime } from '../../storage/inline-runtime.ts';
import { idOf, rowKey, WHOLE_TABLE } from './traffic.ts';

const stores = {
  memory: () => {
    const disk = createMemoryDisk();
    return { open: () => disk.open(), wipe: () => undefined };
  },
  RocksDB: () => {
    const path = mkdtempSync(join(tmpdir(), 'middle-'));
    return { open: () => openRocksEngine(path), wipe: () => rmSync(path, { recursive: true }) };
  },
};

describe.each(Object.entries(stores))('the middle of data in %s', (_name, store) => {
  let shard: Shard;
  let wipe: () => void;
  let applied = 0;

  afterEach(async () => {
    await shard.close();
    wipe();
  });

  function open(): void {
    const made = store();
    wipe = made.wipe;
    shard = startShard(inlineRuntime, shardEntry(made.open), undefined);
    applied = 0;
  }

  async function fill(ids: readonly number[], bytesOf: (i: number) => number): Promise<void> {
    const entries = ids.map((id, i) => put(10, rowKey(id), 'x'.repeat(bytesOf(i))));
    for (let from = 0; from < entries.length; from += 500) {
      const some = entries.slice(from, from + 500);
      await shard.apply(1, packEntries(applied + 1, some), applied + some.length);
      applied += some.length;
    }
  }

  async function middle(): Promise<number | undefined> {
    const key = await findMiddleKey(shard, WHOLE_TABLE);
    return key === undefined ? undefined : idOf(key);
  }

  test('of few rows it is counted', async () => {
    open();
    expect(await middle()).toBeUndefined();
    await fill([7], () => 100);
    expect(await middle()).toBeUndefined();
    await fill([9], () => 100);
    expect(await middle()).toBe(9);
    await fill([11, 13, 15, 17], () => 100);
    expect([11, 13]).toContain(await middle());
  });

  test('of many it is near the half of the bytes, however the keys lie', async () => {
    open();
    // Dense at first, then wider and wider apart.
    const ids = Array.from({ length: 4000 }, (_, i) => Math.round(1.005 ** i) + i);
    await fill(ids, () => 1000);
    await shard.flush();
    const at = ids.indexOf((await middle()) ?? -1);
    expect(at).toBeGreaterThan(0.3 * ids.length);
    expect(at).toBeLessThan(0.7 * ids.length);
  });

  test('rows of different sizes count by their bytes', async () => {
    open();
    const ids = Array.from({ length: 3000 }, (_, i) => i);
    await fill(ids, (i) => (i < 2000 ? 10 : 3000));
    await shard.flush();
    expect(await middle()).toBeGreaterThan(2100);
    expect(await middle()).toBeLessThan(2900);
  });
});

// Shards on real threads, from dist/: Vitest can't start a worker from a .ts file. Only types come from src/.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type * as Client from '../../src/storage/shard-client.ts';
import type * as Entry from '../../src/storage/shard-entry.ts';
import type * as NodeRuntime from '../../src/runtime/node/node-runtime.ts';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { startShard as startInlineShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { packEntries, put, rowKey } from './commands.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { drain, shardConformance } from './shard-conformance.ts';
import { contents, copyRange, snapshotConformance, SPAN } from './snapshot-conformance.ts';

const dist = new URL('../../dist/src/', import.meta.url);
const load = (path: string): Promise<unknown> => import(new URL(path, dist).href);
const { startShard } = (await load('storage/shard-client.js')) as typeof Client;
const { shardWorkerEntry } = (await load('storage/shard-entry.js')) as typeof Entry;
const { createNodeRuntime } = (await load('runtime/node/node-runtime.js')) as typeof NodeRuntime;

const runtime: Runtime = createNodeRuntime({ logLevel: 'error' });
const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'meridian-shard-'));

shardConformance('shard, on a thread over RocksDB', async () => {
  const path = await temporary();
  return {
    start: () => startShard(runtime, shardWorkerEntry, { path: join(path, 'db') }),
    wipe: () => rm(path, { recursive: true, force: true }),
  };
});

snapshotConformance('snapshots of a shard, on a thread over RocksDB', async () => {
  const path = await temporary();
  return {
    start: () => startShard(runtime, shardWorkerEntry, { path: join(path, 'db') }),
    wipe: () => rm(path, { recursive: true, force: true }),
  };
});

describe('RocksDB and memory', () => {
  it('move ranges to each other, and have the same checksums', async () => {
    const path = await temporary();
    const rocks = startShard(runtime, shardWorkerEntry, { path });
    const disk = createMemoryDisk();
    const entry = shardEntry(() => disk.open());
    const memory = startInlineShard(inlineRuntime, entry, undefined);
    const rows = Array.from({ length: 3000 }, (_, n) =>
      put(10 + (n % 7), rowKey(100, `${n % 1000}`), `row ${n}`),
    );
    await memory.apply(1, packEntries(1, rows), rows.length);
    await copyRange(memory, rocks, 1);
    await rocks.flush();
    for (const at of [9, 11, 14, 16] as Timestamp[]) {
      expect(await rocks.checksum(SPAN, at)).toEqual(await memory.checksum(SPAN, at));
    }
    await copyRange(rocks, memory, 1);
    expect(await contents(memory, SPAN, [11, 16])).toEqual(await contents(rocks, SPAN, [11, 16]));
    await rocks.close();
    await memory.close();
    await rm(path, { recursive: true });
  });
});

describe('three shards in one process', () => {
  it('keep their data apart, and serve at the same time', async () => {
    const path = await temporary();
    const shards = [0, 1, 2].map((n) => {
      return startShard(runtime, shardWorkerEntry, { path: join(path, `shard-${n}`) });
    });
    await Promise.all(
      shards.map(async (shard, n) => {
        for (let index = 1; index <= 30; index++) {
          const commands = Array.from({ length: 20 }, (_, i) => {
            return put(
              index,
              rowKey(100 + n, `${i}`.padStart(3, '0')),
              `shard ${n}, round ${index}`,
            );
          });
          const first = (index - 1) * 20 + 1;
          await shard.apply(n, packEntries(first, commands), first + 19);
        }
        await shard.flush();
      }),
    );
    for (const [n, shard] of shards.entries()) {
      const { rows, newest } = await drain(shard, {});
      expect(rows.map(fromUtf8)).toEqual(new Array(20).fill(`shard ${n}, round 30`));
      expect(newest).toBe(30);
      const [other] = await shard.get([rowKey(100 + ((n + 1) % 3), '000')], MAX_TIMESTAMP);
      expect(other?.timestamp).toBe(0);
    }
    await Promise.all(shards.map((shard) => shard.close()));
    expect(await readdir(path)).toEqual(['shard-0', 'shard-1', 'shard-2']);
    await rm(path, { recursive: true });
  });

  it('refuses a database that another shard has open', async () => {
    const path = await temporary();
    const first = startShard(runtime, shardWorkerEntry, { path });
    await first.opened;
    const second = startShard(runtime, shardWorkerEntry, { path });
    await expect(second.opened).rejects.toMatchObject({ name: 'FileError', kind: 'locked' });
    await second.close();
    await first.close();
    await rm(path, { recursive: true });
  });
});

import { describe, expect, it } from 'vitest';
import { FileError } from '../../src/runtime/runtime.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { packEntries, put, rowKey } from './commands.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { appliedRange, shardConformance } from './shard-conformance.ts';

shardConformance('shard, inline over memory', async () => {
  const disk = createMemoryDisk();
  const entry = shardEntry(() => disk.open());
  return { start: () => startShard(inlineRuntime, entry, undefined), wipe: async () => {} };
});

describe('a shard that is closed', () => {
  it('ends scans under way with an error, not as if they had seen every row', async () => {
    const disk = createMemoryDisk();
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => disk.open()),
      undefined,
    );
    const rows = Array.from({ length: 2000 }, (_, i) =>
      put(10, rowKey(100, String(i)), 'x'.repeat(100)),
    );
    await shard.apply(1, packEntries(1, rows), rows.length);
    const scan = shard.scan({
      span: { start: rowKey(100, ''), end: rowKey(101, '') },
      at: 20 as never,
      reverse: false,
      program: undefined,
      parameters: undefined,
      limitRows: 0,
      batchBytes: 4096,
    });
    expect((await scan.next())?.rowCount).toBeGreaterThan(0);
    const read = (async (): Promise<void> => {
      while ((await scan.next()) !== undefined);
    })();
    const closed = shard.close();
    await expect(read).rejects.toMatchObject({ code: '57P01' });
    await closed;
  });
});

describe('a flush', () => {
  it('answers for what was applied before it began, not for what came meanwhile (P30)', async () => {
    const engine = await createMemoryDisk().open();
    let finish: () => void = () => undefined;
    const flushing = new Promise<void>((begun) => {
      engine.flush = () => {
        begun();
        return new Promise((resolve) => {
          finish = resolve;
        });
      };
    });
    const shard = startShard(
      inlineRuntime,
      shardEntry(async () => engine),
      undefined,
    );
    await shard.apply(1, packEntries(1, [put(10, rowKey(100, 'a'), 'a')]), 1);
    const flushed = shard.flush();
    await flushing;
    await shard.apply(1, packEntries(2, [put(20, rowKey(100, 'a'), 'b')]), 2);
    finish();
    expect(await flushed).toEqual([appliedRange(1, 1)]);
    await shard.close();
  });
});

describe('a failing store', () => {
  /** An engine whose next writes fail. */
  async function failing(error: Error): Promise<Engine> {
    const engine = await createMemoryDisk().open();
    return Object.assign(Object.create(engine) as Engine, { write: () => Promise.reject(error) });
  }

  it('ends the shard with an error that says what kind it is', async () => {
    const full = new FileError('full', '/data/000007.log', 'No space left on device');
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => failing(full)),
      undefined,
    );
    await shard.opened;
    const failure = new Promise<Error>((resolve) => {
      shard.onFailure(resolve);
    });
    const refused = shard.apply(1, packEntries(1, [put(10, rowKey(100, 'a'), 'a')]), 1);
    const behind = shard.get([rowKey(100, 'a')], 20 as never);
    await expect(refused).rejects.toMatchObject({ kind: 'full', path: '/data/000007.log' });
    await expect(behind).rejects.toMatchObject({ kind: 'full' });
    expect(await failure).toMatchObject({ name: 'FileError', kind: 'full' });
    await expect(shard.flush()).rejects.toMatchObject({ kind: 'full' });
    await shard.close();
  });

  it('is told by `opened` when it cannot even open', async () => {
    const error = new FileError('io', '/data/MANIFEST-000004', 'Corruption');
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => Promise.reject(error)),
      undefined,
    );
    await expect(shard.opened).rejects.toMatchObject({ kind: 'io', path: '/data/MANIFEST-000004' });
    await expect(shard.flush()).rejects.toThrow('Corruption');
    await shard.close();
  });

  it('refuses the reads that met a broken file, and goes on', async () => {
    const engine = await createMemoryDisk().open();
    let broken = true;
    const error = new FileError('io', '/data/000009.sst', 'block checksum mismatch');
    const flaky = Object.assign(Object.create(engine) as Engine, {
      getMany: (keys: readonly Uint8Array[]) =>
        broken ? Promise.reject(error) : engine.getMany(keys),
    });
    const shard = startShard(
      inlineRuntime,
      shardEntry(async () => flaky),
      undefined,
    );
    const got = shard.get([rowKey(100, 'a')], 20 as never);
    await expect(got).rejects.toMatchObject({ path: '/data/000009.sst' });
    broken = false;
    expect(await shard.get([rowKey(100, 'a')], 20 as never)).toHaveLength(1);
    await shard.close();
  });
});

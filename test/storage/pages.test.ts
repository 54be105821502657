import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, toHex } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { PAGE_ROWS_PREFIX } from '../../src/storage/mvcc.ts';
import { openRocksEngine } from '../../src/storage/rocksdb-engine.ts';
import { type PageTuning, TINY_PAGES } from '../../src/storage/row-store.ts';
import type { Shard, ShardScanRequest } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { packEntries, put } from './commands.ts';
import { Model, modelKey, RANGE, scanAll, stepArbitrary, Walker } from './pages-model.ts';
import { scriptedRandom } from './scripted-random.ts';

function memoryShard(tuning?: PageTuning): () => Shard {
  const disk = createMemoryDisk();
  const entry = shardEntry(() => disk.open(), tuning);
  return () => startShard(inlineRuntime, entry, undefined);
}

describe('a shard that packs rows into pages', () => {
  // Versions are collected in between (P24).
  it.each<[string, PageTuning | undefined, number]>([
    ['pages', undefined, 60],
    ['tiny pages', TINY_PAGES, 200],
  ])(
    'reads as a map of all versions does, at every time, in both directions, after any history: %s',
    async (_name, tuning, numRuns) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(stepArbitrary(tuning !== undefined), { minLength: 10, maxLength: 60 }),
          async (steps) => {
            const walker = new Walker(memoryShard(tuning), async () => memoryShard(tuning)());
            try {
              for (const step of steps) await walker.step(step);
            } finally {
              await walker.close();
            }
          },
        ),
        { numRuns },
      );
    },
    120_000,
  );

  it('reads in order what comes after a page that was cut, with a single row behind it', async () => {
    const range = (n: number): number[] => Array.from({ length: 18 }, (_, i) => n + i);
    const key = (n: number): Uint8Array => modelKey(n);
    const walker = new Walker(memoryShard(TINY_PAGES), async () => memoryShard(TINY_PAGES)());
    try {
      for (const step of [
        { kind: 'write', keys: range(78), remove: false },
        { kind: 'load', index: 0, rows: 10 },
        { kind: 'write', keys: [106, 0], remove: false },
        { kind: 'clear', span: { start: key(104), end: key(106) } },
        { kind: 'write', keys: [1000], remove: false },
        { kind: 'load', index: 0, rows: 4 },
        { kind: 'write', keys: [0], remove: false },
        { kind: 'copy', span: { start: key(0), end: undefined } },
      ] as const) {
        await walker.step(step as never);
      }
    } finally {
      await walker.close();
    }
  });

  it('does so over RocksDB', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'meridian-pages-'));
    let opened = 0;
    const rocksShard = (): (() => Shard) => {
      const path = join(directory, String(opened++));
      const entry = shardEntry(() => openRocksEngine(path), TINY_PAGES);
      return () => startShard(inlineRuntime, entry, undefined);
    };
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(stepArbitrary(true), { minLength: 30, maxLength: 60 }),
          async (steps) => {
            const walker = new Walker(rocksShard(), async () => rocksShard()());
            try {
              for (const step of steps) await walker.step(step);
            } finally {
              await walker.close();
            }
          },
        ),
        { numRuns: 6, endOnFailure: true },
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('loses nothing that was flushed when power fails in the middle of it', async () => {
    const random = scriptedRandom(
      Array.from({ length: 200 }, (_, i) => Math.imul(i + 1, 0x9e3779b1)),
    );
    for (let round = 0; round < 30; round++) {
      const disk = createMemoryDisk();
      const entry = shardEntry(() => disk.open(), TINY_PAGES);
      const start = (): Shard => startShard(inlineRuntime, entry, undefined);
      const shard = start();
      const commands = Array.from({ length: 60 }, (_, i) =>
        put(10 + i, modelKey((i * 7) % 40), `${i}`),
      );
      await shard.apply(RANGE, packEntries(1, commands.slice(0, 40)), 40);
      await shard.flush();
      const packing = packAll(shard);
      await shard.apply(RANGE, packEntries(41, commands.slice(40)), 60);
      for (let turns = random.below(40); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      disk.crash(random);
      await packing;

      const again = start();
      const [range] = await again.opened;
      await again.apply(RANGE, packEntries(41, commands.slice(40)), 60);
      while (await again.pack());
      expect(range?.appliedIndex).toBeGreaterThanOrEqual(40);
      const model = new Model();
      commands.forEach((_, i) => model.write(modelKey((i * 7) % 40), 10 + i, `${i}`));
      for (const at of [15, 49, 69]) {
        const request = { ...EVERYTHING, at: at as Timestamp };
        expect(await scanAll(again, request, false)).toEqual(model.scan(request.span, at, false));
      }
      await again.close();
    }
  });

  it('names the page that is damaged, and never answers from it', async () => {
    const engine = await createMemoryDisk().open();
    const start = (): Shard =>
      startShard(
        inlineRuntime,
        shardEntry(async () => engine),
        undefined,
      );
    const shard = start();
    const commands = Array.from({ length: 500 }, (_, i) =>
      put(10, modelKey(i), `row ${i} ${'x'.repeat(300)}`),
    );
    await shard.apply(RANGE, packEntries(1, commands), commands.length);
    const pages = { start: Uint8Array.of(PAGE_ROWS_PREFIX), end: undefined };
    const keys: Uint8Array[] = [];
    const values: Uint8Array[] = [];
    for await (const batch of engine.scan(pages)) {
      keys.push(...batch.keys);
      values.push(...batch.values);
    }
    expect(keys.length).toBeGreaterThan(3);
    const bad = keys[1] as Uint8Array;
    const whole = values[1] as Uint8Array;
    for (const damage of [
      (page: Uint8Array) => page.fill(page[9000] === 1 ? 2 : 1, 9000, 9001),
      (page: Uint8Array) => page.subarray(0, page.length - 4),
      (page: Uint8Array) => page.subarray(0, 11),
      (page: Uint8Array) => page.fill(page[16] === 1 ? 2 : 1, 16, 17),
      // Another page's bytes.
      () => values[2] as Uint8Array,
    ]) {
      await engine.write([{ kind: 'put', key: bad, value: damage(whole.slice()) }]);
      const error = {
        code: 'XX001',
        message: expect.stringContaining(toHex(bad.slice(1))) as string,
      };
      await expect(scanAll(shard, EVERYTHING, false)).rejects.toMatchObject(error);
      const first = modelKey(firstRow(bad));
      await expect(shard.get([first], 20 as Timestamp)).rejects.toMatchObject(error);
      await expect(shard.checksum(EVERYTHING.span, 20 as Timestamp)).rejects.toMatchObject(error);
      // The rest is served.
      expect((await shard.get([modelKey(0)], 20 as Timestamp))[0]?.timestamp).toBe(10);
    }
    await engine.write([{ kind: 'delete', key: bad }]);
    await expect(scanAll(shard, EVERYTHING, false)).rejects.toMatchObject({ code: 'XX001' });
    const version = whole.slice();
    version[0] = 9;
    await engine.write([{ kind: 'put', key: bad, value: version }]);
    await expect(scanAll(shard, EVERYTHING, false)).rejects.toMatchObject({
      message: expect.stringMatching(/version 9, this program knows version 1/) as string,
    });
    await engine.write([{ kind: 'put', key: bad, value: whole }]);
    expect((await scanAll(shard, EVERYTHING, false)).rows.length).toBe(500);
  });
});

const EVERYTHING: ShardScanRequest = {
  span: { start: new Uint8Array(0), end: undefined },
  at: 100 as Timestamp,
  reverse: false,
  program: undefined,
  parameters: undefined,
  limitRows: 0,
  batchBytes: 10_000,
};

async function packAll(shard: Shard): Promise<void> {
  try {
    while (await shard.pack());
  } catch {
    // The store died.
  }
}

/** Of a page that begins with a row of the first index. */
function firstRow(pageKey: Uint8Array): number {
  return Number(fromUtf8(pageKey.subarray(5, 9)));
}

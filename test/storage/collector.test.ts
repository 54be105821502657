import { describe, expect, it } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { createMemoryDisk, type MemoryDisk } from '../../src/storage/memory-engine.ts';
import { HISTORY_PREFIX, headerIsTombstone, LATEST_PREFIX } from '../../src/storage/mvcc.ts';
import { RowStore, TINY_PAGES } from '../../src/storage/row-store.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { packEntries, put, remove, rowKey, type TestCommand } from './commands.ts';
import { inlineRuntime } from './inline-runtime.ts';

const RANGE = 5;
const ALL = { start: new Uint8Array(0), end: undefined };
const key = (n: number): Uint8Array => rowKey(100, String(n).padStart(4, '0'));
const ROWS = 60;

interface Stored {
  readonly older: number;
  readonly tombstones: number;
}

/** What a store that nobody has open any more has left of the past. */
async function stored(disk: MemoryDisk): Promise<Stored> {
  const engine = await disk.open();
  let [older, tombstones] = [0, 0];
  for (const prefix of [HISTORY_PREFIX, LATEST_PREFIX]) {
    const span = { start: Uint8Array.of(prefix), end: Uint8Array.of(prefix + 1) };
    for await (const { values } of engine.scan(span)) {
      for (const record of values) {
        if (prefix === HISTORY_PREFIX) older++;
        else if (headerIsTombstone(record)) tombstones++;
      }
    }
  }
  const { index, cache } = await RowStore.open(engine, TINY_PAGES);
  for (const page of await cache.load(engine, index.within(ALL), 'once')) {
    for (let i = 0; i < (page?.count ?? 0); i++) if (page?.isTombstone(i) === true) tombstones++;
  }
  await engine.close();
  return { older, tombstones };
}

/** Every row is written three times; the last third is removed. */
function history(): TestCommand[] {
  const rows = Array.from({ length: ROWS }, (_, n) => n);
  return [
    ...rows.map((n) => put(10 + n, key(n), `a${n}`)),
    ...rows.map((n) => put(100 + n, key(n), `b${n}`)),
    ...rows.map((n) =>
      n < (ROWS * 2) / 3 ? put(200 + n, key(n), `c${n}`) : remove(200 + n, key(n)),
    ),
  ];
}

async function collectAll(shard: Shard, threshold: number): Promise<number> {
  let versions = 0;
  let from: Uint8Array | undefined;
  for (;;) {
    const slice = await shard.collect(ALL, threshold as Timestamp, from);
    versions += slice.versions;
    if (slice.rest === undefined) return versions;
    from = slice.rest;
  }
}

describe('collecting versions', () => {
  it.each([
    ['single rows', 'never'],
    ['pages', 'before'],
    ['pages with single rows over them', 'between'],
  ])('leaves nothing of what nobody may ask for: %s', async (_name, packs) => {
    const disk = createMemoryDisk();
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => disk.open(), TINY_PAGES),
      undefined,
    );
    const pack = async (): Promise<void> => {
      while (await shard.pack());
    };
    const commands = history();
    const half = (ROWS * 5) / 2;
    await shard.apply(RANGE, packEntries(1, commands.slice(0, half)), half);
    if (packs === 'between') await pack();
    await shard.apply(RANGE, packEntries(half + 1, commands.slice(half)), commands.length);
    if (packs === 'before') await pack();
    const before = await shard.checksum(ALL, 1000 as Timestamp);
    expect(await collectAll(shard, 9)).toBe(0);
    expect(await collectAll(shard, 1000)).toBe(ROWS * 2 + ROWS / 3);
    expect(await shard.checksum(ALL, 1000 as Timestamp)).toEqual(before);
    const [kept, gone] = await shard.get([key(1), key(ROWS - 1)], 1000 as Timestamp);
    expect(kept?.value && fromUtf8(kept.value)).toBe('c1');
    expect(gone?.timestamp).toBe(0);
    await shard.close();
    expect(await stored(disk)).toEqual({ older: 0, tombstones: 0 });
  });

  it('keeps what a reader above the threshold may ask for', async () => {
    const disk = createMemoryDisk();
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => disk.open(), TINY_PAGES),
      undefined,
    );
    const commands = history();
    await shard.apply(RANGE, packEntries(1, commands), commands.length);
    const sums = [];
    for (const at of [150, 230, 260]) sums.push(await shard.checksum(ALL, at as Timestamp));
    await collectAll(shard, 150);
    const after = [];
    for (const at of [150, 230, 260]) after.push(await shard.checksum(ALL, at as Timestamp));
    expect(after).toEqual(sums);
    await shard.close();
    // Of the rows 51 to 59 the first version lives on, of all the second.
    expect((await stored(disk)).older).toBe(ROWS + 9);
  });

  it('reads a row that was removed and written again as not there in between', async () => {
    const disk = createMemoryDisk();
    const shard = startShard(
      inlineRuntime,
      shardEntry(() => disk.open(), TINY_PAGES),
      undefined,
    );
    const before = [put(10, key(1), 'a'), remove(20, key(1))];
    await shard.apply(RANGE, packEntries(1, before), before.length);
    // A leader that has collected the tombstone already says that the row is new.
    const again: TestCommand = {
      kind: 'writes',
      at: 40,
      writes: [{ key: key(1), value: new TextEncoder().encode('b') }],
      isNew: true,
    };
    await shard.apply(RANGE, packEntries(3, [again]), 3);
    const [between] = await shard.get([key(1)], 30 as Timestamp);
    expect(between?.value).toBeUndefined();
    expect((await shard.checksum(ALL, 30 as Timestamp)).rows).toBe(0);
    await shard.close();
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyAfter, utf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import type { Engine, Span } from '../../src/storage/engine.ts';
import { LATEST_PREFIX, PAGE_ROWS_PREFIX } from '../../src/storage/mvcc.ts';
import { createMemoryDisk, type MemoryDisk } from '../../src/storage/memory-engine.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { packEntries, put, remove, rowKey, type TestCommand } from './commands.ts';
import { scriptedRandom } from './scripted-random.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { appliedRange, drain } from './shard-conformance.ts';
import { contents, copyRange, key, snapshotConformance, SPAN } from './snapshot-conformance.ts';

const RANGE = 1;
const OTHER = 2;

function start(disk: MemoryDisk, wrap: (engine: Engine) => Engine = (engine) => engine): Shard {
  const entry = shardEntry(async () => wrap(await disk.open()));
  return startShard(inlineRuntime, entry, undefined);
}

snapshotConformance('snapshots of a shard, inline over memory', async () => {
  const disk = createMemoryDisk();
  return { start: () => start(disk), wipe: async () => {} };
});

describe('a range that moves to another shard', () => {
  const bound = fc
    .tuple(fc.integer({ min: 0, max: 8 }), fc.boolean())
    .map(([n, after]) => (after ? keyAfter(key(n)) : key(n)));
  const spanArbitrary: fc.Arbitrary<Span> = fc.record({
    start: bound,
    end: fc.option(bound, { nil: undefined, freq: 4 }),
  });
  const commandArbitrary: fc.Arbitrary<(at: number) => TestCommand> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.integer({ min: 0, max: 8 }), fc.option(fc.string({ maxLength: 40 })))
        .map(([n, value]) => (at: number) => {
          return value === null ? remove(at, key(n)) : put(at, key(n), value);
        }),
    },
    {
      weight: 1,
      arbitrary: spanArbitrary.map((span) => (at: number): TestCommand => {
        return { kind: 'clear', at, start: span.start, end: span.end };
      }),
    },
  );
  const historyArbitrary = fc.array(commandArbitrary, { maxLength: 40 });

  it('reads the same at every time, for any history of it and of what it replaces', async () => {
    await fc.assert(
      fc.asyncProperty(
        historyArbitrary,
        historyArbitrary,
        spanArbitrary,
        fc.constantFrom(1, 60, 100_000),
        async (history, before, span, chunkBytes) => {
          const source = start(createMemoryDisk());
          const target = start(createMemoryDisk());
          // Two writes of a history share each time.
          const commands = history.map((make, i) => make(10 + (i >> 1)));
          const replaced = before.map((make, i) => make(10 + i));
          if (commands.length > 0)
            await source.apply(RANGE, packEntries(1, commands), commands.length);
          if (replaced.length > 0)
            await target.apply(RANGE, packEntries(1, replaced), replaced.length);

          const times = Array.from({ length: 52 }, (_, i) => 9 + i);
          const left = { start: new Uint8Array(0), end: span.start };
          const right =
            span.end === undefined ? undefined : { start: span.end, end: rowKey(200, '') };
          const around = async (): Promise<string[]> => [
            ...(await contents(target, left, times)),
            ...(right === undefined ? [] : await contents(target, right, times)),
          ];
          // A span turned about holds nothing, and moves nothing.
          const untouched = await around();
          expect(await copyRange(source, target, RANGE, span, chunkBytes)).toBe(commands.length);
          expect(await contents(target, span, times)).toEqual(await contents(source, span, times));
          expect(await around()).toEqual(untouched);
          await source.close();
          await target.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('rows that are many', () => {
  /** Rows in the order of their keys become pages at once; a few are written again, singly. */
  async function filled(): Promise<Shard> {
    const source = start(createMemoryDisk());
    const rows = Array.from({ length: 5000 }, (_, n) => put(10, key(n), `row ${n}`.padEnd(40)));
    await source.apply(RANGE, packEntries(1, rows), rows.length);
    const again = [17, 18, 2500].map((n) => put(20, key(n), 'again'));
    await source.apply(RANGE, packEntries(5001, again), 5003);
    return source;
  }

  it('travel and arrive as pages', async () => {
    const source = await filled();
    const written = new Map<number, number>();
    const target = start(createMemoryDisk(), (engine) =>
      Object.assign(Object.create(engine) as Engine, {
        write: (ops: Parameters<Engine['write']>[0]) => {
          for (const op of ops) {
            const prefix = op.kind === 'put' ? (op.key[0] as number) : -1;
            written.set(prefix, (written.get(prefix) ?? 0) + 1);
          }
          return engine.write(ops);
        },
      }),
    );
    await copyRange(source, target, RANGE, SPAN, 100_000);
    expect(written.get(LATEST_PREFIX) ?? 0).toBeLessThan(32);
    expect(written.get(PAGE_ROWS_PREFIX)).toBeGreaterThan(5);
    expect(await contents(target, SPAN, [10, 20])).toEqual(await contents(source, SPAN, [10, 20]));
    // What lies in the pages is found, and superseded.
    await target.apply(RANGE, packEntries(5004, [put(30, key(4000), 'new')]), 5004);
    const versions = await target.get([key(4000), key(4001)], 25 as Timestamp);
    expect(versions.map((one) => one?.timestamp)).toEqual([10, 10]);
    await target.close();
    await source.close();
  });

  it('are refused when any byte was damaged on the way', async () => {
    const source = await filled();
    const target = start(createMemoryDisk());
    const snapshot = source.readSnapshot(RANGE, SPAN, 20_000);
    for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
      // What lies before it says what the chunk is, and how much is in it.
      for (let at = 16; at < chunk.length; at += 997) {
        const damaged = chunk.slice();
        damaged[at] = (damaged[at] as number) ^ 4;
        // Zeros that only pad tell nothing.
        if (chunk[at] === 0) continue;
        await target.beginInstall(RANGE, SPAN);
        await expect(target.installChunk(RANGE, damaged)).rejects.toThrow();
      }
    }
    await target.close();
    await source.close();
  });
});

/** Power fails instead of the n-th write or flush. */
function failingAt(n: number, disk: MemoryDisk, kept: number): (engine: Engine) => Engine {
  let calls = 0;
  return (engine) => {
    const step = <T>(run: () => Promise<T>): Promise<T> => {
      if (calls++ !== n) return run();
      disk.crash(scriptedRandom([kept]));
      return Promise.reject(new Error('the power has failed'));
    };
    return Object.assign(Object.create(engine) as Engine, {
      write: (ops: Parameters<Engine['write']>[0]) => step(() => engine.write(ops)),
      flush: () => step(() => engine.flush()),
      close: () => engine.close(),
    });
  };
}

describe('power that fails during an install (P31)', () => {
  const oldRows = [put(5, key(1), 'old'), put(6, key(1), 'newer'), put(6, key(900), 'old')];
  const newRows = Array.from({ length: 30 }, (_, i) => put(10 + i, key(i % 20), `new ${i}`));
  const times = [4, 5, 6, 10, 20, 30, 40];

  /** Undefined: it never got so far. */
  async function crashAt(
    n: number,
    kept: number,
  ): Promise<'old' | 'installing' | 'new' | undefined> {
    const source = start(createMemoryDisk());
    await source.apply(RANGE, packEntries(1, newRows), newRows.length);
    const disk = createMemoryDisk();
    const before = start(disk);
    await before.apply(RANGE, packEntries(1, oldRows), oldRows.length);
    await before.apply(OTHER, packEntries(1, [put(5, rowKey(300, 'o'), 'other')]), 1);
    const old = await contents(before, SPAN, times);
    await before.flush();
    await before.close();

    const target = start(disk, failingAt(n, disk, kept));
    let begun = false;
    let finished = false;
    try {
      const snapshot = source.readSnapshot(RANGE, SPAN, 300);
      await target.beginInstall(RANGE, SPAN);
      begun = true;
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        await target.installChunk(RANGE, chunk);
      }
      await target.finishInstall(RANGE, newRows.length, utf8('state'));
      finished = true;
    } catch (error) {
      expect((error as Error).message).toContain('the power has failed');
    }
    if (finished) disk.crash(scriptedRandom([kept]));
    await target.close().catch(() => {});

    const after = start(disk);
    const ranges = await after.opened;
    const mine = ranges.find((one) => one.range === RANGE);
    const other = await drain(after, { span: { start: rowKey(300, ''), end: undefined } });
    expect(other.rows).toEqual([utf8('other')]);
    expect(ranges).toContainEqual(appliedRange(OTHER, 1));
    let state: 'old' | 'installing' | 'new';
    if (mine?.isInstalling === true) {
      state = 'installing';
      expect(mine).toEqual({ ...appliedRange(RANGE, 0), isInstalling: true });
    } else if (mine?.records.has('state') !== true) {
      state = 'old';
      expect(mine).toEqual(appliedRange(RANGE, oldRows.length));
      expect(await contents(after, SPAN, times)).toEqual(old);
      expect(begun).toBe(false);
    } else {
      state = 'new';
      expect(mine).toEqual(appliedRange(RANGE, newRows.length, { state: 'state' }));
      expect(await contents(after, SPAN, times)).toEqual(await contents(source, SPAN, times));
    }
    if (finished) expect(state).toBe('new');
    // Whatever was found, it can be installed from there.
    await copyRange(source, after, RANGE);
    expect(await contents(after, SPAN, times)).toEqual(await contents(source, SPAN, times));
    await after.close();
    await source.close();
    return finished ? undefined : state;
  }

  it('leaves the range marked, or as it was before, or whole', async () => {
    const seen = new Set<string | undefined>();
    for (let n = 0; ; n++) {
      let states: (string | undefined)[] = [];
      for (let kept = 0; kept < 8; kept++) states = [...states, await crashAt(n, kept)];
      for (const state of states) seen.add(state);
      if (states.every((state) => state === undefined)) {
        expect(n).toBeGreaterThan(8);
        break;
      }
    }
    expect(seen).toEqual(new Set(['old', 'installing', 'new', undefined]));
  });
});

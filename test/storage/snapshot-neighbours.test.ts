// Ranges that lie side by side in one shard, whose rows share pages, of which one is taken out and put in elsewhere, again
// and again, while others are written to and packed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import type { Span } from '../../src/storage/engine.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { TINY_PAGES } from '../../src/storage/row-store.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { packEntries, put, remove, type TestCommand } from './commands.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { Model, modelKey, scanAll } from './pages-model.ts';

const KEYS = 60;
/** Of the ranges: [bound, next bound). */
const BOUNDS = [0, 13, 14, 25, 40, KEYS];
const RANGES = BOUNDS.length - 1;
/** Which of the ranges' rows are in which of the indexes of pages-model.ts. */
const place = (n: number): number => (n < 30 ? n : 1000 + n - 30);

const spanOf = (range: number): Span => ({
  start: range === 0 ? new Uint8Array(0) : modelKey(place(BOUNDS[range] as number)),
  end: range === RANGES - 1 ? undefined : modelKey(place(BOUNDS[range + 1] as number)),
});

function rangeOf(n: number): number {
  let range = 0;
  while (n >= (BOUNDS[range + 1] as number)) range++;
  return range;
}

type Step =
  | { kind: 'write'; from: number; count: number; every: number; remove: boolean; length: number }
  | { kind: 'pack'; shard: 0 | 1; slices: number }
  | { kind: 'restart'; shard: 0 | 1 }
  | { kind: 'move'; range: number; from: 0 | 1; chunkBytes: number; packs: boolean };

const side = fc.constantFrom(0 as const, 1 as const);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      from: fc.integer({ min: 0, max: KEYS - 1 }),
      count: fc.integer({ min: 1, max: 40 }),
      every: fc.integer({ min: 1, max: 3 }),
      remove: fc.boolean(),
      length: fc.constantFrom(1, 30, 200),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('pack' as const),
      shard: side,
      slices: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), shard: side }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      range: fc.integer({ min: 0, max: RANGES - 1 }),
      from: side,
      chunkBytes: fc.constantFrom(60, 700, 5000),
      packs: fc.boolean(),
    }),
  },
);

/** Two shards with a replica each of every range. */
class Replicas {
  private readonly starts = [opener(), opener()];
  private readonly shards = this.starts.map((start) => start());
  private readonly model = new Model();
  /** Of each range, in each shard. */
  private readonly applied = [new Array<number>(RANGES).fill(0), new Array<number>(RANGES).fill(0)];
  private now = 100;

  async step(step: Step): Promise<void> {
    if (step.kind === 'write') await this.write(step);
    else if (step.kind === 'pack') await pack(this.shards[step.shard] as Shard, step.slices);
    else if (step.kind === 'restart') await this.restart(step.shard);
    else await this.move(step);
    await this.check();
  }

  async close(): Promise<void> {
    for (const shard of this.shards) await shard.close();
  }

  /** Ranges in the order of their keys, each with a log of its own; what one has of them may become one batch. */
  private async write(step: Step & { kind: 'write' }): Promise<void> {
    this.now++;
    const commands = Array.from({ length: RANGES }, (): TestCommand[] => []);
    for (let i = 0; i < step.count; i++) {
      const n = step.from + i * step.every;
      if (n >= KEYS) break;
      const key = modelKey(place(n));
      const text = step.remove ? undefined : `${n}@${this.now} `.padEnd(step.length, 'v');
      this.model.write(key, this.now, text);
      (commands[rangeOf(n)] as TestCommand[]).push(
        text === undefined ? remove(this.now, key) : put(this.now, key, text),
      );
    }
    await Promise.all(
      this.shards.flatMap((shard, of) =>
        commands.map(async (some, range) => {
          if (some.length === 0) return;
          const applied = this.applied[of] as number[];
          const first = (applied[range] as number) + 1;
          applied[range] = first + some.length - 1;
          await shard.apply(range + 1, packEntries(first, some), first + some.length - 1);
        }),
      ),
    );
  }

  private async restart(of: 0 | 1): Promise<void> {
    await (this.shards[of] as Shard).close();
    this.shards[of] = (this.starts[of] as () => Shard)();
  }

  private async move(step: Step & { kind: 'move' }): Promise<void> {
    const from = this.shards[step.from] as Shard;
    const to = this.shards[1 - step.from] as Shard;
    const span = spanOf(step.range);
    const id = step.range + 1;
    const snapshot = from.readSnapshot(id, span, step.chunkBytes);
    const { appliedIndex } = await snapshot.taken;
    const packing = step.packs ? Promise.all([pack(to, 50), pack(from, 50)]) : undefined;
    await to.beginInstall(id, span);
    for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
      await to.installChunk(id, chunk);
      if (step.packs) await pack(to, 2);
    }
    await to.finishInstall(id, appliedIndex, utf8('state'));
    (this.applied[1 - step.from] as number[])[step.range] = appliedIndex;
    await packing;
  }

  private async check(): Promise<void> {
    const span = { start: new Uint8Array(0), end: undefined };
    const keys = Array.from({ length: KEYS }, (_, n) => modelKey(place(n)));
    for (const shard of this.shards) {
      for (const at of [this.now, this.now - 2]) {
        for (const reverse of [false, true]) {
          const found = await scanAll(
            shard,
            { ...SCAN, span, at: at as Timestamp, reverse },
            false,
          );
          expect(found).toEqual(this.model.scan(span, at, reverse));
        }
        const versions = await shard.get(keys, at as Timestamp);
        const times = versions.map((version) => version?.timestamp ?? 'later');
        const wanted = keys.map((key) => {
          const version = this.model.version(key, at);
          return typeof version === 'string' ? (version === 'never' ? 0 : version) : version.at;
        });
        expect(times).toEqual(wanted);
      }
    }
  }
}

const SCAN = {
  program: undefined,
  parameters: undefined,
  limitRows: 0,
  batchBytes: 3000,
};

function opener(): () => Shard {
  const disk = createMemoryDisk();
  const entry = shardEntry(() => disk.open(), TINY_PAGES);
  return () => startShard(inlineRuntime, entry, undefined);
}

async function pack(shard: Shard, slices: number): Promise<void> {
  for (let i = 0; i < slices; i++) if (!(await shard.pack())) return;
}

/** Rows 21 to 29 of two ranges share a page, of which one range is replaced. */
const SHARED_PAGE: Step[] = [
  { kind: 'write', from: 21, count: 5, every: 2, remove: false, length: 1 },
  { kind: 'pack', shard: 0, slices: 1 },
  { kind: 'pack', shard: 1, slices: 1 },
  { kind: 'move', range: 2, from: 0, chunkBytes: 60, packs: false },
  { kind: 'write', from: 0, count: 1, every: 1, remove: false, length: 1 },
];

describe('ranges side by side in one shard', () => {
  it('keep what they have while one of them is replaced', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 3, maxLength: 30 }), async (steps) => {
        const replicas = new Replicas();
        try {
          for (const step of steps) await replicas.step(step);
        } finally {
          await replicas.close();
        }
      }),
      { numRuns: 60, examples: [[SHARED_PAGE]] },
    );
  });
});

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { type PageTuning, TINY_PAGES } from '../../src/storage/row-store.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { stepArbitrary, Walker } from './pages-model.ts';

function memoryShard(tuning?: PageTuning): () => Shard {
  const disk = createMemoryDisk();
  const entry = shardEntry(() => disk.open(), tuning);
  return () => startShard(inlineRuntime, entry, undefined);
}

describe('a shard that packs rows into pages', () => {
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
});

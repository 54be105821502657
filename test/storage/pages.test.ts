import fc from 'fast-check';
import { describe, it } from 'vitest';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { startShard } from '../../src/storage/shard-client.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';
import { inlineRuntime } from './inline-runtime.ts';
import { stepArbitrary, Walker } from './pages-model.ts';

function memoryShard(): () => Shard {
  const disk = createMemoryDisk();
  const entry = shardEntry(() => disk.open());
  return () => startShard(inlineRuntime, entry, undefined);
}

describe('a shard that packs rows into pages', () => {
  it('reads as a map of all versions does, at every time, in both directions, after any history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 10, maxLength: 60 }), async (steps) => {
        const walker = new Walker(memoryShard(), async () => memoryShard()());
        try {
          for (const step of steps) await walker.step(step);
        } finally {
          await walker.close();
        }
      }),
      { numRuns: 80 },
    );
  }, 120_000);
});

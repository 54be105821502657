import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { collect, engineConformance } from './engine-conformance.ts';
import { scriptedRandom } from './scripted-random.ts';

engineConformance('memory engine', async () => {
  let disk = createMemoryDisk();
  return {
    open: () => disk.open(),
    wipe: async () => {
      disk = createMemoryDisk();
    },
  };
});

const ALL = { start: new Uint8Array(0), end: undefined };
const put = (n: number) => ({
  kind: 'put' as const,
  key: Uint8Array.of(n),
  value: Uint8Array.of(n),
});

describe('memory disk', () => {
  it('falls back, on a crash, to a random write at or after the last flush', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(9), fc.nat(), async (flushed, unflushed, choice) => {
        const disk = createMemoryDisk();
        const engine = await disk.open();
        for (let n = 0; n < flushed; n++) await engine.write([put(n)]);
        await engine.flush();
        for (let n = 0; n < unflushed; n++) await engine.write([put(100 + n), put(200 + n)]);
        disk.crash(scriptedRandom([choice]));
        const again = await disk.open();
        const kept = choice % (unflushed + 1);
        const expected = [
          ...Array.from({ length: flushed }, (_, n) => `${n}=${n}`),
          ...Array.from({ length: kept }, (_, n) => `${100 + n}=${100 + n}`),
          ...Array.from({ length: kept }, (_, n) => `${200 + n}=${200 + n}`),
        ];
        expect(await collect(again, ALL)).toEqual(expected);
      }),
    );
  });

  it('keeps what survived one crash in the next', async () => {
    const disk = createMemoryDisk();
    const engine = await disk.open();
    await engine.write([put(1)]);
    disk.crash(scriptedRandom([1]));
    const again = await disk.open();
    expect(await collect(again, ALL)).toEqual(['1=1']);
    disk.crash(scriptedRandom([0]));
    expect(await collect(await disk.open(), ALL)).toEqual(['1=1']);
  });

  it('refuses the engine that a crash has killed', async () => {
    const disk = createMemoryDisk();
    const engine = await disk.open();
    disk.crash(scriptedRandom([0]));
    await expect(engine.write([put(1)])).rejects.toThrow('crashed');
  });

  it('is open once at a time', async () => {
    const disk = createMemoryDisk();
    await disk.open();
    await expect(disk.open()).rejects.toThrow('open already');
  });
});

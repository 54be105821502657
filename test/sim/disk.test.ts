// What a simulated disk keeps. Fates are chosen by chance, so each claim is made for many seeds: what must always hold,
// and what must happen at least once.

import { describe, expect, it } from 'vitest';
import { FileError, type Files } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { Life, World } from '../../src/sim/world.ts';

const SEEDS = 60;

class Bench {
  readonly world: World;
  readonly disk: SimDisk;
  life = new Life(1);

  constructor(seed: number) {
    this.world = new World(seed);
    this.disk = new SimDisk(this.world, 'disk');
  }

  get files(): Files {
    return this.disk.files(this.life);
  }

  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.world.run(() => settled, this.world.nowMicros + 10_000_000);
    return await promise;
  }

  reboot(): void {
    this.life.alive = false;
    this.disk.losePower();
    this.life = new Life(1);
  }

  /** The content of a file that may be missing, as text. */
  async text(path: string): Promise<string | undefined> {
    const bytes = await this.until(this.files.read(path));
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  }
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** The answers of all seeds. */
async function forSeeds<T>(run: (bench: Bench) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) answers.push(await run(new Bench(seed)));
  return answers;
}

describe('power loss', () => {
  it('keeps what was synced, and loses, keeps or tears what was not', async () => {
    const ends = await forSeeds(async (bench) => {
      await bench.until(bench.files.makeDirectory('d'));
      const file = await bench.until(bench.files.open('d/f', { create: true }));
      await bench.until(file.writeSynced(0, bytes('a'.repeat(200))));
      await bench.until(bench.files.syncDirectory('d'));
      await bench.until(file.write(200, bytes('b'.repeat(200))));
      expect(await bench.text('d/f')).toBe('a'.repeat(200) + 'b'.repeat(200));
      bench.reboot();
      return (await bench.text('d/f')) ?? '';
    });
    for (const end of ends) expect(end.slice(0, 200)).toBe('a'.repeat(200));
    const tails = new Set(ends.map((end) => end.slice(200)));
    expect(tails).toContain('');
    expect(tails).toContain('b'.repeat(200));
    // Torn: some of it, with zeros where pieces are missing.
    expect(
      [...tails].some((tail) => tail.includes('b') && (tail.includes('\0') || tail.length < 200)),
    ).toBe(true);
  });

  it('has each write at the mercy of chance by itself: a later one may survive an earlier', async () => {
    const ends = await forSeeds(async (bench) => {
      const file = await bench.until(bench.files.open('f', { create: true }));
      await bench.until(file.preallocate(2));
      await bench.until(bench.files.syncDirectory('.'));
      await bench.until(file.write(0, bytes('1')));
      await bench.until(file.write(1, bytes('2')));
      bench.reboot();
      return await bench.text('f');
    });
    expect(ends).toContain('\0' + '2');
    expect(ends).toContain('1\0');
  });

  it('does not take a synced write for a sync of the others', async () => {
    const ends = await forSeeds(async (bench) => {
      await bench.until(bench.files.makeDirectory('d'));
      const file = await bench.until(bench.files.open('d/f', { create: true }));
      await bench.until(bench.files.syncDirectory('d'));
      await bench.until(file.write(0, bytes('plain')));
      await bench.until(file.writeSynced(5, bytes('synced')));
      bench.reboot();
      return (await bench.text('d/f')) ?? '';
    });
    for (const end of ends) expect(end.slice(5)).toBe('synced');
    expect(new Set(ends.map((end) => end.slice(0, 5)))).toContain('\0\0\0\0\0');
  });

  it('does not keep what was written after the sync was asked for', async () => {
    const ends = await forSeeds(async (bench) => {
      await bench.until(bench.files.makeDirectory('d'));
      const file = await bench.until(bench.files.open('d/f', { create: true }));
      await bench.until(bench.files.syncDirectory('d'));
      await bench.until(file.write(0, bytes('before')));
      const synced = file.sync();
      const late = file.write(6, bytes('late'));
      await bench.until(Promise.all([synced, late]));
      bench.reboot();
      return (await bench.text('d/f')) ?? '';
    });
    for (const end of ends) expect(end.slice(0, 6)).toBe('before');
    expect(ends).toContain('before');
  });

  it('may forget a new name, or bring a removed one back, until the directory is synced', async () => {
    const ends = await forSeeds(async (bench) => {
      const { files } = bench;
      await bench.until(files.makeDirectory('d'));
      const old = await bench.until(files.open('d/old', { create: true }));
      await bench.until(old.writeSynced(0, bytes('old')));
      const kept = await bench.until(files.open('d/kept', { create: true }));
      await bench.until(kept.writeSynced(0, bytes('kept')));
      await bench.until(files.syncDirectory('d'));
      const fresh = await bench.until(files.open('d/new', { create: true }));
      await bench.until(fresh.writeSynced(0, bytes('new')));
      await bench.until(files.remove('d/old'));
      bench.reboot();
      return (await bench.until(bench.files.list('d'))).join(' ');
    });
    expect(new Set(ends)).toEqual(new Set(['kept', 'kept new', 'kept old', 'kept new old']));
  });

  it('replaces a file as a whole, for good', async () => {
    const ends = await forSeeds(async (bench) => {
      await bench.until(bench.files.replace('d/f', bytes('first')));
      const second = bench.files.replace('d/f', bytes('second'));
      if (bench.world.random.oneIn(2)) await bench.until(second);
      bench.reboot();
      return await bench.text('d/f');
    });
    expect(new Set(ends)).toEqual(new Set(['first', 'second']));
  });

  it('lets go of the directory, and ends what was under way', async () => {
    const bench = new Bench(1);
    await bench.until(bench.files.lockDirectory('d'));
    let isOver = false;
    void bench.files.makeDirectory('d/e').then(() => {
      isOver = true;
    });
    bench.reboot();
    await bench.until(bench.files.lockDirectory('d'));
    await bench.world.run(() => false, bench.world.nowMicros + 1_000_000);
    expect(isOver).toBe(false);
  });
});

describe('the death of the process alone', () => {
  it('leaves what was written readable, and as unsafe as before', async () => {
    const ends = await forSeeds(async (bench) => {
      await bench.until(bench.files.makeDirectory('d'));
      const file = await bench.until(bench.files.open('d/f', { create: true }));
      await bench.until(bench.files.syncDirectory('d'));
      await bench.until(file.write(0, bytes('unsynced')));
      bench.life.alive = false;
      bench.disk.killProcess();
      bench.life = new Life(1);
      expect(await bench.text('d/f')).toBe('unsynced');
      bench.reboot();
      return await bench.text('d/f');
    });
    expect(ends).toContain('');
    expect(ends).toContain('unsynced');
  });
});

describe('a bad disk', () => {
  it('that is full takes nothing more, of any size beyond', async () => {
    const bench = new Bench(1);
    const file = await bench.until(bench.files.open('f', { create: true }));
    bench.disk.settings.capacityBytes = 100;
    await bench.until(file.writeSynced(0, new Uint8Array(100)));
    const refused = await bench
      .until(file.writeSynced(100, new Uint8Array(1)))
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FileError);
    expect((refused as FileError).kind).toBe('full');
    expect(await bench.until(bench.files.freeBytes('.'))).toBe(0);
    // Over what is there, it writes on.
    await bench.until(file.writeSynced(0, bytes('over')));
  });

  it('fails writes and syncs, and counts that it did', async () => {
    const bench = new Bench(1);
    const file = await bench.until(bench.files.open('f', { create: true }));
    bench.disk.settings.failOneIn = 1;
    for (const failing of [
      () => file.writeSynced(0, bytes('x')),
      () => file.write(0, bytes('x')),
      () => file.sync(),
    ]) {
      const error = await bench.until(failing()).catch((reason: unknown) => reason);
      expect((error as FileError).kind).toBe('io');
    }
    expect(bench.disk.failures).toBe(3);
  });

  it('refuses a second life in a locked directory', async () => {
    const bench = new Bench(1);
    await bench.until(bench.files.lockDirectory('d'));
    const other = bench.disk.files(new Life(2));
    const refused = await bench.until(other.lockDirectory('d')).catch((error: unknown) => error);
    expect((refused as FileError).kind).toBe('locked');
  });
});

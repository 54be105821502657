import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClockOptions, openIntervalClock, type OwnedClock } from '../../src/clock/clock.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { diskError, FakeDisk, FakeWorld, microtasks } from './fake.ts';

function start(world: FakeWorld, disk: FakeDisk, options?: ClockOptions): Promise<OwnedClock> {
  const { time, timers, log } = world;
  return world.until(openIntervalClock({ time, timers, log, files: disk }, '/data', options));
}

describe('P8: the bound on timestamps', () => {
  it('never goes back across restarts, clean or not, with the wall stepped and the last write torn', async () => {
    const life = fc.record({
      advance: fc.nat(5_000_000),
      serves: fc.array(fc.nat(400_000), { maxLength: 5 }),
      end: fc.constantFrom('clean', 'crash', 'torn'),
      tornAfter: fc.nat(24),
      stepMicros: fc.integer({ min: -3_000_000, max: 3_000_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 2, maxLength: 5 }), async (lives) => {
        const world = new FakeWorld();
        let disk = new FakeDisk();
        let greatest = 0;
        for (const { advance, serves, end, tornAfter, stepMicros } of lives) {
          const clock = await start(world, disk);
          expect(clock.earliest()).toBeGreaterThan(greatest);
          if (end === 'torn') disk.tearNextAfter = tornAfter;
          world.advance(advance);
          await microtasks();
          for (const ahead of serves) {
            clock.observe((clock.latest() + ahead) as Timestamp);
            const issued = clock.issue();
            expect(issued).toBeGreaterThan(greatest);
            // What the disk does not cover is never told to anybody.
            if (clock.covers(issued)) greatest = issued;
          }
          if (end === 'clean') await clock.close();
          disk = disk.afterCrash();
          world.stepMicros += stepMicros;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('is kept ahead: about a second, renewed at half', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const clock = await start(world, disk);
    const writes = disk.writes;
    for (let i = 0; i < 100; i++) {
      expect(clock.covers((clock.latest() + 450_000) as Timestamp)).toBe(true);
      expect(clock.covers((clock.latest() + 1_100_000) as Timestamp)).toBe(false);
      world.advance(100_000);
      await microtasks();
    }
    expect(disk.writes - writes).toBe(20);
    await clock.close();
    expect(world.timersArmed).toBe(0);
  });

  it('is exact at a clean stop: the next start waits for no more than what was used', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const clock = await start(world, disk);
    const used = clock.issue();
    expect(clock.covers(used)).toBe(true);
    await clock.close();
    expect(clock.covers(used)).toBe(false);
    const stoppedAt = world.trueMicros;
    await start(world, disk);
    expect(world.trueMicros).toBeGreaterThan(used);
    expect(world.trueMicros - stoppedAt).toBeLessThan(100);
  });

  it('makes a start after a crash wait for the reserve', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const clock = await start(world, disk);
    const latest = clock.latest();
    expect(clock.covers((latest + 900_000) as Timestamp)).toBe(true);
    const next = await start(world, disk.afterCrash());
    expect(next.earliest()).toBeGreaterThan(latest + 900_000);
  });

  it('says so when the wait is long', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    await start(world, disk);
    world.stepMicros = -60_000_000;
    await start(world, disk.afterCrash());
    expect(world.logged).toContain(
      'waiting for the clock to pass what this node has served before',
    );
  });

  it('is not lowered by a start that did not come to its end', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const first = await start(world, disk);
    const served = (first.latest() + 900_000) as Timestamp;
    expect(first.covers(served)).toBe(true);
    const second = disk.afterCrash();
    second.failure = diskError('io');
    await expect(start(world, second)).rejects.toThrow('the disk is io');
    const third = await start(world, second.afterCrash());
    expect(third.earliest()).toBeGreaterThan(served);
  });

  it('is extended on demand, many demands in one write, but not far into the future', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const clock = await start(world, disk, { reserveMicros: 100_000 });
    const latest = clock.latest();
    const writes = disk.writes;
    const wanted = [200_000, 300_000, 400_000].map((ahead) => (latest + ahead) as Timestamp);
    await Promise.all(wanted.map((t) => clock.cover(t)));
    expect(wanted.map((t) => clock.covers(t))).toEqual([true, true, true]);
    expect(disk.writes - writes).toBeLessThanOrEqual(2);
    const far = clock.cover((latest + 10_000_000) as Timestamp);
    await expect(far).rejects.toMatchObject({ code: '22023' });
  });

  it('stops the node when it can not be written any more (P35), not when the disk is full', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    const failures: unknown[] = [];
    const clock = await start(world, disk, { onFailure: (error) => failures.push(error) });
    disk.failure = diskError('full');
    world.advance(2_000_000);
    await microtasks();
    const t = clock.issue();
    await expect(clock.cover(t)).rejects.toThrow('the disk is full');
    expect(failures).toEqual([]);
    disk.failure = undefined;
    await clock.cover(t);

    disk.failure = diskError('io');
    world.advance(600_000);
    await microtasks();
    expect(failures).toEqual([disk.failure]);
    disk.failure = undefined;
    const later = clock.cover((clock.latest() + 450_000) as Timestamp);
    world.advance(2_000_000);
    await later.catch(() => {});
    await expect(clock.cover(clock.issue())).rejects.toThrow('the disk is io');
  });

  it('refuses a newer format, naming both versions', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    await start(world, disk);
    // The record of format 7 has a good checksum, made by the program that wrote it.
    const { crc32c } = await import('../../src/base/crc32c.ts');
    for (const slot of [0, 4096]) {
      const view = new DataView(disk.bytes.buffer, slot);
      view.setUint16(0, 7, true);
      view.setUint32(20, crc32c(disk.bytes, slot, slot + 20), true);
    }
    const next = start(world, disk);
    await expect(next).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('format version 7'),
      fields: { detail: 'This program reads versions up to 1.' },
    });
  });

  it('refuses a file of which nothing can be read', async () => {
    const world = new FakeWorld();
    const disk = new FakeDisk();
    await start(world, disk);
    for (const at of [5, 4096 + 5]) disk.bytes[at] = (disk.bytes[at] as number) ^ 0x40;
    await expect(start(world, disk)).rejects.toMatchObject({
      code: 'XX001',
      message: expect.stringContaining('/data/clock-bound is corrupt'),
    });
  });
});

// External consistency under random interleavings: clients that read, scan, append and insert in transactions, and
// others that read snapshots, over a log of random delays.
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { DbError } from '../../src/base/errors.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED, type Transaction } from '../../src/txn/api.ts';
import { Rig, type RigOptions, rowsOf, scanOf, textOf } from '../ranges/fixture.ts';
import { check, type Op, type Transcript } from './history.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const CLIENTS = 6;
const ROUNDS = 25;

interface Outcome {
  readonly history: readonly Transcript[];
  readonly aborts: number;
}

class Workload {
  readonly history: Transcript[] = [];
  aborts = 0;
  private readonly rig: Rig;
  private lastValue = 0;

  constructor(rig: Rig) {
    this.rig = rig;
  }

  async run(): Promise<Outcome> {
    const clients = Array.from({ length: CLIENTS }, (_, i) => this.client(i));
    await this.rig.until(Promise.all(clients));
    return this;
  }

  private async client(i: number): Promise<void> {
    const random = this.rig.world.random.fork(`client ${i}`);
    for (let round = 0; round < ROUNDS; round++) {
      await this.rig.world.sleep(random.below(300));
      if (random.below(3) === 0) await this.snapshot(random);
      else await this.transaction(random);
    }
  }

  private async transaction(random: SeededRandom): Promise<void> {
    let before: Transaction | undefined;
    for (;;) {
      const { trueMicros: beganMicros } = this.rig.world;
      const transaction = this.rig.transactions.begin(before);
      const ops: Op[] = [];
      try {
        const steps = 1 + random.below(4);
        for (let step = 0; step < steps; step++) await this.step(transaction, random, ops);
        const timestamp = await transaction.commit();
        if (!ops.some((op) => op.kind === 'write')) return;
        const { trueMicros: answeredMicros } = this.rig.world;
        this.history.push({ kind: 'transaction', timestamp, beganMicros, answeredMicros, ops });
        return;
      } catch (error) {
        if (!(error instanceof DbError) || error.code !== '40001') throw error;
        this.aborts++;
        transaction.rollback();
        before = transaction;
      }
    }
  }

  private async step(transaction: Transaction, random: SeededRandom, ops: Op[]): Promise<void> {
    const key = KEYS[random.below(KEYS.length)] as string;
    switch (random.below(4)) {
      case 0: {
        const scan = await transaction.scanLocked(scanOf('b', 'e'), LOCK_SHARED);
        ops.push({ kind: 'scan', from: 'b', to: 'e', saw: await rowsOf(scan) });
        break;
      }
      case 1: {
        const into = newRowSlice();
        await transaction.read(utf8(key), into);
        ops.push({ kind: 'read', key, saw: textOf(into) });
        break;
      }
      default: {
        const into = newRowSlice();
        const lock = random.below(2) === 0 ? LOCK_EXCLUSIVE : LOCK_SHARED;
        await transaction.readLocked(utf8(key), into, lock);
        ops.push({ kind: 'read', key, saw: textOf(into) });
        const value = random.below(8) === 0 ? undefined : `${++this.lastValue}`;
        if (value === undefined) transaction.delete(utf8(key));
        else transaction.put(utf8(key), utf8(value));
        ops.push({ kind: 'write', key, value });
      }
    }
  }

  private async snapshot(random: SeededRandom): Promise<void> {
    const { trueMicros: beganMicros } = this.rig.world;
    const snapshot = this.rig.transactions.snapshot();
    const ops: Op[] = [];
    for (let step = 0; step < 3; step++) {
      await this.rig.world.sleep(random.below(200));
      if (random.below(2) === 0) {
        const scan = await snapshot.scan(scanOf('a', 'g'));
        ops.push({ kind: 'scan', from: 'a', to: 'g', saw: await rowsOf(scan) });
        continue;
      }
      const values = await snapshot.getMany(KEYS.map(utf8));
      for (const [i, key] of KEYS.entries()) {
        const value = values[i];
        ops.push({ kind: 'read', key, saw: value === undefined ? undefined : fromUtf8(value) });
      }
    }
    const { trueMicros: answeredMicros } = this.rig.world;
    const { timestamp } = snapshot;
    this.history.push({ kind: 'snapshot', timestamp, beganMicros, answeredMicros, ops });
  }
}

async function runSeed(seed: number, options: RigOptions = {}): Promise<Outcome> {
  const rig = await Rig.serving({ seed, jitter: true, logMicros: 600, ...options });
  const outcome = await new Workload(rig).run();
  // Everybody has ended: nothing may be left.
  await rig.pass(100_000);
  expect(rig.replica.stats()).toMatchObject({
    lockedKeys: 0,
    lockedSpans: 0,
    lockWaits: 0,
    sessions: 0,
    inFlight: 0,
  });
  expect(rig.transactions.openCount).toBe(0);
  return outcome;
}

describe('external consistency', () => {
  it.each([1, 2, 3, 4, 5, 6])('holds for seed %i', async (seed) => {
    const { history, aborts } = await runSeed(seed);
    expect(check(history)).toBeUndefined();
    expect(history.length).toBeGreaterThan(CLIENTS * 10);
    expect(aborts).toBeGreaterThan(0);
  });

  it('holds when the clock is uncertain for much longer than the log takes', async () => {
    const { history } = await runSeed(7, { uncertaintyMicros: 3000, logMicros: 50 });
    expect(check(history)).toBeUndefined();
  });

  it('holds with a cache that keeps almost nothing', async () => {
    const { history } = await runSeed(8, { cacheBytes: 16 << 10 });
    expect(check(history)).toBeUndefined();
  });
});

/** P13, P22, commit-wait: without them the checker finds something within a few seeds. */
describe('known bugs are found', () => {
  it.each(['ranges.release-before-visible', 'ranges.ignore-in-flight', 'ranges.skip-commit-wait'])(
    '%s',
    async (bug) => {
      const found: string[] = [];
      for (let seed = 1; seed <= 5 && found.length === 0; seed++) {
        const options = { bugs: [bug], uncertaintyMicros: 200 };
        const { history } = await runSeed(seed, options);
        const wrong = check(history);
        if (wrong !== undefined) found.push(wrong);
      }
      expect(found).toHaveLength(1);
    },
  );
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createIntervalClock } from '../../src/clock/clock.ts';
import { createLog } from '../../src/runtime/node/log.ts';
import { type DaemonAnswer, PolledBound } from '../../src/runtime/node/polled-bound.ts';
import { WallClock } from '../../src/runtime/node/wall-clock.ts';
import { FakeWorld } from '../clock/fake.ts';

const EVERY = 1_000_000;
/** Of the wall, when the monotonic clock was 0. */
const START = 1_700_000_000_000_000;

/** A daemon whose answers the test decides, and the wall that it vouches for. */
class Fixture {
  now = 5_000_000;
  /** Of the wall, by hand. */
  stepMicros = 0;
  asked = 0;
  answer: DaemonAnswer | Error = this.vouched(100);
  readonly lines: string[] = [];
  readonly bound: PolledBound;
  readonly wall: WallClock;

  constructor() {
    const daemon = {
      name: 'timed',
      hint: 'Start timed.',
      everyMicros: EVERY,
      ask: async () => {
        this.asked++;
        if (this.answer instanceof Error) throw this.answer;
        return this.answer;
      },
    };
    const log = createLog('info', (line) => this.lines.push(line.slice(25).trimEnd()));
    this.bound = new PolledBound(daemon, log, () => this.now);
    this.wall = new WallClock(
      this.bound,
      () => this.now,
      () => START / 1000 + Math.floor((this.now + this.stepMicros) / 1000),
    );
  }

  vouched(boundMicros: number, voidAfterMicros: number = Infinity): DaemonAnswer {
    const vouched = { boundMicros, atMicros: this.now, drift: 200e-6, voidAfterMicros };
    return { kind: 'vouched', vouched };
  }

  /** What is under way has been answered; nobody is asked who was not. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** A reading, which may ask; then another one when the answer is there. */
  async read(): Promise<number> {
    this.bound.atMicros(this.now);
    await this.settle();
    return this.bound.atMicros(this.now);
  }
}

it('grows by the drift between two answers, and falls with each: a saw-tooth', async () => {
  const fixture = new Fixture();
  const { bound } = fixture;
  await bound.learn();
  expect(bound.atMicros(fixture.now)).toBe(100);
  fixture.now += 500_000;
  expect(bound.atMicros(fixture.now)).toBeCloseTo(200);
  fixture.now += 499_000;
  expect(bound.atMicros(fixture.now)).toBeCloseTo(299.8);
  expect(fixture.asked).toBe(1);

  fixture.now += 1_000;
  fixture.answer = fixture.vouched(40);
  // The answer is not waited for.
  expect(bound.atMicros(fixture.now)).toBeCloseTo(300);
  expect(fixture.asked).toBe(2);
  await fixture.settle();
  expect(bound.atMicros(fixture.now)).toBe(40);
  fixture.now += 100_000;
  expect(bound.atMicros(fixture.now)).toBeCloseTo(60);
});

it('asks one question at a time', async () => {
  const fixture = new Fixture();
  await fixture.bound.learn();
  fixture.now += EVERY;
  fixture.bound.atMicros(fixture.now);
  fixture.now += EVERY;
  fixture.bound.atMicros(fixture.now);
  expect(fixture.asked).toBe(2);
});

it('goes on growing while the daemon is silent, and says so once, and once when it speaks', async () => {
  const fixture = new Fixture();
  await fixture.bound.learn();
  const good = fixture.answer;
  fixture.answer = new Error('nobody is there');
  for (let i = 1; i <= 3; i++) {
    fixture.now += EVERY;
    expect(await fixture.read()).toBeCloseTo(100 + i * 200);
  }
  expect(fixture.asked).toBe(4);
  expect(fixture.lines).toEqual([
    'warn  timed does not vouch for the clock reason="nobody is there" hint="Start timed."',
  ]);
  fixture.answer = good;
  fixture.now += EVERY;
  await fixture.read();
  fixture.now += EVERY;
  await fixture.read();
  expect(fixture.lines.slice(1)).toEqual(['warn  timed vouches for the clock again']);
});

it('goes on growing, too, when the daemon is unsure', async () => {
  const fixture = new Fixture();
  await fixture.bound.learn();
  fixture.answer = { kind: 'unsure', reason: 'it is not synchronised' };
  fixture.now += EVERY;
  expect(await fixture.read()).toBeCloseTo(300);
  expect(fixture.lines).toHaveLength(1);
});

it('P7: is unknown at once when the daemon takes its word back', async () => {
  const fixture = new Fixture();
  await fixture.bound.learn();
  fixture.answer = { kind: 'void', reason: 'the clock was disrupted' };
  fixture.now += EVERY;
  expect(await fixture.read()).toBe(Infinity);
  expect(fixture.wall.read().problem).toBe(
    "timed does not vouch for this machine's clock: the clock was disrupted",
  );
  fixture.answer = fixture.vouched(70);
  fixture.now += EVERY;
  await fixture.read();
  expect(fixture.wall.read().problem).toBeUndefined();
});

it('is unknown after the end of what the daemon vouched for', async () => {
  const fixture = new Fixture();
  fixture.answer = fixture.vouched(100, fixture.now + 500_000);
  await fixture.bound.learn();
  fixture.now += 500_000;
  expect(fixture.wall.read().problem).toBeUndefined();
  fixture.now += 1;
  expect(fixture.wall.read().problem).toContain('says too little by now');
});

it('widens the wall on both sides, up to where it tells nothing any more', async () => {
  const fixture = new Fixture();
  const width = (): number => {
    const { earliestMicros, latestMicros } = fixture.wall.read();
    return latestMicros - earliestMicros;
  };
  await fixture.wall.ready();
  const reading = width();
  expect(reading).toBeGreaterThanOrEqual(200);
  fixture.answer = fixture.vouched(5_000);
  fixture.now += EVERY;
  await fixture.read();
  expect(width() - reading).toBeGreaterThanOrEqual(2 * 4_900);
  expect(fixture.wall.read().problem).toBeUndefined();

  fixture.answer = fixture.vouched(10_000_001);
  fixture.now += EVERY;
  await fixture.read();
  expect(fixture.wall.read().problem).toContain('says too little');
  expect(width()).toBeGreaterThanOrEqual(20_000_000);
  expect(Number.isFinite(width())).toBe(true);
});

it('makes an interval that contains true time, whenever the daemon is right and whatever it misses', async () => {
  const step = fc.record({
    advance: fc.nat(3 * EVERY),
    // Both clocks of the machine run so much too fast, in millionths.
    drift: fc.integer({ min: -199, max: 199 }),
    answers: fc.boolean(),
    spareMicros: fc.nat(1000),
  });
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
    const fixture = new Fixture();
    const { wall } = fixture;
    // The wall's error.
    let off = 40;
    await wall.ready();
    for (const { advance, drift, answers, spareMicros } of steps) {
      fixture.now += advance * (1 + drift / 1e6);
      off += advance * (drift / 1e6);
      for (let look = 0; look < 2; look++) {
        const { earliestMicros, latestMicros } = wall.read();
        const trueMicros = fixture.now - off;
        expect(earliestMicros - START).toBeLessThanOrEqual(trueMicros);
        expect(latestMicros - START).toBeGreaterThanOrEqual(trueMicros);
        fixture.answer = answers ? fixture.vouched(Math.abs(off) + spareMicros) : new Error('lost');
        await fixture.settle();
      }
    }
  });
  await fc.assert(property, { numRuns: 50 });
});

it('P7: shows a step of the wall as every source does', async () => {
  const fixture = new Fixture();
  await fixture.wall.ready();
  const time = { monotonicMicros: () => fixture.now, wall: () => fixture.wall.read() };
  const { timers, log } = new FakeWorld();
  const clock = createIntervalClock({ time, timers, log });
  fixture.now += 20_000;
  expect(clock.suspended).toBeUndefined();
  clock.now();
  fixture.stepMicros = 2_000_000;
  fixture.now += 20_000;
  clock.now();
  expect(clock.suspended).toContain('stepped forward');
});

it('lets nobody start before the daemon has vouched for the clock, and says what to do', async () => {
  const fixture = new Fixture();
  fixture.answer = new Error('nobody is there');
  await expect(fixture.wall.ready()).rejects.toMatchObject({
    code: '57P03',
    message: "timed does not vouch for this machine's clock: nobody is there",
    fields: { hint: 'Start timed.' },
  });
  // Who can't start says so; the log has nothing to add.
  expect(fixture.lines).toEqual([]);
});

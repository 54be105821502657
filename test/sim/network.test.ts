// The simulated network: what frames and streams may do, and what they may not.

import { describe, expect, it } from 'vitest';
import type { ByteStream, Network } from '../../src/runtime/runtime.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { Life, World } from '../../src/sim/world.ts';

class Bench {
  readonly world: World;
  readonly network: SimNetwork;
  readonly one: Network;
  readonly two: Network;
  readonly lives = [new Life(1), new Life(2)] as const;
  readonly received: number[] = [];

  constructor(seed: number) {
    this.world = new World(seed);
    this.network = new SimNetwork(this.world);
    this.one = this.network.attach(this.lives[0]);
    this.two = this.network.attach(this.lives[1]);
    this.two.onFrame((from, frame) => {
      expect(from).toBe(1);
      this.received.push(frame[0] as number);
    });
  }

  async pass(): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + 1_000_000);
  }

  async send(count: number): Promise<number[]> {
    for (let i = 0; i < count; i++) this.one.send(2, Uint8Array.of(i));
    await this.pass();
    return this.received;
  }

  /** A stream from one to two: both ends. */
  async stream(): Promise<{ near: ByteStream; far: ByteStream }> {
    let far: ByteStream | undefined;
    this.two.onStream((from, purpose, stream) => {
      expect([from, purpose]).toEqual([1, 'test']);
      far = stream;
    });
    let near: ByteStream | undefined;
    void this.one.openStream(2, 'test').then((stream) => {
      near = stream;
    });
    await this.pass();
    return { near: near as ByteStream, far: far as ByteStream };
  }
}

const numbers = Array.from({ length: 100 }, (_, i) => i);

describe('frames', () => {
  it('all arrive on a good network, in an order of their own', async () => {
    const received = await new Bench(1).send(100);
    expect(received).not.toEqual(numbers);
    expect([...received].sort((a, b) => a - b)).toEqual(numbers);
  });

  it('are lost, and repeated, as often as told', async () => {
    const losing = new Bench(1);
    losing.network.settings.loseOneIn = 4;
    const lost = 100 - (await losing.send(100)).length;
    expect(lost).toBeGreaterThan(5);
    expect(lost).toBeLessThan(60);

    const repeating = new Bench(1);
    repeating.network.settings.repeatOneIn = 4;
    const received = await repeating.send(100);
    expect(received.length).toBeGreaterThan(105);
    expect(new Set(received).size).toBe(100);
  });

  it('come late at times, and are overtaken by many', async () => {
    const bench = new Bench(1);
    Object.assign(bench.network.settings, { lateOneIn: 10, lateMicrosMax: 500_000 });
    for (const i of numbers) {
      bench.one.send(2, Uint8Array.of(i));
      await bench.world.run(() => false, bench.world.nowMicros + 1_000);
    }
    await bench.pass();
    const { received } = bench;
    expect([...received].sort((a, b) => a - b)).toEqual(numbers);
    const overtaken = received.filter((n, at) => received.slice(0, at).some((m) => m > n + 20));
    expect(overtaken.length).toBeGreaterThan(2);
    expect(overtaken.length).toBeLessThan(30);
  });

  it('wait until a node that stands still goes on', async () => {
    const bench = new Bench(1);
    bench.lives[1].pausedUntilMicros = 400_000;
    const at: number[] = [];
    bench.two.onFrame(() => at.push(bench.world.nowMicros));
    bench.one.send(2, Uint8Array.of(1));
    await bench.pass();
    expect(at).toEqual([400_000]);
  });

  it('do not cross a cut in its direction until it heals, nor reach the dead', async () => {
    const bench = new Bench(1);
    bench.network.cut(1, 2);
    expect(await bench.send(10)).toEqual([]);
    const back: number[] = [];
    bench.one.onFrame((_from, frame) => back.push(frame[0] as number));
    bench.two.send(1, Uint8Array.of(7));
    await bench.pass();
    expect(back).toEqual([7]);
    bench.network.heal();
    expect(await bench.send(10)).toHaveLength(10);
    bench.network.cut(1, 2);
    bench.network.join(2, 1);
    expect(bench.network.isCut(1, 2)).toBe(true);
    bench.network.join(1, 2);
    expect(await bench.send(10)).toHaveLength(20);
    bench.network.crash(2);
    expect(await bench.send(10)).toHaveLength(20);
  });

  it('are copies: the sender may use its buffer again', async () => {
    const bench = new Bench(1);
    const frame = Uint8Array.of(5);
    bench.one.send(2, frame);
    frame[0] = 6;
    await bench.pass();
    expect(bench.received).toEqual([5]);
  });
});

describe('streams', () => {
  it('keep the order, lose nothing and end', async () => {
    const bench = new Bench(3);
    const { near, far } = await bench.stream();
    const received: number[] = [];
    let ended = false;
    void (async () => {
      for (let chunk = await far.read(); chunk !== undefined; chunk = await far.read())
        received.push(chunk[0] as number);
      ended = true;
    })();
    void (async () => {
      for (const i of numbers) await near.write(Uint8Array.of(i));
      near.end();
    })();
    await bench.pass();
    expect(received).toEqual(numbers);
    expect(ended).toBe(true);
  });

  it('hold a writer back whom nobody reads', async () => {
    const bench = new Bench(1);
    const { near, far } = await bench.stream();
    let written = 0;
    void (async () => {
      for (const i of numbers) {
        await near.write(Uint8Array.of(i));
        written += 1;
      }
    })();
    await bench.pass();
    const ahead = written;
    expect(ahead).toBeLessThan(20);
    await far.read();
    await bench.pass();
    expect(written).toBe(ahead + 1);
  });

  it.each(['cut', 'crash'] as const)('break for both sides by a %s', async (how) => {
    const bench = new Bench(1);
    const { near, far } = await bench.stream();
    const reading = far.read();
    const broken = expect(reading).rejects.toThrow('broken');
    if (how === 'cut') bench.network.cut(2, 1);
    else bench.network.crash(1);
    await broken;
    await expect(near.write(Uint8Array.of(1))).rejects.toThrow('broken');
  });

  it('can not be opened to the dead, nor across a cut', async () => {
    const bench = new Bench(1);
    bench.two.onStream(() => undefined);
    bench.network.cut(2, 1);
    const outcomes: string[] = [];
    const note = (error: unknown): void => void outcomes.push((error as Error).message);
    bench.one.openStream(2, 'test').catch(note);
    bench.one.openStream(3, 'test').catch(note);
    await bench.pass();
    expect(outcomes.sort()).toEqual(["node 2 can't be reached", "node 3 can't be reached"]);
  });
});

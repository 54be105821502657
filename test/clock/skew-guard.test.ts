// P12
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SkewGuard } from '../../src/clock/skew-guard.ts';
import type { WallReading } from '../../src/runtime/runtime.ts';

const OFFSET = 1_700_000_000_000_000;

/** A guard on a node whose monotonic clock is true; peers and the node itself are off by what the test says. */
class Guarded {
  readonly guard = new SkewGuard({ driftPerMillion: 200 });
  now = 1_000_000;

  hear(peer: number, errorMicros: number, uncertaintyMicros = 100, roundTripMicros = 400): void {
    const sentMicros = this.now;
    const centre = OFFSET + this.now + roundTripMicros / 2 + errorMicros;
    this.now += roundTripMicros;
    this.guard.exchanged(peer, {
      sentMicros,
      receivedMicros: this.now,
      earliestMicros: centre - uncertaintyMicros,
      latestMicros: centre + uncertaintyMicros,
    });
  }

  judge(errorMicros: number, uncertaintyMicros = 100): string {
    return this.guard.judge(this.own(errorMicros, uncertaintyMicros)).kind;
  }

  own(errorMicros: number, uncertaintyMicros = 100): WallReading {
    const centre = OFFSET + this.now + errorMicros;
    return {
      earliestMicros: centre - uncertaintyMicros,
      latestMicros: centre + uncertaintyMicros,
      monotonicMicros: this.now,
    };
  }
}

describe('the skew guard (P12)', () => {
  it('has nothing to say about a node that hears of nobody', () => {
    expect(new Guarded().judge(0)).toBe('alone');
  });

  it('is content with clocks that are off by no more than they claim', () => {
    const node = new Guarded();
    node.hear(2, 90);
    node.hear(3, -90);
    expect(node.judge(-90)).toBe('within');
  });

  it('tells a node that two peers agree against, how far, and in which direction', () => {
    const node = new Guarded();
    node.hear(2, 0);
    node.hear(3, 50);
    const behind = node.guard.judge(node.own(-5_000));
    expect(behind.kind).toBe('outOfBounds');
    expect(behind).toMatchObject({
      reason: expect.stringMatching(/^it is at least 4\d\d\d microseconds behind/),
    });
    expect(node.guard.judge(node.own(5_000))).toMatchObject({
      reason: expect.stringMatching(/^it is at least 4\d\d\d microseconds ahead of/),
    });
  });

  it('only warns where there are two nodes: either may be wrong', () => {
    const node = new Guarded();
    node.hear(2, 0);
    expect(node.judge(-5_000)).toBe('disputed');
    expect(node.judge(0)).toBe('within');
  });

  it('believes this node and one peer against another peer', () => {
    const node = new Guarded();
    node.hear(2, 0);
    node.hear(3, 9_000);
    node.hear(4, 20);
    expect(node.judge(0)).toBe('within');
  });

  it('cannot say who is wrong when the peers disagree with each other', () => {
    const node = new Guarded();
    node.hear(2, 0);
    node.hear(3, 9_000);
    expect(node.judge(0)).toBe('disputed');
    expect(node.judge(-9_000)).toBe('disputed');
  });

  it('judges by the quickest of the latest exchanges', () => {
    const node = new Guarded();
    for (const peer of [2, 3]) {
      node.hear(peer, 0, 100, 50_000);
      node.hear(peer, 0, 100, 200);
      node.hear(peer, 0, 100, 80_000);
    }
    expect(node.judge(-5_000)).toBe('outOfBounds');
  });

  it('does not hear for long from a peer that is silent or was forgotten', () => {
    const node = new Guarded();
    node.hear(2, 0);
    node.hear(3, 0);
    node.guard.forget(3);
    expect(node.judge(-5_000)).toBe('disputed');
    node.now += 3_000_000;
    expect(node.judge(-5_000)).toBe('alone');
  });

  it('trusts a node that was wrong only after it has agreed for a while', () => {
    const node = new Guarded();
    const hearBoth = (): void => {
      node.hear(2, 0);
      node.hear(3, 0);
    };
    hearBoth();
    expect(node.judge(-5_000)).toBe('outOfBounds');
    for (let i = 0; i < 50; i++) {
      hearBoth();
      expect(node.judge(0)).toBe('outOfBounds');
      node.now += 99_200;
    }
    hearBoth();
    expect(node.judge(0)).toBe('within');
  });

  it('begins to count anew when it disagrees again, or when nobody is there to agree with', () => {
    const node = new Guarded();
    node.hear(2, 0);
    node.hear(3, 0);
    expect(node.judge(-5_000)).toBe('outOfBounds');
    expect(node.judge(0)).toBe('outOfBounds');
    node.now += 6_000_000;
    expect(node.judge(0)).toBe('outOfBounds');
    node.hear(2, 0);
    node.hear(3, 0);
    expect(node.judge(0)).toBe('outOfBounds');
  });

  it('never accuses a node whose claim is true, where most peers are right, however slow the network', () => {
    const claim = fc.record({
      share: fc.double({ min: -1, max: 1, noNaN: true }),
      uncertainty: fc.integer({ min: 1, max: 20_000 }),
      drift: fc.integer({ min: -200, max: 200 }),
      back: fc.integer({ min: 0, max: 200_000 }),
      forth: fc.integer({ min: 0, max: 200_000 }),
    });
    const liar = fc.integer({ min: -1_000_000, max: 1_000_000 });
    fc.assert(
      fc.property(
        fc.array(claim, { minLength: 3, maxLength: 6 }),
        fc.array(liar, { maxLength: 2 }),
        (claims, liars) => {
          const [own, ...peers] = claims as [(typeof claims)[number], ...typeof claims];
          fc.pre(liars.length * 2 < peers.length);
          const rate = 1 + own.drift / 1e6;
          const guard = new SkewGuard({ driftPerMillion: 200 });
          let trueMicros = 0;
          const exchange = (
            peer: number,
            error: number,
            { uncertainty, back, forth }: (typeof claims)[number],
          ): void => {
            const sentMicros = trueMicros * rate;
            trueMicros += forth;
            const centre = OFFSET + trueMicros + error;
            trueMicros += back;
            guard.exchanged(peer, {
              sentMicros,
              receivedMicros: trueMicros * rate,
              earliestMicros: centre - uncertainty,
              latestMicros: centre + uncertainty,
            });
          };
          for (let round = 0; round < 3; round++) {
            peers.forEach((peer, i) => exchange(i + 2, peer.share * peer.uncertainty, peer));
            liars.forEach((error, i) => exchange(i + 20, error, own));
            const centre = OFFSET + trueMicros + own.share * own.uncertainty;
            const verdict = guard.judge({
              earliestMicros: centre - own.uncertainty,
              latestMicros: centre + own.uncertainty,
              monotonicMicros: trueMicros * rate,
            });
            expect(verdict.kind).toBe('within');
          }
        },
      ),
    );
  });
});

// The coordinator's side of a commit in several ranges, against ranges that answer what the test says.

import { describe, expect, it } from 'vitest';
import { compareBytes, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, timestamp, type Timestamp } from '../../src/clock/timestamp.ts';
import {
  type CommitPart,
  type CommitPlan,
  type DecideRequest,
  type Elsewhere,
  type Ranges,
  type Span,
  Stand,
  Standing,
  type TwoPhaseEndpoint,
  type Write,
} from '../../src/ranges/api.ts';
import { Outcomes } from '../../src/txn/outcomes.ts';
import { commitInParts, type TwoPhaseParts } from '../../src/txn/two-phase.ts';

const TXN = { id: '1'.padStart(32, '0'), age: timestamp(1) };
const MOVED: Elsewhere = { kind: 'wrongRange', known: [] };

type Answers = { [K in keyof TwoPhaseEndpoint]?: (range: number) => unknown };

/** Ranges that begin at `bounds`, which a test may change under way. */
class FakeRanges {
  bounds: readonly string[] = ['b', 'c'];
  answers: Answers = {};
  readonly asked: string[] = [];
  readonly decisions: DecideRequest[] = [];
  now = 1_000;
  readonly released: Standing[] = [];

  readonly parts: TwoPhaseParts;

  constructor() {
    const timers = {
      after: (micros: number, run: () => void) => {
        this.now += micros;
        queueMicrotask(run);
        return { [Symbol.dispose]: () => undefined };
      },
      soon: (run: () => void) => queueMicrotask(run),
    };
    const ranges = {
      plan: (standing: Standing, writes: readonly Write[]) => this.plan(standing, writes),
      locate: (span: Span) => this.locate(span),
      correct: () => undefined,
      release: (_txn: unknown, standing: Standing) => void this.released.push(standing),
    } as unknown as Ranges;
    const clock = { latest: () => this.now as Timestamp } as TwoPhaseParts['clock'];
    const runtime = { faults: { sometimes: () => false, reached: () => {} } };
    this.parts = { clock, ranges, outcomes: new Outcomes(ranges, timers), runtime };
  }

  commit(keys: readonly string[], standing = new Standing()): ReturnType<typeof commitInParts> {
    const writes = keys.map((key) => ({ key: utf8(key), value: utf8('1') }));
    return commitInParts(this.parts, TXN, standing, writes, timestamp(5_000_000));
  }

  /** What was asked of ranges in the background is answered. */
  settle(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
  }

  private plan(standing: Standing, writes: readonly Write[]): CommitPlan {
    const parts: CommitPart[] = [];
    this.spans().forEach((span, i) => {
      const own = writes.filter(({ key }) => isIn(span, key));
      const session = standing.all().find((stand) => isIn(span, stand.start))?.session;
      if (own.length === 0 && session === undefined) return;
      const sessions = session === undefined ? [] : [session];
      parts.push({ ...this.address(i, span), sessions, writes: own });
    });
    return { parts };
  }

  private locate(span: Span): ReturnType<Ranges['locate']> {
    return this.spans()
      .map((own, i) => ({ own, i }))
      .filter(({ own }) => isIn(own, span.start))
      .map(({ own, i }) => this.address(i, own));
  }

  private spans(): Span[] {
    const starts = ['', ...this.bounds].map(utf8);
    return starts.map((start, i) => ({ start, end: starts[i + 1] }));
  }

  private address(i: number, span: Span): Omit<CommitPart, 'sessions' | 'writes'> {
    const answer = (what: keyof TwoPhaseEndpoint, otherwise: unknown): Promise<never> => {
      this.asked.push(`${what} ${i}`);
      const told = this.answers[what]?.(i) ?? otherwise;
      return told instanceof Error ? Promise.reject(told) : Promise.resolve(told as never);
    };
    const endpoint: TwoPhaseEndpoint = {
      prepare: () => answer('prepare', { kind: 'prepared', at: 2_000 + i, until: MAX_TIMESTAMP }),
      confirm: () => answer('confirm', { kind: 'confirmed', until: 9_000 }),
      decide: (_head, request) => {
        this.decisions.push(request);
        return answer('decide', { kind: 'committed', timestamp: 3_000 });
      },
      resolve: (_head, { outcome }) => {
        this.asked.push(outcome.kind);
        return answer('resolve', { kind: 'resolved' });
      },
      inquire: () => answer('inquire', { kind: 'aborted' }),
      settled: () => answer('settled', { kind: 'resolved' }),
    };
    return { head: { range: i, generation: 1 }, span, endpoint };
  }
}

function isIn({ start, end }: Span, key: Uint8Array): boolean {
  return compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0);
}

function standingIn(key: string): Standing {
  const standing = new Standing();
  const session = { range: 0, generation: 1, term: 1, session: 1 };
  standing.add(Stand.ofKey(session, utf8(key)));
  return standing;
}

describe('a commit in several ranges', () => {
  it('prepares all but the range where most is written, confirms what was read, decides, resolves', async () => {
    const ranges = new FakeRanges();
    const answer = await ranges.commit(['a1', 'b1', 'b2'], standingIn('c1'));
    expect(answer).toEqual({ kind: 'committed', timestamp: 3_000 });
    await ranges.settle();
    expect(ranges.asked).toEqual([
      'prepare 0',
      'confirm 2',
      'decide 1',
      'committed',
      'resolve 0',
      'settled 1',
    ]);
    const [decision] = ranges.decisions as [DecideRequest];
    expect(fromUtf8(decision.anchor)).toBe('b1');
    expect(decision.writes.map(({ key }) => fromUtf8(key))).toEqual(['b1', 'b2']);
    expect(decision.atLeast).toBe(2_000);
    expect(decision.below).toBe(9_000);
    expect(decision.participants.map(({ start }) => fromUtf8(start))).toEqual(['a1']);
    expect(ranges.released).toHaveLength(1);
  });

  it('aborts all once one refuses, and asks nobody to decide', async () => {
    const ranges = new FakeRanges();
    const wounded = { kind: 'wounded', message: 'an older one came' };
    ranges.answers.prepare = (range) => (range === 2 ? wounded : undefined);
    expect(await ranges.commit(['a1', 'a2', 'b1', 'c1'])).toEqual(wounded);
    await ranges.settle();
    expect(ranges.asked.filter((what) => what === 'aborted')).toHaveLength(2);
    expect(ranges.decisions).toEqual([]);
    expect(ranges.released).toHaveLength(1);
  });

  it('P18: prepares what a split took away from the range that decides, which stays that of the anchor', async () => {
    const ranges = new FakeRanges();
    ranges.answers.decide = () => {
      if (ranges.decisions.length > 1) return undefined;
      ranges.bounds = ['a5', 'b', 'c'];
      return MOVED;
    };
    expect((await ranges.commit(['a1', 'a2', 'a9', 'b1'])).kind).toBe('committed');
    const [, second] = ranges.decisions as [DecideRequest, DecideRequest];
    expect(fromUtf8(second.anchor)).toBe('a1');
    expect(second.writes.map(({ key }) => fromUtf8(key))).toEqual(['a1', 'a2']);
    expect(second.participants.map(({ start }) => fromUtf8(start))).toEqual(['b1', 'a9']);
  });

  it('asks again where nobody could say, since asking twice is harmless (P20)', async () => {
    const ranges = new FakeRanges();
    let prepares = 0;
    ranges.answers.prepare = () => (prepares++ === 0 ? new Error('the way is broken') : undefined);
    expect((await ranges.commit(['a1', 'a2', 'b1'])).kind).toBe('committed');
    expect(prepares).toBe(2);
  });

  it('P19: learns from the range of the anchor what became of a decision without an answer', async () => {
    const ranges = new FakeRanges();
    ranges.answers.decide = () => new Error('the way is broken');
    ranges.answers.inquire = () => ({ kind: 'committed', timestamp: 4_000 });
    expect(await ranges.commit(['a1', 'a2', 'b1'])).toEqual({
      kind: 'committed',
      timestamp: 4_000,
    });
    const other = new FakeRanges();
    other.answers.decide = () => ({ kind: 'ambiguous', message: 'lost' });
    expect((await other.commit(['a1', 'a2', 'b1'])).kind).toBe('sessionGone');
    expect(other.decisions).toHaveLength(1);
  });

  it('P20: says that it does not know only past the deadline, and resolves nothing then', async () => {
    const ranges = new FakeRanges();
    ranges.answers.decide = () => new Error('the way is broken');
    ranges.answers.inquire = () => new Error('the way is broken');
    expect((await ranges.commit(['a1', 'a2', 'b1'])).kind).toBe('ambiguous');
    expect(ranges.now).toBeGreaterThan(5_000_000);
    expect(ranges.asked).not.toContain('aborted');
  });

  it('P20: takes no word for an abort that may have been forgotten', async () => {
    const ranges = new FakeRanges();
    ranges.answers.decide = () => new Error('the way is broken');
    ranges.answers.inquire = () => {
      ranges.now = 6_000_000;
      return { kind: 'aborted' };
    };
    expect((await ranges.commit(['a1', 'a2', 'b1'])).kind).toBe('ambiguous');
    expect(ranges.asked).not.toContain('aborted');
  });
});

// How replicas are compared: sums at an entry of the log, who is right, and where the difference begins.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { Span } from '../../src/ranges/api.ts';
import { CommandEncoder } from '../../src/ranges/command.ts';
import type { SpanSummary } from '../../src/ranges/consistency/consistency-format.ts';
import { verdictOf } from '../../src/ranges/consistency/consistency-verdict.ts';
import { between, firstDifference } from '../../src/ranges/consistency/first-difference.ts';
import { ReplicaSums } from '../../src/ranges/consistency/replica-sums.ts';
import type { Shard, ShardChecksum } from '../../src/storage/shard.ts';
import { EVERYTHING, put, Rig } from './fixture.ts';

const AT = timestamp(1);
const keys = fc.uint8Array({ minLength: 1, maxLength: 4, max: 3 });

type Rows = ReadonlyMap<string, string>;

interface Summaries {
  asked: number;
  readonly ask: (span: Span) => Promise<SpanSummary>;
}

function summarize(rows: Rows): Summaries {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  const counting = {
    asked: 0,
    ask: (span: Span): Promise<SpanSummary> => {
      counting.asked++;
      const inside = sorted.filter(([hex]) => {
        const key = Buffer.from(hex, 'hex');
        if (compareBytes(key, span.start) < 0) return false;
        return span.end === undefined || compareBytes(key, span.end) < 0;
      });
      const edge = (at: number): Uint8Array | undefined => {
        const row = inside.at(at);
        return row === undefined ? undefined : Uint8Array.from(Buffer.from(row[0], 'hex'));
      };
      const sum = { rows: inside.length, bytes: 0, sum: JSON.stringify(inside) };
      return Promise.resolve({ sum, first: edge(0), last: edge(-1) });
    },
  };
  return counting;
}

function tableOf(entries: readonly (readonly [Uint8Array, string])[]): Rows {
  return new Map(entries.map(([key, value]) => [Buffer.from(key).toString('hex'), value]));
}

describe('the first difference', () => {
  const tables = fc
    .array(fc.tuple(keys, fc.constantFrom('a', 'b')), { maxLength: 30 })
    .map(tableOf);

  it('is the least key that one has otherwise than the other, or alone', async () => {
    await fc.assert(
      fc.asyncProperty(tables, tables, async (here, there) => {
        const all = [...new Set([...here.keys(), ...there.keys()])].sort();
        const expected = all.find((key) => here.get(key) !== there.get(key));
        const found = await firstDifference(
          EVERYTHING,
          AT,
          summarize(here).ask,
          summarize(there).ask,
        );
        expect(found === undefined ? undefined : Buffer.from(found).toString('hex')).toBe(expected);
      }),
    );
  });

  it('is found in few steps among many keys that begin alike', async () => {
    const rows = new Map<string, string>();
    for (let i = 0; i < 4096; i++) rows.set(`00000059${i.toString(16).padStart(16, '0')}`, 'x');
    const other = new Map(rows);
    other.set('000000590000000000000abc', 'y');
    const here = summarize(rows);
    const found = await firstDifference(EVERYTHING, AT, here.ask, summarize(other).ask);
    expect(Buffer.from(found as Uint8Array).toString('hex')).toBe('000000590000000000000abc');
    expect(here.asked).toBeLessThan(60);
  });

  it('divides between two keys', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        fc.pre(compareBytes(a, b) !== 0);
        const [low, high] = compareBytes(a, b) < 0 ? [a, b] : [b, a];
        const middle = between(low, high);
        expect(compareBytes(low, middle)).toBeLessThan(0);
        expect(compareBytes(middle, high)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

describe('who is right', () => {
  const sums = (...letters: string[]) =>
    letters.map((sum, i) => ({ node: i + 1, sum: { rows: 1, bytes: 1, sum } }));

  it.each([
    [['a', 'a', 'a'], 3, { kind: 'consistent' }],
    [['a', 'a'], 3, { kind: 'consistent' }],
    [['a'], 1, { kind: 'consistent' }],
    [['a', 'b', 'a'], 3, { kind: 'different', nodes: [2], right: 1 }],
    [['a', 'b', 'b'], 3, { kind: 'different', nodes: [1], right: 2 }],
    [['a', 'b'], 2, { kind: 'different', nodes: [2], right: 1 }],
    [['a', 'b', 'a', 'c', 'a'], 5, { kind: 'different', nodes: [2, 4], right: 1 }],
    [['a', 'b'], 3, { kind: 'undecided' }],
    [['a', 'b', 'c'], 3, { kind: 'undecided' }],
    [['a', 'a', 'b', 'b'], 5, { kind: 'undecided' }],
    [['a'], 3, { kind: 'undecided' }],
    [[], 3, { kind: 'undecided' }],
  ] as const)('of %j among %i: %o', (letters, members, verdict) => {
    expect(verdictOf(sums(...letters), members)).toMatchObject(verdict);
  });
});

describe('sums', () => {
  const encoder = new CommandEncoder();
  const sum: ShardChecksum = { rows: 1, bytes: 2, sum: 'x' };

  function sumsOver(): { sums: ReplicaSums; asked: Timestamp[]; finish: () => void } {
    const asked: Timestamp[] = [];
    const waiting: ((sum: ShardChecksum) => void)[] = [];
    const shard: Pick<Shard, 'checksum'> = {
      checksum: (_span, at) => {
        asked.push(at);
        return new Promise((resolve) => waiting.push(resolve));
      },
    };
    const sums = new ReplicaSums(shard as Shard, { span: EVERYTHING });
    return { sums, asked, finish: () => waiting.shift()?.(sum) };
  }

  it('are waited for before and after their entry', async () => {
    const { sums, asked, finish } = sumsOver();
    const early = sums.wait(7);
    sums.compute(7, encoder.checksum(timestamp(42), 7));
    expect(asked).toEqual([42]);
    const late = sums.wait(7);
    finish();
    const done = { kind: 'done', at: 42, sum };
    expect(await Promise.all([early, late, sums.wait(7)])).toEqual([done, done, done]);
  });

  it('are void when what they count is cleared meanwhile, not when it is cleared afterwards', async () => {
    const { sums, finish } = sumsOver();
    sums.compute(1, encoder.checksum(timestamp(1), 1));
    sums.stateCleared();
    finish();
    expect((await sums.wait(1)).kind).toBe('void');
    sums.compute(2, encoder.checksum(timestamp(2), 2));
    finish();
    expect((await sums.wait(2)).kind).toBe('done');
    sums.stateCleared();
    expect((await sums.wait(2)).kind).toBe('done');
    const notYet = sums.wait(3);
    sums.stateCleared();
    sums.compute(3, encoder.checksum(timestamp(3), 3));
    finish();
    expect((await notYet).kind).toBe('done');
  });

  it('are void when a snapshot that holds their entry replaces the state: it is never applied here', async () => {
    const { sums, finish } = sumsOver();
    const before = sums.wait(4);
    const later = sums.wait(9);
    sums.stateReplaced(timestamp(5));
    expect((await before).kind).toBe('void');
    expect((await sums.wait(5)).kind).toBe('void');
    sums.compute(9, encoder.checksum(timestamp(9), 9));
    finish();
    expect((await later).kind).toBe('done');
  });

  it('are void when the replica ends before their entry has come', async () => {
    const { sums } = sumsOver();
    const before = sums.wait(4);
    sums.end();
    expect((await before).kind).toBe('void');
    expect((await sums.wait(5)).kind).toBe('void');
  });

  it('are forgotten, the oldest first, when there are too many', async () => {
    const { sums } = sumsOver();
    const oldest = sums.wait(0);
    for (let id = 1; id <= 8; id++) void sums.wait(id);
    expect((await oldest).kind).toBe('void');
  });
});

describe('a checksum command', () => {
  it('comes after every write at or below its time, however long that takes', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    void rig.commit(rig.txn(), [put('a', '1')]);
    await rig.pass(1_000);
    const proposed = rig.replica.proposeChecksum(9);
    const later = rig.commit(rig.txn(), [put('b', '2')]);
    expect(rig.log.heldCount).toBe(2);
    rig.log.commitNext();
    await rig.pass(1_000);
    expect(rig.log.heldCount).toBe(2);
    rig.log.commitNext();
    rig.log.commitNext();
    const at = await rig.until(proposed);
    const answer = await rig.until(later);
    expect(answer.kind === 'committed' && answer.timestamp).toBeGreaterThan(at);
    // Of the first write alone.
    const outcome = await rig.until(rig.replica.sums.wait(9));
    expect(outcome).toMatchObject({ kind: 'done', at, sum: { rows: 1 } });
    expect(await rig.until(rig.shard.checksum(EVERYTHING, at))).toEqual(
      outcome.kind === 'done' ? outcome.sum : undefined,
    );
  });

  it('is not proposed by who may not serve', async () => {
    const rig = await Rig.serving();
    rig.replica.follow(2);
    await expect(rig.until(rig.replica.proposeChecksum(1))).rejects.toThrow('node 2 leads');
  });
});

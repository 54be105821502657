// P18: what is prepared, decided or confirmed in a range that divides.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import {
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  type Timestamp,
  timestamp,
} from '../../src/clock/timestamp.ts';
import type { RangeHead, RangeTxn, Write } from '../../src/ranges/api.ts';
import type { PrepareAnswer, RangeLocking } from '../../src/ranges/endpoint.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { Replica } from '../../src/ranges/replica.ts';
import { Life } from '../../src/sim/world.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import { ANY, FakeLog, put, Rig, textOf } from './fixture.ts';

const ANCHOR = utf8('zz');
const SHARED: RangeLocking = { mode: 'shared', wait: 'block', timeoutMicros: 1_000_000 };
const NOWAIT: RangeLocking = { mode: 'exclusive', wait: 'nowait', timeoutMicros: 1_000_000 };

class DividedRig {
  readonly rig = new Rig();
  readonly left: Replica;
  right: Replica | undefined = undefined;

  constructor() {
    const { rig } = this;
    const childLog = new FakeLog(rig.world, new Life(0), () => 500, 1);
    this.left = rig.newReplica(0, rig.cache, {
      mayBear: () => true,
      born: (birth) => {
        this.right = rig.newChild(birth, rig.cache, childLog);
        return this.right;
      },
    });
  }

  static async serving(): Promise<DividedRig> {
    const divided = new DividedRig();
    await divided.rig.until(divided.rig.shard.opened);
    await divided.rig.until(divided.left.lead(1));
    return divided;
  }

  async split(): Promise<Replica> {
    const at = utf8('m');
    const outcome = this.left.changes.split({ at, right: 8, stickyUntil: timestamp(0) });
    expect(await this.rig.until(outcome)).toMatchObject({ kind: 'changed' });
    const right = this.right as Replica;
    await this.rig.until(right.lead(1));
    return right;
  }

  get deadline(): Timestamp {
    return timestamp(this.rig.clock.latest() + 10_000_000);
  }

  txn(): RangeTxn {
    return { ...this.rig.txn(), session: undefined };
  }

  prepare(txn: RangeTxn, ...writes: readonly Write[]): Promise<PrepareAnswer> {
    const { left, deadline } = this;
    const request = { txn, writes, anchor: ANCHOR, deadline };
    return this.rig.until(left.twoPhase.prepare(ANY, request)) as Promise<PrepareAnswer>;
  }

  /** Locks a key and answers who has it now. */
  async locked(replica: Replica, key: string, txn = this.txn()): Promise<RangeTxn> {
    const read = replica.endpoint.lockedRead(ANY, txn, SHARED, utf8(key), newRowSlice());
    const row = await this.rig.until(read);
    if (row.kind !== 'row') throw new Error(row.kind);
    return { ...txn, session: row.session };
  }

  /** Whether somebody has locked it. */
  async isLocked(replica: Replica, key: string): Promise<boolean> {
    const txn = this.txn();
    const read = replica.endpoint.lockedRead(ANY, txn, NOWAIT, utf8(key), newRowSlice());
    const row = await this.rig.until(read);
    replica.endpoint.release(ANY, txn);
    return row.kind === 'lockNotAvailable';
  }

  async read(replica: Replica, key: string): Promise<string | undefined> {
    const into = newRowSlice();
    const t = this.rig.clock.latest();
    expect(await this.rig.until(replica.endpoint.readAt(ANY, utf8(key), t, into))).toBe(true);
    return textOf(into);
  }

  resolve(
    replica: Replica,
    { id: txn }: RangeTxn,
    head: RangeHead,
    s?: Timestamp,
  ): Promise<unknown> {
    const outcome =
      s === undefined
        ? ({ kind: 'aborted' } as const)
        : ({ kind: 'committed', timestamp: s } as const);
    const span = { start: utf8('a'), end: undefined };
    return this.rig.until(replica.twoPhase.resolve(head, { txn, outcome, span }));
  }
}

describe('a range that divides', () => {
  it('divides what is prepared in it, with its locks, and each half carries its own part out', async () => {
    const divided = await DividedRig.serving();
    const { left } = divided;
    const txn = divided.txn();
    const prepared = await divided.prepare(txn, put('a', '1'), put('x', '2'));
    if (prepared.kind !== 'prepared') throw new Error(prepared.kind);
    expect(prepared.until).toBe(MAX_TIMESTAMP);
    const right = await divided.split();
    expect([left.twoPhase.preparedCount, right.twoPhase.preparedCount]).toEqual([1, 1]);
    expect(await divided.isLocked(left, 'a')).toBe(true);
    expect(await divided.isLocked(right, 'x')).toBe(true);

    // Who believes in the undivided range is told that it is none any more.
    const old = await divided.resolve(left, txn, { range: 7, generation: 1 }, prepared.at);
    expect(old).toMatchObject({ kind: 'wrongRange' });
    const s = timestamp(prepared.at + 1);
    expect(await divided.resolve(left, txn, ANY, s)).toEqual({ kind: 'resolved' });
    expect(await divided.read(left, 'a')).toBe('1');
    expect([left.twoPhase.preparedCount, right.twoPhase.preparedCount]).toEqual([0, 1]);
    expect(await divided.resolve(right, txn, ANY, s)).toEqual({ kind: 'resolved' });
    expect(await divided.read(right, 'x')).toBe('2');
    expect(await divided.isLocked(right, 'x')).toBe(false);
    expect(divided.rig.failures).toEqual([]);
  });

  it('says the same about what is prepared when it is read from its records again', async () => {
    const divided = await DividedRig.serving();
    await divided.prepare(divided.txn(), put('a', '1'), put('x', '2'));
    await divided.prepare(divided.txn(), put('y', '3'));
    await divided.split();
    await divided.rig.pass(300_000);
    const entries = divided.rig.log.entries.slice();
    const again = divided.rig.newReplica(0, new RowCache(1 << 20), { mayBear: () => false });
    await divided.rig.until(again.committed(entries));
    expect(again.twoPhase.preparedCount).toBe(divided.left.twoPhase.preparedCount);
    expect(again.twoPhase.preparedCount).toBe(1);
  });

  it('goes on protecting what a prepared transaction has read, on both sides (P16)', async () => {
    const divided = await DividedRig.serving();
    const { left } = divided;
    const reader = await divided.locked(left, 'y', await divided.locked(left, 'b'));
    const prepared = await divided.prepare(reader, put('a', '1'));
    if (prepared.kind !== 'prepared') throw new Error(prepared.kind);
    expect(prepared.until).toBeLessThan(MAX_TIMESTAMP);
    const right = await divided.split();
    expect(await divided.isLocked(left, 'b')).toBe(true);
    expect(await divided.isLocked(right, 'y')).toBe(true);
    expect(await divided.resolve(left, reader, ANY)).toEqual({ kind: 'resolved' });
    expect(await divided.isLocked(left, 'b')).toBe(false);
    // The right half knows of no outcome: it keeps the promise, and then whoever let go of it is heard.
    right.endpoint.release(ANY, reader);
    expect(await divided.isLocked(right, 'y')).toBe(false);
  });

  it('takes decisions along with their anchors (P19)', async () => {
    const divided = await DividedRig.serving();
    const { left } = divided;
    const txn = divided.txn();
    const { deadline } = divided;
    const decided = left.twoPhase.decide(ANY, {
      txn,
      writes: [put('x', '1')],
      anchor: utf8('x'),
      participants: [{ start: utf8('q'), end: utf8('r') }],
      atLeast: timestamp(1),
      below: MAX_TIMESTAMP,
      deadline,
    });
    const answer = await divided.rig.until(decided);
    expect(answer.kind).toBe('committed');
    const right = await divided.split();
    expect([left.twoPhase.decisionCount, right.twoPhase.decisionCount]).toEqual([0, 1]);
    const asked = (replica: Replica): Promise<unknown> =>
      divided.rig.until(replica.twoPhase.inquire(ANY, txn.id, utf8('x'), deadline));
    // It does not know any more what the first took.
    expect(answer).toMatchObject((await asked(right)) as object);
    expect(await asked(left)).toMatchObject({ kind: 'wrongRange' });
  });

  it('P19: does not decide what an inquiry has given up while both waited for a change', async () => {
    const divided = await DividedRig.serving();
    const { left, rig, deadline } = divided;
    expect(await rig.until(left.changes.freeze(9, 1))).toMatchObject({ kind: 'changed' });
    const txn = divided.txn();
    const anchor = utf8('b');
    const inquired = left.twoPhase.inquire(ANY, txn.id, anchor, deadline);
    const decided = left.twoPhase.decide(ANY, {
      txn,
      writes: [put('b', '1')],
      anchor,
      participants: [{ start: utf8('a'), end: utf8('c') }],
      atLeast: MIN_TIMESTAMP,
      below: MAX_TIMESTAMP,
      deadline,
    });
    await rig.until(left.changes.thaw());
    expect(await rig.until(inquired)).toEqual({ kind: 'aborted' });
    expect(await rig.until(decided)).toMatchObject({ kind: 'wounded' });
    expect(left.stats()).toMatchObject({ sessions: 0, inFlight: 0 });
    expect(await divided.read(left, 'b')).toBeUndefined();
  });
});

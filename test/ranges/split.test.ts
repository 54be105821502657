// A range that divides while it is used: what its leader lets in meanwhile, what both halves know afterwards, and what a
// replica makes of the same log when it reads it again.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import { birthMark } from '../../src/raft/birth.ts';
import type { Write } from '../../src/ranges/api.ts';
import { CommandEncoder } from '../../src/ranges/command.ts';
import type { RangeRow } from '../../src/ranges/endpoint.ts';
import { decodeState, newState } from '../../src/ranges/range-state.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { parseTxnId } from '../../src/ranges/txn-id.ts';
import { STATE_RECORD } from '../../src/storage/range-records.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import { ANY, EVERYWHERE, put, rowsOf, scanOf } from './fixture.ts';
import { SplitRig, by, RIGHT, AT, BLOCK } from './split-rig.ts';

/** A command that another leader has logged. */
function writtenElsewhere(at: Timestamp, ...writes: Write[]): Uint8Array {
  const id = new Uint32Array(4);
  parseTxnId('f'.repeat(32), id);
  return new CommandEncoder().writes(at, id, timestamp(at + 10_000_000), writes, () => false);
}

describe('a range that was split', () => {
  it('is two, which hold the rows of before and say where the others are (P28)', async () => {
    const rig = await SplitRig.serving();
    const written = await rig.write(rig.parent, put('a', '1'), put('x', '2'));
    await rig.split();
    expect(rig.parent.descriptor).toMatchObject({ range: 7, generation: 2, span: { end: AT } });
    expect(rig.right.descriptor).toMatchObject({
      range: RIGHT,
      generation: 2,
      nextIncarnation: 1,
      span: { start: AT, end: undefined },
    });
    expect(await rig.read(rig.parent, 'a')).toBe('1');
    expect(await rig.read(rig.right, 'x', written)).toBe('2');
    expect(await rig.read(rig.parent, 'x')).toBe('wrongRange');
    expect(await rig.read(rig.right, 'a')).toBe('wrongRange');
    expect(rig.parent.endpoint.getAt(ANY, [utf8('a'), utf8('x')], written)).toMatchObject({
      kind: 'wrongRange',
      known: [{ range: 7, generation: 2 }],
    });
    const scan = rig.parent.endpoint.scanAt(ANY, scanOf('a', 'z'), written);
    await expect(rig.rig.until(scan.next())).rejects.toMatchObject({
      refusal: { kind: 'wrongRange' },
    });
    expect(
      await rig.rig.until(rowsOf(rig.right.endpoint.scanAt(ANY, scanOf('n', 'z'), written))),
    ).toEqual(['x=2']);
    await rig.write(rig.right, put('x', '3'));
    expect(await rig.read(rig.right, 'x')).toBe('3');
    expect(
      await rig.rig.until(rig.commit(rig.parent, rig.rig.txn(), [put('y', '1')])),
    ).toMatchObject({
      kind: 'wrongRange',
    });
    expect(rig.rig.failures).toEqual([]);
  });

  it('P25: assigns nothing in the right half that was served there before', async () => {
    const rig = await SplitRig.serving();
    const t = timestamp(rig.rig.clock.latest() + 2_000);
    expect(await rig.read(rig.parent, 'x', t)).toBe(undefined);
    await rig.split();
    expect(await rig.write(rig.right, put('x', '1'))).toBeGreaterThan(t);
    expect(await rig.read(rig.right, 'x', t)).toBe(undefined);
  });

  it('P20: answers an attempt of before in the half where it is sent again', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const first = await rig.rig.until(rig.commit(rig.parent, txn, [put('x', '1')]));
    await rig.split();
    await rig.write(rig.right, put('x', '2'));
    // It does not know any more what the first took.
    expect(first).toMatchObject(
      (await rig.rig.until(rig.commit(rig.right, txn, [put('x', '1')]))) as object,
    );
    expect(await rig.read(rig.right, 'x')).toBe('2');
  });

  it('is refused at its own start, at keys of others, and while it changes', async () => {
    const rig = await SplitRig.serving();
    rig.rig.log.isHeld = true;
    const first = rig.begin();
    expect(await rig.rig.until(rig.begin())).toMatchObject({ kind: 'refused' });
    expect(await rig.rig.until(rig.parent.changes.stick(timestamp(5)))).toMatchObject({
      kind: 'refused',
    });
    rig.rig.log.commitNext();
    await rig.rig.until(first);
    const beyond = { at: utf8('x'), right: 9, stickyUntil: timestamp(0) };
    expect(await rig.rig.until(rig.parent.changes.split(beyond))).toMatchObject({
      kind: 'wrongRange',
    });
    await rig.rig.until(rig.right.lead(1));
    const own = { at: AT, right: 9, stickyUntil: timestamp(0) };
    expect(await rig.rig.until(rig.right.changes.split(own))).toMatchObject({ kind: 'refused' });
  });
});

describe('while a split is on its way', () => {
  it('P13: requests of the right half wait and go on, those of the left don’t wait', async () => {
    const rig = await SplitRig.serving();
    await rig.write(rig.parent, put('a', '1'), put('x', '1'));
    rig.rig.log.isHeld = true;
    const splitting = rig.begin();
    const t = rig.rig.clock.latest();
    const reading = Promise.resolve(rig.parent.endpoint.readAt(ANY, utf8('x'), t, newRowSlice()));
    const scanning = rig.parent.endpoint.scanAt(ANY, scanOf('a', 'z'), t).next();
    scanning.catch(() => undefined);
    const locking = rig.locking(rig.parent, rig.rig.txn(), 'x');
    const writing = rig.commit(rig.parent, rig.rig.txn(), [put('x', '2')]);
    const all = Promise.race([reading, scanning.catch(() => undefined), locking, writing]);
    expect(await rig.rig.settledWithin(50_000, all)).toBe(false);
    expect(await rig.read(rig.parent, 'a')).toBe('1');
    await rig.lock(rig.parent, rig.rig.txn(), 'a');
    rig.rig.log.isHeld = false;
    rig.rig.log.commitNext();
    await rig.rig.until(splitting);
    for (const asked of [reading, locking, writing]) {
      expect(await rig.rig.until(asked as Promise<unknown>)).toMatchObject({ kind: 'wrongRange' });
    }
    await expect(rig.rig.until(scanning)).rejects.toMatchObject({
      refusal: { kind: 'wrongRange' },
    });
  });

  it('goes on as before when it is refused, or leadership ends', async () => {
    const rig = await SplitRig.serving();
    rig.rig.log.isHeld = true;
    const refused = rig.begin();
    const reading = rig.parent.endpoint.readAt(
      ANY,
      utf8('x'),
      rig.rig.clock.latest(),
      newRowSlice(),
    );
    rig.rig.log.refuseNext({ kind: 'refused', message: 'no' });
    expect(await rig.rig.until(refused)).toEqual({ kind: 'refused', message: 'no' });
    expect(await rig.rig.until(Promise.resolve(reading))).toBe(true);
    const lost = rig.begin();
    const asked = rig.parent.endpoint.readAt(ANY, utf8('x'), rig.rig.clock.latest(), newRowSlice());
    rig.parent.follow(3);
    expect(await rig.rig.until(lost)).toMatchObject({ kind: 'unknown' });
    expect(await rig.rig.until(Promise.resolve(asked))).toMatchObject({
      kind: 'notLeader',
      leaderNode: 3,
    });
    // The next leader carries it out.
    rig.rig.log.commitNext();
    expect(rig.births).toHaveLength(1);
    expect(rig.parent.descriptor.generation).toBe(2);
  });

  it('requests wait in the child until it is led, or somebody else is known to lead it', async () => {
    const rig = await SplitRig.serving();
    await rig.write(rig.parent, put('x', '1'));
    await rig.rig.until(rig.begin());
    const into = newRowSlice();
    const reading = Promise.resolve(
      rig.right.endpoint.readAt(ANY, utf8('x'), rig.rig.clock.latest(), into),
    );
    expect(await rig.rig.settledWithin(10_000, reading)).toBe(false);
    await rig.rig.until(rig.right.lead(1));
    expect(await rig.rig.until(reading)).toBe(true);
    const other = await SplitRig.serving();
    await other.rig.until(other.begin());
    const asked = other.right.endpoint.readAt(
      ANY,
      utf8('x'),
      other.rig.clock.latest(),
      newRowSlice(),
    );
    other.right.follow(2);
    expect(await other.rig.until(Promise.resolve(asked))).toMatchObject({ kind: 'notLeader' });
  });
});

it('P14: what the parent’s leader had cached is forgotten in the child too, though it is not led in succession', async () => {
  const rig = await SplitRig.serving();
  await rig.write(rig.parent, put('x', '1'));
  rig.rig.log.isHeld = true;
  const splitting = rig.begin();
  const handing = rig.parent.handOver();
  rig.rig.log.commitNext();
  await rig.rig.until(splitting);
  rig.rig.log.commitNext();
  await rig.rig.until(handing);
  rig.right.follow(2);
  rig.childLog.append(writtenElsewhere(rig.rig.clock.latest(), put('x', '2')));
  await rig.rig.until(rig.right.lead(3));
  expect(await rig.read(rig.right, 'x')).toBe('2');
});

describe('what was locked in a range that was split (P15)', () => {
  it('stays locked on both sides, under the session that was quoted before', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const session = await rig.lock(rig.parent, txn, 'a');
    await rig.lock(rig.parent, txn, 'x', session);
    await rig.split();
    const other = rig.rig.txn();
    const waits = [rig.locking(rig.parent, other, 'a'), rig.locking(rig.right, other, 'x')];
    for (const wait of waits) expect(await rig.rig.settledWithin(50_000, wait)).toBe(false);
    const there = await rig.lock(rig.right, txn, 'y', session);
    expect(there).toMatchObject({ range: RIGHT, generation: 2 });
    await rig.lock(rig.right, txn, 'z', there);
    // What was read on the left is no business of the right half: it does not know of it.
    rig.right.endpoint.release(ANY, txn);
    expect(await rig.rig.until(waits[1] as Promise<RangeRow>)).toMatchObject({ kind: 'row' });
    expect(await rig.rig.settledWithin(50_000, waits[0] as Promise<RangeRow>)).toBe(false);
  });

  it('goes everywhere when the transaction is given up on the left', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const session = await rig.lock(rig.parent, txn, 'a');
    await rig.lock(rig.parent, txn, 'x', session);
    await rig.split();
    rig.parent.endpoint.release(ANY, txn);
    expect(rig.right.stats()).toMatchObject({ sessions: 0, lockedKeys: 0 });
  });

  it('divides locks on spans', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const scanned = await rig.rig.until(
      Promise.resolve(
        rig.parent.endpoint.lockedScan(ANY, by(txn, undefined), BLOCK, scanOf('c', 'r')),
      ),
    );
    expect(scanned.kind).toBe('scan');
    await rig.split();
    const reads = [
      [rig.parent, 'b', true],
      [rig.parent, 'd', false],
      [rig.right, 'n', false],
      [rig.right, 's', true],
    ] as const;
    for (const [replica, key, isFree] of reads) {
      const wait = rig.locking(replica, rig.rig.txn(), key);
      expect(await rig.rig.settledWithin(20_000, wait)).toBe(isFree);
    }
  });

  it('is lost when the child is led by somebody else first', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const session = await rig.lock(rig.parent, txn, 'x');
    await rig.rig.until(rig.begin());
    rig.right.follow(2);
    rig.right.follow(undefined);
    await rig.rig.until(rig.right.lead(3));
    const asked = rig.locking(rig.right, txn, 'x', session);
    expect(await rig.rig.until(asked)).toMatchObject({ kind: 'sessionGone' });
    await rig.lock(rig.right, rig.rig.txn(), 'x');
  });

  it('who waits for a lock of the right half is told to ask there', async () => {
    const rig = await SplitRig.serving();
    const holder = rig.rig.txn();
    const held = await rig.lock(rig.parent, holder, 'x');
    const waiter = rig.rig.txn();
    const own = await rig.lock(rig.parent, waiter, 'a');
    const waiting = rig.locking(rig.parent, waiter, 'x', own);
    const committing = rig.commit(rig.parent, rig.rig.txn(), [put('x', '9')]);
    await rig.split();
    expect(await rig.rig.until(waiting)).toMatchObject({ kind: 'wrongRange' });
    expect(await rig.rig.until(committing)).toMatchObject({ kind: 'wrongRange' });
    const again = rig.locking(rig.right, waiter, 'x');
    expect(await rig.rig.settledWithin(20_000, again)).toBe(false);
    expect(await rig.rig.until(rig.commit(rig.right, holder, [put('x', '1')], held))).toMatchObject(
      {
        kind: 'committed',
      },
    );
    expect(await rig.rig.until(again)).toMatchObject({ kind: 'row' });
  });

  it('a commit of what was read on both sides is sent back, and keeps its locks', async () => {
    const rig = await SplitRig.serving();
    const txn = rig.rig.txn();
    const session = await rig.lock(rig.parent, txn, 'a');
    await rig.lock(rig.parent, txn, 'x', session);
    const head = { range: 7, generation: rig.parent.descriptor.generation };
    await rig.split();
    const deadline = timestamp(rig.rig.clock.latest() + 1_000_000);
    const stale = rig.parent.endpoint.commit(head, by(txn, session), [put('a', '1')], deadline);
    expect(await rig.rig.until(stale)).toMatchObject({ kind: 'wrongRange' });
    expect(rig.parent.stats()).toMatchObject({ sessions: 1, lockedKeys: 1 });
    const now = { range: 7, generation: rig.parent.descriptor.generation };
    const again = rig.parent.endpoint.commit(now, by(txn, session), [put('a', '1')], deadline);
    expect(await rig.rig.until(again)).toMatchObject({ kind: 'committed' });
  });
});

describe('a replica that applies a split', () => {
  it('leaves both halves in the shard in one step, as they begin after a restart', async () => {
    const rig = await SplitRig.serving();
    await rig.write(rig.parent, put('a', '1'), put('x', '2'));
    await rig.split();
    rig.parent.flushApplies();
    const snapshot = rig.rig.shard.readSnapshot(RIGHT, rig.right.descriptor.span, 1 << 16);
    const taken = await rig.rig.until(snapshot.taken);
    snapshot.close();
    expect(taken.appliedIndex).toBe(1);
    const state = decodeState(taken.records.get(STATE_RECORD) as Uint8Array);
    expect(state).toEqual(rig.births[0]?.state);
    expect(state.mark).toEqual(birthMark(rig.right.descriptor.configuration));
    const left = rig.rig.shard.readSnapshot(7, rig.parent.descriptor.span, 1 << 16);
    const { records } = await rig.rig.until(left.taken);
    left.close();
    expect(decodeState(records.get(STATE_RECORD) as Uint8Array)).toEqual(rig.parent.rangeState);
  });

  it('makes the same of the same log when it reads it again', async () => {
    const rig = await SplitRig.serving();
    await rig.write(rig.parent, put('a', '1'), put('x', '2'));
    await rig.split();
    await rig.write(rig.parent, put('b', '1'));
    const { parent, right } = rig;
    const again = rig.replica(0, new RowCache(1 << 20), { state: newState(EVERYWHERE) });
    await rig.rig.until(Promise.resolve(again.committed(rig.rig.log.entries)));
    expect(again.rangeState).toEqual(parent.rangeState);
    expect(rig.right.rangeState).toEqual(right.rangeState);
    expect(rig.births[1]).toEqual(rig.births[0]);
  });

  it('P26: keeps nothing of the right half where a newer replica of it is, or was', async () => {
    const rig = await SplitRig.serving();
    rig.mayBear = false;
    await rig.rig.until(rig.begin());
    expect(rig.births).toHaveLength(1);
    rig.parent.flushApplies();
    const ranges = await rig.rig.until(rig.rig.shard.flush());
    expect(ranges.map(({ range }) => range)).toEqual([7]);
    expect(await rig.read(rig.parent, 'x')).toBe('wrongRange');
  });
});

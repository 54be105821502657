import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import { encodeChange } from '../../src/raft/codec.ts';
import type { LockRequest, LockSession } from '../../src/ranges/api.ts';
import type { RangeCommit } from '../../src/ranges/endpoint.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { RowCache } from '../../src/storage/row-cache.ts';
import { ANY, put, Rig, remove, rowsOf, scanOf, standingWith, textOf } from './fixture.ts';

function timeOf(answer: RangeCommit): Timestamp {
  if (answer.kind !== 'committed') throw new Error(`not committed: ${answer.kind}`);
  return answer.timestamp;
}

/** Locks a key for a transaction and answers its session. */
async function lockKey(rig: Rig, txn: ReturnType<Rig['txn']>, key: string): Promise<LockSession> {
  const request = rig.lock(txn, undefined);
  const answer = await rig.until(rig.ranges.lockedRead(request, utf8(key), newRowSlice()));
  if (answer.kind !== 'row') throw new Error(answer.kind);
  return request.standing.first?.session as LockSession;
}

describe('reads at a timestamp', () => {
  it('shows each version to the reads at and above its time, until the next one', async () => {
    const rig = await Rig.serving();
    const before = rig.clock.latest();
    const first = await rig.write(put('a', '1'));
    const second = await rig.write(put('a', '2'));
    const third = await rig.write(remove('a'));
    const at = async (t: number) => rig.until(rig.readAt('a', timestamp(t)));
    expect(await at(before)).toBeUndefined();
    expect(await at(first - 1)).toBeUndefined();
    expect(await at(first)).toBe('1');
    expect(await at(second - 1)).toBe('1');
    expect(await at(second)).toBe('2');
    expect(await at(third)).toBeUndefined();
  });

  it('answers at once from the row cache, after a commit and after a first read', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    const into = newRowSlice();
    expect(rig.ranges.readAt(utf8('a'), rig.clock.latest(), into)).toBe(true);
    expect(textOf(into)).toBe('1');
    rig.cache.clear();
    const miss = rig.ranges.readAt(utf8('a'), rig.clock.latest(), into);
    expect(miss).toBeInstanceOf(Promise);
    await rig.until(miss);
    expect(textOf(into)).toBe('1');
    expect(rig.ranges.readAt(utf8('a'), rig.clock.latest(), into)).toBe(true);
  });

  it('reads many keys, in the cache or not', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('c', '3'));
    rig.cache.clear();
    await rig.readNow('a');
    const keys = ['a', 'b', 'c'].map(utf8);
    const values = await rig.until(rig.ranges.getAt(keys, rig.clock.latest()));
    expect(values.map((value) => value && Buffer.from(value).toString())).toEqual([
      '1',
      undefined,
      '3',
    ]);
  });

  it('scans what is committed at the time, in both directions', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('b', '2'), put('c', '3'));
    const t = rig.clock.latest();
    await rig.write(remove('b'), put('d', '4'));
    const rows = async (at: Timestamp, reverse = false) =>
      rig.until(rowsOf(rig.ranges.scanAt(scanOf('a', 'z', reverse), at)));
    expect(await rows(t)).toEqual(['a=1', 'b=2', 'c=3']);
    expect(await rows(rig.clock.latest(), true)).toEqual(['d=4', 'c=3', 'a=1']);
  });

  it('P22: waits for a proposed write at or below its time, and for no other', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', 'old'), put('b', 'old'));
    rig.log.isHeld = true;
    const earlier = rig.clock.latest();
    const commit = rig.commit(rig.txn(), [put('a', 'new')]);
    await rig.pass(1000);
    const later = rig.clock.latest();
    expect(await rig.until(rig.readAt('a', earlier))).toBe('old');
    expect(await rig.until(rig.readAt('b', later))).toBe('old');
    const read = rig.readAt('a', later);
    const scan = rowsOf(rig.ranges.scanAt(scanOf('a', 'b'), later));
    const many = Promise.resolve(rig.ranges.getAt([utf8('a')], later));
    expect(await rig.settledWithin(10_000, Promise.race([read, scan, many]))).toBe(false);
    rig.log.commitNext();
    expect(await rig.until(read)).toBe('new');
    expect(await rig.until(scan)).toEqual(['a=new']);
    expect((await rig.until(many))[0]).toEqual(utf8('new'));
    expect((await rig.until(commit)).kind).toBe('committed');
  });

  it.each(['diskFull', 'tooLarge'] as const)('says %s when the log does', async (kind) => {
    const rig = await Rig.serving();
    rig.log.refusal = { kind, message: 'no' };
    expect(await rig.until(rig.commit(rig.txn(), [put('a', '1')]))).toEqual({
      kind,
      message: 'no',
    });
  });

  it('P22: goes on with the old version when the proposal was refused', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', 'old'));
    rig.log.refusal = { kind: 'refused', message: 'not the leader' };
    const commit = rig.commit(rig.txn(), [put('a', 'new')]);
    const read = rig.readAt('a', timestamp(rig.clock.latest() + 1000));
    expect((await rig.until(commit)).kind).toBe('notServing');
    expect(await rig.until(read)).toBe('old');
  });

  it('never assigns at or below a time that was served', async () => {
    const rig = await Rig.serving();
    const ahead = timestamp(rig.clock.latest() + 2000);
    await rig.until(rig.readAt('a', ahead));
    const s = await rig.write(put('a', '1'));
    expect(s).toBeGreaterThan(ahead);
    expect(await rig.until(rig.readAt('a', ahead))).toBeUndefined();
  });

  it('P10: shows nothing before its time has passed', async () => {
    const rig = await Rig.serving({ uncertaintyMicros: 50_000 });
    // Committed long before its timestamp has passed.
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', '1')]);
    rig.log.commitNext();
    await rig.pass(10);
    const shown = [
      rig.readAt('a', rig.clock.latest()),
      Promise.resolve(rig.ranges.getAt([utf8('a')], rig.clock.latest())),
      rowsOf(rig.ranges.scanAt(scanOf('a', 'b'), rig.clock.latest())),
    ];
    expect(await rig.settledWithin(50_000, Promise.race(shown))).toBe(false);
    await rig.until(Promise.all(shown));
    expect(rig.clock.hasPassed(timeOf(await rig.until(commit)))).toBe(true);
  });

  it.each(['in the row cache', 'in the shard'])(
    'P10: shows nothing under locks before its time has passed, %s',
    async (where) => {
      const rig = await Rig.serving({ uncertaintyMicros: 50_000 });
      await rig.write(put('a', '0'));
      // Without locks, so that a locked read can meet it before its time.
      rig.log.isHeld = true;
      const bulk = rig.ranges.bulkWrite([put('a', '1')], false);
      rig.log.commitNext();
      await rig.pass(10);
      if (where === 'in the shard') rig.cache.clear();
      const into = newRowSlice();
      const request = (): LockRequest => rig.lock(rig.txn(), undefined, 'shared');
      const scanned = await rig.until(rig.ranges.lockedScan({ ...request(), ...scanOf('a', 'b') }));
      const reads = [
        Promise.resolve(rig.ranges.lockedRead(request(), utf8('a'), into)),
        Promise.resolve(rig.ranges.lockedGet({ ...request(), keys: [utf8('a')] })),
        scanned.kind === 'scan' ? rowsOf(scanned.scan) : Promise.resolve([]),
      ];
      expect(await rig.settledWithin(50_000, Promise.race(reads))).toBe(false);
      const [, got, rows] = await rig.until(Promise.all(reads));
      expect(textOf(into)).toBe('1');
      expect(got).toMatchObject({ kind: 'rows', rows: [utf8('1')] });
      expect(rows).toEqual(['a=1']);
      expect(rig.clock.hasPassed(timeOf(await rig.until(bulk)))).toBe(true);
    },
  );

  it('P8: waits until the clock covers the time, and refuses the far future', async () => {
    const rig = await Rig.serving();
    const far = timestamp(rig.clock.latest() + 60_000_000);
    rig.clock.covers = (t) => t < far;
    await expect(rig.until(rig.readAt('a', far))).rejects.toMatchObject({ code: '22023' });
  });

  it('P7: serves nothing while the clock can not be trusted', async () => {
    const rig = await Rig.serving();
    Object.defineProperty(rig.clock, 'suspended', { value: 'it was stepped' });
    expect(() => rig.ranges.readAt(utf8('a'), rig.clock.latest(), newRowSlice())).toThrow(
      /stepped/,
    );
    const locked = await rig.ranges.lockedRead(
      rig.lock(rig.txn(), undefined),
      utf8('a'),
      newRowSlice(),
    );
    expect(locked.kind).toBe('notServing');
    expect((await rig.until(rig.commit(rig.txn(), [put('a', '1')]))).kind).toBe('notServing');
  });
});

describe('the row cache (P14)', () => {
  it('is not filled by a read that a write has overtaken', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', 'old'));
    rig.cache.clear();
    const read = rig.readAt('a', rig.clock.latest());
    // Committed and pushed out again before the read's answer comes.
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', 'new')]);
    rig.log.commitNext();
    rig.cache.dropSpan({ start: utf8('a'), end: utf8('b') });
    expect(await rig.until(read)).toBe('old');
    await rig.until(commit);
    expect(await rig.readNow('a')).toBe('new');
  });

  it('answers only reads at or above the version that it has', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', 'old'));
    const t = rig.clock.latest();
    await rig.write(put('a', 'new'));
    const into = newRowSlice();
    const read = rig.ranges.readAt(utf8('a'), t, into);
    expect(read).toBeInstanceOf(Promise);
    await rig.until(read);
    expect(textOf(into)).toBe('old');
    expect(await rig.readNow('a')).toBe('new');
  });

  it('forgets everything when leadership ends', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    rig.replica.stopServing('another node leads');
    expect(rig.cache.stats().entries).toBe(0);
    expect(() => rig.ranges.readAt(utf8('a'), rig.clock.latest(), newRowSlice())).toThrow(
      /another node/,
    );
  });
});

describe('commits', () => {
  it('P11: get a timestamp above now().latest at their receipt', async () => {
    const rig = await Rig.serving({ uncertaintyMicros: 5000 });
    const received = rig.clock.latest();
    expect(await rig.write(put('a', '1'))).toBeGreaterThan(received);
  });

  it('are answered only when their timestamp has passed; waiting overlaps replication', async () => {
    const rig = await Rig.serving({ uncertaintyMicros: 5000, logMicros: 100 });
    const commit = rig.commit(rig.txn(), [put('a', '1')]);
    expect(await rig.settledWithin(9_000, commit)).toBe(false);
    expect(rig.clock.hasPassed(timeOf(await rig.until(commit)))).toBe(true);
    const slow = await Rig.serving({ uncertaintyMicros: 50, logMicros: 5000 });
    const began = slow.world.nowMicros;
    await slow.write(put('a', '1'));
    expect(slow.world.nowMicros - began).toBe(5000);
  });

  it('P13: are visible to every read and scan from when their locks go', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', 'old'));
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', 'new'), put('b', 'new')]);
    const [reader, scanner] = [rig.txn(), rig.txn()];
    const into = newRowSlice();
    const read = rig.ranges.lockedRead(rig.lock(reader, undefined, 'shared'), utf8('a'), into);
    const scan = rig.ranges.lockedScan({
      ...rig.lock(scanner, undefined, 'shared'),
      ...scanOf('a', 'z'),
    });
    expect(await rig.settledWithin(10_000, Promise.race([read, scan]))).toBe(false);
    rig.log.commitNext();
    await rig.until(read);
    expect(textOf(into)).toBe('new');
    const opened = await rig.until(scan);
    if (opened.kind !== 'scan') throw new Error(opened.kind);
    expect(await rig.until(rowsOf(opened.scan))).toEqual(['a=new', 'b=new']);
    await rig.until(commit);
  });

  it('P13: are seen by scans while an earlier apply is still in flight', async () => {
    const rig = await Rig.serving({ logMicros: 1 });
    const commits = [put('a', '1'), put('b', '2'), put('c', '3')].map((w) =>
      rig.commit(rig.txn(), [w]),
    );
    await rig.until(Promise.all(commits));
    expect(
      await rig.until(rowsOf(rig.ranges.scanAt(scanOf('a', 'z'), rig.clock.latest()))),
    ).toEqual(['a=1', 'b=2', 'c=3']);
  });

  it('P20: are carried out once, however often they are sent', async () => {
    const rig = await Rig.serving();
    const txn = rig.txn();
    const first = rig.commit(txn, [put('a', '1')]);
    const second = rig.commit(txn, [put('a', '1')]);
    const s = timeOf(await rig.until(first));
    expect(timeOf(await rig.until(second))).toBe(s);
    await rig.write(put('a', '2'));
    expect(timeOf(await rig.until(rig.commit(txn, [put('a', '1')])))).toBe(s);
    expect(await rig.readNow('a')).toBe('2');
    expect(rig.log.entries).toHaveLength(2);
  });

  it('P20: get no timestamp after their deadline', async () => {
    const rig = await Rig.serving();
    const answer = await rig.until(rig.commit(rig.txn(), [put('a', '1')], undefined, -1));
    expect(answer.kind).toBe('sessionGone');
    expect(rig.log.entries).toHaveLength(0);
  });

  it('give up waiting for locks at their deadline', async () => {
    const rig = await Rig.serving();
    await lockKey(rig, rig.txn(), 'a');
    const answer = await rig.until(rig.commit(rig.txn(), [put('a', '1')], undefined, 5000));
    expect(answer.kind).toBe('lockTimeout');
  });

  it('are refused, and locked out of nothing, when they are too large', async () => {
    const rig = await Rig.serving();
    const longKey = { key: new Uint8Array(16 * 1024 + 1), value: utf8('x') };
    expect((await rig.until(rig.commit(rig.txn(), [longKey]))).kind).toBe('tooLarge');
    const half = new Uint8Array(33 << 20);
    const large = ['a', 'b'].map((key) => ({ key: utf8(key), value: half }));
    expect((await rig.until(rig.commit(rig.txn(), large))).kind).toBe('tooLarge');
    expect((await rig.until(rig.ranges.bulkWrite(large, false))).kind).toBe('tooLarge');
    expect(rig.replica.stats()).toMatchObject({ sessions: 0, lockedKeys: 0, inFlight: 0 });
  });

  it('are refused while the disk is full; reads go on', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    rig.replica.refuseWrites = 'only 3 MB are free';
    expect(await rig.until(rig.commit(rig.txn(), [put('a', '2')]))).toEqual({
      kind: 'diskFull',
      message: 'only 3 MB are free',
    });
    expect((await rig.until(rig.ranges.bulkWrite([put('b', '2')], false))).kind).toBe('diskFull');
    expect(await rig.readNow('a')).toBe('1');
    rig.replica.refuseWrites = undefined;
    await rig.write(put('a', '3'));
    expect(await rig.readNow('a')).toBe('3');
  });

  it('are ambiguous when nobody knows; what they hold stays until the log tells', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    rig.log.isUnknown = true;
    const commit = rig.commit(rig.txn(), [put('a', '1')]);
    expect((await rig.until(commit)).kind).toBe('ambiguous');
    await rig.pass(100);
    const read = rig.readAt('a', rig.clock.latest());
    expect(await rig.settledWithin(1000, read)).toBe(false);
    expect(rig.replica.stats()).toMatchObject({ inFlight: 1, lockedKeys: 1 });
    rig.log.commitNext();
    expect(await rig.until(read)).toBe('1');
    await rig.pass(1000);
    expect(rig.replica.stats()).toMatchObject({ inFlight: 0, lockedKeys: 0, sessions: 0 });
  });

  it('are ambiguous when leadership ends under way', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', '1')]);
    await rig.pass(100);
    const read = rig.readAt('a', rig.clock.latest()).catch((error: unknown) => error);
    rig.replica.stopServing('the node is stopping');
    expect((await rig.until(commit)).kind).toBe('ambiguous');
    expect(await rig.until(read)).toMatchObject({ code: '57P03' });
  });

  it('wait while too much is not applied, and are refused when leadership ends meanwhile', async () => {
    const rig = await Rig.serving({ logMicros: 1 });
    rig.shard.apply = () => new Promise(() => undefined);
    const half = new Uint8Array(50 << 20);
    const bulk = ['a', 'b', 'c'].map((key) => [{ key: utf8(key), value: half }]);
    for (const writes of bulk) await rig.until(rig.ranges.bulkWrite(writes, false));
    const waiting = [
      rig.commit(rig.txn(), [put('d', '1')]),
      rig.ranges.bulkWrite([put('e', '1')], false),
    ];
    expect(await rig.settledWithin(100_000, Promise.race(waiting))).toBe(false);
    rig.replica.stopServing('the node is stopping');
    const answers = await rig.until(Promise.all(waiting));
    expect(answers.map(({ kind }) => kind)).toEqual(['sessionGone', 'notServing']);
  });

  it('write in bulk without locks, and clear spans', async () => {
    const rig = await Rig.serving();
    const s = timeOf(
      await rig.until(rig.ranges.bulkWrite([put('a', '1'), put('b', '2'), put('x', '9')], false)),
    );
    const rows = () => rig.until(rowsOf(rig.ranges.scanAt(scanOf('a', 'z'), rig.clock.latest())));
    expect(await rows()).toEqual(['a=1', 'b=2', 'x=9']);
    expect(await rig.readNow('a')).toBe('1');
    const cleared = await rig.until(rig.ranges.clearSpan({ start: utf8('a'), end: utf8('c') }));
    expect(timeOf(cleared)).toBeGreaterThan(s);
    expect(await rows()).toEqual(['x=9']);
    expect(await rig.readNow('a')).toBeUndefined();
    expect(await rig.until(rig.readAt('a', s))).toBeUndefined();
  });
});

describe('lock sessions (P15)', () => {
  it('refuses every request of a wounded session', async () => {
    const rig = await Rig.serving();
    const [old, young] = [rig.txn(), rig.txn()];
    const session = await lockKey(rig, young, 'a');
    await lockKey(rig, old, 'a');
    const into = newRowSlice();
    expect((await rig.ranges.lockedRead(rig.lock(young, session), utf8('b'), into)).kind).toBe(
      'wounded',
    );
    expect(
      (await rig.ranges.lockedGet({ ...rig.lock(young, session), keys: [utf8('b')] })).kind,
    ).toBe('wounded');
    const scan = { ...rig.lock(young, session), ...scanOf('a', 'b') };
    expect((await rig.ranges.lockedScan(scan)).kind).toBe('wounded');
    expect((await rig.until(rig.commit(young, [put('b', '1')], session))).kind).toBe('wounded');
    expect(await rig.readNow('b')).toBeUndefined();
  });

  it('refuses a session of another term, or one that has ended', async () => {
    const rig = await Rig.serving();
    const txn = rig.txn();
    const session = await lockKey(rig, txn, 'a');
    const into = newRowSlice();
    const older = { ...session, term: session.term - 1 };
    expect((await rig.ranges.lockedRead(rig.lock(txn, older), utf8('a'), into)).kind).toBe(
      'sessionGone',
    );
    rig.ranges.release(txn, standingWith(session));
    expect((await rig.ranges.lockedRead(rig.lock(txn, session), utf8('a'), into)).kind).toBe(
      'sessionGone',
    );
  });

  it('does not answer a read whose lock was lost while it was loading', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    rig.cache.clear();
    const [old, young] = [rig.txn(), rig.txn()];
    const into = newRowSlice();
    const read = rig.ranges.lockedRead(rig.lock(young, undefined), utf8('a'), into);
    const many = rig.ranges.lockedGet({ ...rig.lock(young, undefined), keys: [utf8('a')] });
    const older = rig.commit(old, [put('a', '2')]);
    expect((await rig.until(read)).kind).toBe('wounded');
    expect((await rig.until(many)).kind).toBe('wounded');
    await rig.until(older);
  });

  it('stops a scan whose lock was lost', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    const [old, young] = [rig.txn(), rig.txn()];
    const opened = await rig.until(
      rig.ranges.lockedScan({ ...rig.lock(young, undefined, 'shared'), ...scanOf('a', 'b') }),
    );
    if (opened.kind !== 'scan') throw new Error(opened.kind);
    const older = rig.commit(old, [put('a', '2')]);
    await expect(rig.until(rowsOf(opened.scan))).rejects.toMatchObject({ code: '40001' });
    await rig.until(older);
  });

  it('ends a wait for a lock when its transaction is given up', async () => {
    const rig = await Rig.serving();
    const [holder, waiter] = [rig.txn(), rig.txn()];
    await lockKey(rig, holder, 'a');
    const wait = rig.ranges.lockedRead(rig.lock(waiter, undefined), utf8('a'), newRowSlice());
    rig.ranges.release(waiter, standingWith(undefined));
    expect((await rig.until(wait)).kind).toBe('sessionGone');
    const commit = rig.commit(waiter, [put('a', '1')]);
    rig.ranges.release(waiter, standingWith(undefined));
    expect((await rig.until(commit)).kind).toBe('sessionGone');
    expect(rig.replica.stats().sessions).toBe(1);
  });

  it('can not be released once its commit is decided', async () => {
    const rig = await Rig.serving();
    const txn = rig.txn();
    const commit = rig.commit(txn, [put('a', '1')]);
    rig.ranges.release(txn, standingWith(undefined));
    expect((await rig.until(commit)).kind).toBe('committed');
  });

  it('lets an older transaction wait for a younger one that is committing', async () => {
    const rig = await Rig.serving();
    const [old, young] = [rig.txn(), rig.txn()];
    const commit = rig.commit(young, [put('a', 'young')]);
    const into = newRowSlice();
    const read = await rig.until(rig.ranges.lockedRead(rig.lock(old, undefined), utf8('a'), into));
    expect([read.kind, textOf(into)]).toEqual(['row', 'young']);
    expect((await rig.until(commit)).kind).toBe('committed');
  });
});

describe('locked reads', () => {
  it('do not wait when told so', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('b', '2'));
    await lockKey(rig, rig.txn(), 'a');
    const into = newRowSlice();
    const nowait = rig.lock(rig.txn(), undefined, 'shared', 'nowait');
    expect((await rig.ranges.lockedRead(nowait, utf8('a'), into)).kind).toBe('lockNotAvailable');
    const scan = await rig.ranges.lockedScan({ ...nowait, ...scanOf('a', 'c') });
    expect(scan.kind).toBe('lockNotAvailable');
    const skip = rig.lock(rig.txn(), undefined, 'shared', 'skip');
    const got = await rig.ranges.lockedGet({ ...skip, keys: [utf8('a'), utf8('b')] });
    expect(got).toMatchObject({ kind: 'rows', rows: [undefined, utf8('2')] });
    expect((await rig.ranges.lockedRead(skip, utf8('a'), into)).kind).toBe('row');
    expect(textOf(into)).toBeUndefined();
  });

  it('give up after their timeout and leave the queue', async () => {
    const rig = await Rig.serving();
    const holder = rig.txn();
    await lockKey(rig, holder, 'a');
    const began = rig.world.nowMicros;
    const impatient = rig.lock(rig.txn(), undefined, 'exclusive', 'block', 5000);
    const answer = await rig.until(rig.ranges.lockedRead(impatient, utf8('a'), newRowSlice()));
    expect(answer.kind).toBe('lockTimeout');
    expect(rig.world.nowMicros - began).toBe(5000);
    expect(rig.replica.stats().lockWaits).toBe(0);
  });

  it('see the newest version, whatever the cache holds', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('b', '2'));
    rig.cache.clear();
    await rig.readNow('b');
    const got = await rig.until(
      rig.ranges.lockedGet({ ...rig.lock(rig.txn(), undefined), keys: ['a', 'b', 'c'].map(utf8) }),
    );
    expect(got).toMatchObject({ kind: 'rows', rows: [utf8('1'), utf8('2'), undefined] });
  });
});

describe('a replica that starts', () => {
  it('serves nothing before it leads', async () => {
    const rig = new Rig();
    expect(() => rig.ranges.readAt(utf8('a'), rig.clock.latest(), newRowSlice())).toThrow(
      /not started/,
    );
    expect((await rig.until(rig.commit(rig.txn(), [put('a', '1')]))).kind).toBe('notServing');
  });

  it('P29: has every entry of the log, applied before or given again', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    await rig.write(put('b', '2'));
    // Entries gather before they are posted.
    await rig.pass(200_000);
    const applied = rig.replica.appliedIndex;
    expect(applied).toBe(2);
    // The shard kept the first entry only; applying the second again changes nothing.
    const restarted = rig.newReplica(1, new RowCache(1 << 20));
    await rig.until(restarted.committed(rig.log.entries.slice(1)));
    await rig.until(restarted.lead(2));
    const into = newRowSlice();
    await rig.until(restarted.endpoint.snapshots.read(utf8('b'), rig.clock.latest(), into));
    expect(textOf(into)).toBe('2');
  });

  it('P20: remembers the transactions of the entries that it was given again', async () => {
    const rig = await Rig.serving();
    const txn = rig.txn();
    const s = timeOf(await rig.until(rig.commit(txn, [put('a', '1')])));
    const restarted = rig.newReplica(0, new RowCache(1 << 20));
    await rig.until(restarted.committed(rig.log.entries.slice()));
    await rig.until(restarted.lead(2));
    const deadline = timestamp(rig.clock.latest() + 1_000_000);
    const again = restarted.commits.commit(
      ANY,
      { ...txn, session: undefined },
      [put('a', '1')],
      deadline,
    );
    expect(timeOf(await rig.until(again))).toBe(s);
    expect(rig.log.entries).toHaveLength(1);
  });

  it('P1, P10: serves and assigns only above everything in its log, once that has passed', async () => {
    const rig = await Rig.serving({ uncertaintyMicros: 20_000 });
    rig.log.isHeld = true;
    const lost = rig.commit(rig.txn(), [put('a', '1')]);
    rig.log.commitNext();
    const logged = rig.log.entries.slice();
    const restarted = rig.newReplica(0, new RowCache(1 << 20));
    await rig.until(restarted.committed(logged));
    await rig.until(restarted.lead(2));
    const s = timeOf(await rig.until(lost));
    expect(rig.clock.hasPassed(s)).toBe(true);
    expect(restarted.floor).toBeGreaterThanOrEqual(s);
    expect(restarted.floor).toBeLessThan(MAX_TIMESTAMP);
  });

  it('passes entries that write nothing on to the shard, so that its applied index follows', async () => {
    const rig = await Rig.serving();
    const taken = rig.replica.committed([
      { index: 1, term: 1, kind: 'command', data: new Uint8Array(0) },
      {
        index: 2,
        term: 1,
        kind: 'change',
        data: encodeChange({ kind: 'simple', steps: [{ kind: 'addLearner', replica: 2 }] }),
      },
    ]);
    await rig.until(taken);
    await rig.pass(200_000);
    expect(rig.replica.appliedIndex).toBe(2);
    expect(rig.replica.descriptor).toMatchObject({
      generation: 2,
      configuration: { learners: [2] },
    });
    expect(rig.failures).toEqual([]);
  });
});

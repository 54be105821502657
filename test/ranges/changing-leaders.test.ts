// One replica through leaderships: what others decided meanwhile, what its clients are told, what it may still know.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { Write } from '../../src/ranges/api.ts';
import { CommandEncoder, commandTimestamp } from '../../src/ranges/command.ts';
import type { RangeCommit, RangeLocking } from '../../src/ranges/endpoint.ts';
import type { Lease } from '../../src/ranges/gate.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { parseTxnId } from '../../src/ranges/txn-id.ts';
import { COMMAND_FLOOR } from '../../src/storage/command-format.ts';
import { ANY, put, Rig, scanOf } from './fixture.ts';

const encoder = new CommandEncoder();

/** An entry that another leader has committed. */
function fromElsewhere(rig: Rig, at: Timestamp, ...writes: Write[]): void {
  const id = new Uint32Array(4);
  parseTxnId('f'.repeat(32), id);
  const deadline = timestamp(at + 10_000_000);
  rig.log.append(encoder.writes(at, id, deadline, writes, () => false));
}

function kindOf(answer: RangeCommit): string {
  return answer.kind;
}

describe('a replica that loses its leadership', () => {
  it('refuses everything, and says who leads', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    rig.replica.follow(3);
    const message = 'node 3 leads the range';
    const refusal = { kind: 'notServing', message, leaderNode: 3 };
    expect(await rig.until(rig.commit(rig.txn(), [put('a', '2')]))).toEqual(refusal);
    const locked = rig.ranges.lockedRead(rig.lock(rig.txn(), undefined), utf8('a'), newRowSlice());
    expect(await locked).toEqual(refusal);
    expect(() => rig.ranges.readAt(utf8('a'), rig.clock.latest(), newRowSlice())).toThrow(message);
    const scan = rig.ranges.scanAt(scanOf('a', 'z'), rig.clock.latest());
    await expect(scan.next()).rejects.toThrow(message);
  });

  it('wakes who waits for a lock or for a write in flight', async () => {
    const rig = await Rig.serving();
    const holder = rig.txn();
    await rig.until(rig.ranges.lockedRead(rig.lock(holder, undefined), utf8('a'), newRowSlice()));
    const waiting = rig.ranges.lockedRead(rig.lock(rig.txn(), undefined), utf8('a'), newRowSlice());
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('b', '1')]);
    const read = rig.readAt('b', timestamp(rig.clock.latest() + 100));
    read.catch(() => undefined);
    rig.replica.follow(undefined);
    expect((await rig.until(waiting)).kind).toBe('notServing');
    await expect(rig.until(read)).rejects.toMatchObject({ code: '57P03' });
    expect(rig.replica.stats()).toMatchObject({ lockWaits: 0, lockedKeys: 0, inFlight: 0 });
    rig.log.commitNext();
    expect(kindOf(await rig.until(commit))).toBe('committed');
  });

  it('P20: tells what the next leader made of a commit: it is in the log', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    const txn = rig.txn();
    const commit = rig.commit(txn, [put('a', 'mine')]);
    rig.replica.follow(2);
    expect(await rig.settledWithin(50_000, commit)).toBe(false);
    rig.log.commitNext();
    const answer = await rig.until(commit);
    expect(answer.kind).toBe('committed');
    await rig.until(rig.replica.lead(3));
    // It does not know any more what the first took.
    expect(answer).toMatchObject((await rig.until(rig.commit(txn, [put('a', 'again')]))) as object);
    expect(await rig.readNow('a')).toBe('mine');
  });

  it('tells what the next leader made of a commit: it is not in the log', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', 'mine')]);
    rig.replica.follow(2);
    rig.log.refuseNext({ kind: 'refused', message: 'replaced' });
    expect(await rig.until(commit)).toEqual({
      kind: 'notServing',
      message: 'replaced',
      leaderNode: 2,
    });
    rig.log.isHeld = false;
    await rig.until(rig.replica.lead(3));
    expect(await rig.readNow('a')).toBeUndefined();
    await rig.write(put('a', 'other'));
    expect(rig.replica.stats().inFlight).toBe(0);
  });

  it('says once that nobody knows when nobody will tell', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    const [first, second] = [
      rig.commit(rig.txn(), [put('a', '1')]),
      rig.commit(rig.txn(), [put('b', '1')]),
    ];
    rig.replica.follow(2);
    rig.log.refuseNext({ kind: 'unknown', message: 'not decided for long' });
    expect(kindOf(await rig.until(first))).toBe('ambiguous');
    rig.replica.stopServing('the node stops');
    expect(await rig.until(second)).toEqual({ kind: 'ambiguous', message: 'the node stops' });
    rig.log.commitNext();
    await rig.until(rig.replica.lead(3));
    expect(await rig.readNow('b')).toBe('1');
  });

  it('P20: does not say that a session is gone while what it proposed may commit', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    const txn = rig.txn();
    const request = rig.lock(txn, undefined);
    await rig.until(rig.ranges.lockedRead(request, utf8('a'), newRowSlice()));
    const session = request.standing.first?.session;
    const write = [put('a', 'mine')];
    const first = rig.commit(txn, write, session);
    rig.replica.follow(undefined);
    const second = rig.commit(txn, write, session);
    expect(await rig.settledWithin(50_000, second)).toBe(false);
    rig.log.refuseNext({ kind: 'unknown', message: 'not decided for long' });
    expect(kindOf(await rig.until(first))).toBe('ambiguous');
    expect(kindOf(await rig.until(second))).toBe('ambiguous');
    // Only who leads can say.
    expect(kindOf(await rig.until(rig.commit(txn, write, session)))).toBe('notServing');
    await rig.until(rig.replica.lead(3));
    expect(kindOf(await rig.until(rig.commit(txn, write, session)))).toBe('sessionGone');
  });

  it('P15: ends every session', async () => {
    const rig = await Rig.serving();
    const txn = rig.txn();
    const request = rig.lock(txn, undefined);
    await rig.until(rig.ranges.lockedRead(request, utf8('a'), newRowSlice()));
    rig.replica.follow(2);
    await rig.until(rig.replica.lead(3));
    const late = await rig.until(rig.commit(txn, [put('a', '1')], request.standing.first?.session));
    expect(late.kind).toBe('sessionGone');
  });
});

describe('a replica that leads again', () => {
  it('P14: knows nothing of what was cached, or never written, before', async () => {
    const rig = await Rig.serving();
    await rig.write(put('aaaa1', 'old'));
    // It is known now that the other index is empty.
    expect(await rig.readNow('bbbb1')).toBeUndefined();
    expect(await rig.readNow('bbbb2')).toBeUndefined();
    expect(rig.cache.written.isSurelyNew(utf8('bbbb3'), 0)).toBe(true);
    rig.replica.follow(2);
    const at = timestamp(rig.clock.latest() + 1);
    fromElsewhere(rig, at, put('aaaa1', 'new'), put('bbbb1', 'theirs'));
    expect(rig.cache.stats().entries).toBe(0);
    await rig.until(rig.replica.lead(3));
    expect(rig.cache.written.isSurelyNew(utf8('bbbb3'), 0)).toBe(false);
    expect(await rig.readNow('aaaa1')).toBe('new');
    expect(await rig.readNow('bbbb1')).toBe('theirs');
  });

  it('P1, P10: assigns above what others have given, once that has passed', async () => {
    const rig = await Rig.serving({ uncertaintyMicros: 5_000 });
    rig.replica.follow(2);
    const theirs = timestamp(rig.clock.latest() + 40_000);
    fromElsewhere(rig, theirs, put('a', 'theirs'));
    const leading = rig.replica.lead(3);
    expect(await rig.settledWithin(30_000, leading)).toBe(false);
    await rig.until(leading);
    expect(rig.clock.hasPassed(theirs)).toBe(true);
    expect(await rig.write(put('a', 'mine'))).toBeGreaterThan(theirs);
  });

  it('P1: waits for what the state may show, though no entry tells of it', async () => {
    const rig = new Rig();
    await rig.until(rig.shard.opened);
    const stateAtMost = timestamp(rig.clock.latest() + 60_000);
    const replica = rig.newReplica(0, rig.cache, { stateAtMost });
    const leading = replica.lead(1);
    expect(await rig.settledWithin(50_000, leading)).toBe(false);
    await rig.until(leading);
    expect(replica.floor).toBeGreaterThanOrEqual(stateAtMost);
  });

  it('does not serve when its leadership has ended before it could', async () => {
    const rig = new Rig({ uncertaintyMicros: 5_000 });
    fromElsewhere(rig, timestamp(rig.clock.latest() + 40_000), put('a', 'theirs'));
    const leading = rig.replica.lead(1);
    rig.replica.follow(2);
    await rig.until(leading);
    expect(rig.replica.isServing).toBe(false);
    const again = rig.replica.lead(3);
    const oncemore = rig.replica.lead(4);
    await rig.until(Promise.all([again, oncemore]));
    expect(rig.replica.isServing).toBe(true);
  });
});

describe('a lease', () => {
  it('P1: bounds what is served and assigned, also when it ends under way', async () => {
    let end = 0;
    const rig = new Rig();
    const lease: Lease = { covers: (t) => t < end, isHeld: () => rig.clock.latest() < end };
    const replica = rig.newReplica(0, rig.cache, { lease });
    await rig.until(replica.lead(1));
    const commit = (): Promise<RangeCommit> => {
      const deadline = timestamp(rig.clock.latest() + 1_000_000);
      const writes = [put('a', '1')];
      return replica.commits.commit(ANY, { ...rig.txn(), session: undefined }, writes, deadline);
    };
    const refusal = { kind: 'notLeader', message: 'the lease does not reach so far' };
    expect(await rig.until(commit())).toMatchObject(refusal);
    end = rig.clock.latest() + 10_000;
    expect(kindOf(await rig.until(commit()))).toBe('committed');
    await rig.pass(10_000);
    expect(await rig.until(commit())).toMatchObject(refusal);
    const read = async (): Promise<unknown> =>
      await replica.endpoint.snapshots.read(utf8('a'), rig.clock.latest(), newRowSlice());
    expect(await rig.until(read())).toMatchObject(refusal);
    // What lies before the end is still the past.
    end = rig.clock.latest() + 10_000;
    expect(kindOf(await rig.until(commit()))).toBe('committed');
  });
});

describe('a lease that ran out', () => {
  it('begins nothing, once it is there again, for a transaction that has ended meanwhile', async () => {
    let end = 0;
    const rig = new Rig();
    const lease: Lease = { covers: (t) => t < end, isHeld: () => rig.clock.latest() < end };
    const replica = rig.newReplica(0, rig.cache, { lease });
    await rig.until(replica.lead(1));
    const [over, other] = [rig.txn(), rig.txn()].map((txn) => ({ ...txn, session: undefined }));
    if (over === undefined || other === undefined) throw new Error('there are two');
    const locking: RangeLocking = { mode: 'exclusive', wait: 'block', timeoutMicros: 1_000_000 };
    const key = utf8('a');
    const waiting = [
      replica.endpoint.lockedRead(ANY, over, locking, key, newRowSlice()),
      replica.endpoint.lockedGet(ANY, over, locking, [key]),
      replica.endpoint.lockedScan(ANY, over, locking, scanOf('a', 'b')),
    ];
    const others = replica.endpoint.lockedGet(ANY, other, locking, [key]);
    replica.endpoint.release(ANY, over);
    end = rig.clock.latest() + 10_000_000;
    for (const answer of waiting) {
      expect(await rig.until<{ kind: string }>(answer)).toMatchObject({ kind: 'sessionGone' });
    }
    expect(await rig.until<{ kind: string }>(others)).toMatchObject({ kind: 'rows' });
    expect(replica.stats().sessions).toBe(1);
  });

  it('is waited for by whoever asks meanwhile', async () => {
    let end = 0;
    const rig = new Rig();
    const lease: Lease = { covers: (t) => t < end, isHeld: () => rig.clock.latest() < end };
    const replica = rig.newReplica(0, rig.cache, { lease });
    await rig.until(replica.lead(1));
    const deadline = timestamp(rig.clock.latest() + 10_000_000);
    const writes = [put('a', '1')];
    const commit = replica.commits.commit(
      ANY,
      { ...rig.txn(), session: undefined },
      writes,
      deadline,
    );
    const read = Promise.resolve(
      replica.endpoint.snapshots.read(utf8('a'), rig.clock.latest(), newRowSlice()),
    );
    await rig.pass(500_000);
    end = rig.clock.latest() + 1_000_000;
    expect(kindOf(await rig.until(commit))).toBe('committed');
    expect(await rig.until(read)).toBe(true);
  });
});

describe('handing leadership over (P3)', () => {
  it('serves no more, lets what is in flight end, and logs what was served at most', async () => {
    const rig = await Rig.serving();
    const served = timestamp(rig.clock.latest() + 5_000);
    expect(await rig.until(rig.readAt('a', served))).toBeUndefined();
    rig.log.isHeld = true;
    const commit = rig.commit(rig.txn(), [put('a', '1')]);
    const handing = rig.replica.handOver();
    expect((await rig.until(rig.commit(rig.txn(), [put('b', '1')]))).kind).toBe('notServing');
    expect(() => rig.ranges.readAt(utf8('a'), served, newRowSlice())).toThrow('handed over');
    rig.log.commitNext();
    const answer = await rig.until(commit);
    await rig.pass(1_000);
    rig.log.commitNext();
    await rig.until(handing);
    const floor = rig.log.entries.at(-1)?.data as Uint8Array;
    expect(floor[1]).toBe(COMMAND_FLOOR);
    const highest = commandTimestamp(floor);
    expect(highest).toBeGreaterThanOrEqual(served);
    if (answer.kind === 'committed') expect(highest).toBeGreaterThanOrEqual(answer.timestamp);
    expect(rig.replica.isServing).toBe(false);
    // It applies as any entry does, to nothing.
    rig.log.isHeld = false;
    await rig.until(rig.replica.lead(2));
    expect(rig.replica.floor).toBeGreaterThanOrEqual(served);
    expect(await rig.readNow('a')).toBe('1');
  });

  it('goes on after a moment though something stays in flight', async () => {
    const rig = await Rig.serving();
    rig.log.isHeld = true;
    void rig.commit(rig.txn(), [put('a', '1')]);
    const handing = rig.replica.handOver();
    await rig.pass(1_000_000);
    expect(rig.log.heldCount).toBe(2);
    rig.log.commitNext();
    rig.log.commitNext();
    await rig.until(handing);
  });

  it('serves again when nobody could be asked to lead', async () => {
    const rig = await Rig.serving();
    rig.log.refusal = { kind: 'refused', message: 'too many writes wait for the log' };
    await expect(rig.until(rig.replica.handOver())).rejects.toThrow('too many writes');
    rig.log.refusal = undefined;
    await rig.write(put('a', '1'));
    expect(await rig.readNow('a')).toBe('1');
  });
});

describe('a replica that was found wrong', () => {
  it('never serves again, though it leads', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    rig.replica.break('it differs (XX001)');
    expect((await rig.until(rig.commit(rig.txn(), [put('a', '2')]))).kind).toBe('notServing');
    rig.replica.follow(2);
    await rig.until(rig.replica.lead(5));
    expect(rig.replica.isServing).toBe(false);
    expect(() => rig.ranges.readAt(utf8('a'), rig.clock.latest(), newRowSlice())).toThrow('XX001');
    // It still hands over.
    await rig.until(rig.replica.handOver());
  });
});

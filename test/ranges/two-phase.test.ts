import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED, type Transaction } from '../../src/txn/api.ts';
import { ANY } from './fixture.ts';
import { TwoPhaseRig } from './two-phase-rig.ts';

async function writing(rig: TwoPhaseRig, ...keys: readonly string[]): Promise<Transaction> {
  const transaction = rig.coordinator().begin();
  for (const key of keys) transaction.put(utf8(key), utf8('1'));
  return transaction;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a commit in several ranges', () => {
  it('is visible in all of them once it is answered, at one timestamp', async () => {
    const rig = await TwoPhaseRig.serving();
    const transaction = await writing(rig, 'a1', 'b1', 'c1');
    const s = await rig.until(transaction.commit());
    expect(await rig.read('a1', 'b1', 'c1')).toEqual(['1', '1', '1']);
    const before = rig.coordinator().snapshot((s - 1) as never);
    expect(await rig.until(before.getMany(['a1', 'b1', 'c1'].map(utf8)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    await rig.pass(1_000_000);
    expect(rig.preparedCount).toBe(0);
  });

  it('takes one entry of a range that decides, and needs none prepared when others were only read', async () => {
    const rig = await TwoPhaseRig.serving();
    const transaction = rig.coordinator().begin();
    await rig.until(transaction.getManyLocked([utf8('b1'), utf8('c1')], LOCK_SHARED));
    transaction.put(utf8('a1'), utf8('1'));
    const counts = rig.ranges.map(({ entries }) => entries.length);
    await rig.until(transaction.commit());
    expect(rig.ranges.map(({ entries }, i) => entries.length - (counts[i] as number))).toEqual([
      1, 0, 0,
    ]);
    await rig.pass(1_000_000);
    for (const { replicas } of rig.ranges) {
      for (const { replica } of replicas.values()) expect(replica.stats().sessions).toBe(0);
    }
  });

  it('P22: keeps reads at or above a prepare waiting for its outcome, and no others', async () => {
    const rig = await TwoPhaseRig.serving();
    const [a, b] = [rig.rangeOf('a1'), rig.rangeOf('b1')];
    rig.fate = (what) => (what === 'decide' || what === 'inquire' ? 'lostBefore' : 'arrives');
    const earlier = rig.coordinator().snapshot();
    // More than clocks differ.
    await rig.pass(10_000);
    const transaction = await writing(rig, 'a1', 'a2', 'b1');
    const commit = codeOf(transaction.commit());
    await rig.pass(40_000);
    expect(b.leading.twoPhase.preparedCount).toBe(1);
    expect(a.leading.twoPhase.preparedCount).toBe(0);
    expect(await rig.until(earlier.getMany([utf8('b1')]))).toEqual([undefined]);
    expect(await rig.read('b2')).toEqual([undefined]);
    const now = rig.coordinator().snapshot();
    const late = Promise.resolve(now.getMany([utf8('b1')]));
    expect(await rig.world.run(() => false, rig.world.nowMicros + 50_000)).toBe(false);
    expect(b.leading.twoPhase.oldestPrepare).toBeDefined();
    // The decision never came; the coordinator asks, and is told that there will be none.
    rig.fate = () => 'arrives';
    expect(await rig.until(commit)).toBe('40001');
    expect(await rig.until(late)).toEqual([undefined]);
    await rig.pass(1_000_000);
    expect(b.leading.twoPhase.oldestPrepare).toBeUndefined();
  });

  it('P19: whoever is prepared and hears nothing asks, and is told of the abort for good', async () => {
    const rig = await TwoPhaseRig.serving();
    const transaction = await writing(rig, 'a1', 'a2', 'b1');
    // The coordinator dies between prepare and decide.
    const b = rig.rangeOf('b1');
    const commit = transaction.commit();
    commit.catch(() => undefined);
    await rig.world.run(() => b.leading.twoPhase.preparedCount === 1, 1e9);
    rig.crash(1);
    await rig.pass(4_000_000);
    expect(rig.preparedCount).toBe(0);
    const found = await rig.read('a1', 'a2', 'b1');
    expect(new Set(found).size).toBe(1);
  });

  it('P19: a commit whose resolves are all lost is carried out all the same', async () => {
    const rig = await TwoPhaseRig.serving();
    let isLossy = true;
    rig.fate = (what) => (isLossy && what === 'resolve' ? 'lostBefore' : 'arrives');
    const transaction = await writing(rig, 'a1', 'b1', 'c1');
    await rig.until(transaction.commit());
    expect(rig.preparedCount).toBeGreaterThan(0);
    expect(await rig.read('a1', 'b1', 'c1')).toEqual(['1', '1', '1']);
    await rig.pass(1_000_000);
    expect(rig.preparedCount).toBe(0);
    isLossy = false;
  });

  it('what is prepared outlives its leader, with its locks', async () => {
    const rig = await TwoPhaseRig.serving();
    rig.fate = (what) => (what === 'decide' || what === 'inquire' ? 'lostBefore' : 'arrives');
    const b = rig.rangeOf('b1');
    const transaction = await writing(rig, 'a1', 'a2', 'b1');
    const commit = codeOf(transaction.commit());
    await rig.world.run(() => b.leading.twoPhase.preparedCount === 1, 1e9);
    await rig.until(b.changeLeader(3, false));
    expect(b.leading.twoPhase.preparedCount).toBe(1);
    const other = rig.coordinator(3).begin();
    const nowait = other.getManyLocked([utf8('b1')], { mode: 'exclusive', wait: 'nowait' });
    expect(await rig.until(codeOf(Promise.resolve(nowait)))).toBe('55P03');
    rig.fate = () => 'arrives';
    expect(await rig.until(commit)).toMatch(/40001|done/);
    await rig.pass(3_000_000);
    expect(rig.preparedCount).toBe(0);
    const found = await rig.read('a1', 'b1');
    expect(new Set(found).size).toBe(1);
  });

  it('what is prepared is there again after every replica was restarted', async () => {
    const rig = await TwoPhaseRig.serving();
    rig.fate = (what) => (what === 'decide' || what === 'inquire' ? 'lostBefore' : 'arrives');
    const b = rig.rangeOf('b1');
    const transaction = await writing(rig, 'a1', 'a2', 'b1');
    transaction.commit().catch(() => undefined);
    await rig.world.run(() => b.leading.twoPhase.preparedCount === 1, 1e9);
    await rig.pass(300_000);
    for (const node of [2, 3, 1]) {
      rig.crash(node);
      await rig.until(rig.start(node));
      await rig.pass(1_000_000);
    }
    expect(b.leading.twoPhase.preparedCount).toBe(1);
    rig.fate = () => 'arrives';
    await rig.pass(3_000_000);
    expect(rig.preparedCount).toBe(0);
    expect(await rig.read('a1', 'b1')).toEqual([undefined, undefined]);
  });

  it('P18: a commit whose participant restarts before it hears of it is whole; one that forgets is not', async () => {
    const halves = async (bugs: readonly string[]): Promise<number> => {
      let count = 0;
      for (let seed = 1; seed <= 6; seed++) {
        const rig = await TwoPhaseRig.serving({ seed, bugs });
        rig.fate = (what) => (what === 'resolve' || what === 'inquire' ? 'lostBefore' : 'arrives');
        await rig.until((await writing(rig, 'a1', 'a2', 'b1')).commit());
        await rig.pass(1_000_000);
        for (const node of [2, 3, 1]) {
          await rig.until(rig.nodes.get(node)?.shard.flush());
          rig.crash(node);
          await rig.until(rig.start(node));
          await rig.pass(1_000_000);
        }
        rig.fate = () => 'arrives';
        await rig.pass(8_000_000);
        const found = await rig.read('a1', 'b1');
        if (new Set(found).size > 1) count++;
      }
      return count;
    };
    expect(await halves([])).toBe(0);
    expect(await halves(['ranges.forget-prepare'])).toBeGreaterThan(0);
  });

  it('P19: an unknown id that was told to be aborted stays so; unless nothing was recorded', async () => {
    const decidedAfterwards = async (bugs: readonly string[]): Promise<number> => {
      const rig = await TwoPhaseRig.serving({ bugs });
      const { twoPhase } = rig.rangeOf('a1').leading;
      const anchor = utf8('a1');
      const deadline = (rig.nodes.get(1)?.clock.latest() ?? 0) + 10_000_000;
      let count = 0;
      for (let i = 0; i < 8; i++) {
        const txn = { id: `${i}`.padStart(32, '0'), age: deadline as never, session: undefined };
        const asked = twoPhase.inquire(ANY, txn.id, anchor, deadline as never);
        expect(await rig.until(asked)).toEqual({ kind: 'aborted' });
        const request = {
          txn: { ...txn, also: [] },
          writes: [{ key: anchor, value: utf8('1') }],
          anchor,
          participants: [{ start: utf8('b1'), end: utf8('b2') }],
          atLeast: MIN_TIMESTAMP,
          below: MAX_TIMESTAMP,
          deadline: deadline as never,
        };
        const { kind } = await rig.until(twoPhase.decide(ANY, request));
        if (kind === 'committed') count++;
      }
      return count;
    };
    expect(await decidedAfterwards([])).toBe(0);
    expect(await decidedAfterwards(['ranges.answer-unrecorded'])).toBeGreaterThan(0);
  });

  it('P20: asking again changes nothing', async () => {
    const rig = await TwoPhaseRig.serving({ seed: 7 });
    rig.fate = () => 'repeated';
    const transaction = await writing(rig, 'a1', 'b1', 'c1');
    const s = await rig.until(transaction.commit());
    await rig.pass(2_000_000);
    expect(rig.preparedCount).toBe(0);
    const before = rig.coordinator().snapshot((s - 1) as never);
    expect(await rig.until(before.getMany([utf8('a1')]))).toEqual([undefined]);
    expect(await rig.read('a1', 'b1', 'c1')).toEqual(['1', '1', '1']);
  });

  it('P20: an answer that was lost is asked for, and is the one that was given', async () => {
    const rig = await TwoPhaseRig.serving();
    let lost = 0;
    rig.fate = (what) => (what === 'decide' && lost++ === 0 ? 'lostAfter' : 'arrives');
    const transaction = await writing(rig, 'a1', 'b1', 'c1');
    const s = await rig.until(transaction.commit());
    expect(s).toBeGreaterThan(0);
    expect(await rig.read('a1', 'b1', 'c1')).toEqual(['1', '1', '1']);
  });

  it('P20: is told to be unknown only when nobody could say until its deadline', async () => {
    const rig = await TwoPhaseRig.serving({ commitDeadlineMicros: 2_000_000 });
    rig.fate = (what) =>
      what === 'decide' ? 'lostAfter' : what === 'inquire' ? 'lostBefore' : 'arrives';
    const transaction = await writing(rig, 'a1', 'b1');
    const began = rig.world.nowMicros;
    expect(await rig.until(codeOf(transaction.commit()))).toBe('40003');
    expect(rig.world.nowMicros - began).toBeGreaterThan(2_000_000);
  });

  it('P21: an older transaction that waits for a prepared one is not kept waiting by it', async () => {
    const rig = await TwoPhaseRig.serving();
    const old = rig.coordinator().begin();
    await rig.until(old.getManyLocked([utf8('a1')], LOCK_EXCLUSIVE));
    await rig.pass(10_000);
    // Prepared in b, it waits in a for the older one.
    const young = rig.coordinator(2).begin();
    for (const key of ['a1', 'b1', 'c1', 'c2']) young.put(utf8(key), utf8('young'));
    const commit = codeOf(young.commit());
    await rig.world.run(() => rig.rangeOf('b1').leading.twoPhase.preparedCount === 1, 1e9);
    const row = old.getManyLocked([utf8('b1')], LOCK_EXCLUSIVE);
    await rig.until(row as Promise<unknown>);
    old.put(utf8('b1'), utf8('old'));
    await rig.until(old.commit());
    expect(await rig.until(commit)).toBe('40001');
    expect(await rig.read('b1', 'c1')).toEqual(['old', undefined]);
  });

  it.each([500_000, 5_000_000])(
    'waits for locks of others for as long as it may, whoever it has read or prepared elsewhere (%i µs)',
    async (micros) => {
      const rig = await TwoPhaseRig.serving();
      const old = rig.coordinator(2).begin();
      await rig.until(old.getManyLocked([utf8('a1')], LOCK_EXCLUSIVE));
      await rig.pass(10_000);
      const young = rig.coordinator().begin();
      await rig.until(young.getManyLocked([utf8('b1')], LOCK_SHARED));
      for (const key of ['a1', 'a2', 'c1']) young.put(utf8(key), utf8('young'));
      const commit = codeOf(young.commit());
      await rig.pass(micros);
      expect(rig.rangeOf('c1').leading.twoPhase.preparedCount).toBe(1);
      old.put(utf8('a1'), utf8('old'));
      await rig.until(old.commit());
      expect(await rig.until(commit)).toBe('done');
      expect(await rig.read('a1', 'c1')).toEqual(['young', 'young']);
      await rig.pass(3_000_000);
      expect(rig.preparedCount).toBe(0);
      for (const { leading } of rig.ranges) expect(leading.stats().sessions).toBe(0);
    },
  );

  it('P16: what it read elsewhere must still be locked when it commits', async () => {
    const rig = await TwoPhaseRig.serving();
    const transaction = rig.coordinator().begin();
    await rig.until(transaction.getManyLocked([utf8('b1')], LOCK_SHARED));
    transaction.put(utf8('a1'), utf8('1'));
    await rig.until(rig.rangeOf('b1').changeLeader(3, false));
    expect(await rig.until(codeOf(transaction.commit()))).toBe('40001');
    expect(await rig.read('a1')).toEqual([undefined]);
  });

  it('P15: locks that were lost are not taken anew; without the rule an update is lost', async () => {
    const lostUpdates = async (bugs: readonly string[]): Promise<number> => {
      let lost = 0;
      for (let seed = 1; seed <= 8; seed++) {
        const rig = await TwoPhaseRig.serving({ seed, bugs });
        const first = rig.coordinator().begin();
        await rig.until(first.getManyLocked([utf8('a1'), utf8('b1')], LOCK_EXCLUSIVE));
        await rig.until(rig.rangeOf('b1').changeLeader(3, false));
        const second = rig.coordinator(2).begin();
        await rig.until(second.getManyLocked([utf8('b1')], LOCK_EXCLUSIVE));
        second.put(utf8('b1'), utf8('second'));
        await rig.until(second.commit());
        for (const key of ['a1', 'a2', 'b1']) first.put(utf8(key), utf8('first'));
        if ((await rig.until(codeOf(first.commit()))) === 'done') lost++;
      }
      return lost;
    };
    expect(await lostUpdates([])).toBe(0);
    expect(await lostUpdates(['ranges.forget-lock-session'])).toBeGreaterThan(0);
  });

  it('P17: so must it when it wrote nothing', async () => {
    const rig = await TwoPhaseRig.serving();
    const read = async (): Promise<Transaction> => {
      const transaction = rig.coordinator().begin();
      await rig.until(transaction.getManyLocked([utf8('a1'), utf8('b1')], LOCK_SHARED));
      return transaction;
    };
    expect(await rig.until(codeOf((await read()).commit()))).toBe('done');
    const late = await read();
    await rig.until(rig.rangeOf('b1').changeLeader(3, false));
    expect(await rig.until(codeOf(late.commit()))).toBe('40001');
  });

  it('P18: forgets decisions once all are resolved and the deadline has passed', async () => {
    const rig = await TwoPhaseRig.serving({ commitDeadlineMicros: 2_000_000 });
    await rig.until((await writing(rig, 'a1', 'b1')).commit());
    const decisions = (): number =>
      rig.ranges.reduce((sum, { leading }) => sum + leading.twoPhase.decisionCount, 0);
    expect(decisions()).toBe(1);
    await rig.pass(6_000_000);
    expect(decisions()).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { timestamp } from '../../src/clock/timestamp.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { LOCK_EXCLUSIVE, LOCK_SHARED, type ReadView } from '../../src/txn/api.ts';
import { put, Rig, rowsOf, scanOf, textOf } from '../ranges/fixture.ts';

async function read(view: ReadView, key: string): Promise<string | undefined> {
  const into = newRowSlice();
  await view.read(utf8(key), into);
  return textOf(into);
}

async function scan(view: ReadView, from: string, to: string, reverse = false): Promise<string[]> {
  return rowsOf(await view.scan(scanOf(from, to, reverse)));
}

describe('a transaction', () => {
  it('sees its own writes by key, by keys and by scan; others see them when it has committed', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('b', '2'), put('d', '4'));
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('one'));
    txn.delete(utf8('b'));
    txn.put(utf8('c'), utf8('three'));
    expect(await rig.until(read(txn, 'a'))).toBe('one');
    expect(await rig.until(read(txn, 'b'))).toBeUndefined();
    const many = rig.until(txn.getMany(['a', 'b', 'c', 'd', 'e'].map(utf8)));
    expect(await many).toEqual([utf8('one'), undefined, utf8('three'), utf8('4'), undefined]);
    const rows = ['a=one', 'c=three', 'd=4'];
    expect(await rig.until(scan(txn, 'a', 'z'))).toEqual(rows);
    expect(await rig.until(scan(txn, 'a', 'z', true))).toEqual([...rows].reverse());
    expect(await rig.until(scan(rig.transactions.snapshot(), 'a', 'z'))).toEqual([
      'a=1',
      'b=2',
      'd=4',
    ]);
    await rig.until(txn.commit());
    expect(await rig.until(scan(rig.transactions.snapshot(), 'a', 'z'))).toEqual(rows);
  });

  it('limits the rows of a scan after its own writes are merged in', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'), put('c', '3'));
    const txn = rig.transactions.begin();
    txn.delete(utf8('a'));
    txn.put(utf8('b'), utf8('2'));
    txn.put(utf8('d'), utf8('4'));
    const limited = await rig.until(txn.scan({ ...scanOf('a', 'z'), limitRows: 2 }));
    expect(await rig.until(rowsOf(limited))).toEqual(['b=2', 'c=3']);
  });

  it('scans what it had written when the scan began', async () => {
    const rig = await Rig.serving();
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('1'));
    const opened = await rig.until(txn.scan(scanOf('a', 'z')));
    txn.put(utf8('a'), utf8('2'));
    txn.put(utf8('b'), utf8('2'));
    expect(await rig.until(rowsOf(opened))).toEqual(['a=1']);
  });

  it('takes back what came after a savepoint', async () => {
    const rig = await Rig.serving();
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('1'));
    const savepoint = txn.savepoint();
    txn.put(utf8('a'), utf8('2'));
    txn.put(utf8('b'), utf8('2'));
    txn.rollbackTo(savepoint);
    txn.put(utf8('c'), utf8('3'));
    txn.rollbackTo(savepoint);
    await rig.until(txn.commit());
    expect(await rig.until(scan(rig.transactions.snapshot(), 'a', 'z'))).toEqual(['a=1']);
  });

  it('tells what it has waited for', async () => {
    const rig = await Rig.serving();
    const holder = rig.transactions.begin();
    await rig.until(holder.readLocked(utf8('a'), newRowSlice(), LOCK_EXCLUSIVE));
    const txn = rig.transactions.begin();
    const times = txn.measure();
    const reading = txn.readLocked(utf8('a'), newRowSlice(), LOCK_EXCLUSIVE);
    await rig.until(rig.world.sleep(5_000));
    holder.rollback();
    await rig.until(reading as Promise<true>);
    expect(times.lockedReads).toBe(1);
    expect(times.locks).toBeGreaterThanOrEqual(5_000);
    expect(times.locks).toBeLessThan(10_000);
    expect(times.commit).toBeUndefined();
    txn.put(utf8('a'), utf8('1'));
    const committed = await rig.until(txn.commit());
    expect(times).toMatchObject({ timestamp: committed, isDivided: false });
    const { commit = 0, replication, commitWait } = times;
    expect(replication).toBeGreaterThan(0);
    expect(replication + commitWait).toBeGreaterThan(0);
    expect(commit).toBeGreaterThanOrEqual(replication + commitWait);
    // The next statement begins anew.
    expect(rig.transactions.begin().measure().locks).toBe(0);
  });

  it('makes one proposal, and none when it wrote nothing', async () => {
    const rig = await Rig.serving();
    const writer = rig.transactions.begin();
    await rig.until(writer.readLocked(utf8('a'), newRowSlice(), LOCK_EXCLUSIVE));
    writer.put(utf8('a'), utf8('1'));
    await rig.until(writer.commit());
    expect(rig.log.entries).toHaveLength(1);
    const reader = rig.transactions.begin();
    expect(await rig.until(read(reader, 'a'))).toBe('1');
    await reader.commit();
    expect(rig.log.entries).toHaveLength(1);
    expect(rig.replica.stats().sessions).toBe(0);
  });

  it('is over after commit and after rollback, which may be repeated', async () => {
    const rig = await Rig.serving();
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('1'));
    txn.rollback();
    txn.rollback();
    expect(() => txn.put(utf8('a'), utf8('1'))).toThrow(/ended/);
    await expect(txn.commit()).rejects.toMatchObject({ code: '25P01' });
    expect(rig.log.entries).toHaveLength(0);
  });

  it('is aborted with 40001 when it is wounded, and every later call says so', async () => {
    const rig = await Rig.serving();
    const [old, young] = [rig.transactions.begin(), rig.transactions.begin()];
    await rig.until(read(old, 'x'));
    await rig.until(read(young, 'a'));
    old.put(utf8('a'), utf8('1'));
    await rig.until(old.commit());
    await expect(rig.until(read(young, 'b'))).rejects.toMatchObject({
      code: '40001',
      fields: { hint: 'Retry the transaction.' },
    });
    expect(young.aborted).toMatchObject({ code: '40001' });
    expect(() => young.put(utf8('a'), utf8('2'))).toThrow(/serialize/);
    await expect(young.commit()).rejects.toMatchObject({ code: '40001' });
    young.rollback();
  });

  it('P21: keeps its age when it is tried again, so that it gets through', async () => {
    const rig = await Rig.serving();
    const [old, middle] = [rig.transactions.begin(), rig.transactions.begin()];
    await rig.until(read(old, 'x'));
    await rig.until(read(middle, 'a'));
    old.put(utf8('a'), utf8('1'));
    await rig.until(old.commit());
    const young = rig.transactions.begin();
    await rig.until(read(young, 'a'));
    const again = rig.transactions.begin(middle);
    again.put(utf8('a'), utf8('2'));
    await rig.until(again.commit());
    await expect(rig.until(read(young, 'a'))).rejects.toMatchObject({ code: '40001' });
  });

  it('does not lose updates that two make at once', async () => {
    const rig = await Rig.serving();
    await rig.write(put('n', '0'));
    const increment = async (): Promise<void> => {
      let before: ReturnType<typeof rig.transactions.begin> | undefined;
      for (;;) {
        const txn = rig.transactions.begin(before);
        try {
          const n = Number(await read(txn, 'n'));
          txn.put(utf8('n'), utf8(`${n + 1}`));
          await txn.commit();
          return;
        } catch {
          txn.rollback();
          before = txn;
        }
      }
    };
    await rig.until(Promise.all(Array.from({ length: 20 }, increment)));
    expect(await rig.readNow('n')).toBe('20');
  });

  it('does not see rows appear in a span that it has scanned', async () => {
    const rig = await Rig.serving();
    await rig.write(put('a', '1'));
    const [scanner, inserter] = [rig.transactions.begin(), rig.transactions.begin()];
    expect(await rig.until(scan(scanner, 'a', 'm'))).toEqual(['a=1']);
    inserter.put(utf8('b'), utf8('2'));
    const insert = inserter.commit();
    expect(await rig.settledWithin(50_000, insert)).toBe(false);
    expect(await rig.until(scan(scanner, 'a', 'm'))).toEqual(['a=1']);
    await scanner.commit();
    await rig.until(insert);
  });
});

describe('errors', () => {
  it('55P03 for a lock that is not waited for, and the transaction goes on', async () => {
    const rig = await Rig.serving();
    const [holder, other] = [rig.transactions.begin(), rig.transactions.begin()];
    await rig.until(holder.readLocked(utf8('a'), newRowSlice(), LOCK_EXCLUSIVE));
    const nowait = { mode: 'shared', wait: 'nowait' } as const;
    await expect(
      rig.until(Promise.resolve().then(() => other.readLocked(utf8('a'), newRowSlice(), nowait))),
    ).rejects.toMatchObject({ code: '55P03' });
    expect(other.aborted).toBeUndefined();
    other.put(utf8('b'), utf8('1'));
    await rig.until(other.commit());
    const skip = { mode: 'shared', wait: 'skip' } as const;
    const skipper = rig.transactions.begin();
    expect(await rig.until(skipper.getManyLocked([utf8('a'), utf8('b')], skip))).toEqual([
      undefined,
      utf8('1'),
    ]);
  });

  it('53100 for a full disk', async () => {
    const rig = await Rig.serving();
    rig.replica.refuseWrites = 'the disk is nearly full';
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('1'));
    await expect(rig.until(txn.commit())).rejects.toMatchObject({ code: '53100' });
    expect(rig.replica.stats().sessions).toBe(0);
  });

  it('54000 for a key, a row or a transaction that is too large', async () => {
    const rig = await Rig.serving();
    const txn = rig.transactions.begin();
    const tooLarge = expect.objectContaining({ code: '54000' });
    const caught = (run: () => void): unknown => {
      try {
        run();
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const half = new Uint8Array(33 << 20);
    expect(caught(() => txn.put(new Uint8Array(16_385), utf8('x')))).toEqual(tooLarge);
    expect(caught(() => txn.put(utf8('a'), new Uint8Array((64 << 20) + 1)))).toEqual(tooLarge);
    expect(caught(() => txn.put(utf8('a'), half))).toBeUndefined();
    expect(caught(() => txn.put(utf8('b'), half))).toEqual(tooLarge);
    await rig.until(txn.commit());
  });

  it('40003 when the outcome is not known', async () => {
    const rig = await Rig.serving();
    rig.log.isUnknown = true;
    const txn = rig.transactions.begin();
    txn.put(utf8('a'), utf8('1'));
    await expect(rig.until(txn.commit())).rejects.toMatchObject({ code: '40003' });
  });

  it('25P04 for a transaction that is open for too long; its locks go', async () => {
    const rig = await Rig.serving({ longestMicros: 1_600_000 });
    const txn = rig.transactions.begin();
    await rig.until(txn.readLocked(utf8('a'), newRowSlice(), LOCK_EXCLUSIVE));
    await rig.pass(1_500_000);
    expect(txn.aborted).toBeUndefined();
    await rig.pass(300_000);
    expect(txn.aborted).toMatchObject({ code: '25P04' });
    expect(rig.replica.stats().lockedKeys).toBe(0);
    expect(() => txn.read(utf8('a'), newRowSlice())).toThrow(/open for more than/);
  });

  it('22023 for a snapshot of the future', async () => {
    const rig = await Rig.serving();
    const future = timestamp(rig.clock.latest() + 1000);
    expect(() => rig.transactions.snapshot(future)).toThrow(/future/);
  });

  it('57P01 for what is open when the node stops', async () => {
    const rig = await Rig.serving();
    const txn = rig.transactions.begin();
    await rig.until(txn.readLocked(utf8('a'), newRowSlice(), LOCK_SHARED));
    rig.transactions.close();
    expect(() => txn.read(utf8('a'), newRowSlice())).toThrow(/stopping/);
    // Nor does a statement that was under way go on in another one.
    expect(() => rig.transactions.begin(txn)).toThrow(/stopping/);
    expect(rig.replica.stats().sessions).toBe(0);
  });
});

describe('outside transactions', () => {
  it('bulk writes and clears spans', async () => {
    const rig = await Rig.serving();
    await rig.until(rig.transactions.bulkWrite([put('a', '1'), put('b', '2')], false));
    await rig.until(rig.transactions.clearSpan(utf8('a'), utf8('b')));
    expect(await rig.until(scan(rig.transactions.snapshot(), 'a', 'z'))).toEqual(['b=2']);
    rig.replica.refuseWrites = 'the disk is nearly full';
    const refused = rig.transactions.bulkWrite([put('a', '1')], false);
    await expect(rig.until(refused)).rejects.toMatchObject({ code: '53100' });
  });
});

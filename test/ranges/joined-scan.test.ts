// Neighbours that lie in one store, read by one scan of it: when they give leave for that, and what becomes of it when one
// of them changes.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { RowScan, Span } from '../../src/ranges/api.ts';
import { openScan, RangeScan } from '../../src/ranges/reads/range-scan.ts';
import type { ScanGrant } from '../../src/ranges/reads/scan-grant.ts';
import { ANY, put, rowsOf, scanOf } from './fixture.ts';
import { SplitRig, RIGHT, AT } from './split-rig.ts';

describe('both halves of a split', () => {
  const LEFT_HEAD = { range: 7, generation: 2 };
  const RIGHT_HEAD = { range: RIGHT, generation: 2 };
  const LEFT: Span = { start: utf8('a'), end: AT };
  const REST: Span = { start: AT, end: utf8('z') };

  async function halves(): Promise<{ readonly rig: SplitRig; readonly written: Timestamp }> {
    const rig = await SplitRig.serving();
    await rig.write(rig.parent, put('b', '1'), put('d', '2'));
    const written = await rig.write(rig.parent, put('n', '3'), put('p', '4'));
    await rig.split();
    return { rig, written };
  }

  function joined(rig: SplitRig, reverse: boolean, t: Timestamp): RowScan {
    const grants = [
      rig.parent.endpoint.grantScan(LEFT_HEAD, LEFT, t) as ScanGrant,
      rig.right.endpoint.grantScan(RIGHT_HEAD, REST, t) as ScanGrant,
    ];
    if (reverse) grants.reverse();
    const request = { ...scanOf('a', 'z', reverse), batchBytes: 1 };
    return new RangeScan(grants, reverse, openScan(grants, request, t));
  }

  it('are read by one scan of the store', async () => {
    const { rig, written } = await halves();
    const rows = ['b=1', 'd=2', 'n=3', 'p=4'];
    const { scansServed } = await rig.rig.until(rig.rig.shard.usage());
    expect(await rig.rig.until(rowsOf(joined(rig, false, written)))).toEqual(rows);
    expect(await rig.rig.until(rowsOf(joined(rig, true, written)))).toEqual(rows.reverse());
    const after = await rig.rig.until(rig.rig.shard.usage());
    expect(after.scansServed - scansServed).toBe(2);
  });

  it('P22: assign nothing at or below the time of the scan from then on', async () => {
    const { rig } = await halves();
    const t = timestamp(rig.rig.clock.latest() + 2_000);
    expect(rig.right.endpoint.grantScan(RIGHT_HEAD, REST, t)).toBeDefined();
    expect(await rig.write(rig.right, put('q', '5'))).toBeGreaterThan(t);
  });

  it('P22: give no leave while a write at or below the time is in flight', async () => {
    const { rig } = await halves();
    rig.childLog.isHeld = true;
    const writing = rig.commit(rig.right, rig.rig.txn(), [put('q', '5')]);
    const t = timestamp(rig.rig.clock.latest() + 2_000);
    expect(rig.parent.endpoint.grantScan(LEFT_HEAD, LEFT, t)).toBeDefined();
    expect(rig.right.endpoint.grantScan(RIGHT_HEAD, REST, t)).toBeUndefined();
    expect(
      rig.right.endpoint.grantScan(RIGHT_HEAD, { start: AT, end: utf8('p') }, t),
    ).toBeDefined();
    rig.childLog.isHeld = false;
    rig.childLog.commitNext();
    await rig.rig.until(writing);
    expect(await rig.rig.until(rowsOf(joined(rig, false, t)))).toContain('q=5');
  });

  it('P13: give no leave where a split takes effect that is on its way', async () => {
    const { rig, written } = await halves();
    rig.rig.log.isHeld = true;
    void rig.parent.changes.split({ at: utf8('c'), right: 9, stickyUntil: timestamp(0) });
    expect(rig.parent.endpoint.grantScan(LEFT_HEAD, LEFT, written)).toBeUndefined();
    const before: Span = { start: utf8('a'), end: utf8('c') };
    expect(rig.parent.endpoint.grantScan(LEFT_HEAD, before, written)).toBeDefined();
  });

  it('P1, P23: give leave without a lease only for what is closed', async () => {
    const rig = new SplitRig();
    const follower = rig.replica(0, rig.rig.cache, { closedAt: () => timestamp(500) });
    await rig.rig.until(rig.rig.shard.opened);
    expect(follower.endpoint.grantScan(ANY, LEFT, timestamp(500))).toBeDefined();
    expect(follower.endpoint.grantScan(ANY, LEFT, timestamp(501))).toBeUndefined();
  });

  it('P28: are told apart when one of them is not what it was', async () => {
    const { rig, written } = await halves();
    const scan = joined(rig, true, written);
    expect((await rig.rig.until(scan.next()))?.rowCount).toBe(1);
    const again = { at: utf8('c'), right: 9, stickyUntil: timestamp(0) };
    expect(await rig.rig.until(rig.parent.changes.split(again))).toMatchObject({ kind: 'changed' });
    // What is left of the right half comes; the left one says that it has changed.
    expect((await rig.rig.until(scan.next()))?.rowCount).toBe(1);
    await expect(rig.rig.until(scan.next())).rejects.toMatchObject({
      head: { range: 7 },
      refusal: { kind: 'wrongRange' },
    });
  });
});

// The router over ranges that split, merge, move and change leaders while they are asked: it is never given a wrong
// answer (P28).

import { describe, expect, it } from 'vitest';
import { keyAfter } from '../../src/base/bytes.ts';
import { timestamp } from '../../src/clock/timestamp.ts';
import type { LockRequest } from '../../src/ranges/api.ts';
import { overlaps } from '../../src/ranges/descriptor.ts';
import { DATA_SPAN } from '../../src/ranges/layout.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import type { RowScan, ScanRequest, Span, Write } from '../../src/ranges/requests.ts';
import { Standing } from '../../src/ranges/standing.ts';
import { CLOSED, dataKey, FakeCluster, hex, readAll } from './fake-cluster.ts';

/** Of strong reads. */
const T = timestamp(1_000);
const SEEDS = 30;
const ROWS = 300;

function filled(seed: number, troubles = 120, troubleOneIn = 4): FakeCluster {
  const cluster = new FakeCluster({ seed, troubles, troubleOneIn });
  for (let n = 0; n < ROWS; n++) cluster.put(dataKey(n), Uint8Array.of(n >> 8, n & 0xff));
  return cluster;
}

function scanOf(span: Span, options: Partial<ScanRequest> = {}): ScanRequest {
  return {
    span,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: 1_000,
    ...options,
  };
}

function txnId(n: number): string {
  return n.toString(16).padStart(32, '0');
}

function locking(n: number, standing: Standing): LockRequest {
  return {
    txn: { id: txnId(n), age: timestamp(n) },
    standing,
    mode: 'exclusive',
    wait: 'block',
    timeoutMicros: 1_000_000,
  };
}

function isCovered(standing: Standing, key: Uint8Array): boolean {
  const spans = standing.all().flatMap((stand) => stand.spans);
  return spans.some((span) => overlaps(span, { start: key, end: keyAfter(key) }));
}

describe.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))('with seed %i', (seed) => {
  it('answers every key with what the range has that holds it', async () => {
    const cluster = filled(seed);
    const { random, router } = cluster;
    for (let i = 0; i < 60; i++) {
      const n = random.below(ROWS + 10);
      const into = newRowSlice();
      const t = random.oneIn(3) ? CLOSED : T;
      expect(await cluster.until(router.readAt(dataKey(n), t, into))).toBe(true);
      const got = into.length < 0 ? undefined : into.bytes.subarray(into.offset, into.length);
      expect(got).toEqual(cluster.get(dataKey(n)));
      const keys = Array.from({ length: random.below(20) }, () => dataKey(random.below(ROWS + 10)));
      const values = await cluster.until(router.getAt(keys, t));
      expect(values).toEqual(keys.map((key) => cluster.get(key)));
    }
    expect(cluster.troublesLeft).toBeLessThan(120);
  });

  it('scans every row once and in order, in both directions, with and without a limit', async () => {
    const cluster = filled(seed, 400);
    const { random, router } = cluster;
    for (let i = 0; i < 12; i++) {
      const from = random.below(ROWS);
      const to = from + random.below(ROWS);
      const span: Span = random.oneIn(4)
        ? { start: dataKey(from), end: undefined }
        : { start: dataKey(from), end: dataKey(to) };
      const reverse = random.oneIn(2);
      const limitRows = random.oneIn(2) ? 0 : 1 + random.below(40);
      const rows = await cluster.until(
        readAll(router.scanAt(scanOf(span, { reverse, limitRows }), random.oneIn(3) ? CLOSED : T)),
      );
      const expected = cluster.rowsIn(span).map(({ key }) => hex(key));
      if (reverse) expected.reverse();
      expect(rows.map(({ key }) => key)).toEqual(
        limitRows === 0 ? expected : expected.slice(0, limitRows),
      );
    }
  });

  it('counts every row once where ranges answer with parts of an aggregate', async () => {
    const cluster = filled(seed, 400);
    const program = Uint8Array.of(1);
    for (let i = 0; i < 6; i++) {
      const reverse = i % 2 === 1;
      const scan = cluster.router.scanAt(scanOf(DATA_SPAN, { program, reverse }), T);
      const parts = await cluster.until(readAll(scan));
      expect(parts.reduce((sum, { value }) => sum + (value[0] as number), 0)).toBe(ROWS);
    }
  });

  it('finds what it needs when it has forgotten everything', async () => {
    const cluster = filled(seed, 60);
    for (let i = 0; i < 60; i++) cluster.trouble();
    for (const range of cluster.ranges) cluster.publish(range);
    for (const reverse of [true, false]) {
      for (const route of [...cluster.router.table.cache.all()]) {
        if (route.start.length > 0) cluster.router.table.cache.remove(route);
      }
      const rows = await cluster.until(
        readAll(cluster.router.scanAt(scanOf(DATA_SPAN, { reverse }), T)),
      );
      expect(rows).toHaveLength(ROWS);
    }
  });

  it('knows where a transaction stands, and leaves nothing when that ends', async () => {
    const cluster = filled(seed, 60);
    const { random, router } = cluster;
    for (let n = 1; n <= 25; n++) {
      const standing = new Standing();
      const request = locking(n, standing);
      const pending: Promise<unknown>[] = [];
      for (let i = 0; i < 1 + random.below(6); i++) {
        const keys = Array.from({ length: 1 + random.below(8) }, () => dataKey(random.below(ROWS)));
        const answer = random.oneIn(2)
          ? router.lockedGet({ ...request, keys })
          : router.lockedRead(request, keys[0] as Uint8Array, newRowSlice());
        // Some requests are still out when the transaction ends.
        if (random.oneIn(4)) pending.push(Promise.resolve(answer));
        else {
          const { kind } = await cluster.until(answer);
          // Every range where locks were lost says so; whoever has lost none gets what he asks for.
          expect(['row', 'rows', 'sessionGone']).toContain(kind);
          if (kind === 'sessionGone') break;
          for (const key of random.oneIn(2) ? keys.slice(0, 1) : []) {
            expect(isCovered(standing, key)).toBe(true);
          }
        }
      }
      router.release(request.txn, standing);
      await cluster.until(Promise.allSettled(pending));
      await cluster.quiet();
      for (const { sessions } of cluster.ranges) expect(sessions.has(txnId(n))).toBe(false);
    }
  });

  it('scans under locks, and knows where they are', async () => {
    const cluster = filled(seed, 60);
    const { random, router } = cluster;
    let done = 0;
    for (let n = 1; n <= 15; n++) {
      const standing = new Standing();
      const request = locking(n, standing);
      const from = random.below(ROWS);
      const span: Span = { start: dataKey(from), end: dataKey(from + random.below(100)) };
      const reverse = random.oneIn(2);
      const read = async (): Promise<string[]> => {
        const answer = await router.lockedScan({ ...request, ...scanOf(span, { reverse }) });
        if (answer.kind !== 'scan') throw new Error(answer.kind);
        return (await readAll(answer.scan)).map(({ key }) => key);
      };
      const keys = await cluster.until(read().catch((error: Error) => error));
      if (keys instanceof Error) {
        // Its locks went with the leader that it had them of.
        expect(keys.message).toMatch(/sessionGone|could not serialize/);
      } else {
        done++;
        const expected = cluster.rowsIn(span).map(({ key }) => hex(key));
        expect(keys).toEqual(reverse ? expected.reverse() : expected);
        for (const { key } of cluster.rowsIn(span)) {
          expect(isCovered(standing, key)).toBe(true);
        }
      }
      router.release(request.txn, standing);
      await cluster.quiet();
      for (const { sessions } of cluster.ranges) expect(sessions.has(txnId(n))).toBe(false);
    }
    expect(done).toBeGreaterThan(5);
  });

  it('commits once, says so only if it is so, and plans what has to do with several ranges', async () => {
    const cluster = filled(seed, 200);
    const { random, router } = cluster;
    for (let n = 1; n <= 40; n++) {
      const at = random.below(ROWS);
      const count = random.below(5);
      const writes: Write[] = Array.from({ length: 1 + count }, (_, i) => ({
        key: dataKey(at + i * random.below(3)),
        value: Uint8Array.of(7, n),
      }));
      const standing = new Standing();
      const { txn } = locking(n, standing);
      if (random.oneIn(2)) {
        await cluster.until(router.lockedRead(locking(n, standing), dataKey(at), newRowSlice()));
      }
      const request = { txn, standing, writes, deadline: timestamp(9_000_000) };
      const answer = await cluster.until(router.commit(request));
      await cluster.quiet();
      const isCommitted = cluster.committed.has(txnId(n));
      expect(cluster.committed.get(txnId(n)) ?? 1).toBe(1);
      if (answer.kind === 'committed') expect(isCommitted).toBe(true);
      else if (answer.kind !== 'ambiguous') expect(isCommitted).toBe(false);
      if (answer.kind !== 'divided') continue;
      const plan = await cluster.until(
        Promise.resolve(router.plan(standing, writes)).catch((error: Error) => error),
      );
      // Its locks may be gone with the range that they were in.
      if (plan instanceof Error) expect(plan).toMatchObject({ code: '40001' });
      else {
        expect(plan.parts.flatMap((part) => part.writes)).toHaveLength(writes.length);
        router.release(txn, standing);
      }
    }
  });

  it('writes and clears across ranges', async () => {
    const cluster = filled(seed, 80);
    const { router } = cluster;
    const writes = Array.from({ length: ROWS }, (_, n) => ({
      key: dataKey(n),
      value: Uint8Array.of(9),
    }));
    expect((await cluster.until(router.bulkWrite(writes, false))).kind).toBe('committed');
    for (const { key } of writes) expect(cluster.get(key)).toEqual(Uint8Array.of(9));
    const half = { start: dataKey(100), end: dataKey(200) };
    expect(await cluster.until(router.approximateBytes(half))).toBe(100);
    expect((await cluster.until(router.clearSpan(half))).kind).toBe('committed');
    expect(cluster.rowsIn({ start: dataKey(0), end: dataKey(ROWS) })).toHaveLength(200);
  });
});

describe('a range that nobody leads', () => {
  it('is refused after a while, and not before', async () => {
    const cluster = filled(1, 0);
    const range = cluster.holding(dataKey(1));
    range.leader = 9;
    const began = cluster.world.nowMicros;
    const read = Promise.resolve(cluster.router.readAt(dataKey(1), T, newRowSlice()));
    await expect(cluster.until(read)).rejects.toMatchObject({ code: '57P03' });
    expect(cluster.world.nowMicros - began).toBeGreaterThan(9_000_000);
    expect(cluster.world.nowMicros - began).toBeLessThan(12_000_000);
    const answer = cluster.router.lockedRead(locking(1, new Standing()), dataKey(1), newRowSlice());
    expect((await cluster.until(answer)).kind).toBe('notServing');
    const scan = readAll(cluster.router.scanAt(scanOf(DATA_SPAN), T));
    await expect(cluster.until(scan)).rejects.toMatchObject({ code: '57P03' });
  });
});

describe('a read of a known range on this node', () => {
  it('is answered at once', async () => {
    const cluster = filled(1, 0);
    cluster.holding(dataKey(1)).leader = 1;
    const { router } = cluster;
    await cluster.until(router.getAt([dataKey(1)], T));
    let atOnce = 0;
    for (let i = 0; i < 100; i++) {
      const answer = router.readAt(dataKey(i), T, newRowSlice());
      if (answer === true) atOnce++;
      else await cluster.until(answer);
    }
    // The fake answers one in three at once.
    expect(atOnce).toBeGreaterThan(10);
  });
});

describe('neighbours in a store of this node', () => {
  /** Data in ranges of ten rows each, all led here, in one store. */
  function inOneStore(ranges: number): FakeCluster {
    const cluster = filled(1, 0);
    for (let i = 1; i < ranges; i++) {
      const at = dataKey(i * 10);
      cluster.split(cluster.holding(at), at);
    }
    for (const range of cluster.ranges) {
      cluster.lead(range, 1);
      cluster.publish(range);
    }
    cluster.storeOf = () => 0;
    return cluster;
  }

  /** The router knows all ranges when it has read all. */
  async function scanned(cluster: FakeCluster, options: Partial<ScanRequest>): Promise<string[]> {
    const all = (): Promise<unknown> =>
      cluster.until(readAll(cluster.router.scanAt(scanOf(DATA_SPAN), T)));
    await all();
    for (const store of cluster.stores) store.spans.length = 0;
    const rows = await cluster.until(readAll(cluster.router.scanAt(scanOf(DATA_SPAN, options), T)));
    return rows.map(({ key }) => key);
  }

  const keys = (n: number): string[] => Array.from({ length: n }, (_, i) => hex(dataKey(i)));
  const start = (range: number): Uint8Array => dataKey(range * 10);

  it.each([false, true])('are one scan of the store (reverse: %s)', async (reverse) => {
    const cluster = inOneStore(6);
    const found = await scanned(cluster, { reverse });
    expect(reverse ? found.reverse() : found).toEqual(keys(ROWS));
    expect(cluster.stores[0]?.spans).toEqual([DATA_SPAN]);
  });

  it('are no more than 64 at once', async () => {
    const cluster = inOneStore(30);
    for (let n = 0; n < ROWS; n++) {
      const at = dataKey(n);
      cluster.split(cluster.holding(at), at);
    }
    for (const range of cluster.ranges) {
      cluster.lead(range, 1);
      cluster.publish(range);
    }
    expect(await scanned(cluster, {})).toEqual(keys(ROWS));
    expect(cluster.stores[0]?.spans).toHaveLength(5);
  });

  it('end where another store begins, and where a range has to be asked by itself', async () => {
    const cluster = inOneStore(6);
    const other = cluster.holding(start(2)).descriptor.range;
    cluster.storeOf = (range) => (range === other ? 1 : 0);
    cluster.lead(cluster.holding(start(4)), 2);
    expect(await scanned(cluster, {})).toEqual(keys(ROWS));
    expect(cluster.stores[1]?.spans).toEqual([{ start: start(2), end: start(3) }]);
    expect(cluster.stores[0]?.spans).toEqual([
      { start: DATA_SPAN.start, end: start(2) },
      { start: start(3), end: start(4) },
      { start: start(5), end: DATA_SPAN.end },
    ]);
  });

  it('are read one, then four together, where a limit may end the scan', async () => {
    const cluster = inOneStore(12);
    expect(await scanned(cluster, { limitRows: 45 })).toEqual(keys(45));
    expect(cluster.stores[0]?.spans).toEqual([
      { start: DATA_SPAN.start, end: start(1) },
      { start: start(1), end: start(5) },
    ]);
  });

  it.each([0, 45, ROWS])(
    'say with their last batch that it is the last (limit: %i)',
    async (limitRows) => {
      const cluster = inOneStore(12);
      await scanned(cluster, {});
      const scan = cluster.router.scanAt(scanOf(DATA_SPAN, { limitRows }), T);
      const lasts: boolean[] = [];
      const batches = async (): Promise<void> => {
        for (let batch = await scan.next(); batch; batch = await scan.next()) {
          lasts.push(batch.isLast === true);
        }
      };
      await cluster.until(batches());
      expect(lasts.length).toBeGreaterThan(1);
      expect(lasts).toEqual(lasts.map((_, i) => i === lasts.length - 1));
    },
  );

  it('are gone on with after the last row when one of them is led elsewhere meanwhile', async () => {
    const cluster = inOneStore(6);
    await scanned(cluster, {});
    const scan = cluster.router.scanAt(scanOf(DATA_SPAN), T);
    const first = await cluster.until(readAll({ ...once(scan), close: () => undefined }));
    cluster.lead(cluster.holding(start(3)), 2);
    const rest = await cluster.until(readAll(scan));
    expect([...first, ...rest].map(({ key }) => key)).toEqual(keys(ROWS));
    // The others were not given up for it.
    expect(cluster.router.table.find(start(0))?.node).toBe(1);
    expect(cluster.router.table.find(start(3))?.node).toBe(2);
  });
});

/** A scan that ends after one batch. */
function once(scan: RowScan): Pick<RowScan, 'next'> {
  let isRead = false;
  return {
    next: () => {
      if (isRead) return Promise.resolve(undefined);
      isRead = true;
      return scan.next();
    },
  };
}

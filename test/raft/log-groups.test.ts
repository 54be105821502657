// The log of each group within the shared one: entries that are read before they are written, replaced before they are
// written, kept for others; logs that begin anew, and replicas that are gone for good.
import { describe, expect, it } from 'vitest';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { RaftLog } from '../../src/raft/log/log.ts';
import { EVERY_REPLICA, replicaIdOn } from '../../src/raft/types.ts';
import { settle, testRuntime, type TestRuntime } from './crash-files.ts';
import {
  createLogGroup,
  entries,
  entry,
  openLog,
  plain,
  readAll,
  roomyOptions,
  smallOptions,
} from './log-fixture.ts';

function hold(runtime: TestRuntime): () => void {
  let release = (): void => {};
  runtime.disk.gate = new Promise((resolve) => {
    release = resolve;
  });
  return () => {
    runtime.disk.gate = undefined;
    release();
  };
}

/** Writes until the segments that were there before are no longer the newest. */
async function fill(log: RaftLog, groupId: number, count: number): Promise<void> {
  const group = log.group(groupId);
  if (group === undefined) throw new Error(`no group ${groupId}`);
  for (let i = 0; i < count; i++) {
    log.appendEntries(group, [entry(group.lastIndex + 1, 9, 100)]);
    await log.sync();
  }
}

describe('entries', () => {
  it('can be read from when they are appended, also beyond the cache', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const group = createLogGroup(log, 1);
    await log.sync();
    const release = hold(runtime);
    const all = entries(1, 30, 1, 100);
    for (const one of all) log.appendEntries(group, [one]);
    const synced = log.sync();
    await settle();
    expect(plain(await readAll(log, group))).toEqual(plain(all));
    release();
    await synced;
    // Now the cache has dropped most of them.
    expect(group.cachedAt(1)).toBeUndefined();
    expect(plain(await readAll(log, group))).toEqual(plain(all));
  });

  it('leave memory when they were delivered and nobody else may want them, and can be read on', async () => {
    const log = await openLog(testRuntime(), { ...roomyOptions, cacheBytes: 1 << 20 });
    const lone = createLogGroup(log, 1);
    const shared = log.create(2, {
      replicaId: 1,
      configuration: configurationOf([1, 2]),
      configurationIndex: 0,
    });
    const all = entries(1, 8, 1);
    for (const group of [lone, shared]) {
      log.appendEntries(group, all);
      await log.sync();
      group.delivered(1, 5);
    }
    expect(all.map(({ index }) => lone.cachedAt(index) !== undefined)).toEqual(
      all.map(({ index }) => index > 5),
    );
    expect(all.every(({ index }) => shared.cachedAt(index) !== undefined)).toBe(true);
    for (const group of [lone, shared])
      expect(plain(await readAll(log, group))).toEqual(plain(all));
  });

  it('that are replaced before they are written never show again', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const group = createLogGroup(log, 1);
    log.appendEntries(group, entries(1, 3, 1));
    await log.sync();
    const release = hold(runtime);
    log.appendEntries(group, [...entries(4, 8, 1, 60), entry(9, 1, 60, 'change')]);
    const first = log.sync();
    log.appendEntries(group, entries(5, 6, 2));
    const second = log.sync();
    const expected = plain([...entries(1, 3, 1), entry(4, 1, 60), ...entries(5, 6, 2)]);
    expect(plain(await readAll(log, group))).toEqual(expected);
    expect(group.changes).toEqual([]);
    release();
    await Promise.all([first, second]);
    await fill(log, 1, 20);
    expect(plain(await readAll(log, group)).slice(0, 6)).toEqual(expected);
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime, roomyOptions);
    const recovered = again.group(1);
    expect(recovered && plain(await readAll(again, recovered)).slice(0, 6)).toEqual(expected);
    expect(recovered?.changes).toEqual([]);
  });

  it('of changes are known at a restart until the configuration that they made is', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const group = createLogGroup(log, 1);
    const changes = [entry(2, 1, 9, 'change'), entry(4, 1, 9, 'change')] as const;
    log.appendEntries(group, [entry(1, 1), changes[0], entry(3, 1), changes[1]]);
    await log.sync();
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime, roomyOptions);
    const recovered = again.group(1);
    expect(recovered && plain(recovered.changes)).toEqual(plain(changes));
    if (recovered === undefined) return;
    const configuration = configurationOf([1, 2]);
    again.appendIdentity(recovered, { replicaId: 1, configuration, configurationIndex: 2 });
    expect(plain(recovered.changes)).toEqual(plain([changes[1]]));
    await again.sync();
    runtime.disk.crash(() => 0);
    const last = (await openLog(runtime, roomyOptions)).group(1);
    expect(last?.identity).toEqual({ replicaId: 1, configuration, configurationIndex: 2 });
    expect(last && plain(last.changes)).toEqual(plain([changes[1]]));
  });

  it('are kept for others while there is room, and not longer', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, { ...smallOptions, keptSegments: 3 });
    const resting = createLogGroup(log, 1);
    const busy = createLogGroup(log, 2);
    log.appendEntries(resting, entries(1, 10, 1));
    await log.sync();
    log.truncate(resting, 8, 4);
    expect(resting.firstIndex).toBe(5);
    for (let i = 0; i < 6; i++) {
      await fill(log, 2, 10);
      log.truncate(busy, busy.lastIndex);
      await settle();
    }
    // What is not durable elsewhere holds its segments for as long as need be (P30).
    expect(resting.firstIndex).toBe(9);
    log.truncate(resting, 10);
    await settle();
    const { oldest, newest } = log.segmentRange;
    expect(newest - oldest).toBeLessThan(3);
  });
});

describe('a log that begins anew', () => {
  it('drops what it had, unless it had that very position', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const [inside, other, beyond] = [1, 2, 3].map((id) => createLogGroup(log, id)) as [
      ReturnType<typeof createLogGroup>,
      ReturnType<typeof createLogGroup>,
      ReturnType<typeof createLogGroup>,
    ];
    for (const group of [inside, other, beyond]) log.appendEntries(group, entries(1, 10, 1));
    const identity = { replicaId: 1, configuration: configurationOf([1]), configurationIndex: 0 };
    log.reset(inside, { index: 6, term: 1 }, identity);
    log.reset(other, { index: 6, term: 2 }, identity);
    log.reset(beyond, { index: 20, term: 2 }, identity);
    const expected = [
      [7, 10],
      [7, 6],
      [21, 20],
    ];
    const ranges = [inside, other, beyond].map((group) => [group.firstIndex, group.lastIndex]);
    expect(ranges).toEqual(expected);
    log.appendEntries(other, entries(7, 8, 3));
    await log.sync();
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime, roomyOptions);
    const found = [1, 2, 3].map((id) => [again.group(id)?.firstIndex, again.group(id)?.lastIndex]);
    expect(found).toEqual([expected[0], [7, 8], expected[2]]);
    expect(again.group(2)?.terms?.compacted).toEqual({ index: 6, term: 2 });
  });
});

describe('a removed replica', () => {
  it('stays removed after its tombstone’s segment has gone too (P32, P33)', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const gone = createLogGroup(log, 1);
    const busy = createLogGroup(log, 2);
    log.appendEntries(gone, entries(1, 5, 1));
    await log.sync();
    log.remove(gone, false);
    await log.sync();
    expect([log.group(1), log.removedReplica(1)]).toEqual([undefined, 1]);
    for (let i = 0; i < 4; i++) {
      await fill(log, 2, 20);
      log.truncate(busy, busy.lastIndex);
      await settle();
    }
    expect(log.segmentRange.oldest).toBeGreaterThan(3);
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime);
    expect([again.group(1), again.removedReplica(1)]).toEqual([undefined, 1]);
    expect(() => createLogGroup(again, 1)).toThrow('P32');
    const configuration = configurationOf([65537]);
    const next = again.create(1, { replicaId: 65537, configuration, configurationIndex: 0 });
    again.appendEntries(next, entries(1, 2, 7));
    await again.sync();
    // Both live on: the newer replica, and the older one's end.
    for (let i = 0; i < 4; i++) {
      await fill(again, 2, 20);
      const group = again.group(2);
      if (group !== undefined) again.truncate(group, group.lastIndex);
      again.truncate(next, i === 2 ? 2 : 0);
      await settle();
    }
    runtime.disk.crash(() => 0);
    const last = await openLog(runtime);
    expect(last.removedReplica(1)).toBe(1);
    expect(last.group(1)?.identity?.replicaId).toBe(65537);
    expect(last.group(1)?.terms?.compacted).toEqual({ index: 2, term: 7 });
  });

  it('with its group leaves room for no other, also after its tombstone’s segment has gone', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const gone = createLogGroup(log, 1);
    const busy = createLogGroup(log, 2);
    log.remove(gone, true);
    await log.sync();
    for (let i = 0; i < 4; i++) {
      await fill(log, 2, 20);
      log.truncate(busy, busy.lastIndex);
      await settle();
    }
    expect(log.segmentRange.oldest).toBeGreaterThan(3);
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime);
    expect(again.removedReplica(1)).toBe(EVERY_REPLICA);
    const configuration = configurationOf([replicaIdOn(1, 9)]);
    const identity = { replicaId: replicaIdOn(1, 9), configuration, configurationIndex: 0 };
    expect(() => again.create(1, identity)).toThrow('P32');
  });
});

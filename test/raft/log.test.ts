// The segmented log: what it promises about writing, reading, rotation and damage. Crashes are in log-crash.test.ts.
import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import { RECORD_HEADER_BYTES } from '../../src/raft/log/record.ts';
import { SEGMENT_HEADER_BYTES, segmentName } from '../../src/raft/log/segment.ts';
import { settle, testRuntime, type TestRuntime } from './crash-files.ts';
import {
  createLogGroup,
  directory,
  entries,
  entry,
  openLog,
  plain,
  readAll,
  roomyOptions,
} from './log-fixture.ts';

const firstSegment = `${directory}/${segmentName(1)}`;

/** Writes five batches of one entry each. The offsets at which they begin. */
async function fiveBatches(runtime: TestRuntime): Promise<number[]> {
  const log = await openLog(runtime, roomyOptions);
  const group = createLogGroup(log, 7);
  await log.sync();
  const offsets: number[] = [];
  for (let index = 1; index <= 5; index++) {
    log.appendEntries(group, [entry(index, 1)]);
    await log.sync();
    offsets.push(group.offsetOf(index) - RECORD_HEADER_BYTES);
  }
  return offsets;
}

async function openError(runtime: TestRuntime): Promise<DbError> {
  const error: unknown = await openLog(runtime, roomyOptions).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DbError);
  return error as DbError;
}

describe('the log', () => {
  it('gives back after a restart what was synced: entries, hard state, identity', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const one = createLogGroup(log, 1);
    const two = createLogGroup(log, 2);
    log.appendHardState(one, { term: 3, vote: 1, commit: 0 });
    log.appendEntries(one, entries(1, 8, 3));
    log.appendEntries(two, [entry(1, 1, 0), entry(2, 1, 40, 'change')]);
    await log.sync();
    await log.close();

    const again = await openLog(runtime);
    const oneAgain = again.group(1);
    const twoAgain = again.group(2);
    if (oneAgain === undefined || twoAgain === undefined) throw new Error('a group is gone');
    expect(oneAgain.hardState).toEqual({ term: 3, vote: 1, commit: 0 });
    expect(oneAgain.identity).toEqual(one.identity);
    expect(oneAgain.terms?.lastTerm).toBe(3);
    expect(plain(await readAll(again, oneAgain))).toEqual(plain(entries(1, 8, 3)));
    expect(plain(await readAll(again, twoAgain))).toEqual(
      plain([entry(1, 1, 0), entry(2, 1, 40, 'change')]),
    );
    expect(again.group(3)).toBeUndefined();
  });

  it('lets a later entry of the same index replace it and what follows', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    log.appendEntries(group, entries(1, 6, 1));
    await log.sync();
    log.appendEntries(group, entries(4, 5, 2));
    await log.sync();
    const expected = plain([...entries(1, 3, 1), ...entries(4, 5, 2)]);
    expect(plain(await readAll(log, group))).toEqual(expected);
    await log.close();
    const again = await openLog(runtime);
    const recovered = again.group(1);
    expect(recovered?.lastIndex).toBe(5);
    expect(recovered && plain(await readAll(again, recovered))).toEqual(expected);
  });

  it('shares one sync among all that was appended while another was in flight', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const groups = [1, 2, 3].map((id) => createLogGroup(log, id));
    await log.sync();
    let release = (): void => {};
    runtime.disk.gate = new Promise((resolve) => {
      release = resolve;
    });
    const before = log.syncs;
    const waits: Promise<void>[] = [];
    for (let i = 1; i <= 30; i++) {
      log.appendEntries(groups[i % 3] as (typeof groups)[0], [entry(Math.ceil(i / 3), 1)]);
      waits.push(log.sync());
    }
    release();
    await Promise.all(waits);
    // The first left alone at once; all others went together.
    expect(log.syncs - before).toBe(2);
  });

  it('has one write in flight, and resolves a sync only after its records are written', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const group = createLogGroup(log, 1);
    await log.sync();
    let release = (): void => {};
    runtime.disk.gate = new Promise((resolve) => {
      release = resolve;
    });
    const resolved: number[] = [];
    for (let index = 1; index <= 3; index++) {
      log.appendEntries(group, [entry(index, 1)]);
      void log.sync().then(() => resolved.push(index));
      await settle();
    }
    const writes = (): number =>
      runtime.disk.calls.filter((call) => call === `writeSynced ${firstSegment}`).length;
    // The segment's header, the group's beginning, and the first entry, which hangs.
    expect([writes(), resolved]).toEqual([3, []]);
    release();
    await settle();
    expect([writes(), resolved]).toEqual([4, [1, 2, 3]]);
  });

  it('rotates through segments that were prepared and whose names are synced first (P34)', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    for (let index = 1; index <= 60; index++) {
      log.appendEntries(group, [entry(index, 1)]);
      await log.sync();
    }
    const { newest } = log.segmentRange;
    expect(newest).toBeGreaterThan(4);
    const { calls } = runtime.disk;
    for (let number = 2; number <= newest; number++) {
      const path = `${directory}/${segmentName(number)}`;
      const opened = calls.indexOf(`open ${path}`);
      const named = calls.indexOf(`syncDirectory ${directory}`, opened);
      // The first synced write is that of the header.
      const written = calls.indexOf(
        `writeSynced ${path}`,
        calls.indexOf(`writeSynced ${path}`) + 1,
      );
      expect(named).toBeGreaterThan(opened);
      expect(written).toBeGreaterThan(named);
    }
    expect(plain(await readAll(log, group))).toEqual(plain(entries(1, 60, 1)));
  });

  it('gives a record larger than a segment one of its own size', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    const all = [entry(1, 1), entry(2, 1, 5000), entry(3, 1), entry(4, 1, 3000), entry(5, 1)];
    log.appendEntries(group, all);
    await log.sync();
    expect(plain(await readAll(log, group))).toEqual(plain(all));
    await log.close();
    const again = await openLog(runtime);
    const recovered = again.group(1);
    expect(recovered && plain(await readAll(again, recovered))).toEqual(plain(all));
  });

  it('refuses a newer format and names both versions', async () => {
    const runtime = testRuntime();
    await fiveBatches(runtime);
    runtime.disk.overwrite(firstSegment, 8, new Uint8Array([3, 0, 0, 0]));
    const error = await openError(runtime);
    expect(error.code).toBe('0A000');
    expect(error.message).toContain('format version 3');
    expect(error.message).toContain('format version 2');
    expect(error.message).toContain(firstSegment);
  });
});

describe('damage (P34)', () => {
  it('below a watermark stops the node, which names file and offset', async () => {
    for (const victim of [0, 1, 2, 3]) {
      const runtime = testRuntime();
      const offsets = await fiveBatches(runtime);
      const offset = offsets[victim] as number;
      runtime.disk.corrupt(firstSegment, offset + 40);
      const error = await openError(runtime);
      expect(error.code).toBe('XX001');
      expect(error.message).toContain(firstSegment);
      // The batch's header is whole, its entry is not.
      expect(error.message).toContain(`at offset ${offset + 32}:`);
    }
  });

  it('that wipes a synced batch to zeros is no torn tail either', async () => {
    const runtime = testRuntime();
    const offsets = await fiveBatches(runtime);
    const start = offsets[2] as number;
    runtime.disk.overwrite(firstSegment, start, new Uint8Array((offsets[3] as number) - start));
    expect((await openError(runtime)).message).toContain(`at offset ${start}:`);
  });

  it('in the last batch may be a torn write: the tail is cut, synced, and written over', async () => {
    const runtime = testRuntime();
    const offsets = await fiveBatches(runtime);
    const cut = (offsets[4] as number) + 32;
    runtime.disk.corrupt(firstSegment, cut + 20);
    const log = await openLog(runtime, roomyOptions);
    expect(runtime.log.warnings).toEqual(['cut the torn tail of the log']);
    const group = log.group(7);
    if (group === undefined) throw new Error('the group is gone');
    expect(group.lastIndex).toBe(4);
    const rest = runtime.disk.peek(firstSegment).subarray(cut);
    expect(rest.every((byte) => byte === 0)).toBe(true);
    log.appendEntries(group, [entry(5, 2)]);
    await log.sync();
    runtime.disk.crash(() => 0);
    const again = await openLog(runtime, roomyOptions);
    const recovered = again.group(7);
    expect(recovered && plain(await readAll(again, recovered))).toEqual(
      plain([...entries(1, 4, 1), entry(5, 2)]),
    );
  });

  it('in the last batch after a clean stop stops the node: the stop proved it synced', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime, roomyOptions);
    const group = createLogGroup(log, 7);
    log.appendEntries(group, entries(1, 3, 1));
    await log.sync();
    await log.close();
    runtime.disk.corrupt(firstSegment, SEGMENT_HEADER_BYTES + 80);
    expect((await openError(runtime)).code).toBe('XX001');
  });

  it('of a full segment stops the node, as does a missing segment', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    for (let index = 1; index <= 60; index++) {
      log.appendEntries(group, [entry(index, 1)]);
      await log.sync();
    }
    await log.close();
    const second = `${directory}/${segmentName(2)}`;
    runtime.disk.corrupt(second, 200);
    expect((await openError(runtime)).message).toContain(second);
    await runtime.files.remove(second);
    const missing = await openError(runtime);
    expect(missing.message).toContain(`${second} is damaged at offset 0: the file is missing`);
  });

  it('met while reading an entry back is an error, never a wrong entry', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    log.appendEntries(group, entries(1, 40, 1));
    await log.sync();
    runtime.disk.corrupt(firstSegment, SEGMENT_HEADER_BYTES + 150);
    const error: unknown = await readAll(log, group).catch((reason: unknown) => reason);
    expect((error as DbError).code).toBe('XX001');
    expect((error as DbError).message).toContain(firstSegment);
  });

  it('never lets a record pass at another place than its own', async () => {
    const runtime = testRuntime();
    const offsets = await fiveBatches(runtime);
    const [, , third, fourth, fifth] = offsets as [number, number, number, number, number];
    const bytes = runtime.disk.peek(firstSegment);
    // The same length, valid where it stood: the checksum is seeded by segment and offset.
    runtime.disk.overwrite(firstSegment, fourth, bytes.slice(third, fourth));
    expect(fifth - fourth).toBe(fourth - third);
    expect((await openError(runtime)).message).toContain(`at offset ${fourth}:`);
  });
});

describe('a failing disk', () => {
  it('stops the log for good after a failed write; nothing is tried again (P35)', async () => {
    for (const kind of ['io', 'full'] as const) {
      const runtime = testRuntime();
      const log = await openLog(runtime, roomyOptions);
      const group = createLogGroup(log, 1);
      await log.sync();
      const failures: string[] = [];
      log.onFailure((error) => failures.push(error.message));
      runtime.disk.failNext('writeSynced', kind);
      log.appendEntries(group, [entry(1, 1)]);
      const first = log.sync();
      log.appendEntries(group, [entry(2, 1)]);
      const second = log.sync();
      await expect(first).rejects.toThrow('planted');
      await expect(second).rejects.toThrow('planted');
      const writes = runtime.disk.calls.filter((call) => call.startsWith('writeSynced')).length;
      log.appendEntries(group, [entry(3, 1)]);
      await expect(log.sync()).rejects.toThrow('planted');
      await settle();
      await log.close();
      const after = runtime.disk.calls.filter((call) => call.startsWith('writeSynced')).length;
      expect(after).toBe(writes);
      expect(failures).toHaveLength(1);
    }
  });

  it('that is full is known before the room runs out, and is no failure', async () => {
    const runtime = testRuntime();
    const options = { ...roomyOptions, segmentBytes: 256 * 1024 };
    runtime.disk.capacityBytes = 2 * options.segmentBytes;
    const log = await openLog(runtime, options);
    const group = createLogGroup(log, 1);
    let failed = false;
    log.onFailure(() => {
      failed = true;
    });
    let index = 0;
    while (log.hasRoom(1, 1000)) {
      index++;
      log.appendEntries(group, [entry(index, 1, 1000)]);
      await log.sync();
      await settle();
    }
    // It went on into the segment that was prepared, and stopped short of that one's end.
    expect(log.segmentRange.newest).toBe(2);
    expect(failed).toBe(false);
    // Live state can be written still, so that space can be freed.
    log.appendHardState(group, { term: 2, vote: 1, commit: 0 });
    await log.sync();

    // What doesn't fit waits, and is written once space returns.
    let isSynced = false;
    log.appendEntries(group, [entry(index + 1, 2, 200_000)]);
    void log.sync().then(() => {
      isSynced = true;
    });
    runtime.timers.fire();
    await settle();
    expect(isSynced).toBe(false);
    expect(await log.reserve(200_000)).toBe(false);
    runtime.disk.capacityBytes *= 2;
    runtime.timers.fire();
    await settle();
    expect(isSynced).toBe(true);
    expect(log.hasRoom(1, 1000)).toBe(true);
    expect(failed).toBe(false);
  });

  it('that is full does not keep a stopping node waiting', async () => {
    const runtime = testRuntime();
    runtime.disk.capacityBytes = 2048;
    const log = await openLog(runtime);
    const group = createLogGroup(log, 1);
    log.appendEntries(group, entries(1, 100, 1));
    const synced = log.sync();
    const outcome = expect(synced).rejects.toThrow('no space was left for the log');
    await settle();
    await log.close();
    await outcome;
  });
});

describe('truncation', () => {
  it('removes segments that nobody needs, after rewriting the live state in them (P33)', async () => {
    const runtime = testRuntime();
    const log = await openLog(runtime);
    const busy = createLogGroup(log, 1);
    const idle = createLogGroup(log, 2);
    log.appendHardState(idle, { term: 5, vote: 1, commit: 0 });
    log.appendEntries(idle, [entry(1, 5)]);
    for (let index = 1; index <= 80; index++) {
      log.appendEntries(busy, [entry(index, 1)]);
      await log.sync();
    }
    log.truncate(busy, 80);
    await settle();
    // The idle group's entry lies in the oldest.
    expect(log.segmentRange.oldest).toBe(1);
    expect(busy.firstIndex).toBe(81);

    const calls = runtime.disk.calls.length;
    log.truncate(idle, 1);
    await settle();
    const { oldest, newest } = log.segmentRange;
    expect(oldest).toBe(newest);
    const rewritten = runtime.disk.calls.findIndex(
      (call, i) => i >= calls && call === `writeSynced ${directory}/${segmentName(newest)}`,
    );
    const removed = runtime.disk.calls.indexOf(`remove ${firstSegment}`);
    expect(rewritten).toBeGreaterThan(-1);
    expect(rewritten).toBeLessThan(removed);

    runtime.disk.crash(() => 0);
    const again = await openLog(runtime);
    expect(again.group(2)?.hardState).toEqual({ term: 5, vote: 1, commit: 0 });
    expect(again.group(2)?.identity).toEqual(idle.identity);
    expect(again.group(2)?.terms?.compacted).toEqual({ index: 1, term: 5 });
    expect(again.group(1)?.firstIndex).toBe(81);
  });

  it('keeps every entry above what it was told is durable elsewhere (P30)', async () => {
    for (let index = 1; index <= 60; index += 7) {
      const runtime = testRuntime();
      const log = await openLog(runtime);
      const group = createLogGroup(log, 1);
      for (let i = 1; i <= 60; i++) {
        log.appendEntries(group, [entry(i, 1)]);
        await log.sync();
      }
      log.truncate(group, index);
      await settle();
      expect(plain(await readAll(log, group))).toEqual(plain(entries(index + 1, 60, 1)));
      runtime.disk.crash(() => 0);
      const again = await openLog(runtime);
      const recovered = again.group(1);
      expect(recovered?.firstIndex).toBeLessThanOrEqual(index + 1);
      expect(recovered && plain(await readAll(again, recovered, index + 1))).toEqual(
        plain(entries(index + 1, 60, 1)),
      );
    }
  });
});

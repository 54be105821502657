// What a shard must do to take a range out of it and put it in elsewhere, whatever its engine. Run by
// snapshot.test.ts (inline, memory) and shard-threads.test.ts (threads, RocksDB).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromUtf8, keyAfter, utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import type { Span } from '../../src/storage/engine.ts';
import type { Shard } from '../../src/storage/shard.ts';
import { packEntries, put, remove, rowKey, type TestCommand } from './commands.ts';
import { appliedRange, drain, type ShardHome } from './shard-conformance.ts';

const RANGE = 5;
const OTHER = 6;
export const key = (n: number): Uint8Array => rowKey(100, String(n).padStart(6, '0'));
export const SPAN: Span = { start: rowKey(100, ''), end: rowKey(200, '') };

export async function copyRange(
  from: Shard,
  to: Shard,
  range: number,
  span: Span = SPAN,
  chunkBytes = 1000,
): Promise<number> {
  const snapshot = from.readSnapshot(range, span, chunkBytes);
  const { appliedIndex } = await snapshot.taken;
  await to.beginInstall(range, span);
  for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
    await to.installChunk(range, chunk);
  }
  await to.finishInstall(range, appliedIndex, utf8('state'));
  return appliedIndex;
}

/** Everything that a span holds at each of the times. */
export async function contents(
  shard: Shard,
  span: Span,
  times: readonly number[],
): Promise<string[]> {
  const out: string[] = [];
  for (const t of times) {
    const { keys, rows, newest } = await drain(shard, { span, at: t as Timestamp });
    out.push(`at ${t}, newest ${newest}`);
    keys.forEach((rowKeyBytes, i) => {
      out.push(`${rowKeyBytes.join('.')}=${(rows[i] as Uint8Array).join('.')}`);
    });
  }
  return out;
}

export function snapshotConformance(name: string, createHome: () => Promise<ShardHome>): void {
  describe(name, () => {
    let homes: ShardHome[];
    let source: Shard;
    let target: Shard;
    let index: number;

    const applyAll = (...commands: TestCommand[]): Promise<void> => {
      const entries = packEntries(index + 1, commands);
      index += commands.length;
      return source.apply(RANGE, entries, index);
    };
    const fill = (rows: number, at: number): Promise<void> =>
      applyAll(...Array.from({ length: rows }, (_, n) => put(at, key(n), `row ${n} at ${at}`)));

    beforeEach(async () => {
      homes = [await createHome(), await createHome()];
      source = (homes[0] as ShardHome).start();
      target = (homes[1] as ShardHome).start();
      index = 0;
    });

    afterEach(async () => {
      await source.close();
      await target.close();
      for (const home of homes) await home.wipe();
    });

    it('moves every version of a range, and nothing else', async () => {
      await fill(300, 10);
      await fill(150, 20);
      await applyAll(remove(30, key(7)), put(30, rowKey(200, 'not in the span'), 'x'));
      await target.apply(OTHER, packEntries(1, [put(5, rowKey(99, 'left'), 'kept')]), 1);
      await target.apply(OTHER, packEntries(2, [put(5, rowKey(200, 'right'), 'kept')]), 2);
      await target.apply(RANGE, packEntries(1, [put(15, key(900), 'of before')]), 1);

      expect(await copyRange(source, target, RANGE)).toBe(index);
      const times = [9, 10, 19, 20, 30, MAX_TIMESTAMP];
      expect(await contents(target, SPAN, times)).toEqual(await contents(source, SPAN, times));
      const others = await drain(target, { span: { start: rowKey(200, ''), end: undefined } });
      expect(others.rows.map(fromUtf8)).toEqual(['kept']);
      const left = await drain(target, { span: { start: rowKey(99, ''), end: rowKey(100, '') } });
      expect(left.rows.map(fromUtf8)).toEqual(['kept']);
    });

    it('says after a restart what was installed, and goes on from there', async () => {
      await fill(20, 10);
      await copyRange(source, target, RANGE);
      const installed = appliedRange(RANGE, index, { state: 'state' });
      expect(await target.flush()).toEqual([appliedRange(RANGE, index)]);
      await target.close();
      target = (homes[1] as ShardHome).start();
      expect(await target.opened).toEqual([installed]);
      // Replayed entries are skipped, later ones applied.
      const entries = packEntries(index, [put(10, key(1), 'again'), put(40, key(1), 'later')]);
      await target.apply(RANGE, entries, index + 1);
      const [then, now] = [
        await target.get([key(1)], 10 as Timestamp),
        await target.get([key(1)], 40 as Timestamp),
      ];
      expect(fromUtf8(then[0]?.value as Uint8Array)).toBe('row 1 at 10');
      expect(fromUtf8(now[0]?.value as Uint8Array)).toBe('later');
      expect(await target.flush()).toEqual([appliedRange(RANGE, index + 1)]);
    });

    it('takes its snapshot behind what was applied before, and keeps it while writes go on', async () => {
      void fill(200, 10);
      const snapshot = source.readSnapshot(RANGE, SPAN, 500);
      const then = index;
      expect((await snapshot.taken).appliedIndex).toBe(then);
      await applyAll({ kind: 'clear', at: 20, start: key(0), end: key(150) });
      await fill(50, 30);
      await target.beginInstall(RANGE, SPAN);
      let chunks = 0;
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        expect(chunk.length).toBeLessThanOrEqual(500);
        await target.installChunk(RANGE, chunk);
        chunks++;
      }
      await target.finishInstall(RANGE, then, utf8(''));
      expect(chunks).toBeGreaterThan(10);
      const { rows } = await drain(target, { span: SPAN });
      expect(rows.map(fromUtf8)).toEqual(Array.from({ length: 200 }, (_, n) => `row ${n} at 10`));
    });

    it('gives up a snapshot that is closed, before its first chunk or later', async () => {
      await fill(200, 10);
      const unread = source.readSnapshot(RANGE, SPAN, 500);
      const refused = expect(unread.taken).rejects.toThrow('closed');
      unread.close();
      await refused;
      const begun = source.readSnapshot(RANGE, SPAN, 500);
      await begun.next();
      begun.close();
      begun.close();
      expect(await begun.next()).toBeUndefined();
      // Nothing of them keeps the store from closing.
      await source.close();
    });

    it('lets an empty range through, at index 0', async () => {
      expect(await copyRange(source, target, RANGE)).toBe(0);
      expect(await target.flush()).toEqual([appliedRange(RANGE, 0)]);
    });

    it('serves other ranges between chunks', async () => {
      await fill(300, 10);
      const snapshot = source.readSnapshot(RANGE, SPAN, 2000);
      await target.beginInstall(RANGE, SPAN);
      let at = 0;
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        at++;
        const written = target.installChunk(RANGE, chunk);
        await target.apply(OTHER, packEntries(at, [put(at, rowKey(300, 'x'), `${at}`)]), at);
        const [version] = await target.get([rowKey(300, 'x')], MAX_TIMESTAMP);
        expect(fromUtf8(version?.value as Uint8Array)).toBe(`${at}`);
        await written;
      }
      await target.finishInstall(RANGE, index, utf8(''));
      expect((await drain(target, { span: SPAN })).rows.length).toBe(300);
    });

    it('finds what an installed row is superseded by, whatever it knew of the index before', async () => {
      await target.apply(OTHER, packEntries(1, [put(5, key(100_000), 'above all')]), 1);
      await target.apply(RANGE, packEntries(1, [put(5, key(1), 'x')]), 1);
      await fill(10, 10);
      await copyRange(source, target, RANGE, { start: key(0), end: key(1000) });
      await target.apply(RANGE, packEntries(index + 1, [put(20, key(9), 'new')]), index + 1);
      const [version] = await target.get([key(9)], 15 as Timestamp);
      expect(fromUtf8(version?.value as Uint8Array)).toBe('row 9 at 10');
    });

    it('takes older versions along when a bound stands right behind a row', async () => {
      await fill(4, 10);
      await fill(4, 20);
      const span = { start: keyAfter(key(0)), end: keyAfter(key(2)) };
      await target.apply(RANGE, packEntries(1, [put(3, key(0), 'a'), put(4, key(0), 'b')]), 2);
      await copyRange(source, target, RANGE, span);
      expect(await contents(target, span, [10, 20])).toEqual(
        await contents(source, span, [10, 20]),
      );
      const outside = await target.get([key(0)], 3 as Timestamp);
      expect(fromUtf8(outside[0]?.value as Uint8Array)).toBe('a');
      expect((await target.get([key(3)], MAX_TIMESTAMP))[0]?.timestamp).toBe(0);
    });

    it('refuses to read a range that is being installed, until that is over', async () => {
      await target.beginInstall(RANGE, SPAN);
      await expect(target.readSnapshot(RANGE, SPAN, 500).taken).rejects.toMatchObject({
        code: '55006',
      });
      await expect(target.readSnapshot(RANGE, SPAN, 500).next()).rejects.toMatchObject({
        code: '55006',
      });
      await target.finishInstall(RANGE, 7, utf8(''));
      expect((await target.readSnapshot(RANGE, SPAN, 500).taken).appliedIndex).toBe(7);
    });

    it('remembers over a restart that an install was not finished, and begins it anew', async () => {
      await fill(50, 10);
      const snapshot = source.readSnapshot(RANGE, SPAN, 500);
      await target.beginInstall(RANGE, SPAN);
      await target.installChunk(RANGE, (await snapshot.next()) as Uint8Array);
      await target.close();
      target = (homes[1] as ShardHome).start();
      expect(await target.opened).toEqual([{ ...appliedRange(RANGE, 0), isInstalling: true }]);
      await applyAll(remove(20, key(0)));
      await copyRange(source, target, RANGE);
      expect(await contents(target, SPAN, [10, 20])).toEqual(
        await contents(source, SPAN, [10, 20]),
      );
      snapshot.close();
    });

    it('stops the shard rather than apply entries to a range that is being installed', async () => {
      const failure = new Promise<Error>((resolve) => target.onFailure(resolve));
      await target.beginInstall(RANGE, SPAN);
      const applied = target.apply(RANGE, packEntries(1, [put(10, key(1), 'x')]), 1);
      await expect(applied).rejects.toThrow('is being installed');
      expect((await failure).name).toBe('AssertionError');
      await expect(target.finishInstall(RANGE, 1, utf8(''))).rejects.toThrow('is being installed');
    });

    it('refuses a chunk that is not of the range, and finishes nothing after it', async () => {
      await fill(50, 10);
      const snapshot = source.readSnapshot(RANGE, SPAN, 10_000);
      const chunk = (await snapshot.next()) as Uint8Array;
      snapshot.close();
      await target.beginInstall(RANGE, { start: key(0), end: key(20) });
      await expect(target.installChunk(RANGE, chunk)).rejects.toThrow('not of its range');
      await expect(target.finishInstall(RANGE, 1, utf8(''))).rejects.toThrow('not of its range');
      await expect(target.installChunk(OTHER, chunk)).rejects.toThrow('before the install');
      await target.beginInstall(RANGE, SPAN);
      await expect(target.installChunk(RANGE, Uint8Array.of(9))).rejects.toThrow('version 9');
      await target.beginInstall(RANGE, SPAN);
      await target.installChunk(RANGE, chunk);
      await target.finishInstall(RANGE, index, utf8(''));
      expect((await drain(target, { span: SPAN })).rows.length).toBe(50);
    });

    it('keeps records beside rows, in one step with the entry that makes them', async () => {
      await applyAll(put(10, key(1), 'one'), {
        kind: 'records',
        steps: [
          { op: 'put', range: RANGE, name: 'state', value: 'of the left' },
          { op: 'put', range: RANGE, name: 'q/1', value: 'ids' },
          { op: 'put', range: RANGE, name: 'p/1', value: 'prepared' },
        ],
        writes: put(20, key(2), 'two'),
      });
      await applyAll({
        kind: 'records',
        steps: [
          { op: 'copy', range: RANGE, name: 'q/', to: 9 },
          { op: 'put', range: 9, name: 'state', value: 'of the right' },
          { op: 'applied', range: 9, index: 1 },
          { op: 'delete', range: RANGE, name: 'p/1' },
        ],
      });
      expect((await drain(source, { span: SPAN })).rows.map(fromUtf8)).toEqual(['one', 'two']);
      await source.apply(9, packEntries(2, [put(30, key(3), 'three')]), 2);
      expect(await source.flush()).toEqual([appliedRange(RANGE, index), appliedRange(9, 2)]);
      await source.close();
      source = (homes[0] as ShardHome).start();
      expect(await source.opened).toEqual([
        appliedRange(RANGE, index, { 'q/1': 'ids', state: 'of the left' }),
        appliedRange(9, 2, { 'q/1': 'ids', state: 'of the right' }),
      ]);
    });

    it('takes the records of a range along, and those of no other', async () => {
      await applyAll({
        kind: 'records',
        steps: [
          { op: 'put', range: RANGE, name: 'state', value: 'as it was sent' },
          { op: 'put', range: RANGE, name: 'p/1', value: 'prepared' },
          { op: 'put', range: RANGE + 1, name: 'p/2', value: 'of another' },
        ],
      });
      const gone = packEntries(1, [
        { kind: 'records', steps: [{ op: 'put', range: RANGE, name: 'p/0', value: 'old' }] },
      ]);
      await target.apply(RANGE, gone, 1);
      const snapshot = source.readSnapshot(RANGE, SPAN, 1000);
      const sent = { state: 'as it was sent', 'p/1': 'prepared' };
      expect(await snapshot.taken).toEqual(appliedRange(RANGE, index, sent));
      await target.beginInstall(RANGE, SPAN);
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        await target.installChunk(RANGE, chunk);
      }
      const installed = appliedRange(RANGE, index, { ...sent, state: 'as it is here' });
      expect(await target.finishInstall(RANGE, index, utf8('as it is here'))).toEqual(installed);
      await target.close();
      target = (homes[1] as ShardHome).start();
      expect(await target.opened).toEqual([installed]);
    });

    it('drops a range with its rows, and nothing of its neighbours', async () => {
      await fill(20, 10);
      await applyAll({
        kind: 'records',
        steps: [
          { op: 'put', range: RANGE, name: 'state', value: 'gone' },
          { op: 'put', range: 9, name: 'state', value: 'forgotten' },
          { op: 'applied', range: 9, index: 3 },
        ],
      });
      await applyAll({ kind: 'records', steps: [{ op: 'forget', range: 9 }] });
      await source.apply(OTHER, packEntries(1, [put(5, rowKey(200, 'right'), 'kept')]), 1);
      await source.drop(RANGE, SPAN);
      expect(await source.flush()).toEqual([appliedRange(OTHER, 1)]);
      const { rows } = await drain(source, { span: { start: key(0), end: undefined } });
      expect(rows.map(fromUtf8)).toEqual(['kept']);
      await source.close();
      source = (homes[0] as ShardHome).start();
      expect(await source.opened).toEqual([appliedRange(OTHER, 1)]);
    });

    it('gives the same checksum for the same rows, however they came to be', async () => {
      await fill(200, 10);
      await fill(100, 20);
      await applyAll(remove(20, key(150)));
      await source.flush();
      await copyRange(source, target, RANGE);
      for (const at of [5, 10, 20]) {
        const [here, there] = await Promise.all([
          source.checksum(SPAN, at as Timestamp),
          target.checksum(SPAN, at as Timestamp),
        ]);
        expect(there).toEqual(here);
        expect(here.rows).toBe({ 5: 0, 10: 200, 20: 199 }[at]);
        expect(here.sum).toMatch(/^[0-9a-f]{16}$/);
      }
      // Versions above the time don't count, superseded ones at it do.
      const before = await source.checksum(SPAN, 20 as Timestamp);
      await fill(100, 30);
      expect(await source.checksum(SPAN, 20 as Timestamp)).toEqual(before);
    });

    it('gives another checksum when a row, its time or its place differs', async () => {
      const sums = new Set<string>();
      const add = async (...rows: (readonly [number, number, string])[]): Promise<void> => {
        await target.beginInstall(RANGE, SPAN);
        await target.finishInstall(RANGE, 0, utf8(''));
        const commands = rows.map(([at, n, value]) => put(at, key(n), value));
        await target.apply(RANGE, packEntries(1, commands), commands.length);
        sums.add((await target.checksum(SPAN, MAX_TIMESTAMP)).sum);
      };
      await add([10, 1, 'a'], [10, 2, 'b']);
      await add([10, 1, 'b'], [10, 2, 'a']);
      await add([11, 1, 'a'], [10, 2, 'b']);
      await add([10, 1, 'a'], [11, 2, 'b']);
      await add([10, 1, 'a'], [10, 3, 'b']);
      await add([10, 1, 'ab'], [10, 2, '']);
      await add([10, 1, 'a']);
      await add();
      expect(sums.size).toBe(8);
    });

    it('does not wait for a checksum when it is closed', async () => {
      await fill(300, 10);
      const sum = expect(source.checksum(SPAN, MAX_TIMESTAMP)).rejects.toMatchObject({
        code: '57P01',
      });
      await source.close();
      await sum;
    });
  });
}

// What a shard must do, whatever its engine and however its thread is run. Run by shard.test.ts (inline) and
// shard-threads.test.ts (real threads, RocksDB).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromUtf8, keyAfter, utf8 } from '../../src/base/bytes.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import type { Expr } from '../../src/rows/expr.ts';
import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import { encodeParameters, encodeProgram, type ScanProgram } from '../../src/rows/program.ts';
import { encodeRow, layoutOf, type RowLayout, RowView } from '../../src/rows/row-codec.ts';
import { columnType, INT4, TEXT } from '../../src/rows/types.ts';
import type { AppliedRange, Shard, ShardScanRequest } from '../../src/storage/shard.ts';
import { packEntries, put, remove, rowKey, type TestCommand } from './commands.ts';

export interface ShardHome {
  /** Over what the shard before it left. */
  start(): Shard;
  wipe(): Promise<void>;
}

const RANGE = 5;
const time = (t: number): Timestamp => t as Timestamp;
const key = (n: number): Uint8Array => rowKey(100, String(n).padStart(6, '0'));
export function appliedRange(
  range: number,
  appliedIndex: number,
  records: Readonly<Record<string, string>> = {},
): AppliedRange {
  const entries = Object.entries(records).map(([name, text]) => [name, utf8(text)] as const);
  return { range, appliedIndex, records: new Map(entries), isInstalling: false };
}
const SCAN: ShardScanRequest = {
  span: { start: new Uint8Array(0), end: undefined },
  at: MAX_TIMESTAMP,
  reverse: false,
  program: undefined,
  parameters: undefined,
  limitRows: 0,
  batchBytes: 2000,
};
const LAYOUT: RowLayout = layoutOf([columnType(INT4), columnType(TEXT)]);

interface Drained {
  readonly keys: Uint8Array[];
  readonly rows: Uint8Array[];
  readonly newest: number;
  readonly batches: number;
}

export async function drain(shard: Shard, request: Partial<ShardScanRequest>): Promise<Drained> {
  const scan = shard.scan({ ...SCAN, ...request });
  const keys: Uint8Array[] = [];
  const rows: Uint8Array[] = [];
  let newest = 0;
  let batches = 0;
  for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
    const reader = new PackedRowReader(batch.rows);
    let count = 0;
    for (; reader.next(); count++) {
      keys.push(reader.key());
      rows.push(reader.row());
    }
    expect(count).toBe(batch.rowCount);
    expect(batch.newest).toBeGreaterThanOrEqual(newest);
    newest = batch.newest;
    batches++;
  }
  return { keys, rows, newest, batches };
}

export function shardConformance(name: string, createHome: () => Promise<ShardHome>): void {
  describe(name, () => {
    let home: ShardHome;
    let shard: Shard;
    let index: number;

    const applyAll = (...commands: TestCommand[]): Promise<void> => {
      const entries = packEntries(index + 1, commands);
      index += commands.length;
      return shard.apply(RANGE, entries, index);
    };
    const values = async (keys: Uint8Array[], at: number): Promise<(string | undefined)[]> => {
      const versions = await shard.get(keys, time(at));
      return versions.map((version) => version?.value && fromUtf8(version.value));
    };

    beforeEach(async () => {
      home = await createHome();
      shard = home.start();
      index = 0;
    });

    afterEach(async () => {
      await shard.close();
      await home.wipe();
    });

    it('answers gets at a time, posted right behind the apply that they must see', async () => {
      const applied = applyAll(
        put(10, key(1), 'a'),
        put(15, key(2), 'c'),
        put(20, key(1), 'b'),
        remove(20, key(2)),
        // What was never there leaves no tombstone.
        remove(20, key(3)),
      );
      const [late, early] = await Promise.all([
        shard.get([key(1), key(2), key(3)], time(20)),
        shard.get([key(1)], time(19)),
      ]);
      await applied;
      expect(late.map((v) => [v?.timestamp, v?.value && fromUtf8(v.value), v?.isNewest])).toEqual([
        [20, 'b', true],
        [20, undefined, true],
        [0, undefined, true],
      ]);
      expect(early.map((v) => [v?.timestamp, v?.isNewest])).toEqual([[10, false]]);
      expect(await shard.get([key(1)], time(9))).toEqual([undefined]);
    });

    it('shows a scan every apply posted before it and none posted after it', async () => {
      for (let round = 0; round < 20; round++) {
        void applyAll(put(round + 1, key(round), 'x'));
        const scanned = drain(shard, {});
        void applyAll(put(round + 1, key(1000 + round), 'later'), {
          kind: 'clear',
          at: round + 1,
          start: key(1000 + round),
          end: keyAfter(key(1000 + round)),
        });
        const { keys } = await scanned;
        expect(keys).toEqual(Array.from({ length: round + 1 }, (_, n) => key(n)));
      }
    });

    it('keeps one state for a scan while writes go on', async () => {
      await applyAll(...Array.from({ length: 500 }, (_, n) => put(10, key(n), 'old')));
      const scan = shard.scan({ ...SCAN, batchBytes: 500 });
      const first = await scan.next();
      await applyAll(
        { kind: 'clear', at: 20, start: key(0), end: key(400) },
        put(20, key(450), 'new'),
      );
      const reader = new PackedRowReader();
      let rows = 0;
      for (let batch = first; batch !== undefined; batch = await scan.next()) {
        for (reader.reset(batch.rows); reader.next(); rows++)
          expect(fromUtf8(reader.row())).toBe('old');
      }
      expect(rows).toBe(500);
      expect((await drain(shard, {})).rows.length).toBe(100);
    });

    it('scans in both directions, in several batches, and stops when closed', async () => {
      await applyAll(...Array.from({ length: 1000 }, (_, n) => put(10, key(n), `${n}`)));
      const span = { start: key(100), end: key(900) };
      const forward = await drain(shard, { span });
      const back = await drain(shard, { span, reverse: true });
      expect(forward.rows.map(fromUtf8)).toEqual(
        Array.from({ length: 800 }, (_, n) => `${n + 100}`),
      );
      expect(back.rows.map(fromUtf8)).toEqual(forward.rows.map(fromUtf8).reverse());
      expect(forward.batches).toBeGreaterThan(3);

      const scan = shard.scan({ ...SCAN, batchBytes: 100 });
      expect((await scan.next())?.rowCount).toBeGreaterThan(0);
      scan.close();
      scan.close();
      expect(await scan.next()).toBeUndefined();
    });

    it('tells the newest version that a scan met, also when only tombstones were there (P10)', async () => {
      await applyAll(put(10, key(1), 'a'), put(15, key(2), 'b'), remove(30, key(2)));
      expect((await drain(shard, { at: time(20) })).newest).toBe(15);
      const gone = await drain(shard, { span: { start: key(2), end: key(3) } });
      expect([gone.rows.length, gone.newest]).toEqual([0, 30]);
      expect((await drain(shard, { span: { start: key(7), end: key(8) } })).batches).toBe(0);
    });

    it('filters, projects and stops at the limit where the rows are', async () => {
      const rows = Array.from({ length: 300 }, (_, n): TestCommand => {
        return {
          kind: 'writes',
          at: 10,
          writes: [{ key: key(n), value: encodeRow(LAYOUT, [n, `name ${n}`]) }],
        };
      });
      await applyAll(...rows);
      const program: ScanProgram = {
        layout: LAYOUT,
        filter: {
          kind: 'compare',
          op: '>=',
          left: { kind: 'column', type: columnType(INT4), index: 0 },
          right: { kind: 'parameter', type: columnType(INT4), index: 0 },
        },
        output: { kind: 'rows', withKeys: false, columns: [1] },
      };
      const found = await drain(shard, {
        program: encodeProgram(program),
        parameters: encodeParameters([columnType(INT4)], [120]),
        limitRows: 3,
      });
      const view = new RowView();
      const names = found.rows.map((row) => {
        view.reset(layoutOf([columnType(TEXT)]), row, 0, row.length);
        return view.datum(0);
      });
      expect(names).toEqual(['name 120', 'name 121', 'name 122']);
      expect(found.keys.every((k) => k.length === 0)).toBe(true);
    });

    it('aggregates where the rows are', async () => {
      const rows = Array.from({ length: 300 }, (_, n): TestCommand => {
        return {
          kind: 'writes',
          at: 10,
          writes: [{ key: key(n), value: encodeRow(LAYOUT, [n, 'x']) }],
        };
      });
      await applyAll(...rows);
      const program: ScanProgram = {
        layout: LAYOUT,
        filter: undefined,
        output: {
          kind: 'aggregate',
          groupBy: [],
          aggregates: [
            {
              kind: 'count(*)',
              args: [],
              distinct: false,
              filter: undefined,
              type: columnType(20),
            },
          ],
        },
      };
      const found = await drain(shard, { program: encodeProgram(program) });
      expect(found.rows.length).toBe(1);
    });

    it('hands an error of a program to its scan, and goes on serving', async () => {
      await applyAll({
        kind: 'writes',
        at: 10,
        writes: [{ key: key(1), value: encodeRow(LAYOUT, [0, 'x']) }],
      });
      const column: Expr = { kind: 'column', type: columnType(INT4), index: 0 };
      const program: ScanProgram = {
        layout: LAYOUT,
        filter: {
          kind: 'compare',
          op: '=',
          left: { kind: 'call', type: columnType(INT4), name: 'int4/int4', args: [column, column] },
          right: column,
        },
        output: { kind: 'rows', withKeys: true, columns: undefined },
      };
      const failing = drain(shard, { program: encodeProgram(program) });
      await expect(failing).rejects.toMatchObject({ name: 'DbError', code: '22012' });
      await expect(drain(shard, { program: Uint8Array.of(255, 255) })).rejects.toThrow();
      expect((await drain(shard, {})).rows.length).toBe(1);
    });

    it('answers many gets of one turn together, each its own', async () => {
      await applyAll(...Array.from({ length: 200 }, (_, n) => put(10, key(n), `v${n}`)));
      const asked = Array.from({ length: 400 }, (_, n) =>
        values([key(n % 200), key(5000), key((n * 7) % 200)], 10),
      );
      const found = await Promise.all(asked);
      found.forEach((some, n) => {
        expect(some).toEqual([`v${n % 200}`, undefined, `v${(n * 7) % 200}`]);
      });
    });

    it('knows after a restart what it has applied, and skips what is replayed', async () => {
      expect(await shard.opened).toEqual([]);
      await applyAll(put(10, key(1), 'a'), put(20, key(1), 'b'));
      expect(await shard.flush()).toEqual([appliedRange(RANGE, 2)]);
      await shard.close();
      shard = home.start();
      expect(await shard.opened).toEqual([appliedRange(RANGE, 2)]);
      index = 1;
      await applyAll(put(20, key(1), 'not again'), put(30, key(1), 'c'));
      expect(await values([key(1)], 25)).toEqual(['b']);
      expect(await values([key(1)], 30)).toEqual(['c']);
      expect((await shard.usage()).entriesApplied).toBe(1);
    });

    it('keeps the applied index of each range', async () => {
      await applyAll(put(10, key(1), 'a'), { kind: 'empty' });
      await shard.apply(9, packEntries(41, [put(11, rowKey(200, 'z'), 'z')]), 41);
      const flushed = await shard.flush();
      expect([...flushed].sort((a, b) => a.range - b.range)).toEqual([
        appliedRange(RANGE, 2),
        appliedRange(9, 41),
      ]);
    });

    it('estimates sizes and counts its work', async () => {
      const value = 'v'.repeat(1000);
      await applyAll(...Array.from({ length: 300 }, (_, n) => put(10, key(n), value)));
      await shard.flush();
      expect(
        await shard.approximateBytes({ start: new Uint8Array(0), end: undefined }),
      ).toBeGreaterThan(100);
      expect(await shard.approximateBytes({ start: rowKey(300, ''), end: undefined })).toBe(0);
      await shard.get([key(1), key(2)], MAX_TIMESTAMP);
      await drain(shard, {});
      const usage = await shard.usage();
      expect(usage).toMatchObject({ getsServed: 2, scansServed: 1, entriesApplied: 300 });
      expect(usage.bytesApplied).toBeGreaterThan(300_000);
    });

    it('finishes what was posted before close, and refuses what comes after', async () => {
      const applied = applyAll(put(10, key(1), 'a'));
      const got = shard.get([key(1)], MAX_TIMESTAMP);
      const scan = shard.scan(SCAN);
      const closed = shard.close();
      await expect(shard.get([key(1)], MAX_TIMESTAMP)).rejects.toThrow('closed');
      await applied;
      expect(fromUtf8((await got)[0]?.value as Uint8Array)).toBe('a');
      await closed;
      // Not its end: its reader would take what it has seen for everything.
      await expect(scan.next()).rejects.toMatchObject({ code: '57P01' });
    });

    it('leaves what the caller does to its buffers afterwards out of it', async () => {
      const entries = packEntries(1, [put(10, key(1), 'kept')]);
      const asked = key(1);
      const applied = shard.apply(RANGE, entries, 1);
      const got = shard.get([asked], MAX_TIMESTAMP);
      entries.fill(0xee);
      asked.fill(0xee);
      await applied;
      const [version] = await got;
      expect(version?.value).toEqual(utf8('kept'));
      version?.value?.fill(0xee);
      expect(await values([key(1)], 10)).toEqual(['kept']);
    });
  });
}

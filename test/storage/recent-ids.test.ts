import { describe, expect, it } from 'vitest';
import { ByteWriter, utf8 } from '../../src/base/bytes.ts';
import { RecentTransactions } from '../../src/ranges/commit/recent-transactions.ts';
import { Applier } from '../../src/storage/apply.ts';
import { CommandReader } from '../../src/storage/command-format.ts';
import type { EngineOp } from '../../src/storage/engine.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import { RECENT_PREFIX, RecentIds } from '../../src/storage/recent-ids.ts';
import { packCommand, packEntries, type TestCommand } from './commands.ts';

const RANGE = 3;

function writing(at: number, deadline: number): TestCommand {
  return { kind: 'writes', at, deadline, writes: [{ key: utf8('k'), value: utf8('v') }] };
}

function idAt(at: number): Uint32Array {
  return new Uint32Array(4).fill(at * 0x01010101);
}

describe('transaction ids beside the rows', () => {
  it('P20: are there after a restart, and go when later writes leave no doubt that they may', async () => {
    const disk = createMemoryDisk();
    const apply = async (applier: Applier, index: number, command: TestCommand): Promise<void> =>
      applier.apply([{ range: RANGE, entries: packEntries(index, [command]), lastIndex: index }]);

    const first = await Applier.open(await disk.open());
    await apply(first, 1, writing(10, 1_000));
    await apply(first, 2, writing(20, 2_000));
    disk.kill();

    const second = await Applier.open(await disk.open());
    const records = [...(second.openedRanges()[0]?.records ?? [])];
    expect(records.map(([name]) => name).sort()).toEqual(['r/3/1', 'r/3/2']);
    const recent = new RecentTransactions(100);
    for (const [, record] of records) recent.unpack(record);
    expect(recent.find(idAt(10))).toBe(10);
    expect(recent.find(idAt(20))).toBe(20);
    await apply(second, 3, writing(60, 40_000_000));
    await apply(second, 4, { kind: 'writes', at: 50_000_000, writes: [] });
    await apply(second, 5, writing(50_000_001, 60_000_000));
    disk.kill();

    const third = await Applier.open(await disk.open());
    expect([...(third.openedRanges()[0]?.records.keys() ?? [])].sort()).toEqual(['r/3/3', 'r/3/5']);
  });

  it('are kept once, however often ranges that have them split and merge', () => {
    const ids = new RecentIds();
    const record = new ByteWriter(16);
    record.u53(1_000);
    ids.learn(RANGE, 'r/3/1', record.take());
    for (let round = 0; round < 60; round++) {
      ids.copied(RANGE, RECENT_PREFIX, RANGE + 1);
      ids.copied(RANGE + 1, RECENT_PREFIX, RANGE);
    }
    const command = new CommandReader();
    command.start(packCommand(writing(50_000_000, 60_000_000)));
    ids.note(RANGE, 2, command);
    const ops: EngineOp[] = [];
    ids.addOps(ops);
    // The new one is written, the old one deleted.
    expect(ops).toHaveLength(2);
  });
});

// Scans of one storage shard over RocksDB, without a node around it: what a row costs when rows lie singly, as they do
// right after they were written one by one, and when they are packed into pages. No peer.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteWriter } from '../src/base/bytes.ts';
import { MAX_TIMESTAMP } from '../src/clock/timestamp.ts';
import { startInline } from '../src/runtime/inline-port.ts';
import type { AggregateCall, Expr } from '../src/rows/expr.ts';
import { encodeKeyDatum } from '../src/rows/key-codec.ts';
import { encodeProgram, type ScanProgram } from '../src/rows/program.ts';
import { encodeRow, layoutOf } from '../src/rows/row-codec.ts';
import { columnType, FLOAT8, INT4, INT8, NUMERIC, TEXT, TIMESTAMPTZ } from '../src/rows/types.ts';
import { COMMAND_VERSION, COMMAND_WRITES, WRITE_NEW } from '../src/storage/command-format.ts';
import type { Shard, ShardScanRequest } from '../src/storage/shard.ts';
import { startShard } from '../src/storage/shard-client.ts';
import { shardWorkerEntry } from '../src/storage/shard-entry.ts';
import type { BenchOptions } from './lib/options.ts';
import { type Case, progress, report } from './lib/report.ts';

const layout = layoutOf([
  columnType(INT8),
  columnType(INT4),
  columnType(INT4),
  columnType(INT8),
  columnType(FLOAT8),
  columnType(TEXT),
  columnType(TEXT),
  columnType(TIMESTAMPTZ),
  columnType(INT4),
  columnType(TEXT),
]);
const ROWS_A_COMMAND = 500;

const column = (index: number): Expr => ({
  kind: 'column',
  type: layout.types[index] as (typeof layout.types)[number],
  index,
});
const below = (index: number, value: number): Expr => ({
  kind: 'compare',
  op: '<',
  left: column(index),
  right: { kind: 'constant', type: columnType(INT4), value },
});
const call = (kind: AggregateCall['kind'], type: number, ...args: Expr[]): AggregateCall => ({
  kind,
  args,
  distinct: false,
  filter: undefined,
  type: columnType(type),
});
const program = (filter: Expr | undefined, output: ScanProgram['output']): Uint8Array =>
  encodeProgram({ layout, filter, output });
const aggregate = (groupBy: Expr[], ...aggregates: AggregateCall[]): ScanProgram['output'] => ({
  kind: 'aggregate',
  groupBy,
  aggregates,
});
const ROWS: ScanProgram['output'] = { kind: 'rows', withKeys: false, columns: undefined };

const PROGRAMS: Readonly<Record<string, Uint8Array>> = {
  'count(*)': program(undefined, aggregate([], call('count(*)', INT8))),
  'count(*), a tenth': program(below(1, 1000), aggregate([], call('count(*)', INT8))),
  'sum(int8), avg(float8)': program(
    undefined,
    aggregate([], call('sum', NUMERIC, column(3)), call('avg', FLOAT8, column(4))),
  ),
  'sum(int4), min, max by a column of 100 values': program(
    undefined,
    aggregate(
      [column(2)],
      call('sum', INT8, column(1)),
      call('min', FLOAT8, column(4)),
      call('max', FLOAT8, column(4)),
    ),
  ),
  'rows, a hundredth': program(below(1, 100), ROWS),
  'rows, two columns': program(undefined, { kind: 'rows', withKeys: false, columns: [0, 5] }),
  'rows, all': program(undefined, ROWS),
};

function keyOf(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.u32be(100);
  encodeKeyDatum(writer, INT8, id, false, false);
  return writer.take();
}

function rowOf(id: number): Uint8Array {
  const mixed = Math.imul(id, 0x9e3779b1) >>> 0;
  return encodeRow(layout, [
    id,
    mixed % 10_000,
    mixed % 100,
    id * 1_000_003,
    mixed / 7,
    `customer ${mixed % 50_000}`,
    'a comment of middling length',
    800_000_000_000_000 + id * 1000,
    id % 7,
    `status ${mixed % 5}`,
  ]);
}

async function load(shard: Shard, rows: number, step: number): Promise<void> {
  let index = 0;
  for (let from = 0; from < rows; from += ROWS_A_COMMAND) {
    const count = Math.min(ROWS_A_COMMAND, rows - from);
    const command = new ByteWriter(ROWS_A_COMMAND * 200);
    command.u8(COMMAND_VERSION);
    command.u8(COMMAND_WRITES);
    command.u53(1000 + index);
    command.raw(new Uint8Array(16));
    command.u53(Number.MAX_SAFE_INTEGER);
    command.u32(count);
    for (let i = 0; i < count; i++) {
      // A step that shares no factor with the number of rows visits each of them, in an order of its own.
      const id = ((from + i) * step) % rows;
      command.u8(WRITE_NEW);
      command.block(keyOf(id));
      command.block(rowOf(id));
    }
    const entry = new ByteWriter(command.length + 16);
    entry.u53(++index);
    entry.block(command.take());
    await shard.apply(1, entry.take(), index);
  }
  await shard.flush();
}

/** Nanoseconds a row. */
async function scan(
  shard: Shard,
  rows: number,
  request: Partial<ShardScanRequest>,
): Promise<number> {
  const began = process.hrtime.bigint();
  const open = shard.scan({
    span: { start: keyOf(0).slice(0, 4), end: Uint8Array.of(0, 0, 0, 101) },
    at: MAX_TIMESTAMP,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: 64 << 10,
    ...request,
  });
  while ((await open.next()) !== undefined);
  return Number(process.hrtime.bigint() - began) / rows;
}

export async function shardScan(options: BenchOptions): Promise<void> {
  const rows = options.short ? 20_000 : 1_000_000;
  const rounds = options.short ? 1 : 5;
  const directory = await mkdtemp(join(tmpdir(), 'meridian-shard-scan-'));
  const soon = (run: () => void): void => void setImmediate(run);
  const runtime = {
    timers: { soon, after: () => ({ [Symbol.dispose]: () => {} }) },
    threads: { start: startInline.bind(undefined, soon) },
  };
  const cases: Case[] = [];
  const measure = async (
    name: string,
    shard: Shard,
    of: number,
    request: () => Partial<ShardScanRequest>,
  ): Promise<void> => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await scan(shard, of, request()));
    progress(`${name}: ${times.map((time) => time.toFixed(0)).join(' ')} ns a row`);
    cases.push({ name, unit: 'ns a row', ours: times, peer: [], smallerIsBetter: true });
  };
  const all = async (shard: Shard, prefix: string): Promise<void> => {
    for (const [name, code] of Object.entries(PROGRAMS)) {
      await measure(`${prefix}: ${name}`, shard, rows, () => ({ program: code }));
    }
    const program = PROGRAMS['rows, all'] as Uint8Array;
    await measure(`${prefix}: rows, backwards`, shard, rows, () => ({ program, reverse: true }));
    let at = 0;
    await measure(`${prefix}: 100 rows`, shard, 100, () => {
      at = (at + 7919 * 101) % (rows - 100);
      return { program, span: { start: keyOf(at), end: keyOf(at + 100) } };
    });
  };
  try {
    const inOrder = startShard(runtime, shardWorkerEntry, { path: join(directory, 'in-order') });
    await timed('load in key order', rows, cases, () => load(inOrder, rows, 1));
    await all(inOrder, 'loaded in order');
    await inOrder.close();
    const shuffled = startShard(runtime, shardWorkerEntry, { path: join(directory, 'shuffled') });
    await timed('load in another order', rows, cases, () => load(shuffled, rows, 7919));
    await measure('singly: count(*)', shuffled, rows, () => ({
      program: PROGRAMS['count(*)'] as Uint8Array,
    }));
    await timed('pack', rows, cases, async () => {
      while (await shuffled.pack());
    });
    await all(shuffled, 'packed');
    await shuffled.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  report('shard-scan', 'none', cases);
}

async function timed(
  name: string,
  rows: number,
  cases: Case[],
  run: () => Promise<void>,
): Promise<void> {
  const began = process.hrtime.bigint();
  await run();
  const time = Number(process.hrtime.bigint() - began) / rows;
  progress(`${name}: ${time.toFixed(0)} ns a row`);
  cases.push({ name, unit: 'ns a row', ours: [time], peer: [], smallerIsBetter: true });
}

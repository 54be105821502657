// The pieces of the hot paths, one at a time, with the npm package `benchmark`. No peer: these show what costs what,
// and are the place to look when a figure of point or tpcb moves.

import Benchmark from 'benchmark';
import { ByteWriter, hashBytes } from '../src/base/bytes.ts';
import { timestamp } from '../src/clock/timestamp.ts';
import { MessageFramer } from '../src/doors/pgwire/framing.ts';
import { WireOutput } from '../src/doors/pgwire/output.ts';
import { configurationOf } from '../src/raft/configuration.ts';
import { RaftCore } from '../src/raft/core.ts';
import { LogTerms } from '../src/raft/terms.ts';
import { DEFAULT_TUNING } from '../src/raft/tuning.ts';
import { NO_HARD_STATE } from '../src/raft/types.ts';
import { LoadBook } from '../src/ranges/load/load-book.ts';
import { chooseSplit } from '../src/ranges/load/split-key.ts';
import { LockOwner } from '../src/ranges/locks/lock-owner.ts';
import { LockTable } from '../src/ranges/locks/lock-table.ts';
import { encodeKeyDatum } from '../src/rows/key-codec.ts';
import { encodeRow, layoutOf, RowView } from '../src/rows/row-codec.ts';
import { BPCHAR, columnType, INT4, TEXT, TIMESTAMP, UUID } from '../src/rows/types.ts';
import { fingerprint } from '../src/sql/parse/fingerprint.ts';
import { RowCache } from '../src/storage/row-cache.ts';
import type { BenchOptions } from './lib/options.ts';
import { type Case, progress, report } from './lib/report.ts';

/** What would otherwise be optimised away. */
let sink = 0;

const accounts = layoutOf([
  columnType(INT4),
  columnType(INT4),
  columnType(INT4),
  columnType(BPCHAR, 88),
]);
const account = [4711, 3, -250, 'a filler as pgbench has it'];
const accountFields = ['aid', 'bid', 'abalance', 'filler'].map((name, i) => ({
  name,
  type: accounts.types[i] ?? columnType(TEXT),
  tableId: 100,
  columnNumber: i + 1,
}));

function keyOf(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.u32be(100);
  encodeKeyDatum(writer, INT4, id, false, false);
  return writer.take();
}

function pieces(): Readonly<Record<string, () => void>> {
  const writer = new ByteWriter(256);
  const row = encodeRow(accounts, account);
  const view = new RowView();
  const locks = new LockTable();
  const key = keyOf(1);
  const hash = hashBytes(key);
  let transaction = 0;
  const core = new RaftCore({
    replicaId: 1,
    configuration: configurationOf([1]),
    configurationIndex: 0,
    hardState: NO_HARD_STATE,
    terms: new LogTerms({ index: 0, term: 0 }),
    changes: [],
    appliedIndex: 0,
    random: () => 0,
    tuning: DEFAULT_TUNING,
  });
  for (let ready = core.ready(); ready !== undefined; ready = core.ready()) core.advance(ready);
  const command = new Uint8Array(120);
  const output = new WireOutput({
    write: () => true,
    congested: false,
    drained: () => Promise.resolve(),
  });
  output.shape(accountFields, []);
  const bind = Buffer.from(
    '420000002000503000005030000001000000010000000000043132333400000000450000000900000000005300000004',
    'hex',
  );
  const framer = new MessageFramer();
  framer.startupDone();
  const cache = new RowCache(64 << 20);
  const cached = Array.from({ length: 100_000 }, (_, i) => keyOf(i));
  cached.forEach((one, i) => cache.put(one, hashBytes(one), timestamp(1000 + i), row));
  const found = { bytes: row, offset: 0, length: 0, timestamp: timestamp(0) };
  const present = timestamp(1_000_000_000);
  let at = 0;
  const book = new LoadBook(0);
  const cold = book.open();
  const warm = book.open();
  // As it is while 20,000 reads a second are asked of it.
  for (let sweep = 1; sweep <= 20; sweep++) {
    for (let i = 0; i < 10_000; i++) {
      at = (at + 7919) % cached.length;
      warm.read(cached[at] as Uint8Array, 100);
    }
    book.sweep(sweep * 500_000, 5000);
  }
  const table = { start: keyOf(-1), end: undefined };
  const idle = new LoadBook(0);
  for (let i = 0; i < 2000; i++) idle.open();
  let idleMicros = 0;
  return {
    'key: encode int4': () => {
      writer.reset();
      writer.u32be(100);
      encodeKeyDatum(writer, INT4, 4711, false, false);
      sink += writer.length;
    },
    'key: encode (uuid, timestamp, text)': () => {
      writer.reset();
      writer.u32be(100);
      encodeKeyDatum(writer, UUID, '6ba7b810-9dad-11d1-80b4-00c04fd430c8', false, false);
      encodeKeyDatum(writer, TIMESTAMP, 700_000_000_000_000, true, false);
      encodeKeyDatum(writer, TEXT, 'a name of some length', false, false);
      sink += writer.length;
    },
    'row: encode 4 columns': () => {
      sink += encodeRow(accounts, account).length;
    },
    'row: read 1 of 4 columns': () => {
      view.reset(accounts, row, 0, row.length);
      sink += view.datum(2) as number;
    },
    'wire: row of 4 columns to text': () => {
      view.reset(accounts, row, 0, row.length);
      output.stored(view, [0, 1, 2, 3]);
      if (output.full) sink++;
    },
    'wire: frame Bind, Execute, Sync': () => {
      framer.push(bind);
      while (framer.next()) sink += framer.type;
    },
    'locks: one exclusive key, taken and released': () => {
      const owner = new LockOwner('', timestamp(transaction++));
      locks.tryKey(owner, key, hash, true);
      locks.release(owner);
    },
    'raft: propose, ready, advance, commit': () => {
      core.propose(command);
      const ready = core.ready();
      if (ready !== undefined) core.advance(ready);
      const last = core.takeCommitted()?.last ?? 0;
      if (last % 1024 === 0) core.compacted(last);
      sink += last;
    },
    'cache: hash and look up': () => {
      at = (at + 7919) % cached.length;
      const one = cached[at] as Uint8Array;
      if (cache.lookup(one, hashBytes(one), present, found) === 'hit') sink++;
    },
    'load: a read of a cold range': () => {
      cold.read(cached[(at = (at + 7919) % cached.length)] as Uint8Array, 100);
    },
    'load: a read of a warm range': () => {
      warm.read(cached[(at = (at + 7919) % cached.length)] as Uint8Array, 100);
    },
    'load: a sweep over 2,000 ranges': () => {
      idle.sweep((idleMicros += 500_000), 5000);
    },
    'load: the choice of a split key': () => {
      const requests = warm.sample?.within(table, 0) ?? [];
      if (chooseSplit(requests, table).kind === 'balanced') sink++;
    },
    'sql: fingerprint of a point SELECT': () => {
      sink += fingerprint('SELECT abalance FROM pgbench_accounts WHERE aid = 12345').count;
    },
  };
}

export async function micro(options: BenchOptions): Promise<void> {
  const cases: Case[] = [];
  for (const [name, run] of Object.entries(pieces())) {
    const nanoseconds: number[] = [];
    for (let round = 0; round < (options.short ? 1 : 5); round++) {
      const one = new Benchmark(
        name,
        run,
        options.short ? { maxTime: 0.05, minSamples: 3 } : { maxTime: 0.5 },
      );
      one.run();
      if (one.error !== undefined) throw one.error as Error;
      nanoseconds.push(1e9 / one.hz);
    }
    progress(`${name}: ${nanoseconds.map((ns) => ns.toFixed(0)).join(' ')} ns`);
    cases.push({ name, unit: 'ns', ours: nanoseconds, peer: [], smallerIsBetter: true });
  }
  if (!Number.isFinite(sink)) throw new Error('the pieces gave no numbers');
  report('micro', 'none', cases);
}

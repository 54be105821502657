// Scans of 1M rows of ten columns on one node, while the table has 1, 50 and 500 ranges, against PostgreSQL 15 and, for
// the full scan, against the bare engine. Before anything is measured, each query's rows are compared with PostgreSQL's,
// byte by byte as they come over the wire; then both are warmed, and the client counts rows and throws them away. At the
// end, what memory a full scan takes whose client does not read. BENCH_ROWS and BENCH_ROUNDS make it shorter.

import { join } from 'node:path';
import { ByteWriter } from '../src/base/bytes.ts';
import { encodeKeyDatum } from '../src/rows/key-codec.ts';
import { encodeRow, layoutOf } from '../src/rows/row-codec.ts';
import { columnType, FLOAT8, INT4, INT8, TEXT, TIMESTAMPTZ } from '../src/rows/types.ts';
import { openRocksEngine } from '../src/storage/rocksdb-engine.ts';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import {
  residentMegabytes,
  startMeridian,
  startPostgres,
  type System,
  workDirectory,
} from './lib/processes.ts';
import { RawClient, type Summed } from './lib/raw-client.ts';
import { type Case, median, progress, report } from './lib/report.ts';

const TABLE = `CREATE TABLE scanned (
  id int8 PRIMARY KEY, a int4, b int4, c int8, d float8, e text, f text, g timestamptz, h int4, i text)`;
const WRITES_AT_ONCE = 2000;
/** Of the queries that are many, so many are compared. */
const COMPARED_MAX = 50;
const UNREAD_MILLISECONDS = 4000;
/** Of each system with each query, before it is measured. */
const WARM_MILLISECONDS = 2000;

interface Query {
  readonly name: string;
  /** Rows that it has to look at. */
  readonly looked: number;
  readonly times: number;
  /** Its rows have an order. */
  readonly isOrdered?: boolean;
  text(turn: number): string;
}

function queries(rows: number, short: boolean): readonly Query[] {
  const tenth = rows / 10;
  return [
    { name: 'full', looked: rows, times: 1, text: () => 'SELECT * FROM scanned' },
    {
      name: 'a tenth',
      looked: tenth,
      times: 1,
      text: () => `SELECT * FROM scanned WHERE id >= ${4 * tenth} AND id < ${5 * tenth}`,
    },
    {
      name: '100 rows',
      looked: 100,
      times: short ? 20 : 1000,
      text: (turn) => {
        const first = (turn * 7919 * 101) % (rows - 100);
        return `SELECT * FROM scanned WHERE id >= ${first} AND id < ${first + 100}`;
      },
    },
    {
      name: 'reverse',
      looked: rows,
      times: 1,
      isOrdered: true,
      text: () => 'SELECT * FROM scanned ORDER BY id DESC',
    },
    {
      name: 'with a 1% filter',
      looked: rows,
      times: 1,
      text: () => 'SELECT * FROM scanned WHERE a < 100',
    },
    {
      name: 'with an aggregate',
      looked: rows,
      times: 1,
      text: () => 'SELECT b, sum(a), min(d), max(d) FROM scanned GROUP BY b',
    },
  ];
}

function* lines(rows: number): Generator<string> {
  for (let id = 0; id < rows; id++) {
    yield `${valuesOf(id)
      .map((value, i) => (i === 7 ? '2026-01-01 00:00:00+00' : value))
      .join('\t')}\n`;
  }
}

function valuesOf(id: number): readonly (number | string)[] {
  const mixed = Math.imul(id, 0x9e3779b1) >>> 0;
  return [
    id,
    mixed % 10_000,
    mixed % 100,
    id * 1_000_003,
    mixed / 7,
    `customer ${mixed % 50_000}`,
    'a comment of middling length',
    820_454_400_000_000,
    id % 7,
    `status ${mixed % 5}`,
  ];
}

export async function rangeScan(options: BenchOptions): Promise<void> {
  const rows = options.short ? 20_000 : numberOf('BENCH_ROWS', 1_000_000);
  const rounds = options.short ? 1 : numberOf('BENCH_ROUNDS', 5);
  const directory = workDirectory();
  const theirs = await startPostgres(directory);
  if (theirs === undefined) progress('skipped: PostgreSQL 15 is not installed');
  const ours = await startMeridian(directory);
  const systems = [ours, ...(theirs === undefined ? [] : [theirs])];
  const clients = new Map<System, RawClient>();
  try {
    for (const system of systems) {
      const { host, port, user, database } = system;
      const client = await RawClient.connect(host, port, user, database);
      clients.set(system, client);
      const began = performance.now();
      // A load of any size goes into a table that its transaction made.
      await client.query('BEGIN');
      await client.query(TABLE);
      await client.copyIn('COPY scanned FROM STDIN', lines(rows));
      await client.query('COMMIT');
      progress(`${system.name}: ${rows} rows loaded in ${seconds(began)} s`);
      if (system === theirs) await client.query('VACUUM ANALYZE scanned');
    }
    const client = clients.get(ours) as RawClient;
    // Ranges are what is measured: none comes or goes by itself.
    await client.query("SET CLUSTER SETTING range.split_by_load = 'off'");
    await client.query("SET CLUSTER SETTING range.bytes_max = '8GiB'");
    const engine = await bareEngine(join(directory, 'engine'), rows, rounds);
    const cases: Case[] = [];
    const rates = new Map<string, number[]>();
    for (const ranges of options.short ? [1, 5] : [1, 50, 500]) {
      await splitInto(client, rows, ranges);
      const counted = await client.query('SHOW RANGES FROM TABLE scanned');
      progress(`${counted.rows} ranges`);
      for (const query of chosenPhases(queries(rows, options.short), options)) {
        const expected = await compare([...clients.values()], query);
        if (!options.short) for (const one of clients.values()) await warm(one, query);
        const runs = new Map<System, number[]>(systems.map((system) => [system, []]));
        for (let round = 0; round < rounds; round++) {
          for (const system of systems) {
            const rate = await measure(clients.get(system) as RawClient, query, expected);
            runs.get(system)?.push(rate);
          }
        }
        const name = `${query.name}, ${ranges} ${ranges === 1 ? 'range' : 'ranges'}`;
        const mine = runs.get(ours) ?? [];
        rates.set(`${query.name}/${ranges}`, mine);
        progress(`${name}: ${Math.round(median(mine))} rows/s`);
        const peer = theirs === undefined ? [] : (runs.get(theirs) ?? []);
        cases.push({ name, unit: 'rows/s', ours: mine, peer });
        if (query.name === 'full') {
          cases.push({
            name: `${name} (peer: the bare engine)`,
            unit: 'rows/s',
            ours: mine,
            peer: engine,
          });
        }
        if (ranges > 1) {
          const one = rates.get(`${query.name}/1`) ?? [];
          cases.push({
            name: `${name} (peer: one range)`,
            unit: 'rows/s',
            ours: mine,
            peer: one,
          });
        }
      }
    }
    cases.push({
      name: 'memory of a full scan whose client does not read',
      unit: 'MB',
      ours: [await unread(client, ours, rows)],
      peer: [],
      smallerIsBetter: true,
    });
    report('range-scan', 'postgres', cases);
  } finally {
    for (const client of clients.values()) client.close();
    for (const system of systems) await system.stop();
  }
}

async function splitInto(client: RawClient, rows: number, ranges: number): Promise<void> {
  if (ranges === 1) return;
  const keys = Array.from({ length: ranges - 1 }, (_, i) => Math.floor(((i + 1) * rows) / ranges));
  const began = performance.now();
  await client.query(
    `ALTER TABLE scanned SPLIT AT VALUES ${keys.map((key) => `(${key})`).join(', ')}`,
  );
  progress(`split into ${ranges} in ${seconds(began)} s`);
}

/** Runs it once in each system, which warms it, too. Throws when they differ. Answers how many rows it has. */
async function compare(clients: readonly RawClient[], query: Query): Promise<number> {
  let found = 0;
  for (let turn = 0; turn < Math.min(query.times, COMPARED_MAX); turn++) {
    const text = query.text(turn);
    let expected: Summed | undefined;
    for (const client of clients) {
      const summed = await client.summed(text);
      expected ??= summed;
      found = summed.rows;
      const isSame =
        summed.rows === expected.rows &&
        summed.sum === expected.sum &&
        (query.isOrdered !== true || summed.chain === expected.chain);
      if (!isSame) {
        const told = [summed, expected].map((one) => JSON.stringify(one)).join(' and ');
        throw new Error(`${text}: the systems differ: ${told}`);
      }
    }
  }
  return found;
}

/** Caches and compilers have seen it by then. */
async function warm(client: RawClient, query: Query): Promise<void> {
  const until = performance.now() + WARM_MILLISECONDS;
  for (let turn = 0; performance.now() < until; turn = (turn + 1) % query.times) {
    await client.query(query.text(turn));
  }
}

/** Rows looked at in a second. */
async function measure(client: RawClient, query: Query, expected: number): Promise<number> {
  const began = performance.now();
  for (let turn = 0; turn < query.times; turn++) {
    const { rows } = await client.query(query.text(turn));
    if (rows !== expected) {
      throw new Error(`${query.text(turn)}: ${rows} rows in place of ${expected}`);
    }
  }
  return (query.looked * query.times * 1000) / (performance.now() - began);
}

/** By how much the node grows, in MB, while nobody reads what it has to say. */
async function unread(client: RawClient, system: System, rows: number): Promise<number> {
  const before = residentMegabytes(system.pid);
  client.pause();
  const counting = client.query('SELECT * FROM scanned');
  let most = before;
  const until = performance.now() + UNREAD_MILLISECONDS;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    most = Math.max(most, residentMegabytes(system.pid));
  }
  client.resume();
  const counted = await counting;
  if (counted.rows !== rows) throw new Error(`${counted.rows} rows in place of ${rows}`);
  progress(`resident before ${before.toFixed(0)} MB, at most ${most.toFixed(0)} MB`);
  return most - before;
}

/** Rows a second of a scan that does nothing with them. */
async function bareEngine(path: string, rows: number, rounds: number): Promise<number[]> {
  const engine = await openRocksEngine(path);
  const layout = layoutOf(
    [INT8, INT4, INT4, INT8, FLOAT8, TEXT, TEXT, TIMESTAMPTZ, INT4, TEXT].map((type) =>
      columnType(type),
    ),
  );
  const writer = new ByteWriter(16);
  for (let from = 0; from < rows; from += WRITES_AT_ONCE) {
    await engine.write(
      Array.from({ length: Math.min(WRITES_AT_ONCE, rows - from) }, (_, i) => {
        writer.reset();
        writer.u8(1);
        writer.u32be(100);
        encodeKeyDatum(writer, INT8, from + i, false, false);
        const value = encodeRow(layout, valuesOf(from + i));
        return { kind: 'put' as const, key: writer.bytes.slice(0, writer.length), value };
      }),
    );
  }
  await engine.flush();
  const runs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    let counted = 0;
    const span = { start: Uint8Array.of(0), end: undefined };
    for await (const batch of engine.scan(span, { batchBytes: 1 << 18 }))
      counted += batch.keys.length;
    if (counted !== rows) throw new Error(`the engine has ${counted} rows in place of ${rows}`);
    runs.push((rows * 1000) / (performance.now() - began));
  }
  await engine.close();
  progress(`the bare engine: ${Math.round(median(runs))} rows/s`);
  return runs;
}

function numberOf(variable: string, otherwise: number): number {
  const value = Number(process.env[variable] ?? otherwise);
  if (!(value >= 1)) throw new Error(`${variable} must be a number`);
  return value;
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}

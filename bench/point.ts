// Single-row work against PostgreSQL 15 with its defaults, both driven by pgbench, alternating: SELECT by primary key
// with a warm cache and with a cache for a tenth of the rows, and durable INSERT of one row.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { initialise, measure, pgbenchInstalled } from './lib/pgbench.ts';
import {
  query,
  residentMegabytes,
  startMeridian,
  startPostgres,
  type System,
  workDirectory,
} from './lib/processes.ts';
import { type Case, progress, report } from './lib/report.ts';
import type { BenchOptions } from './lib/options.ts';

const INSERT = `\\set id random(1, 9007199254740991)
INSERT INTO bench_insert (id, payload) VALUES (:id, 'a payload of about a hundred bytes, as rows of real tables have: some text, a name, a date, an amount');
`;
const CREATE_INSERT = 'CREATE TABLE bench_insert (id bigint PRIMARY KEY, payload text NOT NULL)';

export async function point(options: BenchOptions): Promise<void> {
  if (!pgbenchInstalled()) {
    progress('skipped: pgbench is not installed (Debian: postgresql-15)');
    return;
  }
  const scale = options.short ? 1 : 10;
  const seconds = options.short ? 1 : 8;
  const rounds = options.short ? 1 : 5;
  const directory = workDirectory();
  const insertFile = join(directory, 'insert.sql');
  writeFileSync(insertFile, INSERT);
  const theirs = await startPostgres(directory);
  if (theirs === undefined)
    progress('skipped: PostgreSQL 15 is not installed; ours alone is measured');
  const ours = await startMeridian(directory);
  // Rows are cached with a tenth of what all of them take (about 180 bytes a row with its overhead).
  const small = await startMeridian(directory, ['--cache-mb', String(Math.max(2, scale * 2))]);
  const systems = [ours, small, ...(theirs === undefined ? [] : [theirs])];
  try {
    for (const system of systems) {
      progress(`${system.name}: loading ${scale * 100_000} rows`);
      await initialise(system, scale);
      await query(system, CREATE_INSERT);
    }
    const select = ['-S', '-M', 'prepared', '-c', '8', '-j', '2', '-T', String(seconds)];
    const insert = [
      '-f',
      insertFile,
      '-M',
      'prepared',
      '-c',
      '16',
      '-j',
      '2',
      '-T',
      String(seconds),
    ];
    const figures = new Map<string, number[]>();
    const take = async (name: string, system: System, args: readonly string[]): Promise<void> => {
      const { transactionsPerSecond } = await measure(system, args);
      progress(`${name}: ${Math.round(transactionsPerSecond)}/s`);
      figures.set(name, [...(figures.get(name) ?? []), transactionsPerSecond]);
    };
    await warm(ours, scale);
    for (const system of systems) await measure(system, select);
    let resident = residentMegabytes(ours.pid);
    for (let round = 0; round < rounds; round++) {
      await take('select', ours, select);
      resident = Math.max(resident, residentMegabytes(ours.pid));
      if (theirs !== undefined) await take('select peer', theirs, select);
      await take('select small', small, select);
    }
    for (let round = 0; round < rounds; round++) {
      await take('insert', ours, insert);
      if (theirs !== undefined) await take('insert peer', theirs, insert);
    }
    const got = (name: string): readonly number[] => figures.get(name) ?? [];
    const cases: Case[] = [
      {
        name: 'SELECT by key, 8 clients, cache warm',
        unit: '/s',
        ours: got('select'),
        peer: got('select peer'),
      },
      {
        name: 'SELECT by key, 8 clients, a tenth cached',
        unit: '/s',
        ours: got('select small'),
        peer: got('select peer'),
      },
      {
        name: 'INSERT of one row, 16 clients',
        unit: '/s',
        ours: got('insert'),
        peer: got('insert peer'),
      },
      { name: 'resident memory while selecting', unit: 'MB', ours: [resident], peer: [] },
    ];
    report('point', 'postgres', cases);
  } finally {
    for (const system of systems) await system.stop();
  }
}

/** Every row is read once, so that the cache holds what it can. */
async function warm(system: System, scale: number): Promise<void> {
  await measure(system, [
    '-S',
    '-M',
    'prepared',
    '-c',
    '8',
    '-j',
    '2',
    '-t',
    String(scale * 20_000),
  ]);
}

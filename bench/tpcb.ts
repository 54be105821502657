// TPC-B as pgbench has it, scale 10, prepared, 8 clients, ours (serializable) against PostgreSQL 15 at its default
// (read committed), alternating. Afterwards the sums of branches, tellers, accounts and history must agree.

import { initialise, measure, pgbenchInstalled } from './lib/pgbench.ts';
import {
  query,
  startMeridian,
  startPostgres,
  type System,
  workDirectory,
} from './lib/processes.ts';
import { type Case, progress, report } from './lib/report.ts';
import type { BenchOptions } from './lib/options.ts';

const SUMS = [
  'SELECT sum(bbalance) AS sum FROM pgbench_branches',
  'SELECT sum(tbalance) AS sum FROM pgbench_tellers',
  'SELECT sum(abalance) AS sum FROM pgbench_accounts',
  'SELECT sum(delta) AS sum FROM pgbench_history',
];

export async function tpcb(options: BenchOptions): Promise<void> {
  if (!pgbenchInstalled()) {
    progress('skipped: pgbench is not installed (Debian: postgresql-15)');
    return;
  }
  const scale = options.short ? 1 : 10;
  const seconds = options.short ? 2 : 8;
  const rounds = options.short ? 1 : 5;
  const directory = workDirectory();
  const theirs = await startPostgres(directory);
  if (theirs === undefined)
    progress('skipped: PostgreSQL 15 is not installed; ours alone is measured');
  const ours = await startMeridian(directory);
  const systems = [ours, ...(theirs === undefined ? [] : [theirs])];
  const loads = new Map<System, number>();
  const runs = new Map<System, number[]>(systems.map((system) => [system, []]));
  const failures = new Map<System, number>();
  const retries = new Map<System, number>();
  try {
    for (const system of systems) {
      loads.set(system, await initialise(system, scale));
      progress(`${system.name}: pgbench -i -s ${scale} took ${loads.get(system)?.toFixed(1)} s`);
    }
    const args = ['-M', 'prepared', '-c', '8', '-j', '2', '-T', String(seconds), '--max-tries=100'];
    for (let round = 0; round <= rounds; round++) {
      for (const system of systems) {
        const result = await measure(system, args);
        progress(
          `${system.name}: ${Math.round(result.transactionsPerSecond)} tps, ${result.failed} failed, ${result.retried} retried`,
        );
        failures.set(system, (failures.get(system) ?? 0) + result.failed);
        retries.set(system, (retries.get(system) ?? 0) + result.retried);
        // The first round warms up.
        if (round > 0) runs.get(system)?.push(result.transactionsPerSecond);
      }
    }
    for (const system of systems) await checkSums(system);
    const of = <T>(map: ReadonlyMap<System, T>, system: System | undefined): T[] =>
      system === undefined || !map.has(system) ? [] : [map.get(system) as T];
    const cases: Case[] = [
      {
        name: `TPC-B, scale ${scale}, 8 clients`,
        unit: 'tps',
        ours: runs.get(ours) ?? [],
        peer: theirs === undefined ? [] : (runs.get(theirs) ?? []),
      },
      { name: 'failed transactions', unit: '', ours: of(failures, ours), peer: [] },
      { name: 'retried transactions', unit: '', ours: of(retries, ours), peer: [] },
      {
        name: `pgbench -i -s ${scale}`,
        unit: 's',
        ours: of(loads, ours),
        peer: of(loads, theirs),
        smallerIsBetter: true,
      },
    ];
    report('tpcb', 'postgres', cases);
  } finally {
    for (const system of systems) await system.stop();
  }
}

async function checkSums(system: System): Promise<void> {
  const sums: string[] = [];
  for (const text of SUMS) {
    const sum = (await query(system, text))[0]?.['sum'] as string | null | undefined;
    sums.push(sum ?? '0');
  }
  progress(`${system.name}: sums of branches, tellers, accounts, history: ${sums.join(', ')}`);
  if (new Set(sums).size !== 1)
    throw new Error(`${system.name}: the sums disagree: ${sums.join(', ')}`);
}

// Runs pgbench and reads what it measured.

import { spawn } from 'node:child_process';
import { postgresProgram, type System } from './processes.ts';

export interface PgbenchResult {
  readonly transactionsPerSecond: number;
  readonly latencyMillis: number;
  readonly failed: number;
  readonly retried: number;
  readonly processed: number;
}

export function pgbenchInstalled(): boolean {
  return postgresProgram('pgbench') !== undefined;
}

function run(system: System, args: readonly string[]): Promise<string> {
  const program = postgresProgram('pgbench') as string;
  const child = spawn(
    program,
    ['-h', system.host, '-p', String(system.port), '-U', system.user, ...args, system.database],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PGCONNECT_TIMEOUT: '10' } },
  );
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err = (err + chunk.toString()).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(out);
      else
        reject(
          new Error(`pgbench ${args.join(' ')} against ${system.name} failed:\n${err}\n${out}`),
        );
    });
  });
}

/** Seconds that pgbench -i took. */
export async function initialise(system: System, scale: number): Promise<number> {
  const started = performance.now();
  await run(system, ['-i', '-q', '-s', String(scale)]);
  return (performance.now() - started) / 1000;
}

export async function measure(system: System, args: readonly string[]): Promise<PgbenchResult> {
  const out = await run(system, ['-n', ...args]);
  const number = (pattern: RegExp): number => Number(pattern.exec(out)?.[1] ?? Number.NaN);
  const tps = number(/tps = ([\d.]+)/);
  if (!Number.isFinite(tps)) throw new Error(`pgbench said no tps:\n${out}`);
  return {
    transactionsPerSecond: tps,
    latencyMillis: number(/latency average = ([\d.]+)/),
    failed: number(/number of failed transactions: (\d+)/) || 0,
    retried: number(/number of transactions retried: (\d+)/) || 0,
    processed: number(/number of transactions actually processed: (\d+)/),
  };
}

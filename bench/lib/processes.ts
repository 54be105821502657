// Starts and stops the systems that are measured: a node of ours from dist, and a PostgreSQL of its own on the same
// disk with its defaults. Both live in one temporary directory that goes when the benchmark ends.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

export interface System {
  readonly name: string;
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export const CLI: string = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

/** Beside the working directory, so that both systems stand on the disk that the project stands on. */
export function workDirectory(): string {
  const directory = mkdtempSync(join(process.cwd(), '.bench-'));
  chmodSync(directory, 0o755);
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Below what systems give out by themselves, to outgoing connections for one. */
const PORTS_FROM = 10_240;
/** Tests that run beside each other have ports of their own. */
const PORTS_EACH = 3000;
const WORKERS_MAX = 7;

let nextPort: number | undefined;

/** One that nobody listens at, nor was given here before; with `span`, those that follow were not given either. */
export async function freePort(span = 1): Promise<number> {
  const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS_MAX;
  const from = PORTS_FROM + worker * PORTS_EACH;
  nextPort ??= from + Math.floor(Math.random() * PORTS_EACH);
  for (;;) {
    if (nextPort + span > from + PORTS_EACH) nextPort = from;
    const port = nextPort;
    nextPort += span;
    if (await isFree(port)) return port;
  }
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A program of PostgreSQL, wherever the system keeps it; undefined when it is not installed. */
export function postgresProgram(name: string): string | undefined {
  const roots = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'];
  const places = roots.flatMap((root) =>
    existsSync(root)
      ? readdirSync(root)
          .filter((entry) => /^(15|postgresql@15)$/.test(entry))
          .map((entry) => join(root, entry, 'bin', name))
      : [],
  );
  const found = [
    ...places,
    ...(process.env['PATH'] ?? '').split(':').map((dir) => join(dir, name)),
  ];
  return found.find((path) => existsSync(path));
}

/** Until a statement is answered there. */
export function untilServing(url: string): Promise<void> {
  return untilReady(url, { exitCode: null }, () => '');
}

async function untilReady(
  url: string,
  child: Pick<ChildProcess, 'exitCode'>,
  log: () => string,
): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (child.exitCode !== null) throw new Error(`it stopped at once:\n${log()}`);
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
      return;
    } catch {
      await client.end().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`it did not answer within 30 s:\n${log()}`);
}

export function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

export async function startMeridian(
  directory: string,
  extraArguments: readonly string[] = [],
): Promise<System> {
  const [sql, rpc, http] = [await freePort(), await freePort(), await freePort()];
  const data = join(directory, `meridian-${sql}`);
  const nodeArguments = (process.env['BENCH_NODE_ARGS'] ?? '').split(' ').filter((a) => a !== '');
  const child = spawn(
    process.execPath,
    [
      ...nodeArguments,
      CLI,
      'start',
      ...['--data', data, '--sql', `127.0.0.1:${sql}`, '--rpc', `127.0.0.1:${rpc}`],
      ...['--http', `127.0.0.1:${http}`, ...extraArguments],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let log = '';
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const url = `postgres://root@127.0.0.1:${sql}/defaultdb`;
  process.on('exit', () => child.kill('SIGKILL'));
  await untilReady(url, child, () => log);
  return {
    name: 'meridian',
    url,
    host: '127.0.0.1',
    port: sql,
    user: 'root',
    database: 'defaultdb',
    pid: child.pid as number,
    stop: () => ended(child, 'SIGTERM'),
  };
}

/** Undefined when PostgreSQL 15 is not installed. Everything as it comes, but for no Unix socket in a shared place. */
export async function startPostgres(directory: string): Promise<System | undefined> {
  const initdb = postgresProgram('initdb');
  const postgres = postgresProgram('postgres');
  if (initdb === undefined || postgres === undefined) return undefined;
  const data = join(directory, 'postgres');
  mkdirSync(data, { mode: 0o700 });
  // PostgreSQL refuses to run as root.
  const owner =
    process.getuid?.() === 0
      ? {
          uid: Number(execFileSync('id', ['-u', 'postgres']).toString()),
          gid: Number(execFileSync('id', ['-g', 'postgres']).toString()),
        }
      : {};
  if ('uid' in owner) execFileSync('chown', ['postgres', data]);
  execFileSync(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'], {
    ...owner,
    stdio: 'ignore',
    cwd: data,
  });
  const port = await freePort();
  const child = spawn(postgres, ['-D', data, '-p', String(port), '-k', data, '-h', '127.0.0.1'], {
    ...owner,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: data,
  });
  let log = '';
  const keep = (chunk: Buffer): void => {
    log = (log + chunk.toString()).slice(-20_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  process.on('exit', () => child.kill('SIGQUIT'));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await untilReady(url, child, () => log);
  return {
    name: 'postgres',
    url,
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    pid: child.pid as number,
    stop: () => ended(child, 'SIGINT'),
  };
}

/** Resident memory in MB. */
export function residentMegabytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) / 1024;
}

/** At a node whose SQL is there, once it is served: statement by statement, and what the last one answered. */
export async function sqlAt(
  address: string,
  statements: readonly string[],
): Promise<readonly Record<string, unknown>[]> {
  const url = `postgres://root@${address}/defaultdb`;
  await untilServing(url);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let rows: readonly Record<string, unknown>[] = [];
    for (const text of statements) ({ rows } = await client.query(text));
    return rows;
  } finally {
    await client.end();
  }
}

export async function query(
  system: System,
  text: string,
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: system.url });
  await client.connect();
  try {
    const result = await client.query(text);
    return result.rows as readonly Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

// A throw-away PostgreSQL, where one is installed, to hold what we expect of SQL against the original.

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { WireClient } from '../../e2e/wire-client.ts';
import { freePort } from '../../../bench/lib/processes.ts';

/** Its answers depend on the version in words and positions. */
const BINARIES = '/usr/lib/postgresql/15/bin';

/** PostgreSQL refuses to run as root; its package makes a user of this name. */
function owner(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Whether one can be started here. */
export function hasPostgres(): boolean {
  try {
    owner();
    return existsSync(join(BINARIES, 'postgres'));
  } catch {
    return false;
  }
}

export class Postgres {
  readonly port: number;
  readonly #directory: string;
  readonly #stop: () => Promise<void>;

  private constructor(port: number, directory: string, stop: () => Promise<void>) {
    this.port = port;
    this.#directory = directory;
    this.#stop = stop;
  }

  static async start(): Promise<Postgres> {
    const as = owner();
    const directory = mkdtempSync('/tmp/meridian-postgres-');
    if (as.uid !== undefined && as.gid !== undefined) chownSync(directory, as.uid, as.gid);
    const data = join(directory, 'data');
    const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-locale', '-E', 'UTF8', '-N'];
    execFileSync(join(BINARIES, 'initdb'), init, { stdio: 'ignore', ...as });
    const port = await freePort();
    const settings = [
      'fsync=off',
      'listen_addresses=127.0.0.1',
      'timezone=UTC',
      'log_timezone=UTC',
    ];
    const server = spawn(
      join(BINARIES, 'postgres'),
      ['-D', data, '-p', String(port), '-k', directory, ...settings.flatMap((s) => ['-c', s])],
      { stdio: ['ignore', 'ignore', 'pipe'], ...as },
    );
    const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      let said = '';
      server.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('ready to accept connections')) resolve();
      });
      void exited.then(() => reject(new Error(said)));
    });
    return new Postgres(port, directory, async () => {
      server.kill('SIGINT');
      await exited;
    });
  }

  /** To a database of its own. */
  async connect(database: string): Promise<WireClient> {
    const first = await WireClient.connect(this.port, 'postgres', 'postgres');
    await first.query(`CREATE DATABASE "${database}"`);
    first.end();
    return WireClient.connect(this.port, 'postgres', database);
  }

  async stop(): Promise<void> {
    await this.#stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

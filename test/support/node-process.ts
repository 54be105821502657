// A node as a process of its own, from the build, for tests that kill it.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, isFree } from '../../bench/lib/processes.ts';

export const CLI: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'meridian-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface NodePorts {
  readonly sql: number;
  readonly rpc: number;
  readonly http: number;
}

export async function nodePorts(): Promise<NodePorts> {
  return { sql: await freePort(), rpc: await freePort(), http: await freePort() };
}

/** Of node 1: with it, and with what follows at distances of 10, the ports of so many nodes are free. */
export async function freeBasePort(nodes: number): Promise<number> {
  for (;;) {
    const base = await freePort(10 * nodes);
    const ports = Array.from(
      { length: nodes * 3 },
      (_, i) => base + (i % 3) + 10 * Math.floor(i / 3),
    );
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return base;
  }
}

/** Runs a command of ours to its end. */
export function runCommand(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

export class NodeProcess {
  readonly child: ChildProcess;
  readonly ports: NodePorts;
  readonly url: string;
  #output = '';
  readonly #exited: Promise<number | null>;

  constructor(dataDirectory: string, ports: NodePorts, extra: readonly string[] = []) {
    this.ports = ports;
    this.url = `postgres://root@127.0.0.1:${ports.sql}/defaultdb`;
    this.child = spawn(
      process.execPath,
      [
        CLI,
        'start',
        ...['--data', dataDirectory, '--sql', `127.0.0.1:${ports.sql}`],
        ...['--rpc', `127.0.0.1:${ports.rpc}`, '--http', `127.0.0.1:${ports.http}`],
        ...extra,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const keep = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    this.child.stdout?.on('data', keep);
    this.child.stderr?.on('data', keep);
    this.#exited = new Promise((resolve) => this.child.once('exit', (code) => resolve(code)));
  }

  get output(): string {
    return this.#output;
  }

  /** Resolves when it says that it serves; rejects with its output when it ends first. */
  ready(): Promise<void> {
    return this.says('postgres://');
  }

  /** Resolves when its output has the text; rejects with its output when it ends first. */
  says(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#output.includes(text)) resolve();
      };
      this.child.stdout?.on('data', look);
      this.child.stderr?.on('data', look);
      void this.#exited.then((code) => reject(new Error(`ended with ${code}:\n${this.#output}`)));
      look();
    });
  }

  /** The exit code, null after a signal. */
  exited(): Promise<number | null> {
    return this.#exited;
  }

  async signal(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return await this.#exited;
  }
}

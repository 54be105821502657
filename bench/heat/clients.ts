// Starts the clients in a process of their own, so that what they take of the processor is theirs, and gathers what they
// say.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BEGAN, FromClients, ToClients } from './client-process.ts';
import { Latencies, type Workload } from './workloads.ts';

const PROGRAM = fileURLToPath(new URL('./client-process.js', import.meta.url));

export class ClientLoad {
  readonly seconds: FromClients[] = [];
  /** performance.now() of when they began. */
  readonly started: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.started = performance.now();
    child.on('message', (said: FromClients) => this.seconds.push(said));
  }

  /** Resolves as they begin. */
  static async start(
    urls: readonly string[],
    connections: number,
    workload: Workload,
  ): Promise<ClientLoad> {
    const child = fork(PROGRAM, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    process.on('exit', () => child.kill('SIGKILL'));
    const began = new Promise<void>((resolve) => {
      child.once('message', (_: typeof BEGAN) => resolve());
    });
    const run: ToClients = { kind: 'run', urls, connections, workload };
    child.send(run);
    await began;
    return new ClientLoad(child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const gone = new Promise<void>((resolve) => this.child.once('exit', () => resolve()));
    const stop: ToClients = { kind: 'stop' };
    this.child.send(stop);
    // One that waits for an answer which never comes.
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(timer);
  }

  /** Of what began in [from, to). */
  completedPerSecond(from: number, to: number): number {
    let completed = 0;
    let seconds = 0;
    for (const one of this.between(from, to)) {
      completed += one.completed;
      seconds += one.to - one.from;
    }
    return seconds === 0 ? 0 : completed / seconds;
  }

  percentileMillis(fraction: number, from: number, to: number): number {
    const all = new Latencies();
    for (const { latencies } of this.between(from, to)) all.merge(latencies);
    return all.percentile(fraction);
  }

  get failed(): number {
    return this.seconds.reduce((sum, { failed }) => sum + failed, 0);
  }

  get lastError(): string | undefined {
    return this.seconds.findLast(({ lastError }) => lastError !== undefined)?.lastError;
  }

  /** The longest time in which nothing was completed, to about a second. */
  longestSilence(since: number): number {
    let longest = 0;
    let silent = 0;
    for (const { from, to, completed } of this.seconds) {
      if (from < since) continue;
      silent = completed === 0 ? silent + to - from : 0;
      longest = Math.max(longest, silent);
    }
    return longest;
  }

  private between(from: number, to: number): readonly FromClients[] {
    return this.seconds.filter((one) => one.from >= from - 0.5 && one.from < to - 0.5);
  }
}

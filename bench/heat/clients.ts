// Starts the clients in a process of their own, so that what they take of the processor is theirs, and gathers what they
// say.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromClients, ToClients } from './client-process.ts';
import { Latencies, type Workload } from './workloads.ts';

const PROGRAM = fileURLToPath(new URL('./client-process.js', import.meta.url));

export class ClientLoad {
  readonly seconds: FromClients[] = [];
  /** performance.now() of when they began. */
  readonly started: number = performance.now();
  private readonly child: ChildProcess;

  constructor(urls: readonly string[], connections: number, workload: Workload) {
    this.child = fork(PROGRAM, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    process.on('exit', () => this.child.kill('SIGKILL'));
    this.child.on('message', (said: FromClients) => this.seconds.push(said));
    const run: ToClients = { kind: 'run', urls, connections, workload };
    this.child.send(run);
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

  /** Of the seconds in [from, to). */
  completedPerSecond(from: number, to: number): number {
    const some = this.seconds.filter(({ second }) => second >= from && second < to);
    return some.reduce((sum, { completed }) => sum + completed, 0) / Math.max(1, some.length);
  }

  percentileMillis(fraction: number, from: number, to: number): number {
    const all = new Latencies();
    for (const { second, latencies } of this.seconds) {
      if (second >= from && second < to) all.merge(latencies);
    }
    return all.percentile(fraction);
  }

  get failed(): number {
    return this.seconds.reduce((sum, { failed }) => sum + failed, 0);
  }

  get lastError(): string | undefined {
    return this.seconds.findLast(({ lastError }) => lastError !== undefined)?.lastError;
  }

  /** The longest time in which nothing was completed, in whole seconds. */
  longestSilence(from: number): number {
    let longest = 0;
    let now = 0;
    for (const { second, completed } of this.seconds) {
      if (second < from) continue;
      now = completed === 0 ? now + 1 : 0;
      longest = Math.max(longest, now);
    }
    return longest;
  }
}

// What groups cost that have nothing to do: many of them on three processes, over gRPC, once all sleep.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { IdleNodeSays } from './lib/idle-node.ts';
import type { BenchOptions } from './lib/options.ts';
import { ended, freePort, workDirectory } from './lib/processes.ts';
import { progress, report } from './lib/report.ts';

const NODE = fileURLToPath(new URL('lib/idle-node.js', import.meta.url));

class IdleNode {
  readonly child: ChildProcess;
  last: IdleNodeSays | undefined;

  constructor(id: number, directory: string, groups: number, addresses: string) {
    const own = join(directory, `idle-${id}`);
    this.child = spawn(process.execPath, [NODE, String(id), own, String(groups), addresses], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    process.on('exit', () => this.child.kill('SIGKILL'));
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.last = JSON.parse(line) as IdleNodeSays;
    });
  }
}

export async function idleGroups(options: BenchOptions): Promise<void> {
  const count = options.short ? 200 : 10_000;
  const seconds = options.short ? 2 : 30;
  const directory = workDirectory();
  const addresses: string[] = [];
  for (let i = 0; i < 3; i++) addresses.push(`127.0.0.1:${await freePort()}`);
  const nodes = [1, 2, 3].map((id) => new IdleNode(id, directory, count, addresses.join(',')));
  const started = performance.now();
  const says = (): (IdleNodeSays | undefined)[] => nodes.map((node) => node.last);
  try {
    for (;;) {
      await pause(1);
      const now = says();
      const led = now.reduce((sum, one) => sum + (one?.led ?? 0), 0);
      const awake = now.reduce((sum, one) => sum + (one?.awake ?? count), 0);
      progress(`${led} of ${count} groups have a leader, ${awake} replicas are awake`);
      if (led === count && awake === 0) break;
      const stopped = nodes.some((node) => node.child.exitCode !== null);
      if (stopped || performance.now() - started > 300_000) {
        throw new Error(stopped ? 'a node stopped' : 'the groups did not fall asleep in 300 s');
      }
    }
    const asleepSeconds = (performance.now() - started) / 1000;
    // What elections have left behind is cleaned up first.
    await pause(options.short ? 1 : 10);
    const before = says().map((one) => one?.cpuMicros ?? 0);
    await pause(seconds);
    const after = says();
    const shares = after.map(
      (one, i) => ((one?.cpuMicros ?? 0) - (before[i] as number)) / (seconds * 10_000),
    );
    const megabytes = after.map((one) => (one?.residentBytes ?? 0) / 1e6);
    const smaller = { peer: [], smallerIsBetter: true };
    report('idle-groups', 'none', [
      {
        name: `${count} groups on 3 nodes: a node's share of a core`,
        unit: '%',
        ours: shares,
        ...smaller,
      },
      { name: "a node's resident memory", unit: 'MB', ours: megabytes, ...smaller },
      { name: 'until all had a leader and slept', unit: 's', ours: [asleepSeconds], ...smaller },
    ]);
  } finally {
    await Promise.all(nodes.map((node) => ended(node.child, 'SIGKILL')));
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

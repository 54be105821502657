// How long nobody takes writes when the leader dies: kill -9, then puts at the others until one is accepted.

import { findLeader } from './lib/kv-client.ts';
import { startCluster } from './lib/cluster.ts';
import type { BenchOptions } from './lib/options.ts';
import { workDirectory } from './lib/processes.ts';
import { median, progress, report } from './lib/report.ts';

export async function failover(options: BenchOptions): Promise<void> {
  const kills = options.short ? 2 : 20;
  const cluster = await startCluster(workDirectory());
  const millis: number[] = [];
  try {
    const addresses = cluster.nodes.map((node) => node.rpc);
    for (let kill = 0; kill < kills; kill++) {
      const leader = await cluster.leader();
      const others = addresses.filter((address) => address !== leader.rpc);
      await leader.kill();
      const killed = performance.now();
      await findLeader(others, leader.rpc);
      millis.push(performance.now() - killed);
      progress(`kill ${kill + 1} of node ${leader.id}: ${Math.round(millis.at(-1) as number)} ms`);
      leader.restart();
      // The next kill must not take the majority: the node is back once it says where the leader is.
      await answering(leader.rpc);
    }
  } finally {
    await cluster.stop();
  }
  report('failover', 'none', [
    {
      name: 'first write after kill -9, median',
      unit: 'ms',
      ours: [median(millis)],
      peer: [],
      smallerIsBetter: true,
    },
    {
      name: 'the longest',
      unit: 'ms',
      ours: [Math.max(...millis)],
      peer: [],
      smallerIsBetter: true,
    },
  ]);
}

async function answering(address: string): Promise<void> {
  await findLeader([address]);
}

// Durable replicated puts of 100 bytes: three processes of ours against three members of etcd, on the same disk, driven
// by the same client code, alternating.

import { startCluster } from './lib/cluster.ts';
import { etcdInstalled, startEtcd } from './lib/etcd.ts';
import { PUT } from './lib/kv-client.ts';
import type { BenchOptions } from './lib/options.ts';
import { workDirectory } from './lib/processes.ts';
import { type Rate, unaryPuts } from './lib/put-load.ts';
import { streamPuts } from './lib/put-stream.ts';
import { type Case, progress, report } from './lib/report.ts';

const ETCD_PUT = '/etcdserverpb.KV/Put';

export async function put(options: BenchOptions): Promise<void> {
  const clientCounts = options.short ? [1, 16] : [1, 16, 64, 256];
  const rounds = options.short ? 1 : 5;
  const seconds = options.short ? 1 : 5;
  const directory = workDirectory();
  const etcd = etcdInstalled() ? await startEtcd(directory) : undefined;
  if (etcd === undefined)
    progress(
      'skipped: etcd is not installed (Debian: etcd-server, etcd-client); ours alone is measured',
    );
  const ours = await startCluster(directory);
  const figures = new Map<string, Rate[]>();
  const take = async (name: string, measured: Promise<Rate>): Promise<void> => {
    const rate = await measured;
    progress(
      `${name}: ${Math.round(rate.putsPerSecond)}/s, median ${rate.p50Millis.toFixed(2)} ms, p99 ${rate.p99Millis.toFixed(2)} ms`,
    );
    figures.set(name, [...(figures.get(name) ?? []), rate]);
  };
  try {
    const leader = (await ours.leader()).rpc;
    const warm = options.short ? 0.5 : 3;
    await unaryPuts(leader, PUT, 64, warm);
    await streamPuts(leader, 64, warm);
    if (etcd !== undefined) await unaryPuts(etcd.leader(), ETCD_PUT, 64, warm);
    for (let round = 0; round < rounds; round++) {
      for (const clients of clientCounts) {
        await take(`unary ${clients}`, unaryPuts(leader, PUT, clients, seconds));
        if (etcd !== undefined) {
          await take(`etcd ${clients}`, unaryPuts(etcd.leader(), ETCD_PUT, clients, seconds));
        }
        await take(`stream ${clients}`, streamPuts(leader, clients, seconds));
      }
    }
    const rates = (name: string): number[] =>
      (figures.get(name) ?? []).map(({ putsPerSecond }) => putsPerSecond);
    const cases: Case[] = [];
    for (const [api, label] of [
      ['unary', 'unary calls'],
      ['stream', 'our stream (another API)'],
    ] as const) {
      for (const clients of clientCounts) {
        cases.push({
          name: `put, ${clients} clients, ${label}`,
          unit: '/s',
          ours: rates(`${api} ${clients}`),
          peer: rates(`etcd ${clients}`),
        });
      }
    }
    report('put', 'etcd', cases);
  } finally {
    await ours.stop();
    await etcd?.stop();
  }
}

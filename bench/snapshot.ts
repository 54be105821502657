// A follower that missed everything gets a snapshot while clients write: how fast it moves, what memory it takes at
// either end, and what is left of the clients' throughput.

import { randomFillSync } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { BatchRequest, BatchResponse } from '../src/doors/kv/generated/kv.ts';
import type { NodeStatus } from '../src/node/status.ts';
import { clusterClient } from '../src/rpc/client.ts';
import { createNodeRuntime } from '../src/runtime/node/node-runtime.ts';
import { type ClusterNode, startCluster } from './lib/cluster.ts';
import type { BenchOptions } from './lib/options.ts';
import { residentMegabytes, workDirectory } from './lib/processes.ts';
import { streamPuts } from './lib/put-stream.ts';
import { freshKey } from './lib/put-load.ts';
import { type Case, progress, report } from './lib/report.ts';

const VALUE_BYTES = 1024;
const BATCH = 512;
const BATCHES_UNDERWAY = 8;
const CLIENTS = 16;
const { timers } = createNodeRuntime({ logLevel: 'error' });

export async function snapshot(options: BenchOptions): Promise<void> {
  const megabytes = options.short ? 40 : 1024;
  const quietSeconds = options.short ? 1 : 10;
  const cluster = await startCluster(workDirectory());
  try {
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader) as ClusterNode;
    await follower.kill();
    progress(`loading ${megabytes} MB while node ${follower.id} is away`);
    await load(leader.rpc, megabytes);
    const missing = (await statusOf(leader)).ranges[0]?.lastIndex ?? 0;
    progress('waiting until the log was cut');
    // Writes go on: the log is cut when there is something new, too.
    const before = await streamPuts(leader.rpc, CLIENTS, quietSeconds);
    if (!options.short) await pause(65);
    const memory = { leader: residentMegabytes(leader.pid()), follower: 0 };
    const peak = { leader: memory.leader, follower: 0 };
    follower.restart();
    const started = performance.now();
    const rates: number[] = [];
    let caughtUp: number | undefined;
    let isDone = false;
    const clients = (async (): Promise<void> => {
      while (!isDone) rates.push((await streamPuts(leader.rpc, CLIENTS, 1)).putsPerSecond);
    })();
    try {
      while (caughtUp === undefined) {
        await pause(0.1);
        peak.leader = Math.max(peak.leader, residentMegabytes(leader.pid()));
        const resident = residentMegabytes(follower.pid());
        memory.follower ||= resident;
        peak.follower = Math.max(peak.follower, resident);
        const range = (await statusOf(follower).catch(() => undefined))?.ranges[0];
        if (range !== undefined && range.isInstalling === false && range.appliedIndex >= missing) {
          caughtUp = performance.now() - started;
        }
        if (performance.now() - started > 600_000) throw new Error('no snapshot within 10 minutes');
      }
    } finally {
      isDone = true;
      await clients;
    }
    const cases: Case[] = [
      {
        name: `snapshot of ${megabytes} MB, from the follower's start`,
        unit: 'MB/s',
        ours: [megabytes / (caughtUp / 1000)],
        peer: [],
      },
      {
        name: 'memory on top, leader',
        unit: 'MB',
        ours: [peak.leader - memory.leader],
        peer: [],
        smallerIsBetter: true,
      },
      {
        name: 'memory of the follower in all',
        unit: 'MB',
        ours: [peak.follower],
        peer: [],
        smallerIsBetter: true,
      },
      {
        name: 'puts meanwhile (peer: before it)',
        unit: '/s',
        ours: rates,
        peer: [before.putsPerSecond],
      },
    ];
    report('snapshot', 'before', cases);
  } finally {
    await cluster.stop();
  }
}

async function statusOf(node: ClusterNode): Promise<NodeStatus> {
  const client = clusterClient(node.rpc, { timers });
  try {
    return JSON.parse((await client.status()).json) as NodeStatus;
  } finally {
    client.close();
  }
}

async function load(address: string, megabytes: number): Promise<void> {
  const channel = new grpc.Client(address, grpc.credentials.createInsecure());
  const batches = Math.ceil((megabytes * 1e6) / (VALUE_BYTES * BATCH));
  let sent = 0;
  const batch = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const writes = Array.from({ length: BATCH }, () => ({
        key: freshKey(),
        value: randomFillSync(Buffer.allocUnsafe(VALUE_BYTES)),
        delete: false,
      }));
      channel.makeUnaryRequest(
        '/meridian.kv.v1.Kv/Batch',
        (request: BatchRequest) => Buffer.from(BatchRequest.encode(request).finish()),
        (bytes: Buffer) => BatchResponse.decode(bytes),
        { writes },
        (error) => (error === null ? resolve() : reject(error)),
      );
    });
  const loop = async (): Promise<void> => {
    while (sent < batches) {
      sent++;
      await batch();
    }
  };
  await Promise.all(Array.from({ length: BATCHES_UNDERWAY }, loop));
  channel.close();
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

// A follower that missed everything gets a snapshot of one range while clients write: how fast it moves, what memory it
// takes at either end, and what is left of the clients' throughput, against the same clients just before the follower
// starts and after it has caught up. Memory is compared with what the leader has at rest just before, and with what it has
// under the clients' load alone.

import { randomFillSync } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { BatchRequest, BatchResponse } from '../src/doors/kv/generated/kv.ts';
import type { NodeStatus, RangeStatus } from '../src/node/status.ts';
import { clusterClient } from '../src/rpc/client.ts';
import { createNodeRuntime } from '../src/runtime/node/node-runtime.ts';
import { type ClusterNode, startCluster } from './lib/cluster.ts';
import { PUT } from './lib/kv-client.ts';
import type { BenchOptions } from './lib/options.ts';
import { residentMegabytes, sqlAt, workDirectory } from './lib/processes.ts';
import { freshKey, unaryPuts } from './lib/put-load.ts';
import { streamPuts } from './lib/put-stream.ts';
import { type Case, median, progress, report } from './lib/report.ts';

const VALUE_BYTES = 1024;
const BATCH = 512;
const BATCHES_UNDERWAY = 8;
const CLIENTS = 16;
/** The one that keys and values are in. */
const RANGE = 3;
const { timers } = createNodeRuntime({ logLevel: 'error' });

/** Puts a second, of windows of one second each. */
interface Rates {
  readonly stream: number[];
  readonly unary: number[];
}

export async function snapshot(options: BenchOptions): Promise<void> {
  const megabytes = options.short ? 40 : 1024;
  const windows = options.short ? 1 : 6;
  const cluster = await startCluster(workDirectory());
  try {
    const leader = await cluster.leader();
    const follower = cluster.nodes.find((node) => node !== leader) as ClusterNode;
    // One range, however large; and nobody moves it.
    await sqlAt(leader.sql, [
      "SET CLUSTER SETTING range.split_by_load = 'off'",
      "SET CLUSTER SETTING range.bytes_max = '8GiB'",
      "SET CLUSTER SETTING rebalance.enabled = 'off'",
    ]);
    const memory = { leader: 0, follower: residentMegabytes(follower.pid()) };
    await follower.kill();
    progress(`loading ${megabytes} MB while node ${follower.id} is away`);
    await load(leader.rpc, megabytes);
    const missing = (await rangeOf(leader))?.lastIndex ?? 0;
    progress('waiting until the log was cut');
    if (!options.short) await pause(65);
    memory.leader = residentMegabytes(leader.pid());
    // The clients take memory as well, anew after a rest.
    progress('puts while it is away');
    let isLoaded = false;
    const loading = putsWhile(leader, countdown(windows)).finally(() => {
      isLoaded = true;
    });
    let underLoad = memory.leader;
    while (!isLoaded) {
      await pause(0.1);
      underLoad = Math.max(underLoad, residentMegabytes(leader.pid()));
    }
    const before = await loading;
    const peak = { ...memory };
    follower.restart();
    const started = performance.now();
    let millis: number | undefined;
    const clients = putsWhile(leader, () => millis === undefined);
    // Whoever waits for it below gets the error.
    clients.catch(() => undefined);
    while (millis === undefined) {
      await pause(0.1);
      peak.leader = Math.max(peak.leader, residentMegabytes(leader.pid()));
      peak.follower = Math.max(peak.follower, residentMegabytes(follower.pid()));
      const range = await rangeOf(follower).catch(() => undefined);
      if (range !== undefined && !range.isInstalling && range.appliedIndex >= missing) {
        millis = performance.now() - started;
      }
      if (performance.now() - started > 600_000) throw new Error('no snapshot within 10 minutes');
    }
    const meanwhile = await clients;
    progress(`caught up after ${(millis / 1000).toFixed(1)} s`);
    if (!options.short) await pause(3);
    const after = await putsWhile(leader, countdown(windows));
    const smaller = { unit: 'MB', peer: [], smallerIsBetter: true };
    const name = `snapshot of ${megabytes} MB, from the follower's start`;
    report('snapshot', 'undisturbed', [
      { name, unit: 'MB/s', ours: [megabytes / (millis / 1000)], peer: [] },
      { name: 'memory on top of rest, leader', ours: [peak.leader - memory.leader], ...smaller },
      { name: "on top of its clients'", ours: [Math.max(0, peak.leader - underLoad)], ...smaller },
      { name: 'memory on top, follower', ours: [peak.follower - memory.follower], ...smaller },
      ...compared('by calls', meanwhile.unary, before.unary, after.unary),
      ...compared('by stream', meanwhile.stream, before.stream, after.stream),
    ]);
  } finally {
    await cluster.stop();
  }
}

function compared(
  how: string,
  ours: readonly number[],
  before: readonly number[],
  after: readonly number[],
): Case[] {
  // Of all windows: a second without a put counts, too.
  const mean = ours.reduce((sum, rate) => sum + rate, 0) / ours.length;
  const name = `puts ${how} meanwhile (median ${Math.round(median(ours))}), mean against`;
  return [
    { name: `${name} before`, unit: '/s', ours: [mean], peer: before },
    { name: `${name} after`, unit: '/s', ours: [mean], peer: after },
  ];
}

/** Of sixteen clients, by turns in one stream and by unary calls: windows of a second. */
async function putsWhile(node: ClusterNode, isWanted: () => boolean): Promise<Rates> {
  const rates: Rates = { stream: [], unary: [] };
  do {
    rates.unary.push((await unaryPuts(node.rpc, PUT, CLIENTS, 1)).putsPerSecond);
    rates.stream.push((await streamPuts(node.rpc, CLIENTS, 1)).putsPerSecond);
  } while (isWanted());
  return rates;
}

function countdown(from: number): () => boolean {
  let left = from;
  return () => --left > 0;
}

async function rangeOf(node: ClusterNode): Promise<RangeStatus | undefined> {
  const client = clusterClient(node.rpc, { timers });
  try {
    const status = JSON.parse((await client.status()).json) as NodeStatus;
    return status.ranges.find(({ range }) => range === RANGE);
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

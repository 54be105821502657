// Reads without locks on three processes: strong, of a second ago at the leaseholder and at a follower, and as old as they
// may be, each of one row by its key, prepared, driven by pgbench. What strong reads at the leaseholder are compared with is
// a read without SQL and without a transaction: Get of the KV door, as a unary call; its stream is shown beside it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import {
  GetRequest,
  Operation,
  StreamRequest,
  StreamResponse,
} from '../src/doors/kv/generated/kv.ts';
import { type Cluster, type ClusterNode, startCluster } from './lib/cluster.ts';
import { PUT } from './lib/kv-client.ts';
import type { BenchOptions } from './lib/options.ts';
import { measure, pgbenchInstalled } from './lib/pgbench.ts';
import { sqlAt, type System, workDirectory } from './lib/processes.ts';
import { freshKey, putRequest } from './lib/put-load.ts';
import { type Case, progress, report } from './lib/report.ts';
import { leaseholderOf } from './lib/topology.ts';

const ROWS = 1000;
const CLIENTS = 8;
const GET = '/meridian.kv.v1.Kv/Get';
const STREAM = '/meridian.kv.v1.Kv/Stream';
const STRONG = 'strong, at the leaseholder';

const READS: readonly {
  readonly name: string;
  readonly at: 'leaseholder' | 'follower';
  readonly time: string;
}[] = [
  { name: STRONG, at: 'leaseholder', time: '' },
  { name: 'strong, at another node', at: 'follower', time: '' },
  { name: 'a second ago, at the leaseholder', at: 'leaseholder', time: "'-1s'" },
  { name: 'a second ago, at a follower', at: 'follower', time: 'follower_read_timestamp()' },
  { name: 'at most 5 s old, at a follower', at: 'follower', time: "with_max_staleness('5s')" },
];

export async function readOnly(options: BenchOptions): Promise<void> {
  if (!pgbenchInstalled()) {
    progress('skipped: pgbench is not installed (Debian: postgresql-15)');
    return;
  }
  const rounds = options.short ? 1 : 5;
  const seconds = options.short ? 1 : 4;
  const directory = workDirectory();
  const cluster = await startCluster(directory);
  const figures = new Map<string, number[]>();
  const take = (name: string, perSecond: number): void => {
    progress(`${name}: ${Math.round(perSecond)}/s`);
    figures.set(name, [...(figures.get(name) ?? []), perSecond]);
  };
  try {
    const leaseholder = await makeTable(cluster);
    const follower = cluster.nodes.find((node) => node !== leaseholder) as ClusterNode;
    const { rpc } = await cluster.leader();
    const keys = await putKeys(rpc);
    progress(
      `topology: three processes on this machine; node ${leaseholder.id} leads the table's range, node ${follower.id} follows`,
    );
    for (let round = 0; round <= rounds; round++) {
      const isWarm = round > 0 || options.short;
      for (const { name, at, time } of READS) {
        const file = join(directory, `${READS.findIndex((read) => read.name === name)}.sql`);
        writeFileSync(file, script(time));
        const system = systemOf(at === 'leaseholder' ? leaseholder : follower);
        const result = await measure(system, [
          ...['-f', file, '-M', 'prepared', '-c', String(CLIENTS), '-j', '2'],
          ...['-T', String(seconds)],
        ]);
        if (isWarm) take(name, result.transactionsPerSecond);
      }
      const unary = await unaryGets(rpc, keys, seconds);
      const streamed = await streamedGets(rpc, keys, seconds);
      if (isWarm) take('get', unary);
      if (isWarm) take('get in a stream', streamed);
    }
    const got = (name: string): readonly number[] => figures.get(name) ?? [];
    const cases: Case[] = READS.map(({ name }) => ({
      name: `SELECT by key, ${name}`,
      unit: '/s',
      ours: got(name),
      peer: got('get'),
    }));
    cases.push({
      name: 'Get of the KV door, in a stream (another API)',
      unit: '/s',
      ours: got('get in a stream'),
      peer: got('get'),
    });
    report('read-only', 'Get of the KV door', cases);
  } finally {
    await cluster.stop();
  }
}

/** Answers who leads it. */
async function makeTable(cluster: Cluster): Promise<ClusterNode> {
  await sqlAt((cluster.nodes[0] as ClusterNode).sql, [
    'CREATE TABLE read_only (id int PRIMARY KEY, v text NOT NULL)',
    `INSERT INTO read_only SELECT i, repeat('x', 100) FROM generate_series(1, ${ROWS}) AS g(i)`,
  ]);
  // A second ago is to be after that.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return leaseholderOf(cluster, 'read_only');
}

function script(time: string): string {
  const asOf = time === '' ? '' : ` AS OF SYSTEM TIME ${time}`;
  return `\\set id random(1, ${ROWS})\nSELECT v FROM read_only${asOf} WHERE id = :id;\n`;
}

function systemOf({ sql, id }: ClusterNode): System {
  const [host, port] = sql.split(':') as [string, string];
  return {
    name: `node ${id}`,
    url: `postgres://root@${sql}/defaultdb`,
    host,
    port: Number(port),
    user: 'root',
    database: 'defaultdb',
    pid: 0,
    stop: () => Promise.resolve(),
  };
}

function channelTo(address: string): grpc.Client {
  return new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
}

const same = (bytes: Buffer): Buffer => bytes;

function called(channel: grpc.Client, method: string, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.makeUnaryRequest(method, same, same, request, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

async function putKeys(address: string): Promise<readonly Buffer[]> {
  const channel = channelTo(address);
  const keys = Array.from({ length: ROWS }, () => freshKey());
  await Promise.all(keys.map((key) => called(channel, PUT, putRequest(key))));
  channel.close();
  return keys;
}

function oneOf(keys: readonly Buffer[]): Buffer {
  return keys[Math.floor(Math.random() * keys.length)] as Buffer;
}

async function unaryGets(
  address: string,
  keys: readonly Buffer[],
  seconds: number,
): Promise<number> {
  const channels = Array.from({ length: CLIENTS }, () => channelTo(address));
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  const loop = async (channel: grpc.Client): Promise<void> => {
    while (performance.now() < end) {
      const request = GetRequest.encode({ key: oneOf(keys), readTimestamp: 0 }).finish();
      await called(channel, GET, Buffer.from(request));
      count++;
    }
  };
  await Promise.all(channels.map(loop));
  for (const channel of channels) channel.close();
  return (count * 1000) / (performance.now() - began);
}

/** As many under way as there are clients. */
function streamedGets(address: string, keys: readonly Buffer[], seconds: number): Promise<number> {
  const channel = channelTo(address);
  const call = channel.makeBidiStreamRequest(
    STREAM,
    (request: StreamRequest) => Buffer.from(StreamRequest.encode(request).finish()),
    (bytes: Buffer) => StreamResponse.decode(bytes),
  );
  const began = performance.now();
  const end = began + seconds * 1000;
  let count = 0;
  let underway = 0;
  return new Promise<number>((resolve, reject) => {
    const send = (ids: readonly number[]): void => {
      if (performance.now() >= end || ids.length === 0) return;
      underway += ids.length;
      call.write({
        operations: ids.map((id) => ({
          id,
          operation: Operation.GET,
          key: oneOf(keys),
          value: Buffer.alloc(0),
        })),
      });
    };
    call.on('data', ({ answers }: StreamResponse) => {
      const refused = answers.find(({ status }) => status !== 0);
      if (refused !== undefined) {
        reject(new Error(refused.message));
        return;
      }
      count += answers.length;
      underway -= answers.length;
      send(answers.map(({ id }) => id));
      if (underway === 0) call.end();
    });
    call.on('error', reject);
    call.on('end', () => resolve((count * 1000) / (performance.now() - began)));
    send(Array.from({ length: CLIENTS }, (_, id) => id));
  }).finally(() => channel.close());
}

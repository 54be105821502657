// Three members of etcd on this machine, with its defaults, on the same disk as what they are compared with.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ended, freePort } from './processes.ts';

export interface EtcdCluster {
  /** HOST:PORT of the member that leads: a client that talks to another pays for a forwarded request. */
  leader(): string;
  stop(): Promise<void>;
}

function program(name: string): string | undefined {
  const found = (process.env['PATH'] ?? '').split(':').map((directory) => join(directory, name));
  return found.find((path) => existsSync(path));
}

export function etcdInstalled(): boolean {
  return program('etcd') !== undefined && program('etcdctl') !== undefined;
}

export async function startEtcd(directory: string): Promise<EtcdCluster> {
  const members: { name: string; peer: string; client: string }[] = [];
  for (let i = 1; i <= 3; i++) {
    members.push({
      name: `m${i}`,
      peer: `http://127.0.0.1:${await freePort()}`,
      client: `127.0.0.1:${await freePort()}`,
    });
  }
  const initial = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const children: ChildProcess[] = members.map(({ name, peer, client }) => {
    const child = spawn(
      program('etcd') as string,
      [
        ...['--name', name, '--data-dir', join(directory, `etcd-${name}`)],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...[
          '--listen-client-urls',
          `http://${client}`,
          '--advertise-client-urls',
          `http://${client}`,
        ],
        ...['--initial-cluster', initial, '--initial-cluster-state', 'new'],
        ...['--log-level', 'error'],
      ],
      { stdio: 'ignore' },
    );
    process.on('exit', () => child.kill('SIGKILL'));
    return child;
  });
  const endpoints = members.map(({ client }) => client).join(',');
  const leader = (): string => {
    const said = execFileSync(
      program('etcdctl') as string,
      ['--endpoints', endpoints, 'endpoint', 'status', '-w', 'json'],
      { env: { ...process.env, ETCDCTL_API: '3' }, stdio: ['ignore', 'pipe', 'ignore'] },
    ).toString();
    const status = JSON.parse(said) as {
      Endpoint: string;
      Status: { header: { member_id: number }; leader: number };
    }[];
    const leading = status.find(({ Status }) => Status.leader === Status.header.member_id);
    if (leading === undefined) throw new Error('etcd has no leader');
    return leading.Endpoint;
  };
  await untilLeading(leader);
  return {
    leader,
    stop: async () => {
      await Promise.all(children.map((child) => ended(child, 'SIGTERM')));
    },
  };
}

async function untilLeading(leader: () => string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      leader();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('etcd did not elect a leader within 10 s');
}

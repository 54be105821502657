// Three nodes of ours as processes on this machine, started and initialised as an operator would.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { CLI, ended, freePort } from './processes.ts';
import { findLeader } from './kv-client.ts';

export interface ClusterNode {
  readonly id: number;
  readonly rpc: string;
  readonly sql: string;
  readonly http: string;
  pid(): number;
  kill(): Promise<void>;
  /** SIGTERM, and its end. */
  stop(): Promise<void>;
  /** The end of what it has printed. */
  readonly told: string;
  signal(signal: NodeJS.Signals): void;
  restart(): void;
}

/** For those who want to stand between the nodes, or watch their processes. */
export interface ClusterHooks {
  /** Called once before the first start, with the nodes' RPC addresses. */
  prepare(members: readonly string[]): Promise<void>;
  /** Before a node is started that joins later. */
  added(id: number, rpc: string): Promise<void>;
  /** What a process gets in front of our program, at each start. */
  launch(id: number): {
    readonly arguments: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
  spawned(id: number, child: ChildProcess): void;
}

export interface Cluster {
  readonly nodes: readonly ClusterNode[];
  /** The node that answers puts; waits for one. */
  leader(): Promise<ClusterNode>;
  /** One more, which joins those that run. */
  add(): Promise<ClusterNode>;
  stop(): Promise<void>;
}

class Node implements ClusterNode {
  readonly id: number;
  readonly rpc: string;
  readonly sql: string;
  readonly http: string;
  private readonly arguments: readonly string[];
  private readonly hooks: ClusterHooks | undefined;
  private child: ChildProcess | undefined;
  private log = '';

  constructor(
    id: number,
    directory: string,
    ports: readonly number[],
    join_: string,
    more: readonly string[],
    hooks: ClusterHooks | undefined,
  ) {
    this.id = id;
    this.hooks = hooks;
    [this.sql, this.rpc, this.http] = ports.map((port) => `127.0.0.1:${port}`) as [
      string,
      string,
      string,
    ];
    this.arguments = [
      ...['start', '--data', join(directory, `node-${id}`), '--join', join_],
      ...['--sql', this.sql, '--rpc', this.rpc, '--http', this.http, ...more],
    ];
    process.on('exit', () => this.child?.kill('SIGKILL'));
    this.restart();
  }

  restart(): void {
    const extra = (process.env['BENCH_NODE_ARGS'] ?? '').split(' ').filter((a) => a !== '');
    const launch = this.hooks?.launch(this.id);
    const before = [...extra, ...(launch?.arguments ?? [])];
    const child = spawn(process.execPath, [...before, CLI, ...this.arguments], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...launch?.environment },
    });
    this.hooks?.spawned(this.id, child);
    const keep = (chunk: Buffer): void => {
      this.log = (this.log + chunk.toString()).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.child = child;
  }

  get told(): string {
    return this.log;
  }

  pid(): number {
    return this.child?.pid as number;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.child !== undefined) await ended(this.child, 'SIGKILL');
  }

  async stop(): Promise<void> {
    if (this.child !== undefined) await ended(this.child, 'SIGTERM');
  }
}

export async function startCluster(
  directory: string,
  count = 3,
  more: readonly string[] = [],
  hooks?: ClusterHooks,
): Promise<Cluster> {
  const ports: number[][] = [];
  for (let i = 0; i < count; i++) {
    ports.push([await freePort(), await freePort(), await freePort()]);
  }
  const members = ports.map(([, rpc]) => `127.0.0.1:${rpc}`);
  await hooks?.prepare(members);
  const nodes = ports.map(
    (own, i) => new Node(i + 1, directory, own, members.join(','), more, hooks),
  );
  try {
    await initialise(members[0] as string);
    await findLeader(members);
  } catch (error) {
    const logs = nodes.map((node) => `--- node ${node.id}\n${node.told}`).join('\n');
    throw new Error(`the cluster did not start: ${String(error)}\n${logs}`);
  }
  return {
    nodes,
    leader: async () => {
      const address = await findLeader(members);
      return nodes.find((node) => node.rpc === address) as Node;
    },
    add: async () => {
      const own = [await freePort(), await freePort(), await freePort()];
      const id = nodes.length + 1;
      await hooks?.added(id, `127.0.0.1:${own[1]}`);
      // Founders may be gone by now.
      const known = nodes.map(({ rpc }) => rpc).join(',');
      const node = new Node(id, directory, own, known, more, hooks);
      nodes.push(node);
      return node;
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** `meridian init`, again until the nodes listen. */
async function initialise(rpc: string): Promise<void> {
  let said = '';
  for (let attempt = 0; attempt < 100; attempt++) {
    const child = spawn(process.execPath, [CLI, 'init', '--rpc', rpc], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (code === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`meridian init failed: ${said}`);
}

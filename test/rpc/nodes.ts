// Nodes of a small cluster in this process: a server and a network each, on ports that are free.
import { randomUUID } from 'node:crypto';
import { formatAddress } from '../../src/base/address.ts';
import { GrpcNetwork } from '../../src/rpc/network.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import type { TlsMaterial } from '../../src/rpc/tls.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import type { Log, NodeId, Runtime } from '../../src/runtime/runtime.ts';

/** What was logged, and whoever waits for a line. */
export class Lines {
  readonly all: string[] = [];
  #waiting: { readonly what: RegExp; readonly resolve: (line: string) => void }[] = [];

  readonly log: Log = {
    info: (message) => this.#add(message),
    warn: (message) => this.#add(message),
    error: (message) => this.#add(message),
  };

  /** The first line like this one that comes, or came. */
  like(what: RegExp): Promise<string> {
    const line = this.all.find((one) => what.test(one));
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve) => this.#waiting.push({ what, resolve }));
  }

  #add(line: string): void {
    this.all.push(line);
    this.#waiting = this.#waiting.filter(({ what, resolve }) => {
      if (!what.test(line)) return true;
      resolve(line);
      return false;
    });
  }
}

export interface NodeOptions {
  readonly clusterId?: string;
  readonly tls?: TlsMaterial | undefined;
  readonly port?: number;
  readonly bufferBytesMax?: number;
}

export interface TestNode {
  readonly nodeId: NodeId;
  readonly address: string;
  readonly port: number;
  readonly runtime: Runtime;
  readonly server: RpcServer;
  readonly network: GrpcNetwork;
  readonly lines: Lines;
  /** Frames that came, as text, and whoever waits for one. */
  readonly frames: Lines;
  stop(): Promise<void>;
}

const open: TestNode[] = [];

export async function startNode(nodeId: NodeId, options: NodeOptions = {}): Promise<TestNode> {
  const lines = new Lines();
  const frames = new Lines();
  const runtime = { ...createNodeRuntime({ nodeId }), log: lines.log };
  const { timers } = runtime;
  const { tls } = options;
  const server = new RpcServer({
    address: { host: '127.0.0.1', port: options.port ?? 0 },
    tls,
    timers,
  });
  const bound = await server.listen();
  const address = formatAddress(bound);
  const network = new GrpcNetwork({
    runtime,
    self: {
      clusterId: options.clusterId ?? 'test',
      nodeId,
      bootId: randomUUID(),
      addresses: { rpc: address, sql: '127.0.0.1:1', http: '127.0.0.1:2' },
    },
    peers: [],
    tls,
    ...(options.bufferBytesMax === undefined ? {} : { bufferBytesMax: options.bufferBytesMax }),
  });
  network.register(server);
  network.onFrame((from, frame) => {
    frames.log.info(`${from}: ${Buffer.from(frame).toString('latin1')}`);
  });
  const node: TestNode = {
    nodeId,
    address,
    port: bound.port,
    runtime,
    server,
    network,
    lines,
    frames,
    stop: async () => {
      network.close();
      await server.close();
    },
  };
  open.push(node);
  return node;
}

/** Tells each about all, and lets them dial. */
export function join(...nodes: readonly TestNode[]): void {
  const peers = nodes.map(({ nodeId, address }) => ({ nodeId, rpc: address }));
  for (const { network } of nodes) {
    network.setPeers(peers);
    network.start();
  }
}

/** Resolves when both have said that they are connected. */
export async function connected(a: TestNode, b: TestNode): Promise<void> {
  await Promise.all([
    a.lines.like(new RegExp(`^connected to node ${b.nodeId}$`)),
    b.lines.like(new RegExp(`^connected to node ${a.nodeId}$`)),
  ]);
}

export async function stopNodes(): Promise<void> {
  await Promise.all(open.splice(0).map((node) => node.stop()));
}

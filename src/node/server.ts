// A node with its doors: the database (database.ts) behind SQL, HTTP and gRPC. Other nodes come in through gRPC, too. A
// node that was told whom to join and belongs to no cluster yet opens nothing but gRPC and HTTP, and waits.

import { AssertionError } from '../base/assert.ts';
import { DbError } from '../base/errors.ts';
import { protoFiles as kvFiles } from '../doors/kv/generated/descriptors.ts';
import { KvDefinition } from '../doors/kv/generated/kv.ts';
import { createKvHandlers } from '../doors/kv/service.ts';
import { KvStore } from '../doors/kv/store.ts';
import { type HttpServer, type Metric, startHttp } from '../doors/http/server.ts';
import { startPgWire } from '../doors/pgwire/server.ts';
import { protoFiles } from '../rpc/generated/descriptors.ts';
import { ClusterDefinition } from '../rpc/generated/cluster.ts';
import { PeerDefinition } from '../rpc/generated/peer.ts';
import { RpcError } from '../rpc/error.ts';
import { WHOLE_SERVER } from '../rpc/health.ts';
import { GrpcNetwork } from '../rpc/network.ts';
import { RpcServer } from '../rpc/server.ts';
import type { TlsMaterial } from '../rpc/tls.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { shardWorkerEntry } from '../storage/shard-entry.ts';
import { type Addresses, belongs, Bootstrap, describeNode, requireSame } from './bootstrap.ts';
import { Closing } from './closing.ts';
import { bootstrapPeers, type ClusterNode, clusterHandlers } from './cluster-service.ts';
import { type Address, formatAddress, type NodeConfig, requireLoopback } from './config.ts';
import { type Database, openDatabase } from './database.ts';
import {
  loadIdentity,
  type NodeIdentity,
  randomId,
  readIdentity,
  writeIdentity,
} from './identity.ts';
import { isReachable, Members, withAddresses } from './members.ts';
import type { DatabaseHealth, NodeStatus } from './status.ts';

/** Health checks over gRPC are told of a change so much later at most. */
const HEALTH_MICROS = 500_000;
const WAITING = 'waits for meridian init';

export interface NodeOptions {
  /** HOST:PORT of the cluster's first nodes, this one among them. */
  readonly join?: readonly string[];
  /** 'region=eu,zone=a' */
  readonly locality?: string;
  /** Between nodes. */
  readonly tls?: TlsMaterial | undefined;
  /** Called at most once, when the node can't go on safely. */
  readonly broken: (error: Error) => void;
  /** It belongs to no cluster yet, and waits at this address. */
  readonly waits?: (rpc: Address) => void;
  /** Ends the wait. */
  readonly stopped?: Promise<void>;
}

export interface RunningNode {
  readonly sql: Address;
  readonly rpc: Address;
  readonly http: Address;
  readonly database: Database;
  /** Clients are told, what was acknowledged is on disk, everything is closed. */
  stop(): Promise<void>;
}

/** Undefined: it was stopped while it waited to be part of a cluster. */
export async function startNode(
  runtime: Runtime,
  config: NodeConfig,
  options: NodeOptions,
): Promise<RunningNode | undefined> {
  requireLoopback(config, options.tls !== undefined);
  const starting = new StartingNode(runtime, config, options);
  try {
    return await starting.start();
  } catch (error) {
    await starting.closing
      .run()
      .catch((failure: unknown) => runtime.log.error('closing failed', { error: String(failure) }));
    throw explain(error, config);
  }
}

class StartingNode {
  readonly closing = new Closing();
  private readonly runtime: Runtime;
  private readonly config: NodeConfig;
  private readonly options: NodeOptions;
  private readonly rpc: RpcServer;
  /** What there is of the node so far. */
  private clusterNode: ClusterNode | undefined;
  private health: () => DatabaseHealth = () => {
    return { serving: false, status: 'starts', fields: {} };
  };
  private metrics: () => Promise<readonly Metric[]> = async () => [];

  constructor(runtime: Runtime, config: NodeConfig, options: NodeOptions) {
    this.runtime = runtime;
    this.config = config;
    this.options = options;
    this.rpc = new RpcServer({ address: config.rpc, tls: options.tls, timers: runtime.timers });
  }

  async start(): Promise<RunningNode | undefined> {
    const { runtime, config, closing, options } = this;
    const { files, log } = runtime;
    // Said before a cluster counts on the node.
    await runtime.time.ready?.();
    const directory = config.dataDirectory;
    await files.makeDirectory(directory);
    const lock = await files.lockDirectory(directory);
    let isLockHeld = true;
    closing.add(() => {
      if (isLockHeld) lock[Symbol.dispose]();
    });
    const found = await this.findIdentity();
    this.rpc.health.set(WHOLE_SERVER, false);
    const { tls } = options;
    const handlers = clusterHandlers(
      () => {
        if (this.clusterNode === undefined) throw new RpcError('UNAVAILABLE', 'the node starts');
        return this.clusterNode;
      },
      { timers: runtime.timers, tls },
    );
    this.rpc.addService(ClusterDefinition, handlers, protoFiles);
    for (const later of [PeerDefinition, KvDefinition]) this.rpc.expectService(later);
    const rpcAddress = await this.rpc.listen();
    closing.add(() => this.rpc.close());
    const http = await this.openHttp();
    closing.add(() => http.close());
    const addresses: Addresses = {
      rpc: formatAddress(rpcAddress),
      sql: formatAddress(config.sql),
      http: formatAddress({ host: config.http.host, port: http.port }),
    };
    const adopted = found ?? (await this.wait(addresses, rpcAddress));
    if (adopted === undefined) {
      await closing.run();
      return undefined;
    }
    const identity = await this.atHome(adopted, addresses);
    const member = this.memberNode(identity, addresses);
    this.clusterNode = member;
    const [network, keeper] = this.openNetwork(identity, addresses);
    closing.add(() => network.close());
    // From here on the database lets go of it, also when it can't be opened.
    isLockHeld = false;
    const database = await openDatabase({ ...runtime, network }, config, {
      shardEntry: shardWorkerEntry,
      broken: options.broken,
      lock,
      addresses: reachable(identity, addresses),
      locality: options.locality ?? '',
      onNodes: (records) => void keeper.registered(records),
    });
    closing.add(() => database.close());
    const pgwire = await this.openSql(database);
    closing.add(() => pgwire.close());
    this.serveKeyValues(database);
    // Not before all doors are open: who asks wants to come in.
    this.clusterNode = {
      ...member,
      status: () => database.status(),
      transferLeadership: (to) => database.transferLeadership(to),
      checkConsistency: (range) => database.checkConsistency(range),
      join: (request) => database.placement.join(request),
      nodes: () => database.placement.list(),
      drain: (undo, force) => database.placement.drain(undo, force),
      decommission: (node, undo) => database.placement.decommission(node, undo),
    };
    this.health = () => database.health();
    this.metrics = async () => [
      ...(await database.metrics()),
      {
        name: 'sql_connections',
        help: 'Open client connections.',
        type: 'gauge',
        value: pgwire.connectionCount,
      },
    ];
    this.watchHealth();
    return {
      sql: { host: config.sql.host, port: pgwire.port },
      rpc: rpcAddress,
      http: { host: config.http.host, port: http.port },
      database,
      stop: async () => {
        log.info('stopping');
        await closing.run();
        log.info('stopped');
      },
    };
  }

  /** Undefined: the node must wait. A node that is told of no others is a cluster by itself. */
  private async findIdentity(): Promise<NodeIdentity | undefined> {
    const { runtime, config, options } = this;
    const { files, random } = runtime;
    const identity = await readIdentity(files, config.dataDirectory);
    if (identity !== undefined || (options.join ?? []).length > 0) return identity;
    return await loadIdentity(files, random, config.dataDirectory, config.shards);
  }

  /** Undefined: stopped meanwhile. */
  private async wait(addresses: Addresses, rpc: Address): Promise<NodeIdentity | undefined> {
    const { runtime, config, options } = this;
    const bootstrap = await Bootstrap.open({
      files: runtime.files,
      random: runtime.random,
      dataDirectory: config.dataDirectory,
      shards: config.shards,
      addresses,
      join: options.join ?? [],
      peers: bootstrapPeers(runtime.timers, options.tls),
      locality: options.locality ?? '',
    });
    this.health = () => ({ serving: false, status: WAITING, fields: {} });
    this.clusterNode = {
      describe: () => bootstrap.describe(),
      adopt: (adoption) => bootstrap.adopt(adoption),
      found: (nodes) => bootstrap.found(nodes),
      status: () => waitingStatus(),
      ...withoutRanges(WAITING),
    };
    options.waits?.(rpc);
    using _joining = bootstrap.joinWhenPossible(runtime.timers, runtime.log);
    const stopped = options.stopped?.then(() => undefined);
    return await Promise.race([bootstrap.adopted, ...(stopped === undefined ? [] : [stopped])]);
  }

  /** The node may have moved since its identity was written. */
  private async atHome(identity: NodeIdentity, addresses: Addresses): Promise<NodeIdentity> {
    const { files } = this.runtime;
    const own = new Map([[identity.nodeId, addresses]]);
    const members = withAddresses(identity.members, own);
    if (members === identity.members) return identity;
    await writeIdentity(files, this.config.dataDirectory, { ...identity, members });
    return { ...identity, members };
  }

  /** Until the database is open. */
  private memberNode(identity: NodeIdentity, addresses: Addresses): ClusterNode {
    return {
      describe: () => describeNode(identity.clusterId, addresses, identity),
      adopt: async (adoption) => requireSame(identity, adoption),
      found: () => Promise.reject(belongs(identity)),
      status: () => startingStatus(identity),
      ...withoutRanges('starts'),
    };
  }

  private openNetwork(
    identity: NodeIdentity,
    addresses: Addresses,
  ): readonly [GrpcNetwork, Members] {
    const { runtime, config, options, closing } = this;
    const { clusterId, nodeId, members } = identity;
    const network = new GrpcNetwork({
      runtime,
      self: {
        clusterId,
        nodeId,
        bootId: randomId(runtime.random),
        addresses: reachable(identity, addresses),
      },
      peers: members,
      tls: options.tls,
      onKnock: (card) => void keeper.met(card.nodeId, card.addresses),
    });
    const keeper = new Members({
      files: runtime.files,
      timers: runtime.timers,
      log: runtime.log,
      dataDirectory: config.dataDirectory,
      identity,
      join: options.join ?? [],
      peers: bootstrapPeers(runtime.timers, options.tls),
      connected: () => network.peers(),
      changed: (now) => network.setPeers(now),
    });
    network.register(this.rpc);
    network.start();
    keeper.start();
    closing.add(() => keeper.stop());
    return [network, keeper];
  }

  private openHttp(): Promise<HttpServer> {
    const { host, port } = this.config.http;
    return startHttp({
      host,
      port,
      health: () => this.health(),
      metrics: () => this.metrics(),
    });
  }

  private openSql(database: Database): ReturnType<typeof startPgWire> {
    const { runtime, config, options } = this;
    return startPgWire({
      host: config.sql.host,
      port: config.sql.port,
      sql: database.sql,
      random: runtime.random,
      timers: runtime.timers,
      broken: (error) => {
        runtime.log.error('internal error', {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        if (error instanceof AssertionError) options.broken(error);
      },
    });
  }

  private serveKeyValues(database: Database): void {
    const { timers } = this.runtime;
    const { kv } = database;
    const handlers = createKvHandlers({
      store: new KvStore({ transactions: kv.transactions, timers }),
      timers,
      leaderAddress: () => kv.leader()?.rpc,
    });
    this.rpc.addService(KvDefinition, handlers, kvFiles);
  }

  private watchHealth(): void {
    const { timers } = this.runtime;
    let timer: Disposable | undefined;
    const look = (): void => {
      this.rpc.health.set(WHOLE_SERVER, this.health().serving);
      timer = timers.after(HEALTH_MICROS, look);
    };
    look();
    this.closing.add(() => {
      timer?.[Symbol.dispose]();
      this.rpc.health.set(WHOLE_SERVER, false);
    });
  }
}

function waitingStatus(): NodeStatus {
  return {
    nodeId: 0,
    clusterId: '',
    members: [],
    isServing: false,
    reason: WAITING,
    ranges: [],
  };
}

function withoutRanges(
  reason: string,
): Pick<
  ClusterNode,
  'transferLeadership' | 'checkConsistency' | 'join' | 'nodes' | 'drain' | 'decommission'
> {
  const refuse = (): Promise<never> =>
    Promise.reject(new DbError('57P03', `the node serves nothing: it ${reason}`));
  return {
    transferLeadership: refuse,
    checkConsistency: refuse,
    join: refuse,
    nodes: refuse,
    drain: refuse,
    decommission: refuse,
  };
}

/** Where others find the node, as far as it knows. */
function reachable({ nodeId, members }: NodeIdentity, addresses: Addresses): Addresses {
  const known = members.find((member) => member.nodeId === nodeId)?.rpc;
  const rpc = isReachable(addresses.rpc) ? addresses.rpc : (known ?? addresses.rpc);
  return { ...addresses, rpc };
}

function startingStatus({ nodeId, clusterId, members }: NodeIdentity): NodeStatus {
  return { nodeId, clusterId, members, isServing: false, reason: 'starts', ranges: [] };
}

function explain(error: unknown, config: NodeConfig): unknown {
  const { code, port, address } = error as { code?: string; port?: number; address?: string };
  if (error instanceof DbError) return error;
  if (code === 'EADDRINUSE') {
    const option = port === config.sql.port ? '--sql' : '--http';
    return new Error(
      `${address}:${port} is in use by another program; choose another with ${option} HOST:PORT`,
    );
  }
  if (code === 'EACCES') return new Error(`no permission to listen at ${address}:${port}`);
  return error;
}

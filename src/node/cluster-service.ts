// The Cluster service (rpc/proto/cluster.proto): what a node answers to `meridian init`, `meridian node`, `meridian cluster
// status` and to nodes that found or join a cluster, whether it waits or is a member already; and the other end of it.

import { DbError } from '../base/errors.ts';
import { type ClusterClient, clusterClient } from '../rpc/client.ts';
import { RpcError, type StatusName } from '../rpc/error.ts';
import type {
  ClusterDefinition,
  DescribeResponse,
  Member as WireMember,
} from '../rpc/generated/cluster.ts';
import { type Handlers, unary } from '../rpc/service.ts';
import type { TlsMaterial } from '../rpc/tls.ts';
import type { Timers } from '../runtime/runtime.ts';
import type { RangeId } from '../storage/shard.ts';
import {
  type Adoption,
  type BootstrapPeers,
  BootstrapRefusal,
  type Founded,
  type Joined,
  type JoinRequest,
  type NodeDescription,
  type RefusalKind,
} from './bootstrap.ts';
import type { Member } from './identity.ts';
import type { NodeStanding } from './placement/node-standing.ts';
import type { ConsistencyAnswer, NodeStatus } from './status.ts';

/** All replicas read all that they hold. */
const CHECK_MICROS = 150_000_000;

/** A node, waiting or not, as the service sees it. */
export interface ClusterNode {
  describe(): NodeDescription;
  adopt(adoption: Adoption): Promise<void>;
  found(nodes: number): Promise<Founded>;
  status(): NodeStatus;
  /** All below reject with a DbError when it can't be done. */
  transferLeadership(to: number): Promise<void>;
  /** `range` 0: of all that the node leads. */
  checkConsistency(range: RangeId): Promise<ConsistencyAnswer>;
  join(request: JoinRequest): Promise<Joined>;
  nodes(): Promise<readonly NodeStanding[]>;
  /** Of this node. */
  drain(undo: boolean, force: boolean): Promise<void>;
  decommission(node: number, undo: boolean): Promise<void>;
}

/** `node` is asked at each call: a waiting node becomes a member. `calls`: how another node is reached. */
export function clusterHandlers(
  node: () => ClusterNode,
  calls: CallOptions,
): Handlers<typeof ClusterDefinition> {
  return {
    describe: unary(() => describeToWire(node().describe())),
    adopt: unary(async ({ clusterId, nodeId, members, instanceId }) => {
      const adoption = { clusterId, nodeId, members: members.map(fromWire), instanceId };
      await refusing(node().adopt(adoption));
      return {};
    }),
    init: unary(async ({ nodes }) => {
      const { clusterId, members } = await refusing(node().found(nodes));
      return { clusterId, members: members.map(toWire) };
    }),
    status: unary(() => ({ json: JSON.stringify(node().status()) })),
    transfer: unary(async ({ toNodeId }) => {
      await refusing(node().transferLeadership(toNodeId));
      return {};
    }),
    check: unary(async ({ rangeId }) => ({
      json: JSON.stringify(await refusing(node().checkConsistency(rangeId))),
    })),
    join: unary(async ({ instanceId, rpcAddress, sqlAddress, httpAddress, locality }) => {
      const addresses = { rpc: rpcAddress, sql: sqlAddress, http: httpAddress };
      const joined = await refusing(node().join({ ...addresses, instanceId, locality }));
      const { clusterId, nodeId, members, founders } = joined;
      return { clusterId, nodeId, members: members.map(toWire), founders: [...founders] };
    }),
    nodes: unary(async () => ({ json: JSON.stringify(await refusing(node().nodes())) })),
    drain: unary(async ({ nodeId, undo, force }) => {
      await refusing(drainThrough(node(), nodeId, undo, force, calls));
      return {};
    }),
    decommission: unary(async ({ nodeId, undo }) => {
      await refusing(node().decommission(nodeId, undo));
      return {};
    }),
  };
}

/** A node drains itself: others pass on what they are told. */
async function drainThrough(
  node: ClusterNode,
  nodeId: number,
  undo: boolean,
  force: boolean,
  calls: CallOptions,
): Promise<void> {
  if (node.describe().nodeId === nodeId) {
    await node.drain(undo, force);
    return;
  }
  const nodes = await node.nodes();
  const target = nodes.find((one) => one.nodeId === nodeId);
  if (target === undefined) {
    const ids = nodes.map((one) => one.nodeId).join(', ');
    throw new DbError('42704', `there is no node ${nodeId}: there are ${ids}`);
  }
  await drainNode(target.rpc, nodeId, { undo, force }, calls);
}

export interface CallOptions {
  readonly timers: Timers;
  readonly tls?: TlsMaterial | undefined;
  readonly timeoutMicros?: number;
}

/** Rejects with BootstrapRefusal, like all below. */
export function drainNode(
  address: string,
  nodeId: number,
  { undo, force }: { readonly undo: boolean; readonly force: boolean },
  options: CallOptions,
): Promise<void> {
  return calling(address, options, async (client) => {
    await client.drain({ nodeId, undo, force });
  });
}

export function decommissionNode(
  address: string,
  nodeId: number,
  undo: boolean,
  options: CallOptions,
): Promise<void> {
  return calling(address, options, async (client) => {
    await client.decommission({ nodeId, undo });
  });
}

/** Whether the replicas of a range hold the same; the node at the address must lead it. */
export function checkRange(
  address: string,
  range: RangeId,
  options: CallOptions,
): Promise<ConsistencyAnswer> {
  return calling(address, { ...options, timeoutMicros: CHECK_MICROS }, async (client) => {
    return JSON.parse((await client.check({ rangeId: range })).json) as ConsistencyAnswer;
  });
}

/** All nodes, as the one at the address knows them. */
export function listNodes(address: string, options: CallOptions): Promise<readonly NodeStanding[]> {
  return calling(address, options, async (client) => {
    return JSON.parse((await client.nodes()).json) as readonly NodeStanding[];
  });
}

async function calling<T>(
  address: string,
  options: CallOptions,
  run: (client: ClusterClient) => Promise<T>,
): Promise<T> {
  const client = clusterClient(address, options);
  try {
    return await run(client);
  } catch (error) {
    throw fromRpc(address, error);
  } finally {
    client.close();
  }
}

/** How a founder reaches the others. */
export function bootstrapPeers(timers: Timers, tls: TlsMaterial | undefined): BootstrapPeers {
  const call = <T>(address: string, run: (client: ClusterClient) => Promise<T>): Promise<T> =>
    calling(address, { timers, tls }, run);
  return {
    describe: (address) =>
      call(address, async (client) => describeFromWire(await client.describe())),
    adopt: (address, { clusterId, nodeId, members, instanceId }) =>
      call(address, async (client) => {
        await client.adopt({ clusterId, nodeId, members: members.map(toWire), instanceId });
      }),
    join: (address, { instanceId, locality, rpc, sql, http }) =>
      call(address, async (client) => {
        const addresses = { rpcAddress: rpc, sqlAddress: sql, httpAddress: http };
        const answer = await client.join({ instanceId, locality, ...addresses });
        const { clusterId, nodeId, members, founders } = answer;
        return { clusterId, nodeId, members: members.map(fromWire), founders };
      }),
  };
}

/** `meridian init`: founds a cluster through the node at the address. */
export function initCluster(
  address: string,
  nodes: number,
  options: { readonly timers: Timers; readonly tls?: TlsMaterial | undefined },
): Promise<Founded> {
  // The node asks every other one in turn, and each may take its time.
  return calling(address, { ...options, timeoutMicros: 60_000_000 }, async (client) => {
    const { clusterId, members } = await client.init({ nodes });
    return { clusterId, members: members.map(fromWire) };
  });
}

/** What the node at the address says of itself; undefined when nobody answers. */
export async function nodeStatus(
  address: string,
  options: {
    readonly timers: Timers;
    readonly tls?: TlsMaterial | undefined;
    readonly timeoutMicros?: number;
  },
): Promise<NodeStatus | undefined> {
  const client = clusterClient(address, options);
  try {
    return JSON.parse((await client.status()).json) as NodeStatus;
  } catch (error) {
    if (error instanceof RpcError && kindOf(error.status) === 'unreachable') return undefined;
    throw error;
  } finally {
    client.close();
  }
}

const STATUS: Readonly<Record<RefusalKind, StatusName>> = {
  belongs: 'ALREADY_EXISTS',
  refused: 'FAILED_PRECONDITION',
  unreachable: 'UNAVAILABLE',
};

async function refusing<T>(running: Promise<T>): Promise<T> {
  try {
    return await running;
  } catch (error) {
    if (error instanceof BootstrapRefusal) throw new RpcError(STATUS[error.kind], error.message);
    if (error instanceof DbError) throw new RpcError('FAILED_PRECONDITION', error.message);
    throw error;
  }
}

function fromRpc(address: string, error: unknown): BootstrapRefusal {
  if (!(error instanceof RpcError)) {
    return new BootstrapRefusal('refused', error instanceof Error ? error.message : String(error));
  }
  const kind = kindOf(error.status);
  const reason = kind === 'unreachable' ? `no answer from ${error.message}` : error.message;
  // Where it came from is part of the message only when it came over the wire.
  return new BootstrapRefusal(kind, reason.includes(address) ? reason : `${address}: ${reason}`);
}

function kindOf(status: StatusName): RefusalKind {
  switch (status) {
    case 'ALREADY_EXISTS':
      return 'belongs';
    case 'FAILED_PRECONDITION':
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
    case 'UNIMPLEMENTED':
    case 'INVALID_ARGUMENT':
      return 'refused';
    default:
      return 'unreachable';
  }
}

function describeToWire(description: NodeDescription): DescribeResponse {
  const { instanceId, clusterId, nodeId, rpc, sql, http, members } = description;
  return {
    instanceId,
    clusterId: clusterId ?? '',
    nodeId,
    rpcAddress: rpc,
    sqlAddress: sql,
    httpAddress: http,
    members: members.map(toWire),
  };
}

function describeFromWire(response: DescribeResponse): NodeDescription {
  const { instanceId, clusterId, nodeId, rpcAddress, sqlAddress, httpAddress, members } = response;
  return {
    instanceId,
    clusterId: clusterId === '' ? undefined : clusterId,
    nodeId,
    rpc: rpcAddress,
    sql: sqlAddress,
    http: httpAddress,
    members: members.map(fromWire),
  };
}

function toWire({ nodeId, rpc, sql, http }: Member): WireMember {
  return { nodeId, rpcAddress: rpc, sqlAddress: sql, httpAddress: http };
}

function fromWire({ nodeId, rpcAddress, sqlAddress, httpAddress }: WireMember): Member {
  return { nodeId, rpc: rpcAddress, sql: sqlAddress, http: httpAddress };
}

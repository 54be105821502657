// The Cluster service (rpc/proto/cluster.proto): what a node answers to `meridian init`, `meridian cluster status` and to
// nodes that found a cluster, whether it waits or is a member already; and the other end of it.

import { DbError } from '../base/errors.ts';
import { clusterClient, type ClusterClient } from '../rpc/client.ts';
import { RpcError, type StatusName } from '../rpc/error.ts';
import type {
  ClusterDefinition,
  DescribeResponse,
  Member as WireMember,
} from '../rpc/generated/cluster.ts';
import { type Handlers, unary } from '../rpc/service.ts';
import type { TlsMaterial } from '../rpc/tls.ts';
import type { Timers } from '../runtime/runtime.ts';
import {
  type Adoption,
  type BootstrapPeers,
  BootstrapRefusal,
  type Founded,
  type NodeDescription,
  type RefusalKind,
} from './bootstrap.ts';
import type { Member } from './identity.ts';
import type { ConsistencyAnswer, NodeStatus } from './status.ts';

/** A node, waiting or not, as the service sees it. */
export interface ClusterNode {
  describe(): NodeDescription;
  adopt(adoption: Adoption): Promise<void>;
  found(nodes: number): Promise<Founded>;
  status(): NodeStatus;
  /** Both reject with a DbError when it can't be done. */
  transferLeadership(to: number): Promise<void>;
  checkConsistency(): Promise<ConsistencyAnswer>;
}

/** `node` is asked at each call: a waiting node becomes a member. */
export function clusterHandlers(node: () => ClusterNode): Handlers<typeof ClusterDefinition> {
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
    check: unary(async () => ({
      json: JSON.stringify(await refusing(node().checkConsistency())),
    })),
  };
}

/** How a founder reaches the others. */
export function bootstrapPeers(timers: Timers, tls: TlsMaterial | undefined): BootstrapPeers {
  const call = async <T>(
    address: string,
    run: (client: ClusterClient) => Promise<T>,
  ): Promise<T> => {
    const client = clusterClient(address, { timers, tls });
    try {
      return await run(client);
    } catch (error) {
      throw fromRpc(address, error);
    } finally {
      client.close();
    }
  };
  return {
    describe: (address) =>
      call(address, async (client) => describeFromWire(await client.describe())),
    adopt: (address, { clusterId, nodeId, members, instanceId }) =>
      call(address, async (client) => {
        await client.adopt({ clusterId, nodeId, members: members.map(toWire), instanceId });
      }),
  };
}

/** `meridian init`: founds a cluster through the node at the address. */
export async function initCluster(
  address: string,
  nodes: number,
  options: { readonly timers: Timers; readonly tls?: TlsMaterial | undefined },
): Promise<Founded> {
  // The node asks every other one in turn, and each may take its time.
  const client = clusterClient(address, { ...options, timeoutMicros: 60_000_000 });
  try {
    const { clusterId, members } = await client.init({ nodes });
    return { clusterId, members: members.map(fromWire) };
  } catch (error) {
    throw fromRpc(address, error);
  } finally {
    client.close();
  }
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

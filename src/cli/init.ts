// `meridian init`: makes a cluster of nodes that wait for it.

import { initCluster } from '../node/cluster-service.ts';
import { DEFAULT_RPC, formatAddress, parseAddress } from '../node/config.ts';
import { createNodeRuntime } from '../runtime/node/node-runtime.ts';
import { certificates } from './certificates.ts';
import { type CommandSpec, EXIT_DONE, parseOptions, UsageError } from './usage.ts';

const SPEC: CommandSpec = {
  name: 'meridian init',
  summary: "make a cluster of nodes that were started with 'meridian start --join'; once",
  options: {
    rpc: {
      value: 'HOST:PORT',
      help: `of one of them (default ${formatAddress(DEFAULT_RPC)}); it asks those that it was told to join`,
    },
    nodes: { value: 'N', help: 'refuse when they are not so many' },
    'tls-ca': { value: 'FILE', help: 'PEM: whose certificates the nodes must have' },
    'tls-cert': { value: 'FILE', help: 'PEM: a certificate of the same CA' },
    'tls-key': { value: 'FILE', help: 'PEM: its key' },
  },
  notes: 'If it fails half-way, run it again with the same --rpc: it finishes what was begun.',
};

export async function init(args: readonly string[]): Promise<number> {
  const options = parseOptions(SPEC, args);
  const text = options.text('rpc') ?? formatAddress(DEFAULT_RPC);
  let address: string;
  try {
    address = formatAddress(parseAddress(text));
  } catch (error) {
    throw new UsageError(`--rpc: ${(error as Error).message}`);
  }
  const nodes = options.whole('nodes', 1, 1000) ?? 0;
  const { timers } = createNodeRuntime({ logLevel: 'error' });
  const tls = certificates(options);
  const { clusterId, members } = await initCluster(address, nodes, { timers, tls });
  process.stdout.write(`Cluster ${clusterId} has ${members.length} nodes:\n\n`);
  for (const { nodeId, rpc, sql } of members) {
    process.stdout.write(`  node ${nodeId}   rpc ${rpc}   postgres://root@${sql}/defaultdb\n`);
  }
  return EXIT_DONE;
}

// What a node is told when it starts. Addresses are checked here, for every door: until there is authentication and
// TLS, only loopback is served.

import { type Address, formatAddress, isLoopback, parseAddress } from '../base/address.ts';
import { DbError } from '../base/errors.ts';
import { DEFAULT_TIMING, type RaftTiming } from '../raft/timing.ts';

export { type Address, formatAddress, parseAddress };

export interface NodeConfig {
  readonly dataDirectory: string;
  readonly sql: Address;
  readonly rpc: Address;
  readonly http: Address;
  /** Storage shards on threads of their own; 0 runs one inline. */
  readonly shards: number;
  readonly cacheBytes: number;
  /** Size of a segment of the log. */
  readonly logSegmentBytes: number;
  /** Entries of the log that are applied before a flush lets it be cut. */
  readonly entriesPerFlush: number;
  /** Bytes of the log that are. */
  readonly bytesPerFlush: number;
  /** Free space below which writes are refused. */
  readonly minFreeBytes: number;
  /** Of Raft; the same on all nodes of a cluster. */
  readonly timing: RaftTiming;
  /** Between comparisons of the replicas; 0: none but those that are asked for. */
  readonly consistencyCheckMicros: number;
}

const MIB: number = 1024 * 1024;

export const DEFAULT_SQL: Address = { host: '127.0.0.1', port: 7432 };
export const DEFAULT_RPC: Address = { host: '127.0.0.1', port: 7433 };
export const DEFAULT_HTTP: Address = { host: '127.0.0.1', port: 7434 };
export const DEFAULT_CACHE_BYTES: number = 128 * MIB;
/** Room for both memtables, two log segments and the files that a compaction writes beside the old ones. */
export const DEFAULT_MIN_FREE_BYTES: number = 256 * MIB;

export function defaultConfig(dataDirectory: string): NodeConfig {
  return {
    dataDirectory,
    sql: DEFAULT_SQL,
    rpc: DEFAULT_RPC,
    http: DEFAULT_HTTP,
    shards: 1,
    cacheBytes: DEFAULT_CACHE_BYTES,
    logSegmentBytes: 16 * MIB,
    entriesPerFlush: 100_000,
    bytesPerFlush: 128 * MIB,
    minFreeBytes: DEFAULT_MIN_FREE_BYTES,
    timing: DEFAULT_TIMING,
    consistencyCheckMicros: 600_000_000,
  };
}

/** `hasCertificates`: nodes prove to each other who they are. */
export function requireLoopback(config: NodeConfig, hasCertificates: boolean): void {
  for (const [door, address] of [
    ['SQL', config.sql],
    ['RPC', config.rpc],
    ['HTTP', config.http],
  ] as const) {
    if (isLoopback(address.host) || (door === 'RPC' && hasCertificates)) continue;
    throw new DbError(
      '0A000',
      door === 'RPC'
        ? `the RPC address ${formatAddress(address)} is not on loopback: without certificates, other machines are not served`
        : `the ${door} address ${formatAddress(address)} is not on loopback: clients can't be authenticated yet, so other machines are not served`,
      {
        hint:
          door === 'RPC'
            ? `Give --tls-ca, --tls-cert and --tls-key, or use 127.0.0.1:${address.port}.`
            : `Use 127.0.0.1:${address.port}.`,
      },
    );
  }
}

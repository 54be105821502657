// What a node is told when it starts. Addresses are checked here, for every door: until there is authentication and
// TLS, only loopback is served.

import { DbError } from '../base/errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

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
  /** Free space below which writes are refused. */
  readonly minFreeBytes: number;
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
    minFreeBytes: DEFAULT_MIN_FREE_BYTES,
  };
}

/** 'HOST:PORT' or '[::1]:PORT'. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new DbError(
      '22023',
      `'${text}' is no address: HOST:PORT is wanted, such as 127.0.0.1:7432`,
    );
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

export function formatAddress(address: Address): string {
  return address.host.includes(':')
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

export function requireLoopback(config: NodeConfig): void {
  for (const [door, address] of [
    ['SQL', config.sql],
    ['RPC', config.rpc],
    ['HTTP', config.http],
  ] as const) {
    if (!isLoopback(address.host)) {
      throw new DbError(
        '0A000',
        `the ${door} address ${formatAddress(address)} is not on loopback: there is no authentication and no TLS yet, so other machines are not served`,
        { hint: `Use 127.0.0.1:${address.port}.` },
      );
    }
  }
}

// HOST:PORT, as users write it.

import { DbError } from './errors.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
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

/** Only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

// Who may speak to whom. With certificates every connection is TLS, and both sides must show one that the cluster's CA
// signed. What a node's certificate is for stands in its DNS names: `node-3` for node 3, or `meridian-node` for any
// node, where one certificate is shared or ids aren't known beforehand. Other certificates of the CA are clients'.
// Without certificates only this machine is spoken to.

import type { PeerCertificate } from 'node:tls';
import type { SecureClientSessionOptions, SecureServerOptions } from 'node:http2';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { isLoopback, parseAddress } from '../base/address.ts';
import { DbError } from '../base/errors.ts';

/** Contents of PEM files. */
export interface TlsMaterial {
  readonly ca: string | Uint8Array;
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
}

const ANY_NODE = 'meridian-node';

/** What is asked for in TLS's server name, which must be no IP address. Nothing depends on it. */
export const SERVER_NAME = 'meridian-node.internal';

/** Who doesn't show a certificate of the CA is not let in. */
export function serverTls({ ca, cert, key }: TlsMaterial): SecureServerOptions {
  const material = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
  return { ...material, requestCert: true, rejectUnauthorized: true };
}

/** For calls to nodes; which node it is, is looked at when it has said so. */
export function clientTls({ ca, cert, key }: TlsMaterial): SecureClientSessionOptions {
  const material = { ca: Buffer.from(ca), cert: Buffer.from(cert), key: Buffer.from(key) };
  return {
    ...material,
    servername: SERVER_NAME,
    checkServerIdentity: (_host, certificate) => whyNoNode(certificate),
  };
}

export function nodeCredentials(tls: TlsMaterial | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert), {
    checkServerIdentity: (_host, certificate) => whyNoNode(certificate),
  });
}

function whyNoNode(certificate: PeerCertificate): Error | undefined {
  return nodeNames(certificate).length > 0
    ? undefined
    : new Error(`its certificate (${describe(certificate)}) is no node's`);
}

/** DbError where TLS would be needed and there are no certificates. */
export function requireReachable(address: string, tls: TlsMaterial | undefined): void {
  if (tls !== undefined || isLoopback(parseAddress(address).host)) return;
  throw new DbError(
    '0A000',
    `the RPC address ${address} is not on loopback: without certificates only this machine is spoken to`,
    { hint: 'Give the nodes certificates, or use 127.0.0.1.' },
  );
}

/** Why the certificate doesn't make its holder this node; undefined when it does. */
export function certificateRefusal(
  certificate: PeerCertificate | undefined,
  nodeId: number,
): string | undefined {
  if (certificate === undefined)
    return `it shows no certificate, and says that it is node ${nodeId}`;
  const names = nodeNames(certificate);
  if (names.includes(ANY_NODE) || names.includes(`node-${nodeId}`)) return undefined;
  return `its certificate is for ${describe(certificate)}, and it says that it is node ${nodeId}`;
}

function nodeNames(certificate: PeerCertificate): string[] {
  return dnsNames(certificate).filter((name) => name === ANY_NODE || /^node-[1-9]\d*$/.test(name));
}

function dnsNames(certificate: PeerCertificate): string[] {
  const names = (certificate.subjectaltname ?? '').split(', ');
  return names.filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4));
}

function describe(certificate: PeerCertificate): string {
  return dnsNames(certificate).join(', ') || 'no DNS name';
}

// The handshake: both sides say who they are before anything else, and whoever finds the other wrong refuses it.

import type { PeerCertificate } from 'node:tls';
import type { NodeId } from '../runtime/runtime.ts';
import type { StatusName } from './error.ts';
import type { Hello } from './generated/peer.ts';
import { certificateRefusal } from './tls.ts';

export const PROTOCOL_VERSION = 1;

/** HOST:PORT each. */
export interface NodeAddresses {
  readonly rpc: string;
  readonly sql: string;
  readonly http: string;
}

/** Who a node is, to its peers. */
export interface NodeCard {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Another one after each start. */
  readonly bootId: string;
  readonly addresses: NodeAddresses;
}

export interface Refusal {
  readonly status: StatusName;
  readonly reason: string;
}

export function helloTo(to: NodeId, self: NodeCard): Hello {
  return {
    protocolVersion: PROTOCOL_VERSION,
    clusterId: self.clusterId,
    nodeId: self.nodeId,
    bootId: self.bootId,
    rpcAddress: self.addresses.rpc,
    sqlAddress: self.addresses.sql,
    httpAddress: self.addresses.http,
    toNodeId: to,
  };
}

export function cardOf(hello: Hello): NodeCard {
  return {
    clusterId: hello.clusterId,
    nodeId: hello.nodeId,
    bootId: hello.bootId,
    addresses: { rpc: hello.rpcAddress, sql: hello.sqlAddress, http: hello.httpAddress },
  };
}

export interface Expectation {
  /** Whom we called; undefined when it called us. */
  readonly nodeId: NodeId | undefined;
  /** Undefined without TLS. */
  readonly certificate: { readonly shown: PeerCertificate | undefined } | undefined;
}

/** Why who said this is refused, in words for both; undefined when it is welcome. */
export function refusalOf(
  hello: Hello | undefined,
  self: NodeCard,
  expected: Expectation,
): Refusal | undefined {
  if (hello === undefined) {
    return { status: 'INVALID_ARGUMENT', reason: 'its first message does not say who it is' };
  }
  const wrong = mismatch(hello, self, expected);
  if (wrong !== undefined) return { status: 'FAILED_PRECONDITION', reason: wrong };
  if (expected.certificate === undefined) return undefined;
  const reason = certificateRefusal(expected.certificate.shown, hello.nodeId);
  return reason === undefined ? undefined : { status: 'UNAUTHENTICATED', reason };
}

function mismatch(hello: Hello, self: NodeCard, expected: Expectation): string | undefined {
  if (hello.protocolVersion !== PROTOCOL_VERSION) {
    return `it speaks version ${hello.protocolVersion} of the protocol between nodes, node ${self.nodeId} version ${PROTOCOL_VERSION}`;
  }
  if (hello.clusterId !== self.clusterId) {
    return `it is node ${hello.nodeId} of cluster ${hello.clusterId}, not of ${self.clusterId}`;
  }
  if (expected.nodeId !== undefined && hello.nodeId !== expected.nodeId) {
    return `it is node ${hello.nodeId}, not node ${expected.nodeId}`;
  }
  if (hello.toNodeId !== self.nodeId) {
    return `it looks for node ${hello.toNodeId}, and this is node ${self.nodeId}`;
  }
  if (hello.nodeId === self.nodeId && hello.bootId !== self.bootId) {
    return `it says that it is node ${self.nodeId}, which it speaks to`;
  }
  return undefined;
}

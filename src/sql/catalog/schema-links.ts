// How a gateway and the schema's home reach each other: node carries the messages, over a stream or directly when both
// are in one process. All calls are made in order and never throw.

import type { ToGateway, ToHome } from './schema-messages.ts';

/** A gateway's end. */
export interface HomeLink {
  /** Answers come before send() returns. */
  readonly isLocal: boolean;
  send(message: ToHome): void;
  close(): void;
}

export interface HomeLinkEvents {
  message(message: ToGateway): void;
  /** Nothing more comes. Not after close(). */
  broken(reason: string): void;
}

export interface SchemaHomes {
  /** A link to the home, wherever that is now. `incarnation`: of this process. Rejects with DbError when there is none
   * that is known, or it is not reached. */
  open(incarnation: number, events: HomeLinkEvents): Promise<HomeLink>;
}

/** The home's end. */
export interface GatewayLink {
  readonly isLocal: boolean;
  send(message: ToGateway): void;
  close(): void;
}

/** What the home does with what comes from one gateway. */
export interface GatewayEvents {
  message(message: ToHome): void;
  broken(): void;
}

/** How long a gateway may use what it knows of the schema after it asked for its lease: the same on all nodes. */
export const SCHEMA_LEASE_MICROS = 3_000_000;
/** A gateway asks again so often; a home that has not answered by the second time after is looked for elsewhere. */
export const SCHEMA_RENEW_MICROS = 500_000;
/** What a node's monotonic clock may be off the true rate, either way: as for Raft's leases. */
const DRIFT_PER_MILLION = 200;

/** What a gateway may count on, from the sending of its request. */
export function gatewayLeaseMicros(leaseMicros: number): number {
  const drift = DRIFT_PER_MILLION / 1e6;
  return Math.floor((leaseMicros * (1 - drift)) / (1 + drift));
}

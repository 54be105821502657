// What a node says of itself: for health checks, metrics and `meridian cluster status`.

import type { Role } from '../raft/types.ts';
import type { Member } from './identity.ts';

export interface DatabaseHealth {
  readonly serving: boolean;
  readonly status: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
}

/** A replica that this node has. */
export interface RangeStatus {
  readonly range: number;
  readonly role: Role;
  /** 0: unknown. */
  readonly leaderNode: number;
  readonly term: number;
  readonly appliedIndex: number;
  readonly committedIndex: number;
  readonly lastIndex: number;
  readonly isLeaseHeld: boolean;
  /** Entries committed here and not applied. */
  readonly lag: number;
  /** Of the leader: entries that each other member still lacks, as far as is known. */
  readonly followers: readonly { readonly nodeId: number; readonly behind: number }[];
  readonly isInstalling: boolean;
  /** Why this replica will not serve: it was found to differ from the others. */
  readonly broken: string | undefined;
}

export interface NodeStatus {
  readonly nodeId: number;
  readonly clusterId: string;
  readonly members: readonly Member[];
  /** Whether SQL is served here. */
  readonly isServing: boolean;
  /** Why nothing is served, or 'ok'. */
  readonly reason: string;
  readonly ranges: readonly RangeStatus[];
}

/** What a check of the replicas came to. */
export type ConsistencyAnswer =
  /** All that answered hold the same. */
  | { readonly kind: 'consistent'; readonly replicas: number; readonly rows: number }
  /** These nodes' replicas differ from the rest: they look for the first key that does, and stop serving. */
  | { readonly kind: 'different'; readonly nodes: readonly number[] }
  /** Too few answered, or what is compared changed meanwhile: to be tried again. */
  | { readonly kind: 'undecided'; readonly reason: string };

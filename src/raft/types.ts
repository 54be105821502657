// The vocabulary between the core, the log and the scheduler: etcd's words for the same things.

import type { NodeId } from '../runtime/runtime.ts';
import type { ReplicaId } from './quorum.ts';

export type { ReplicaId } from './quorum.ts';
export type GroupId = number;

/** A replica id says on which node the replica is, and which of the replicas that the group ever had there (P32: none
 * comes twice), so that a message finds its way without a directory. */
const NODES = 0x10000;

/** As a tombstone's: the group is over, whatever replicas it had. */
export const EVERY_REPLICA: ReplicaId = Number.MAX_SAFE_INTEGER;

export function replicaIdOn(node: NodeId, incarnation: number): ReplicaId {
  return incarnation * NODES + node;
}

export function nodeOf(replica: ReplicaId): NodeId {
  return replica % NODES;
}

export function incarnationOf(replica: ReplicaId): number {
  return Math.floor(replica / NODES);
}

/** A change entry carries an encoded Change (codec.ts); a command is the proposer's own bytes. A leader's first entry
 * of its term is a command without bytes. */
export type EntryKind = 'command' | 'change';

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must survive power loss before anything is said that relies on it (Raft paper, figure 2). */
export interface HardState {
  readonly term: number;
  /** 0: none in this term. */
  readonly vote: ReplicaId;
  /** Known committed when the record was written; a hint that restarts may use, never the truth. */
  readonly commit: number;
}

export const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

export interface SoftState {
  readonly role: Role;
  /** 0: unknown. */
  readonly leader: ReplicaId;
}

/** Inclusive at both ends. */
export interface IndexRange {
  readonly first: number;
  readonly last: number;
}

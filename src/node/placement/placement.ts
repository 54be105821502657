// What placement knows and what it may do: the vocabulary of the allocator (allocator.ts), which decides, and of the
// driver (placement-driver.ts), which looks and acts. Plain values, so that a decision can be repeated from them.

import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { Locality } from './locality.ts';

/** suspect: not heard of for seconds; dead: for so long that its replicas are replaced. */
export type Liveness = 'live' | 'suspect' | 'dead';

export interface NodeView {
  readonly node: NodeId;
  readonly locality: Locality;
  readonly liveness: Liveness;
  /** It wants to lead nothing, for it is about to stop. */
  readonly isDraining: boolean;
  /** It wants to have nothing, for it is about to go. */
  readonly isDecommissioning: boolean;
  /** Microseconds of work that it can do in a second: loads are compared as shares of it. */
  readonly capacity: number;
  /** Microseconds of work in a second: of what it leads, and of what it follows. */
  readonly leadLoad: number;
  readonly followLoad: number;
  readonly leases: number;
  readonly replicas: number;
  /** Of its replicas. */
  readonly bytes: number;
  /** On its disk, for replicas: 0 while it has said nothing, and when it has little more than what it keeps free. */
  readonly roomBytes: number;
}

export interface ReplicaView {
  readonly node: NodeId;
  readonly isVoter: boolean;
  /** It has what the leader's log has, but for what is under way. */
  readonly isCaughtUp: boolean;
}

export interface ReplicaSwap {
  readonly learner: NodeId;
  readonly instead: NodeId;
  readonly cause: PlacementCause;
  readonly reason: string;
}

/** A range, as the node that leads it sees it. */
export interface RangeView {
  readonly range: RangeId;
  readonly replicas: readonly ReplicaView[];
  /** A change of its replicas is under way (joint), or may be. */
  readonly isChanging: boolean;
  readonly factor: number;
  /** Microseconds of work in a second: on its leader, and on each follower. */
  readonly leadLoad: number;
  readonly followLoad: number;
  readonly bytes: number;
  /** A swap that was begun by this leader: the learner there comes in place of that voter. */
  readonly intent: ReplicaSwap | undefined;
  /** Its lease was moved a short while ago: for balance it stays. */
  readonly isLeaseCooling: boolean;
  /** The same for its replicas. */
  readonly areReplicasCooling: boolean;
}

export interface PlacementRules {
  /** Balance is sought: moves for load, bytes and count. Repairs are made in any case. */
  readonly isBalancing: boolean;
  /** A node is above even, or below, only beyond these shares of it. */
  readonly loadThreshold: number;
  readonly bytesThreshold: number;
  readonly countThreshold: number;
}

export interface PlacementInput {
  /** Who asks: it leads the ranges. */
  readonly self: NodeId;
  readonly nodes: readonly NodeView[];
  readonly ranges: readonly RangeView[];
  readonly rules: PlacementRules;
  /** How many may be begun now. */
  readonly leaseMovesMax: number;
  readonly replicaMovesMax: number;
}

export type PlacementStep =
  /** `instead`: the voter whose place it is to take; undefined: it is one more. */
  | { readonly kind: 'addLearner'; readonly node: NodeId; readonly instead: NodeId | undefined }
  /** `instead`: in one joint change, this voter goes. */
  | { readonly kind: 'promote'; readonly node: NodeId; readonly instead: NodeId | undefined }
  | { readonly kind: 'remove'; readonly node: NodeId }
  | { readonly kind: 'transferLease'; readonly node: NodeId };

/** Why something is done, for counting. */
export type PlacementCause =
  | 'replication'
  | 'dead'
  | 'decommission'
  | 'drain'
  | 'locality'
  | 'load'
  | 'bytes'
  | 'count';

export interface PlacementAction {
  readonly range: RangeId;
  readonly step: PlacementStep;
  readonly cause: PlacementCause;
  /** For people. */
  readonly reason: string;
}

/** What has to be done for a range, or why it can't be. */
export type Repair =
  | { readonly kind: 'act'; readonly action: PlacementAction }
  /** It is as it should be. */
  | { readonly kind: 'well' }
  /** Something is missing that only time, or a person, can give. */
  | { readonly kind: 'stuck'; readonly reason: string };

// What a replica needs from the rest of the node.

import type { Timestamp } from '../clock/timestamp.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import type { NodeId, Runtime } from '../runtime/runtime.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { RangeId, Shard } from '../storage/shard.ts';
import type { RangeDescriptor } from './descriptor.ts';
import type { Lease } from './gate.ts';
import type { RangeLoad } from './load/range-load.ts';
import type { Absorption, Inheritance, SplitBirth } from './handed-over.ts';
import type { RangeState } from './range-state.ts';
import type { OutcomeRoutes } from './endpoint.ts';
import type { Span } from './requests.ts';

export type ProposalOutcome =
  /** Told to the replica through committed() as well, which is what it acts on. */
  | { readonly kind: 'committed' }
  /** It is not in the log and never will be. */
  | { readonly kind: 'refused' | 'diskFull' | 'tooLarge'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string };

/** The range's Raft group, as its leader sees it. */
export interface Proposer {
  /** Tells the outcome once, a refusal perhaps in this turn. No promise: most proposals commit, which nobody here
   * waits for (bench: point, INSERT). */
  submit(data: Uint8Array, told: (outcome: ProposalOutcome) => void): void;
}

/** An entry of the range's log; the same as Raft's. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: 'command' | 'change';
  readonly data: Uint8Array;
}

/** The replica of a range that was split off. */
export interface Heir {
  inherit(inheritance: Inheritance): void;
}

/** The replica of a range that another takes over. */
export interface Absorbing {
  readonly rangeState: RangeState;
  /** What it has committed is given to the shard; nothing else is from then on. */
  absorbed(): Absorption;
}

export interface ReplicaParts {
  readonly range: RangeId;
  readonly nodeId: NodeId;
  /** As of appliedIndex. */
  readonly state: RangeState;
  /** Descriptors of what else this node has of a span, newest first; left out: nothing. */
  readonly known?: (span: Span) => readonly RangeDescriptor[];
  readonly runtime: Runtime;
  readonly clock: IntervalClock;
  readonly lease: Lease;
  readonly shard: Shard;
  readonly cache: RowCache;
  readonly proposer: Proposer;
  /** What the shard holds already: entries after it will be given to committed(). */
  readonly appliedIndex: number;
  /** The range's other records as of then (record-steps.ts); left out: none. */
  readonly records?: ReadonlyMap<string, Uint8Array>;
  /** No timestamp of the state at appliedIndex lies above it (P1). */
  readonly stateAtMost: Timestamp;
  /** P23: up to where the range is closed for who has what was given to committed(); left out: it never is. */
  readonly closedAt?: () => Timestamp;
  /** Gives the shard what all ranges of the node have committed; left out: there is no other. */
  readonly flushAll?: () => void;
  /** P26: whether this node has the right half's first replica; left out: it has not. */
  readonly mayBear?: (right: RangeDescriptor) => boolean;
  /** In the turn in which a split is applied: brings the right half's replica to life, if it may. */
  readonly born?: (birth: SplitBirth) => Heir | undefined;
  /** P27: in the turn in which a merge is applied: the replica here of the range to the right, which is over then. Left
   * out: there is none. */
  readonly absorb?: (right: RangeId) => Absorbing | undefined;
  /** How other ranges are asked about transactions that are prepared here, or decided; left out: there are none. */
  readonly outcomes?: OutcomeRoutes;
  /** What the range is has changed; left out: nobody asks. */
  readonly changed?: () => void;
  /** Where its requests are counted; left out: nobody asks. */
  readonly load?: RangeLoad;
  /** The range can't go on (an apply failed): the node must stop. */
  readonly onFailure: (error: unknown) => void;
}

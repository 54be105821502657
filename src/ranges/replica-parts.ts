// What a replica needs from the rest of the node.

import type { Timestamp } from '../clock/timestamp.ts';
import type { IntervalClock } from '../clock/interval-clock.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RowCache } from '../storage/row-cache.ts';
import type { RangeId, Shard } from '../storage/shard.ts';
import type { Span } from './api.ts';
import type { Lease } from './gate.ts';

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
  readonly kind: 'command' | 'change';
  readonly data: Uint8Array;
}

export interface ReplicaParts {
  readonly range: RangeId;
  readonly span: Span;
  readonly generation: number;
  readonly runtime: Runtime;
  readonly clock: IntervalClock;
  readonly lease: Lease;
  readonly shard: Shard;
  readonly cache: RowCache;
  readonly proposer: Proposer;
  /** What the shard holds already: entries after it will be given to committed(). */
  readonly appliedIndex: number;
  /** No timestamp of the state at appliedIndex lies above it (P1). */
  readonly stateAtMost: Timestamp;
  /** The range can't go on (an apply failed): the node must stop. */
  readonly onFailure: (error: unknown) => void;
}

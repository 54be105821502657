// What a range leaves to another, in the turn in which a split or a merge is applied.

import type { Timestamp } from '../clock/timestamp.ts';
import type { LogPosition } from '../raft/terms.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { RecentTransactions } from './commit/recent-transactions.ts';
import type { HandedSession } from './locks/sessions.ts';
import type { RangeState } from './range-state.ts';

/** What is born on every replica by a split (P25). */
export interface SplitBirth {
  readonly state: RangeState;
  /** Its other records, but for the ids of transactions, which are the parent's. */
  readonly records: ReadonlyMap<string, Uint8Array>;
  /** The split's, in the log of what it divides. */
  readonly entry: LogPosition;
  /** The node that proposed it. */
  readonly proposer: NodeId;
}

/** What a replica that is born by a split has from its parent on this node (P25). */
export interface Inheritance {
  readonly transactions: RecentTransactions;
  /** Nothing that the parent knew of lies above it. */
  readonly greatest: Timestamp;
  /** P16: until then locks were promised to stay. */
  readonly promised: Timestamp;
  /** Undefined: the parent did not lead. Else the child is expected to, at once. */
  readonly sessions: readonly HandedSession[] | undefined;
  /** Rows of the range may be cached, also from when the parent led and before it hands over or hears who leads. */
  readonly mayBeCached: boolean;
}

/** What the range to the left takes over (P27). */
export interface Absorption {
  readonly state: RangeState;
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly transactions: RecentTransactions;
  readonly greatest: Timestamp;
  readonly promised: Timestamp;
  /** Undefined: this replica did not lead. */
  readonly sessions: readonly HandedSession[] | undefined;
  /** Rows of the range may be cached. */
  readonly mayBeCached: boolean;
}

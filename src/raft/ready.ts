// What goes from the core to whoever drives it.

import type { Configuration } from './configuration.ts';
import type { OutgoingMessage } from './messages.ts';
import type { Entry, HardState, IndexRange, ReplicaId, SoftState } from './types.ts';

/** The answer to a readIndex(): everything up to `index` must be applied before the read. */
export interface ReadState {
  readonly context: number;
  readonly index: number;
}

/** Where a log begins whose earlier entries a snapshot has replaced. */
export interface SnapshotMark {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
  /** Of the change entry that made it: changes at or below it are not made again. */
  readonly configurationIndex: number;
}

/** What the core wants done, once. Whoever takes it sends `messages` at once, writes `entries` and `hardState`, syncs,
 * sends `messagesAfterSync`, and gives the same object to advance(), which may want more said. */
export interface Ready {
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  /** To append; the first replaces whatever the log holds from its index on. */
  readonly entries: readonly Entry[];
  /** To apply, in order: committed, and synced here (P29). Their bytes are in the log. */
  readonly committed: IndexRange | undefined;
  /** A leader's: they leave in parallel with the local write (thesis, section 10.2.1). */
  readonly messages: readonly OutgoingMessage[];
  /** Votes and acknowledgements: true only once `hardState` and `entries` are synced (P29). */
  readonly messagesAfterSync: readonly OutgoingMessage[];
  readonly readStates: readonly ReadState[];
  /** A snapshot must be pulled from this replica's node; snapshotInstalled() or snapshotFailed() ends it. */
  readonly snapshot: { readonly from: ReplicaId; readonly index: number } | undefined;
  /** The configuration that a committed change has made, to be written to the log's identity record. */
  readonly configuration:
    | { readonly configuration: Configuration; readonly index: number }
    | undefined;
}

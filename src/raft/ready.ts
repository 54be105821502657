// What goes from the core to whoever drives it.

import type { Configuration } from './configuration.ts';
import type { OutgoingMessage } from './messages.ts';
import type { Entry, HardState, IndexRange, ReplicaId, SoftState } from './types.ts';

/** The answer to a readIndex(): everything up to `index` must be applied before the read. 0: refused, ask again. */
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

/** What the core wants done, once. Whoever takes it sends `messages` at once, writes `hardState`, then `configuration`,
 * then `entries`, syncs, sends `messagesAfterSync`, and gives the same object to advance(), which may want more said.
 * The order matters after a torn write: there must be no entry of a term that was not entered. Readies may overlap, but
 * every one is reported, in the order in which they were taken. */
export interface Ready {
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  /** To append; the first replaces whatever the log holds from its index on. */
  readonly entries: readonly Entry[];
  /** To apply, in order: committed, and synced here (P29). Their bytes are in the log. */
  readonly committed: IndexRange | undefined;
  /** A leader's: they leave in parallel with the local write (thesis, section 10.2.1). */
  readonly messages: readonly OutgoingMessage[];
  /** Requests for votes, votes and acknowledgements: true only once this Ready and all before it are synced, also when
   * this one has nothing to write (P29). */
  readonly messagesAfterSync: readonly OutgoingMessage[];
  readonly readStates: readonly ReadState[];
  /** A snapshot must be pulled from this replica's node; snapshotInstalled() or snapshotFailed() ends it. */
  readonly snapshot: { readonly from: ReplicaId; readonly index: number } | undefined;
  /** The configuration that committed changes have made, to be written to the log's identity record before `entries`: a
   * replica whose log has the next change must know this one, also after a torn write, or it could win an election by
   * the voters of two changes ago. */
  readonly configuration:
    | {
        readonly configuration: Configuration;
        readonly index: number;
        /** Of the change's entry; 0: not known. */
        readonly term: number;
      }
    | undefined;
}

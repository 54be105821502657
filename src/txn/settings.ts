// How long things may take. Stated for users in docs; a node's configuration may override them.

const SECOND = 1_000_000;

export interface TransactionSettings {
  /** A transaction that is open for longer is aborted (25P04) and its locks go (DESIGN.md section 8.10). */
  readonly longestMicros: number;
  /** A lock that is not granted within this: 55P03. */
  readonly lockTimeoutMicros: number;
  /** From the request to commit to its deadline D: the commit gets no timestamp after it, and its id is remembered
   * until D has passed (P20). */
  readonly commitDeadlineMicros: number;
}

export const DEFAULT_TRANSACTION_SETTINGS: TransactionSettings = {
  longestMicros: 600 * SECOND,
  lockTimeoutMicros: 600 * SECOND,
  commitDeadlineMicros: 10 * SECOND,
};

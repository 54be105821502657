// What a range accepts, in one place. A key, row or transaction beyond its limit, or too many locks: SQLSTATE 54000
// (program_limit_exceeded). The other limits make commits wait, or refuse for a moment: 57P03.

const KIB = 1024;
const MIB = 1024 * KIB;

export const KEY_BYTES_MAX: number = 16 * KIB;
/** Where a range begins: it is written into the key of the range's row in the directory, twice as long at worst. */
export const START_BYTES_MAX: number = 4 * KIB;
export const VALUE_BYTES_MAX: number = 64 * MIB;
/** Keys, values and a few bytes for each write: one log entry. */
export const TRANSACTION_BYTES_MAX: number = 64 * MIB;
/** Counted for each write on top of its key and value. */
export const WRITE_OVERHEAD_BYTES = 16;

/** Locks of one transaction in one range. */
export const LOCKS_PER_TRANSACTION_MAX = 2_000_000;
/** Open sessions of one range; beyond it new transactions are refused. */
export const SESSIONS_MAX = 100_000;

/** Committed entries that the shard has not yet taken. Beyond it, commits wait before they are proposed. */
export const UNAPPLIED_BYTES_MAX: number = 128 * MIB;

/** How long a leader that hands over waits for what it has proposed. */
export const HAND_OVER_MICROS = 100_000;

/** Transaction ids remembered at once (P20). Beyond it commits are refused until deadlines pass. */
export const REMEMBERED_TRANSACTIONS_MAX = 4_000_000;

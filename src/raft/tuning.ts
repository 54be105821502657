// The bounds of a core. Ticks are the driver's; bytes are those of entries, each with a little for what frames it
// (terms.ts).

export interface CoreTuning {
  readonly heartbeatTicks: number;
  /** A follower campaigns after n to 2n - 1 ticks without a leader, by chance. */
  readonly electionTicks: number;
  /** Of one append; a single entry may be larger. */
  readonly appendBytesMax: number;
  /** To one follower, not yet acknowledged. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Beyond it a leader takes no proposals until some have committed; one alone may be larger. */
  readonly uncommittedBytesMax: number;
}

export const DEFAULT_TUNING: CoreTuning = {
  heartbeatTicks: 2,
  electionTicks: 12,
  appendBytesMax: 512 * 1024,
  inflightMessagesMax: 256,
  inflightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
};

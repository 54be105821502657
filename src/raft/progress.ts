// How far one member of the group is, as its leader sees it.

/** `probe`: where the logs agree is not known, one append at a time asks. `replicate`: appends leave before the last
 * ones are acknowledged. `snapshot`: it lacks entries that the log no longer has, and pulls them as a snapshot. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export interface ProgressView {
  readonly state: ProgressState;
  /** It has everything up to here, synced. */
  readonly matchIndex: number;
  /** The next append begins here. */
  readonly nextIndex: number;
  /** It was heard since check-quorum last looked. */
  readonly isActive: boolean;
}

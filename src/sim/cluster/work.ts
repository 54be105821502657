// What clients do in a cluster of whole nodes besides reading and writing registers, and what must come of it.

import type { SeededRandom } from '../random.ts';

/** Something that must be answered soon when all is well. */
export interface Probe {
  readonly name: string;
  /** Whether it was; asked again until then. */
  readonly ask: () => Promise<boolean>;
}

export interface WorkCounts {
  readonly operations: number;
  /** Transactions that wrote, or may have written. */
  readonly acknowledged: number;
  readonly unknown: number;
}

export interface Work {
  /** Before anything goes wrong; clients are at work when it resolves. */
  open(): Promise<void>;
  probes(): readonly Probe[];
  /** Nobody asks anything more; what is under way may go on. */
  stop(): void;
  readonly isIdle: boolean;
  readonly counts: WorkCounts;
  /** Any key of those that are used, or one between them. */
  someKey(random: SeededRandom): Uint8Array;
  /** Once all is well. Throws Violation. */
  check(): Promise<void>;
}

// What every benchmark is told.

export interface BenchOptions {
  /** Show that it runs, not how fast. */
  readonly short: boolean;
}

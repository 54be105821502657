// What every benchmark is told.

export interface BenchOptions {
  /** Show that it runs, not how fast. */
  readonly short: boolean;
  /** Of a benchmark with phases: those whose name has one of these words, with commas between; undefined: all. */
  readonly only: string | undefined;
}

/** Throws when none has it. */
export function chosenPhases<P extends { readonly name: string }>(
  phases: readonly P[],
  { only }: BenchOptions,
): readonly P[] {
  if (only === undefined) return phases;
  const words = only.toLowerCase().split(',');
  const chosen = phases.filter(({ name }) =>
    words.some((word) => name.toLowerCase().includes(word)),
  );
  if (chosen.length > 0) return chosen;
  const names = phases.map(({ name }) => `  ${name}`).join('\n');
  throw new Error(`no phase is called ${JSON.stringify(only)}; there are\n${names}`);
}

// What a checker or a workload says when a node, or a cluster of them, broke a promise.

export class Violation extends Error {
  override readonly name = 'Violation';
}

export function demand(holds: boolean, otherwise: string): void {
  if (!holds) throw new Violation(otherwise);
}

/** What a run throws when something broke a promise: it says which seed. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

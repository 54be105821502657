// Whether a few transactions can have happened in some order, by trying every one.

import type { Model } from '../../src/sim/checkers/history/models.ts';
import type { Made, MadeOperation } from './made-history.ts';

type Store = ReadonlyMap<number, readonly unknown[]>;

export function byTryingEveryOrder(made: readonly Made[], model: Model): boolean {
  // What failed did not happen; what nobody knows of may have.
  const all = made.filter(({ outcome }) => outcome !== 'fail');
  return model === 'snapshot-isolation'
    ? snapshots(all, new Map(), new Map(), new Map())
    : serial(all, new Map(), model === 'strict-serializable');
}

function serial(left: readonly Made[], store: Store, isStrict: boolean): boolean {
  if (left.every(({ outcome }) => outcome === 'info')) return true;
  return left.some((one) => {
    const isTooEarly = left.some((other) => answeredAt(other) < one.invoked);
    if (isStrict && isTooEarly) return false;
    const after = run(one, store);
    return after !== undefined && serial(without(left, one), after, isStrict);
  });
}

/** Each takes a snapshot at one moment and commits at a later one. `begun`: their snapshots. `changes`: of each key the
 * number of commits, `seen` that of a snapshot. */
function snapshots(
  left: readonly Made[],
  begun: ReadonlyMap<
    Made,
    { readonly store: Store; readonly changes: ReadonlyMap<number, number> }
  >,
  store: Store,
  changes: ReadonlyMap<number, number>,
): boolean {
  if (left.every(({ outcome }) => outcome === 'info')) return true;
  return left.some((one) => {
    const snapshot = begun.get(one);
    if (snapshot === undefined) {
      const more = new Map(begun).set(one, { store, changes });
      return run(one, store) !== undefined && snapshots(left, more, store, changes);
    }
    const written = writesOf(one);
    if (written.some((key) => snapshot.changes.get(key) !== changes.get(key))) return false;
    const own = run(one, snapshot.store) as Store;
    const next = new Map(store);
    const counts = new Map(changes);
    for (const key of written) {
      next.set(key, own.get(key) ?? []);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return snapshots(without(left, one), begun, next, counts);
  });
}

function writesOf({ operations }: Made): number[] {
  return [...new Set(operations.filter(([f]) => f !== 'r').map(([, key]) => key))];
}

function answeredAt({ outcome, completed }: Made): number {
  return outcome === 'ok' ? completed : Number.POSITIVE_INFINITY;
}

function without(list: readonly Made[], one: Made): Made[] {
  return list.filter((other) => other !== one);
}

/** The store afterwards; undefined where it would have been answered something else. */
function run({ operations, outcome }: Made, before: Store): Store | undefined {
  const store = new Map(before);
  for (const [f, key, value] of operations) {
    const list = store.get(key) ?? [];
    if (f === 'r') {
      if (outcome === 'ok' && !isShown(value, list)) return undefined;
    } else store.set(key, f === 'append' ? [...list, value] : [value]);
  }
  return store;
}

function isShown(value: MadeOperation[2], list: readonly unknown[]): boolean {
  if (!Array.isArray(value)) return value === (list.at(-1) ?? null);
  return value.length === list.length && value.every((element, i) => element === list[i]);
}

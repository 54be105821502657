// Which of several operators or functions of one name a call means: PostgreSQL's rules, "Type Conversion", chapters
// 10.2 and 10.3 of its manual (func_select_candidate). Pure arithmetic over OIDs.

import { UNKNOWN } from '../../rows/types.ts';
import { categoryOf, isPreferred, type TypeCategory } from './categories.ts';

export interface Signature {
  readonly argOids: readonly number[];
  /** What more these input types must satisfy, beyond an implicit conversion of each. */
  fits?(inputs: readonly number[]): boolean;
}

export type Choice<S extends Signature> =
  | { readonly kind: 'one'; readonly signature: S }
  | { readonly kind: 'none' }
  | { readonly kind: 'ambiguous' };

/** `canCoerce(from, to)`: is there an implicit conversion (not asked for equal types or unknown input). */
export function chooseOverload<S extends Signature>(
  candidates: readonly S[],
  inputs: readonly number[],
  canCoerce: (from: number, to: number) => boolean,
): Choice<S> {
  const sameArity = candidates.filter((c) => c.argOids.length === inputs.length);
  const exact = sameArity.find((c) => c.argOids.every((oid, i) => oid === inputs[i]));
  if (exact !== undefined) return { kind: 'one', signature: exact };

  let left = sameArity.filter(
    (c) =>
      c.argOids.every((oid, i) => {
        const input = inputs[i] as number;
        return input === UNKNOWN || input === oid || canCoerce(input, oid);
      }) &&
      (c.fits?.(inputs) ?? true),
  );
  if (left.length === 0) return { kind: 'none' };
  const known = inputs.map((oid, i) => ({ oid, i })).filter(({ oid }) => oid !== UNKNOWN);
  const unknown = inputs.map((_, i) => i).filter((i) => inputs[i] === UNKNOWN);

  left = keepBest(left, (c) => count(known, ({ oid, i }) => c.argOids[i] === oid));
  if (left.length > 1) {
    left = keepBest(left, (c) =>
      count(known, ({ oid, i }) => {
        const to = c.argOids[i] as number;
        return to === oid || (isPreferred(to) && categoryOf(to) === categoryOf(oid));
      }),
    );
  }
  if (left.length > 1 && unknown.length > 0) left = byCategoryOfUnknowns(left, unknown);
  if (left.length > 1 && unknown.length > 0 && known.length > 0) {
    const first = known[0] as { readonly oid: number };
    if (known.every(({ oid }) => oid === first.oid)) {
      // Suppose that the unknown ones are of the type that all known ones have.
      const alike = inputs.map(() => first.oid);
      const supposed = left.filter(
        (c) =>
          c.argOids.every((oid, i) =>
            inputs[i] === UNKNOWN ? oid === first.oid || canCoerce(first.oid, oid) : true,
          ) &&
          (c.fits?.(alike) ?? true),
      );
      if (supposed.length === 1) left = supposed;
    }
  }
  const [only] = left;
  return left.length === 1 && only !== undefined
    ? { kind: 'one', signature: only }
    : { kind: 'ambiguous' };
}

/** At each unknown position: strings if any candidate takes them there, else the one category that all take; then the
 * category's preferred type if any candidate takes that. Undecided positions leave the candidates alone. */
function byCategoryOfUnknowns<S extends Signature>(
  candidates: S[],
  unknown: readonly number[],
): S[] {
  const slots: { at: number; category: TypeCategory; preferred: boolean }[] = [];
  for (const at of unknown) {
    const oids = candidates.map((c) => c.argOids[at] as number);
    const categories = new Set(oids.map(categoryOf));
    const [first] = categories;
    if (!categories.has('S') && categories.size > 1) return candidates;
    const category = categories.has('S') ? 'S' : (first as TypeCategory);
    const preferred = oids.some((oid) => categoryOf(oid) === category && isPreferred(oid));
    slots.push({ at, category, preferred });
  }
  const kept = candidates.filter((c) =>
    slots.every(({ at, category, preferred }) => {
      const oid = c.argOids[at] as number;
      return categoryOf(oid) === category && (!preferred || isPreferred(oid));
    }),
  );
  return kept.length > 0 ? kept : candidates;
}

function keepBest<S>(candidates: S[], score: (candidate: S) => number): S[] {
  if (candidates.length <= 1) return candidates;
  const scores = candidates.map(score);
  const best = Math.max(...scores);
  return candidates.filter((_, i) => scores[i] === best);
}

function count<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let n = 0;
  for (const item of items) if (holds(item)) n++;
  return n;
}

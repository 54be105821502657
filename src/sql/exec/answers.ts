// What a query inside an expression answers, made of its rows: a value, whether there are any, or how something
// compares with them.

import { DbError } from '../../base/errors.ts';
import { ArrayOf } from '../../rows/array.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { type CompiledExpr, compileExpr, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { SubplanAnswer } from '../plan/nodes.ts';
import { MemoryBudget } from './memory-budget.ts';

export interface Answer {
  /** An array that the answer may keep. */
  add(row: readonly Datum[]): void;
  /** `lefts`: what is compared with the rows. */
  value(lefts: readonly Datum[]): Datum;
}

export function answerMaker(answer: SubplanAnswer): () => Answer {
  switch (answer.kind) {
    case 'scalar':
      return () => new Scalar();
    case 'exists':
      return () => new Exists();
    case 'array': {
      const { elementOid } = answer;
      return () => new Collected(elementOid);
    }
    case 'quantified': {
      const { quantifier, hashed } = answer;
      const test = compileExpr(answer.test);
      if (hashed !== undefined) return () => new EqualsAny(hashed, test);
      if (quantifier === 'row') return () => new ComparesRow(test);
      return () => new Compares(test, quantifier === 'any');
    }
  }
}

function moreThanOne(): DbError {
  return new DbError('21000', 'more than one row returned by a subquery used as an expression');
}

class Scalar implements Answer {
  #value: Datum = null;
  #rows = 0;

  add(row: readonly Datum[]): void {
    // Of many answers that are made at once only those must be right that are asked for.
    if (++this.#rows === 1) this.#value = row[0] as Datum;
  }

  value(): Datum {
    if (this.#rows > 1) throw moreThanOne();
    return this.#value;
  }
}

class Exists implements Answer {
  #found = false;

  add(): void {
    this.#found = true;
  }

  value(): Datum {
    return this.#found;
  }
}

class Collected implements Answer {
  readonly #elementOid: number;
  readonly #items: Datum[] = [];
  readonly #budget = new MemoryBudget('a subquery');

  constructor(elementOid: number) {
    this.#elementOid = elementOid;
  }

  add(row: readonly Datum[]): void {
    this.#budget.add(row);
    this.#items.push(row[0] as Datum);
  }

  value(): Datum {
    return ArrayOf.of<Datum>(this.#elementOid, this.#items);
  }
}

/** (a, b) = (SELECT …) and the like. */
class ComparesRow implements Answer {
  readonly #test: CompiledExpr;
  #row: readonly Datum[] | undefined;
  #rows = 0;

  constructor(test: CompiledExpr) {
    this.#test = test;
  }

  add(row: readonly Datum[]): void {
    this.#rows++;
    this.#row = row;
  }

  value(lefts: readonly Datum[]): Datum {
    if (this.#rows > 1) throw moreThanOne();
    if (this.#row === undefined) return null;
    return this.#test(new TupleView([...lefts, ...this.#row]), []);
  }
}

/** ANY ends at the first true, ALL at the first false; else an unknown makes it unknown. */
class Compares implements Answer {
  readonly #test: CompiledExpr;
  readonly #decisive: boolean;
  readonly #rows: (readonly Datum[])[] = [];
  readonly #budget = new MemoryBudget('a subquery');

  constructor(test: CompiledExpr, decisive: boolean) {
    this.#test = test;
    this.#decisive = decisive;
  }

  add(row: readonly Datum[]): void {
    this.#budget.add(row);
    this.#rows.push(row);
  }

  value(lefts: readonly Datum[]): Datum {
    let unknown = false;
    const view = new TupleView([]);
    for (const row of this.#rows) {
      view.values = [...lefts, ...row];
      const holds = this.#test(view, []);
      if (holds === this.#decisive) return this.#decisive;
      if (holds === null) unknown = true;
    }
    return unknown ? null : !this.#decisive;
  }
}

/** IN and = ANY, by hashing; rows with NULLs can only leave it unknown. */
class EqualsAny implements Answer {
  readonly #types: readonly ColumnType[];
  readonly #test: CompiledExpr;
  readonly #keys = new Map<unknown, readonly Datum[]>();
  readonly #withNulls: (readonly Datum[])[] = [];
  readonly #budget = new MemoryBudget('a subquery');

  constructor(types: readonly ColumnType[], test: CompiledExpr) {
    this.#types = types;
    this.#test = test;
  }

  add(row: readonly Datum[]): void {
    if (row.includes(null)) {
      // One row of nothing but a NULL says as much as many.
      if (row.length === 1 && this.#withNulls.length > 0) return;
      this.#budget.add(row);
      this.#withNulls.push(row);
      return;
    }
    const key = groupKey(this.#types, row);
    if (this.#keys.has(key)) return;
    this.#budget.add(row);
    this.#keys.set(key, row);
  }

  value(lefts: readonly Datum[]): Datum {
    if (lefts.includes(null)) {
      // A pair that surely differs is false, NULLs or not.
      const all = lefts.length === 1 ? this.#keys.size + this.#withNulls.length > 0 : undefined;
      if (all !== undefined) return all ? null : false;
      return this.#mayEqual(lefts, this.#keys.values()) || this.#mayEqual(lefts, this.#withNulls)
        ? null
        : false;
    }
    if (this.#keys.has(groupKey(this.#types, lefts))) return true;
    return this.#mayEqual(lefts, this.#withNulls) ? null : false;
  }

  #mayEqual(lefts: readonly Datum[], rows: Iterable<readonly Datum[]>): boolean {
    const view = new TupleView([]);
    for (const row of rows) {
      view.values = [...lefts, ...row];
      if (this.#test(view, []) !== false) return true;
    }
    return false;
  }
}

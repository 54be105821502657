// Queries inside expressions. One that needs nothing of what is around it is answered once. Another answers for the
// values that it is given, each time anew or out of a memo; after some of those, if it can, by reading all of its rows
// once and keeping them by what must equal these values. An expression that must wait throws a Suspension.

import { DbError } from '../../base/errors.ts';
import { type Maybe, whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import { type CompiledExpr, compileExpr, Suspension, type SubplanRun } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { KeyedQuery, Subplan } from '../plan/nodes.ts';
import { typeOf } from '../types/coercion.ts';
import { type Answer, answerMaker } from './answers.ts';
import { compileQuery } from './compile-query.ts';
import { drain } from './cursor.ts';
import type { CompiledNode } from './cursor.ts';
import type { Execution, SlotSet } from './execution.ts';
import { NO_ROW } from './key-spans.ts';
import { MemoryBudget } from './memory-budget.ts';

/** Answers that are remembered at a time, and how many are worked out one by one before all are got at once. */
const MEMO_ANSWERS_MAX = 10_000;
const SINGLE_ANSWERS = 8;

export interface InnerQueries {
  /** Fills the parameters that stand for the plan's inner queries. */
  begin(execution: Execution): Maybe<void>;
}

export function compileSubplans(plans: readonly Subplan[], slots: SlotSet): InnerQueries {
  const compiled = plans.map((plan) => new CompiledSubplan(plan, slots));
  return {
    begin: (execution) => {
      const params = execution.params as Datum[];
      for (const one of compiled) {
        if (one.plan.initial) continue;
        const runner = new Runner(one, execution);
        const run: SubplanRun = (args) => runner.run(args);
        params[one.plan.run] = run as unknown as Datum;
      }
      // An inner query comes before those that have it inside.
      return answerAll(
        compiled.filter((one) => one.plan.initial),
        execution,
        params,
      );
    },
  };
}

function answerAll(
  queries: readonly CompiledSubplan[],
  execution: Execution,
  params: Datum[],
): Maybe<void> {
  const [first, ...rest] = queries;
  if (first === undefined) return;
  return whenReady(first.answer(execution), (answer) => {
    params[first.plan.run] = answer.value(first.lefts.map((left) => left(NO_ROW, params)));
    return answerAll(rest, execution, params);
  });
}

class CompiledSubplan {
  readonly plan: Subplan;
  readonly make: () => Answer;
  readonly keyed: CompiledKeyed | undefined;
  /** Of an initial one. */
  readonly lefts: readonly CompiledExpr[];
  readonly #query: CompiledNode;
  readonly #width: number;

  constructor(plan: Subplan, slots: SlotSet) {
    this.plan = plan;
    this.lefts = plan.lefts.map(compileExpr);
    this.make = answerMaker(plan.answer);
    this.#query = compileQuery(plan.query, slots);
    this.#width = plan.query.outputs.length;
    const { keyed } = plan.query;
    this.keyed =
      keyed === undefined || plan.byKey ? undefined : new CompiledKeyed(keyed, this.#width, slots);
  }

  answer(execution: Execution): Maybe<Answer> {
    const answer = this.make();
    const rows = collect(this.#query, this.#width, execution, (row) => answer.add(row));
    return whenReady(rows, () => answer);
  }
}

/** The query for all values at once. */
class CompiledKeyed {
  readonly width: number;
  readonly keys: readonly CompiledExpr[];
  readonly types: readonly ColumnType[];
  readonly answersNothing: boolean;
  readonly query: CompiledNode;

  constructor({ plan, keys, answersNothing }: KeyedQuery, width: number, slots: SlotSet) {
    this.width = width;
    this.keys = keys.map(compileExpr);
    this.types = keys.map(typeOf);
    this.answersNothing = answersNothing;
    this.query = compileQuery(plan, slots);
  }

  answers(execution: Execution, make: () => Answer): Maybe<Map<unknown, Answer>> {
    const answers = new Map<unknown, Answer>();
    const { width, types } = this;
    const budget = new MemoryBudget('a subquery');
    const rows = collect(this.query, width + types.length, execution, (row) => {
      const values = row.slice(width);
      if (values.includes(null)) return;
      const key = groupKey(types, values);
      let answer = answers.get(key);
      if (answer === undefined) {
        answer = make();
        answers.set(key, answer);
        budget.add(values);
      }
      answer.add(row.slice(0, width));
    });
    return whenReady(rows, () => answers);
  }
}

/** `take` is given an array of its own for each row; it answers false when it has enough. */
function collect(
  query: CompiledNode,
  width: number,
  execution: Execution,
  take: (row: Datum[]) => void,
): Maybe<void> {
  const cursor = query.open(execution, 0);
  try {
    const drained = drain(cursor, () => {
      const values = new Array<Datum>(width);
      for (let i = 0; i < width; i++) values[i] = cursor.row.datum(i);
      take(values);
    });
    if (!(drained instanceof Promise)) {
      cursor.close();
      return;
    }
    return drained.finally(() => cursor.close());
  } catch (error) {
    cursor.close();
    throw error;
  }
}

/** One subplan in one execution of the whole statement. */
class Runner {
  readonly #compiled: CompiledSubplan;
  readonly #execution: Execution;
  readonly #memo = new Map<unknown, Answer>();
  #misses = 0;
  #keyed: Map<unknown, Answer> | 'refused' | undefined;
  /** Of a keyed query, where no row is. */
  #nothing: Answer | undefined;

  constructor(compiled: CompiledSubplan, execution: Execution) {
    this.#compiled = compiled;
    this.#execution = execution;
  }

  run(args: readonly Datum[]): Datum {
    const { outer } = this.#compiled.plan;
    const lefts = args.length - outer.length;
    return this.#answer(args.slice(lefts)).value(args.slice(0, lefts));
  }

  #answer(outer: readonly Datum[]): Answer {
    const { plan, keyed } = this.#compiled;
    if (keyed !== undefined && this.#keyed instanceof Map)
      return this.#lookup(keyed, this.#keyed, outer);
    const key = outer.length === 0 ? '' : groupKey(plan.outerTypes, outer);
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    if (keyed !== undefined && this.#keyed === undefined && this.#misses === SINGLE_ANSWERS) {
      throw Suspension.until(this.#readAll(keyed));
    }
    this.#misses++;
    return this.#work(outer, (answer) => {
      if (this.#memo.size === MEMO_ANSWERS_MAX) this.#memo.clear();
      this.#memo.set(key, answer);
    });
  }

  #work(outer: readonly Datum[], keep: (answer: Answer) => void): Answer {
    const inner = this.#execution.inner(this.#paramsFor(outer));
    const answer = this.#compiled.answer(inner);
    if (answer instanceof Promise) throw Suspension.until(answer.then(keep));
    keep(answer);
    return answer;
  }

  #lookup(keyed: CompiledKeyed, answers: Map<unknown, Answer>, outer: readonly Datum[]): Answer {
    const params = this.#paramsFor(outer);
    const values = keyed.keys.map((key) => key(NO_ROW, params));
    const found = values.includes(null) ? undefined : answers.get(groupKey(keyed.types, values));
    if (found !== undefined) return found;
    if (this.#nothing === undefined && !keyed.answersNothing) this.#nothing = this.#compiled.make();
    return (
      this.#nothing ??
      this.#work(outer, (answer) => {
        this.#nothing = answer;
      })
    );
  }

  async #readAll(keyed: CompiledKeyed): Promise<void> {
    try {
      this.#keyed = await keyed.answers(this.#execution.inner(this.#params()), this.#compiled.make);
      this.#memo.clear();
    } catch (error) {
      // Too much to hold at once: one by one then.
      if (!(error instanceof DbError) || error.code !== '53200') throw error;
      this.#keyed = 'refused';
    }
  }

  #params(): Datum[] {
    return this.#execution.params.slice();
  }

  #paramsFor(outer: readonly Datum[]): Datum[] {
    const params = this.#params();
    this.#compiled.plan.outer.forEach((index, i) => {
      params[index] = outer[i] as Datum;
    });
    return params;
  }
}

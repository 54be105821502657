// Functions in FROM that answer many rows.

import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import { compileExpr, TupleView } from '../../rows/compile.ts';
import type { ArrayValue, Datum } from '../../rows/datum.ts';
import { normalizeInt8 } from '../../rows/datum.ts';
import { Decimal } from '../../rows/decimal.ts';
import type { SetFunction } from '../../rows/function-sets.ts';
import { addInterval, type Instant } from '../../rows/function-time.ts';
import type { Interval } from '../../rows/interval.ts';
import { INT4, NUMERIC, TIMESTAMP, TIMESTAMPTZ } from '../../rows/types.ts';
import type { PlanNode } from '../plan/nodes.ts';
import { type CompiledNode, type Cursor, EmptyCursor } from './cursor.ts';
import type { Execution } from './execution.ts';
import { NO_ROW } from './key-spans.ts';

type TableFunctionNode = PlanNode & { kind: 'tableFunction' };

export function compileTableFunction(node: TableFunctionNode): CompiledNode {
  const args = node.args.map(compileExpr);
  const { set } = node;
  const answer = set !== undefined ? setOf(set) : node.name === 'unnest' ? unnest : seriesOf(node);
  return {
    isStored: false,
    position: (slot) => slot - node.base,
    open: (execution) => {
      const values = args.map((arg) => arg(NO_ROW, execution.params));
      const rows = answer(values);
      if (rows === undefined) return new EmptyCursor();
      return new FunctionCursor(node.ordinality ? numbered(rows) : rows, execution);
    },
  };
}

type Rows = Generator<readonly Datum[]>;

function* numbered(rows: Rows): Rows {
  let number = 0;
  for (const row of rows) yield [...row, ++number];
}

function* tuples(values: Iterable<Datum>): Rows {
  for (const value of values) yield [value];
}

function setOf(set: SetFunction): (args: readonly Datum[]) => Rows | undefined {
  return (args) => (args.includes(null) && !set.takesNulls ? undefined : each(set.rows(...args)));
}

function* each(rows: Iterable<readonly Datum[]>): Rows {
  yield* rows;
}

/** Side by side; a shorter array, or NULL, is filled up with NULLs. */
function* unnest(values: readonly Datum[]): Rows {
  const lists = values.map((value) => (value === null ? [] : (value as ArrayValue).items));
  const length = Math.max(...lists.map((items) => items.length));
  for (let i = 0; i < length; i++) yield lists.map((items) => items[i] ?? null);
}

function seriesOf({ types }: TableFunctionNode): (args: readonly Datum[]) => Rows | undefined {
  const oid = types[0]?.oid;
  return (args) => {
    const [start, stop, step] = args;
    if (args.includes(null)) return undefined;
    if (oid === TIMESTAMP || oid === TIMESTAMPTZ) {
      return tuples(instants(start as Instant, stop as Instant, step as Interval));
    }
    if (oid === NUMERIC) {
      const by = (step as Decimal | undefined) ?? Decimal.ONE;
      return tuples(decimals(start as Decimal, stop as Decimal, by));
    }
    const by = (step as number | undefined) ?? 1;
    return tuples(integers(start as number, stop as number, by, oid === INT4));
  };
}

/** Each step is taken from the last one: a month after the 31st is shorter, as in PostgreSQL. */
function* instants(start: Instant, stop: Instant, step: Interval): Generator<Datum> {
  const sign = Math.sign(step.months * 30 * 86_400e6 + step.days * 86_400e6 + step.micros);
  refuseZeroStep(sign === 0);
  if (!Number.isFinite(start)) return;
  for (let at = start; (Number(at) - Number(stop)) * sign <= 0; at = addInterval(at, step))
    yield at;
}

function* integers(
  start: number | bigint,
  stop: number | bigint,
  step: number | bigint,
  isSmall: boolean,
): Generator<Datum> {
  refuseZeroStep(Number(step) === 0);
  if (isSmall || [start, stop, step].every((v) => Math.abs(Number(v)) < 2 ** 50)) {
    const [from, to, by] = [Number(start), Number(stop), Number(step)];
    for (let at = from; by > 0 ? at <= to : at >= to; at += by) yield at;
    return;
  }
  const [from, to, by] = [BigInt(start), BigInt(stop), BigInt(step)];
  for (let at = from; by > 0n ? at <= to : at >= to; at += by) yield normalizeInt8(at);
}

function* decimals(start: Decimal, stop: Decimal, step: Decimal): Generator<Datum> {
  const sign = step.compare(Decimal.ZERO);
  refuseZeroStep(sign === 0);
  for (let at = start; at.compare(stop) * sign <= 0; at = at.add(step)) yield at;
}

function refuseZeroStep(isZero: boolean): void {
  if (isZero) throw new DbError('22023', 'step size cannot equal zero');
}

/** Many rows may come without anything to wait for. */
class FunctionCursor implements Cursor {
  readonly row: TupleView;
  readonly #rows: Iterator<readonly Datum[]>;
  readonly #execution: Execution;

  constructor(rows: Iterator<readonly Datum[]>, execution: Execution) {
    this.#rows = rows;
    this.#execution = execution;
    this.row = new TupleView([]);
  }

  next(): Maybe<boolean> {
    if (this.#execution.isPauseDue()) return this.#execution.pause().then(() => this.#step());
    return this.#step();
  }

  #step(): boolean {
    const step = this.#rows.next();
    if (step.done === true) return false;
    this.row.values = step.value;
    return true;
  }

  close(): void {
    this.#rows.return?.(undefined);
  }
}

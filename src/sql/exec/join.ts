// Joins: the right side is held in memory, hashed by what must be equal; the left side streams past it.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import { groupKey } from '../../rows/aggregates.ts';
import {
  type CompiledExpr,
  type CompiledPredicate,
  compileExpr,
  compilePredicate,
  TupleView,
} from '../../rows/compile.ts';
import type { RowAccess } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import { hasSubplan, mapSlots } from '../plan/expr-tools.ts';
import type { JoinNode } from '../plan/nodes.ts';
import { typeOf } from '../types/coercion.ts';
import { blankRow } from './blank-row.ts';
import { type CompiledNode, type Cursor, drain } from './cursor.ts';
import { type Execution, type SlotSet, suspending } from './execution.ts';
import { MemoryBudget } from './memory-budget.ts';

interface JoinParts {
  readonly left: CompiledNode;
  readonly right: CompiledNode;
  readonly isOuter: boolean;
  /** Rows of the right side without partner come last. */
  readonly isFull: boolean;
  readonly leftPositions: readonly number[];
  readonly rightPositions: readonly number[];
  readonly keyTypes: readonly ColumnType[];
  readonly leftKeys: readonly CompiledExpr[];
  readonly rightKeys: readonly CompiledExpr[];
  readonly condition: CompiledPredicate | undefined;
  readonly isVolatile: boolean;
  readonly suspends: boolean;
}

/** `leftSlots` and `rightSlots`: what of each side is needed above or by the condition. */
export function compileJoin(
  node: JoinNode,
  left: CompiledNode,
  right: CompiledNode,
  leftSlots: readonly number[],
  rightSlots: readonly number[],
  slots: SlotSet,
): CompiledNode {
  const order = new Map([...leftSlots, ...rightSlots].map((slot, i) => [slot, i] as const));
  const position = (slot: number): number => order.get(slot) ?? -1;
  const compiled = (e: Expr, side: CompiledNode): CompiledExpr =>
    compileExpr(mapSlots(e, (slot) => side.position(slot)));
  const { condition } = node;
  const parts: JoinParts = {
    left,
    right,
    isOuter: node.type !== 'inner',
    isFull: node.type === 'full',
    leftPositions: leftSlots.map((slot) => left.position(slot)),
    rightPositions: rightSlots.map((slot) => right.position(slot)),
    keyTypes: node.equal.map((pair) => typeOf(pair.left)),
    leftKeys: node.equal.map((pair) => compiled(pair.left, left)),
    rightKeys: node.equal.map((pair) => compiled(pair.right, right)),
    condition:
      condition === undefined ? undefined : compilePredicate(mapSlots(condition, position)),
    isVolatile: condition !== undefined && slots.isVolatile(condition),
    suspends: condition !== undefined && hasSubplan(condition),
  };
  return { isStored: false, position, open: (execution) => new JoinCursor(parts, execution) };
}

type Bucket = readonly (readonly Datum[])[];
const NO_ROWS: Bucket = [];

class JoinCursor implements Cursor {
  readonly row: TupleView;
  readonly #parts: JoinParts;
  readonly #execution: Execution;
  readonly #left: Cursor;
  readonly #right: Cursor;
  readonly #values: Datum[];
  #table: Map<unknown, (readonly Datum[])[]> | undefined;
  #bucket: Bucket = NO_ROWS;
  #at = 0;
  /** The current left row has had no partner yet. */
  #isLonely = false;
  /** Of a full join: the right side's rows, which of them have had a partner, and where among them we are. */
  readonly #all: (readonly Datum[])[] = [];
  readonly #matched = new Set<readonly Datum[]>();
  #leftOver = -1;

  constructor(parts: JoinParts, execution: Execution) {
    this.#parts = parts;
    this.#execution = execution;
    this.#left = parts.left.open(execution, 0);
    this.#right = parts.right.open(execution, 0);
    this.#values = blankRow(parts.leftPositions.length + parts.rightPositions.length);
    this.row = new TupleView(this.#values);
  }

  next(): Maybe<boolean> {
    if (this.#leftOver >= 0) return this.#nextLeftOver();
    if (this.#table === undefined) return whenReady(this.#build(), () => this.next());
    for (;;) {
      const found = this.#parts.suspends
        ? suspending(() => this.#nextPartner())
        : this.#nextPartner();
      if (found instanceof Promise) return found.then((isPair) => this.#after(isPair));
      if (found === undefined) return this.#execution.pause().then(() => this.next());
      if (found) return true;
      const more = this.#left.next();
      if (more instanceof Promise) {
        return more.then((isLeft) => {
          if (!isLeft) return this.#end();
          this.#startLeft();
          return this.next();
        });
      }
      if (!more) return this.#end();
      this.#startLeft();
    }
  }

  #after(found: boolean | undefined): Maybe<boolean> {
    if (found === true) return true;
    return found === undefined ? this.#execution.pause().then(() => this.next()) : this.next();
  }

  #end(): Maybe<boolean> {
    if (!this.#parts.isFull) return false;
    this.#leftOver = 0;
    this.#values.fill(null);
    return this.#nextLeftOver();
  }

  #nextLeftOver(): Maybe<boolean> {
    const offset = this.#parts.leftPositions.length;
    while (this.#leftOver < this.#all.length) {
      if (this.#execution.isPauseDue()) return this.#execution.pause().then(() => this.next());
      const values = this.#all[this.#leftOver++] as readonly Datum[];
      if (this.#matched.has(values)) continue;
      for (let i = 0; i < values.length; i++) this.#values[offset + i] = values[i] as Datum;
      return true;
    }
    return false;
  }

  close(): void {
    this.#left.close();
    this.#right.close();
    this.#table = new Map();
    this.#bucket = NO_ROWS;
  }

  #build(): Maybe<void> {
    const table = new Map<unknown, (readonly Datum[])[]>();
    const budget = new MemoryBudget('a join');
    const { rightKeys, rightPositions, isFull } = this.#parts;
    const { row } = this.#right;
    const drained = drain(this.#right, () => {
      const key = this.#key(rightKeys, row);
      if (key === undefined && !isFull) return;
      const values = rightPositions.map((position) => row.datum(position));
      budget.add(values);
      if (isFull) this.#all.push(values);
      if (key === undefined) return;
      const bucket = table.get(key);
      if (bucket === undefined) table.set(key, [values]);
      else bucket.push(values);
    });
    return whenReady(drained, () => {
      this.#table = table;
    });
  }

  /** Undefined when a part is NULL: equal to nothing. */
  #key(exprs: readonly CompiledExpr[], row: RowAccess): unknown {
    const { params } = this.#execution;
    if (exprs.length === 0) return true;
    const values = exprs.map((e) => e(row, params));
    return values.includes(null) ? undefined : groupKey(this.#parts.keyTypes, values);
  }

  /** Takes a new left row. */
  #startLeft(): void {
    const { leftKeys, leftPositions, isOuter } = this.#parts;
    const { row } = this.#left;
    for (let i = 0; i < leftPositions.length; i++) {
      this.#values[i] = row.datum(leftPositions[i] as number);
    }
    const key = this.#key(leftKeys, row);
    this.#bucket = key === undefined ? NO_ROWS : (this.#table?.get(key) ?? NO_ROWS);
    this.#at = 0;
    this.#isLonely = isOuter;
  }

  /** The next row of this left row; undefined when it is time for a pause. */
  #nextPartner(): boolean | undefined {
    const { leftPositions, rightPositions, condition, isVolatile, isFull } = this.#parts;
    const offset = leftPositions.length;
    while (this.#at < this.#bucket.length) {
      if (this.#execution.isPauseDue()) return undefined;
      const partner = this.#bucket[this.#at] as readonly Datum[];
      for (let i = 0; i < partner.length; i++) this.#values[offset + i] = partner[i] as Datum;
      if (isVolatile) this.#execution.refresh();
      // A condition that must wait throws, and is asked again for the same pair.
      const holds = condition === undefined || condition(this.row, this.#execution.params);
      this.#at++;
      if (!holds) continue;
      this.#isLonely = false;
      if (isFull) this.#matched.add(partner);
      return true;
    }
    if (!this.#isLonely) return false;
    this.#isLonely = false;
    for (let i = 0; i < rightPositions.length; i++) this.#values[offset + i] = null;
    return true;
  }
}

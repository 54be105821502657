// Joins whose right side takes values of the left one's row: it is opened anew for each.

import { type Maybe, whenReady } from '../../base/maybe.ts';
import { type CompiledPredicate, compilePredicate, TupleView } from '../../rows/compile.ts';
import type { Datum } from '../../rows/datum.ts';
import { hasSubplan, mapSlots } from '../plan/expr-tools.ts';
import type { LateralNode } from '../plan/nodes.ts';
import { blankRow } from './blank-row.ts';
import type { CompiledNode, Cursor } from './cursor.ts';
import { type Execution, RowExprs, type SlotSet, suspending } from './execution.ts';

interface LateralParts {
  readonly left: CompiledNode;
  readonly right: CompiledNode;
  readonly isOuter: boolean;
  readonly outer: readonly number[];
  readonly args: RowExprs;
  readonly leftPositions: readonly number[];
  readonly rightPositions: readonly number[];
  readonly condition: CompiledPredicate | undefined;
}

export function compileLateral(
  node: LateralNode,
  left: CompiledNode,
  right: CompiledNode,
  leftSlots: readonly number[],
  rightSlots: readonly number[],
  slots: SlotSet,
): CompiledNode {
  const order = new Map([...leftSlots, ...rightSlots].map((slot, i) => [slot, i] as const));
  const position = (slot: number): number => order.get(slot) ?? -1;
  const { condition } = node;
  const args = node.args.map((arg) => mapSlots(arg, (slot) => left.position(slot)));
  const parts: LateralParts = {
    left,
    right,
    isOuter: node.type === 'left',
    outer: node.outer,
    args: new RowExprs(args, slots),
    leftPositions: leftSlots.map((slot) => left.position(slot)),
    rightPositions: rightSlots.map((slot) => right.position(slot)),
    condition:
      condition === undefined ? undefined : compilePredicate(mapSlots(condition, position)),
  };
  const suspends = condition !== undefined && hasSubplan(condition);
  return {
    isStored: false,
    position,
    open: (execution) => new LateralCursor(parts, execution, suspends),
  };
}

class LateralCursor implements Cursor {
  readonly row: TupleView;
  readonly #parts: LateralParts;
  readonly #execution: Execution;
  readonly #suspends: boolean;
  readonly #left: Cursor;
  readonly #values: Datum[];
  #right: Cursor | undefined;
  #isLonely = false;

  constructor(parts: LateralParts, execution: Execution, suspends: boolean) {
    this.#parts = parts;
    this.#execution = execution;
    this.#suspends = suspends;
    this.#left = parts.left.open(execution, 0);
    this.#values = blankRow(parts.leftPositions.length + parts.rightPositions.length);
    this.row = new TupleView(this.#values);
  }

  next(): Maybe<boolean> {
    for (;;) {
      if (this.#execution.isPauseDue()) return this.#execution.pause().then(() => this.next());
      const step = this.#right === undefined ? this.#nextLeft() : this.#nextRight(this.#right);
      if (step instanceof Promise) return step.then((found) => found ?? this.next());
      if (step !== undefined) return step;
    }
  }

  close(): void {
    this.#left.close();
    this.#right?.close();
  }

  /** False at the end; undefined when there is more to do. */
  #nextLeft(): Maybe<boolean | undefined> {
    return whenReady(this.#left.next(), (found) => {
      if (!found) return false;
      this.#open();
      return undefined;
    });
  }

  #open(): void {
    const { leftPositions, outer, args, right, isOuter } = this.#parts;
    const { row } = this.#left;
    leftPositions.forEach((position, i) => {
      this.#values[i] = row.datum(position);
    });
    const params = this.#execution.params.slice();
    const values = args.values(row, this.#execution);
    outer.forEach((index, i) => {
      params[index] = values[i] as Datum;
    });
    this.#right = right.open(this.#execution.inner(params), 0);
    this.#isLonely = isOuter;
  }

  #nextRight(right: Cursor): Maybe<boolean | undefined> {
    return whenReady(right.next(), (found) => {
      const { leftPositions, rightPositions } = this.#parts;
      const offset = leftPositions.length;
      if (!found) {
        right.close();
        this.#right = undefined;
        if (!this.#isLonely) return undefined;
        this.#values.fill(null, offset);
        return true;
      }
      rightPositions.forEach((position, i) => {
        this.#values[offset + i] = right.row.datum(position);
      });
      const passes = this.#suspends ? suspending(() => this.#passes()) : this.#passes();
      return whenReady(passes, (holds) => {
        if (!holds) return undefined;
        this.#isLonely = false;
        return true;
      });
    });
  }

  #passes(): boolean {
    const { condition } = this.#parts;
    return condition === undefined || condition(this.row, this.#execution.params);
  }
}

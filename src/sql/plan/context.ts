// What the binding of one statement shares: parameters, session slots, the catalog and what was used of it.

import type { Expr } from '../../rows/expr.ts';
import { UNKNOWN, columnType } from '../../rows/types.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { PlanEnvironment } from '../exec/plan-api.ts';
import type { LiteralValue, Name } from '../parse/ast.ts';
import { ParameterTypes } from '../types/parameters.ts';
import { someExpr } from './expr-tools.ts';
import type { SessionFunction, SessionSlot } from './session-functions.ts';

export class PlanContext {
  readonly environment: PlanEnvironment;
  readonly parameters: ParameterTypes;
  readonly slots: SessionSlot[] = [];
  readonly tables: TableDescriptor[] = [];
  literalDependent = false;

  constructor(environment: PlanEnvironment) {
    this.environment = environment;
    this.parameters = new ParameterTypes(
      environment.parameterTypes,
      environment.parameterCount,
      environment.literals,
    );
  }

  table(name: Name): TableDescriptor {
    const table = this.environment.catalog.table(name);
    if (!this.tables.includes(table)) this.tables.push(table);
    return table;
  }

  parameter(index: number, at: number): Expr {
    const oid = this.parameters.oidOf(index, at);
    return { kind: 'parameter', type: columnType(oid), index };
  }

  /** The literal behind a parameter; the plan then holds for this literal only. */
  literalBehind(index: number): LiteralValue | undefined {
    const literal = this.parameters.literal(index);
    if (literal !== undefined) this.literalDependent = true;
    return literal;
  }

  sessionCall(fn: SessionFunction, args: readonly Expr[]): Expr {
    const index = this.parameters.count + this.slots.length;
    this.slots.push({ function: fn, args });
    return { kind: 'parameter', type: fn.type, index };
  }

  /** Its value does not change during an execution: fit for key constraints and for the shards. */
  isStable(expr: Expr): boolean {
    const first = this.parameters.count;
    return !someExpr(
      expr,
      (e) =>
        e.kind === 'parameter' &&
        e.index >= first &&
        (this.slots[e.index - first] as SessionSlot).function.volatile,
    );
  }
}

export function isUnknown(expr: Expr): boolean {
  return 'type' in expr && expr.type.oid === UNKNOWN;
}

// What the binding of one statement shares: parameters, session slots, the catalog and what was used of it.

import { DbError, unsupported } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import { parseText } from '../../rows/text-format.ts';
import { type ColumnType, UNKNOWN, columnType } from '../../rows/types.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { PlanEnvironment } from '../exec/plan-api.ts';
import type { LiteralValue, Name, SelectStatement } from '../parse/ast.ts';
import { ParameterTypes } from '../types/parameters.ts';
import { rewrite, someExpr } from './expr-tools.ts';
import type { PlanNode, SelectPlan, Subplan } from './nodes.ts';
import type { PlanSlot, SessionFunction } from './session-functions.ts';

/** What the query around gives (correlation.ts). */
export interface Around {
  /** The parameters that stand for it. */
  readonly outer: readonly number[];
  /** How often something was taken of it. */
  readonly uses: number;
  lookup(path: readonly string[], at: number): Expr | undefined;
}

/** The names that WITH has given, the innermost first (common-tables.ts). */
export interface CommonTables {
  readonly name: string;
  readonly outer: CommonTables | undefined;
  /** `at`: where it is named. */
  use(at: number): CommonTableUse;
}

/** A named query where it is named. */
export interface CommonTableUse {
  readonly names: readonly string[];
  readonly types: readonly ColumnType[];
  node(base: number): PlanNode;
}

/** How queries and statements are bound, for what stands below them and has them inside. */
export interface Binders {
  /** Undefined: there may be none. */
  readonly query:
    | ((context: PlanContext, ast: SelectStatement, options?: QueryOptions) => SelectPlan)
    | undefined;
}

/** Of expressions that stand in no statement. */
const NO_QUERIES: Binders = {
  query: undefined,
};

export interface QueryOptions {
  /** The types of the columns that INSERT … SELECT fills, for outputs that have none of their own. */
  readonly wanted?: readonly ColumnType[];
  /** Outputs of unknown type stay so: UNION finds one for all its parts. */
  readonly keepsUnknown?: boolean;
}

export class PlanContext {
  readonly environment: PlanEnvironment;
  readonly parameters: ParameterTypes;
  readonly slots: PlanSlot[] = [];
  readonly subplans: Subplan[] = [];
  /** Queries of WITH that are worked out once and named more often. */
  readonly shared: SelectPlan[] = [];
  /** How many queries of WITH feed on their own rows. */
  recursions = 0;
  commonTables: CommonTables | undefined;
  readonly tables: TableDescriptor[] = [];
  literalDependent = false;
  /** FOR UPDATE stands somewhere: that needs a transaction to hold the locks. */
  locksRows = false;
  /** Of the query that is being bound, to the one around it. */
  correlation: Around | undefined;
  readonly #binders: Binders;

  constructor(environment: PlanEnvironment, binders: Binders = NO_QUERIES) {
    this.#binders = binders;
    this.environment = environment;
    this.parameters = new ParameterTypes(
      environment.parameterTypes,
      environment.parameterCount,
      environment.literals,
    );
  }

  query(ast: SelectStatement, options?: QueryOptions): SelectPlan {
    const { query } = this.#binders;
    if (query === undefined) throw unsupported('a query here', ast.at + 1);
    return query(this, ast, options);
  }

  get mayQuery(): boolean {
    return this.#binders.query !== undefined;
  }

  table(name: Name): TableDescriptor {
    const table = this.environment.catalog.table(name);
    if (table.sequence !== undefined) {
      throw unsupported('a sequence in place of a table', name.at < 0 ? undefined : name.at + 1);
    }
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

  /** With the literals that the fingerprint took out in their places again. */
  withLiterals(expr: Expr): Expr {
    return rewrite(expr, (e) => {
      if (e.kind !== 'parameter') return undefined;
      const literal = this.parameters.literal(e.index);
      return literal === undefined ? e : (constantOf(literal, e.type) ?? e);
    });
  }

  dependOnLiterals(): void {
    this.literalDependent = true;
  }

  sessionCall(fn: SessionFunction, args: readonly Expr[]): Expr {
    const first = this.parameters.count;
    const late = args.some((arg) =>
      someExpr(
        arg,
        (e) => e.kind === 'parameter' && this.slots[e.index - first]?.kind === 'reserved',
      ),
    );
    if (late) throw unsupported(`${fn.name}() of what a query answers`);
    const index = first + this.slots.length;
    this.slots.push({ kind: 'session', function: fn, args });
    return { kind: 'parameter', type: fn.type, index };
  }

  /** A parameter that execution fills. */
  reserve(name: string, type: ColumnType, initial = false): number {
    return this.parameters.count + this.slots.push({ kind: 'reserved', name, type, initial }) - 1;
  }

  /** Whether it can be computed before anything is read. */
  isKnownAtStart(expr: Expr): boolean {
    const first = this.parameters.count;
    return !someExpr(expr, (e) => {
      if (e.kind === 'column' || e.kind === 'subplan') return true;
      if (e.kind !== 'parameter' || e.index < first) return false;
      const slot = this.slots[e.index - first] as PlanSlot;
      return slot.kind === 'reserved' ? !slot.initial : slot.function.volatile;
    });
  }

  /** Its value does not change during an execution: fit for key constraints and for the shards. */
  isStable(expr: Expr): boolean {
    const first = this.parameters.count;
    return !someExpr(expr, (e) => {
      if (e.kind === 'subplan') return true;
      if (e.kind !== 'parameter' || e.index < first) return false;
      const slot = this.slots[e.index - first] as PlanSlot;
      return slot.kind === 'session' && slot.function.volatile;
    });
  }
}

/** Undefined when its type does not take it. */
function constantOf(literal: LiteralValue, type: ColumnType): Expr | undefined {
  if (literal.type === 'null' || literal.type === 'bool' || type.oid === UNKNOWN) return undefined;
  const text = literal.type === 'string' ? literal.value : literal.text;
  try {
    return { kind: 'constant', type, value: parseText(type, text) };
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}

export function isUnknown(expr: Expr): boolean {
  return 'type' in expr && expr.type.oid === UNKNOWN;
}

// From text to plans: the fingerprint finds the plan of a text that differs only in literals; a miss is parsed, bound
// and compiled, and kept under its fingerprint when every literal could be taken out.

import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { parseText } from '../../rows/text-format.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import { compileStatement } from '../exec/prepare.ts';
import type { CompiledPlan } from '../exec/plan-api.ts';
import { findAsOf } from '../parse/as-of.ts';
import type { AsOf, CopyStatement, Expression, LiteralValue, Statement } from '../parse/ast.ts';
import {
  type Fingerprint,
  fingerprint,
  NUMERIC_LITERAL,
  STRING_LITERAL,
} from '../parse/fingerprint.ts';
import type { PlanCache } from '../parse/plan-cache.ts';
import { positionOf } from '../parse/position.ts';
import { characterPosition } from '../parse/position.ts';
import { parseExpressionText, parseStatements } from '../parse/postgres.ts';

export interface ParsedText {
  readonly statement: Statement;
  /** Whole text that it stands in. */
  readonly text: string;
  /** Set when the statement is the whole text. */
  readonly print: Fingerprint | undefined;
  /** The fingerprint's literals have become parameters of the statement. */
  readonly literalsTaken: boolean;
  /** Of a SELECT. */
  readonly asOf: AsOf | undefined;
}

/** What the plan cache keeps: plans, and the trees of statements that are sent again and again without being plans. */
export type CachedPlan =
  | { readonly kind: 'plan'; readonly plan: CompiledPlan; readonly version: number }
  | { readonly kind: 'tree'; readonly parsed: readonly ParsedText[] };

export interface PlannedText {
  readonly plan: CompiledPlan;
  /** What the fingerprint took out of the text: the last parameters, after those that the client binds. */
  readonly literals: readonly Datum[];
  /** When it reads; undefined: now. */
  readonly asOf: AsOf | undefined;
}

const NO_LITERALS: readonly LiteralValue[] = [];
const NO_DATUMS: readonly Datum[] = [];
const NO_TYPES: readonly number[] = [];

function isPlanned(statement: Statement): boolean {
  const { kind } = statement;
  return kind === 'select' || kind === 'insert' || kind === 'update' || kind === 'delete';
}

export class StatementCompiler {
  readonly #cache: PlanCache<CachedPlan>;
  readonly #catalog: CatalogView;
  /** Names mean other tables under another search path. Empty for the usual one. */
  readonly #pathMark: () => string;

  constructor(cache: PlanCache<CachedPlan>, catalog: CatalogView, pathMark: () => string) {
    this.#cache = cache;
    this.#catalog = catalog;
    this.#pathMark = pathMark;
  }

  /** The client's own types of its parameters make another plan; the simple protocol has none to bind. */
  #key(key: string, declaredTypes: readonly number[] | undefined): string {
    const mark = this.#pathMark();
    if (declaredTypes === undefined && mark === '') return key;
    return `${key}\u0005${declaredTypes?.join() ?? '-'}\u0005${mark}`;
  }

  /** The plan of a text that has been planned before, with its literals; undefined when it has to be parsed.
   * `declaredTypes`: see plan(). */
  cached(text: string, declaredTypes: readonly number[] | undefined): PlannedText | undefined {
    const print = fingerprint(text);
    if (print.key === undefined) return undefined;
    const entry = this.#cache.get(this.#key(print.key, declaredTypes));
    if (entry === undefined) return this.#cachedAsOf(text, declaredTypes);
    if (entry.kind !== 'plan' || entry.version !== this.#catalog.version) return undefined;
    if (this.#catalog.isBusy(entry.plan.tables)) return undefined;
    return { plan: entry.plan, literals: literalDatums(print, entry.plan), asOf: undefined };
  }

  /** When a statement reads is no matter of its plan. */
  #cachedAsOf(text: string, declaredTypes: readonly number[] | undefined): PlannedText | undefined {
    const { rest, found } = findAsOf(text);
    const [asOf] = found;
    const planned = asOf === undefined ? undefined : this.cached(rest, declaredTypes);
    return planned === undefined ? undefined : { ...planned, asOf };
  }

  /** Throws DbError, positions counted in the whole text. */
  parse(text: string): readonly ParsedText[] {
    const print = fingerprint(findAsOf(text).rest);
    // Where a time was taken out, it would be another's.
    const isKept = print.text === text;
    if (print.key !== undefined && isKept) {
      const entry = this.#cache.get(print.key);
      if (entry?.kind === 'tree') return entry.parsed;
    }
    const parsed = parseStatements(text, { literals: print }).map(
      (one): ParsedText => ({
        statement: one.statement,
        text,
        print: one.literalsTaken || print.count === 0 ? print : undefined,
        literalsTaken: one.literalsTaken,
        asOf: one.asOf,
      }),
    );
    const [only] = parsed;
    if (parsed.length === 1 && only !== undefined && !isPlanned(only.statement)) {
      if (print.key !== undefined && isKept) {
        this.#cache.set(print.key, { kind: 'tree', parsed });
      }
    }
    return parsed;
  }

  /** Undefined for statements that are not planned. `declaredTypes`: what the client says of its parameters; undefined
   * where it has none to give (the simple protocol). */
  plan(one: ParsedText, declaredTypes: readonly number[] | undefined): PlannedText | undefined {
    if (!isPlanned(one.statement)) return undefined;
    const { print, literalsTaken } = one;
    const literals = literalsTaken && print !== undefined ? literalValues(print) : NO_LITERALS;
    try {
      const plan = compileStatement(one.statement, {
        catalog: this.#catalog,
        parseExpression,
        parameterTypes: declaredTypes ?? NO_TYPES,
        literals,
        parameterCount: print?.parameterCount ?? 0,
      });
      const own = plan.parameterTypes.length - literals.length;
      if (declaredTypes === undefined && own > 0) {
        throw new DbError('42P02', 'there is no parameter $1');
      }
      // `print` is there only when no literal was left in the statement (parse()).
      if (print?.key !== undefined && !plan.literalDependent) {
        const key = this.#key(print.key, declaredTypes);
        this.#cache.set(key, { kind: 'plan', plan, version: this.#catalog.version });
      }
      return {
        plan,
        literals: literals.length === 0 ? NO_DATUMS : literalDatums(print as Fingerprint, plan),
        asOf: one.asOf,
      };
    } catch (error) {
      throw inCharacters(error, one.text);
    }
  }

  /** Of a statement inside another (EXPLAIN): its literals are still in it. */
  planStatement(statement: Statement): CompiledPlan | undefined {
    if (!isPlanned(statement)) return undefined;
    return compileStatement(statement, {
      catalog: this.#catalog,
      parseExpression,
      parameterTypes: NO_TYPES,
      literals: NO_LITERALS,
      parameterCount: 0,
    });
  }

  /** What COPY … TO copies. */
  planCopy(statement: CopyStatement): CompiledPlan {
    const query = statement.query ?? selectOf(statement);
    return this.planStatement(query) as CompiledPlan;
  }
}

function parseExpression(text: string): Expression {
  return parseExpressionText(text);
}

function selectOf(statement: CopyStatement): Extract<Statement, { kind: 'select' }> {
  const { table, columns, at } = statement;
  if (table === undefined) throw new DbError('42601', 'COPY needs a table or a query');
  const names = columns?.map((name) => ({ kind: 'column' as const, path: [name], at }));
  return {
    kind: 'select',
    distinct: false,
    items: (names ?? [{ kind: 'star' as const, table: undefined, at }]).map((expr) => ({
      expr,
      alias: undefined,
    })),
    from: [{ kind: 'table', table, alias: undefined }],
    values: undefined,
    where: undefined,
    groupBy: [],
    having: undefined,
    orderBy: [],
    limit: undefined,
    offset: undefined,
    locking: undefined,
    at,
  };
}

function literalValues(print: Fingerprint): readonly LiteralValue[] {
  const values: LiteralValue[] = [];
  for (let k = 0; k < print.count; k++) {
    const text = print.value(k);
    switch (print.literalClass(k)) {
      case STRING_LITERAL:
        values.push({ type: 'string', value: text });
        break;
      case NUMERIC_LITERAL:
        values.push({ type: 'decimal', text });
        break;
      default:
        values.push({ type: 'integer', text });
    }
  }
  return values;
}

function literalDatums(print: Fingerprint, plan: CompiledPlan): readonly Datum[] {
  const count = print.count;
  if (count === 0) return NO_DATUMS;
  const datums: Datum[] = [];
  const first = print.parameterCount;
  for (let k = 0; k < count; k++) {
    datums.push(literalDatum(print, k, plan.parameterTypes[first + k] as ColumnType));
  }
  return datums;
}

/** A literal that its type does not take is complained about where it stands, as if it had never been taken out. */
function literalDatum(print: Fingerprint, k: number, type: ColumnType): Datum {
  try {
    return parseText(type, print.value(k));
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    throw error.at(positionOf(print.text, print.start(k)));
  }
}

/** Positions of planning count UTF-16 units, the client's characters. */
export function inCharacters(error: unknown, text: string): unknown {
  if (!(error instanceof DbError) || error.fields.position === undefined) return error;
  const position = characterPosition(text, error.fields.position - 1);
  return new DbError(error.code, error.message, { ...error.fields, position });
}

// Functions over the system's tables: pg_get_indexdef() and its like. A call becomes a look-up in a dictionary (rows/
// function-system.ts) that the session fills from the catalog once for each execution: so the argument may be a column.

import { unsupported } from '../../base/errors.ts';
import { SYSTEM_BOOL, SYSTEM_TEXT } from '../../rows/function-system.ts';
import type { Expr } from '../../rows/expr.ts';
import { BOOL, columnType, INT4, OID, TEXT } from '../../rows/types.ts';
import { columnAt } from '../catalog/descriptor.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import type { SessionFunction } from '../plan/session-functions.ts';
import { BUILT_TYPES } from '../types/names.ts';
import { checkOid, indexOid, keyConstraintOid, OWNER_OID } from './oids.ts';
import { shownIndexes } from './relations.ts';
import { checkText, indexColumnText, indexText, keyConstraintText } from './texts.ts';
import { systemRelationOids } from './virtual-tables.ts';

type Entries = Record<string, string | readonly string[]>;
type Fill = (catalog: CatalogView, session: SessionValues) => Entries;

interface SystemFunction {
  readonly argOids: readonly number[];
  readonly optional: number;
  /** Which argument says which part of what is found; undefined: the first. */
  readonly partAt?: number;
  readonly result: 'text' | 'bool';
  readonly dictionary: SessionFunction;
}

const VISIBLE = 't';

function constraintTexts(catalog: CatalogView): Entries {
  const entries: Entries = {};
  for (const table of catalog.all()) {
    for (const { index, isPrimary, isConstraint } of shownIndexes(table)) {
      if (isConstraint)
        entries[keyConstraintOid(index)] = keyConstraintText(table, index, isPrimary);
    }
    for (const check of table.checks) {
      entries[checkOid(table, check)] = checkText(check.text, check.validated);
    }
  }
  return entries;
}

/** The whole, then column by column. */
function indexTexts(catalog: CatalogView): Entries {
  const entries: Entries = {};
  for (const table of catalog.all()) {
    for (const { index, isUnique } of shownIndexes(table)) {
      const columns = index.columns.map((column) => indexColumnText(table, index, column));
      const stored = (index.stored ?? []).map((position) => columnAt(table, position)?.name ?? '');
      entries[indexOid(index)] = [indexText(table, index, isUnique), ...columns, ...stored];
    }
  }
  return entries;
}

function visibleRelations(catalog: CatalogView, session: SessionValues): Entries {
  const entries: Entries = {};
  for (const oid of systemRelationOids('pg_catalog')) entries[oid] = VISIBLE;
  for (const oid of systemRelationOids('information_schema')) entries[oid] = 'f';
  for (const table of catalog.all()) {
    const shown = session.searchPath.includes(table.schema) ? VISIBLE : 'f';
    entries[table.id] = shown;
    for (const { index } of shownIndexes(table)) entries[indexOid(index)] = shown;
  }
  return entries;
}

function publishable(catalog: CatalogView): Entries {
  const entries: Entries = {};
  for (const { id, sequence } of catalog.all()) entries[id] = sequence === undefined ? 't' : 'f';
  return entries;
}

function visibleTypes(): Entries {
  return Object.fromEntries(BUILT_TYPES.map((oid) => [oid, VISIBLE]));
}

function define(
  name: string,
  argOids: readonly number[],
  result: 'text' | 'bool',
  fill: Fill,
  options: { readonly optional?: number; readonly partAt?: number } = {},
): readonly [string, SystemFunction] {
  const dictionary: SessionFunction = {
    name,
    type: columnType(TEXT),
    volatile: false,
    waits: false,
    argOids: [],
    optional: 0,
    evaluate: (session, _args, catalog) => {
      if (catalog === undefined) throw unsupported(`${name}() in a default or a check`);
      return JSON.stringify(fill(catalog, session));
    },
  };
  return [name, { argOids, result, dictionary, ...options, optional: options.optional ?? 0 }];
}

const FUNCTIONS: ReadonlyMap<string, SystemFunction> = new Map([
  define('pg_function_is_visible', [OID], 'bool', () => ({})),
  define('pg_get_constraintdef', [OID, BOOL], 'text', constraintTexts, { optional: 1 }),
  define('pg_get_indexdef', [OID, INT4, BOOL], 'text', indexTexts, { optional: 2, partAt: 1 }),
  define('pg_get_userbyid', [OID], 'text', (_catalog, session) => ({
    [OWNER_OID]: session.sessionUser,
  })),
  define('pg_relation_is_publishable', [OID], 'bool', publishable),
  define('pg_table_is_visible', [OID], 'bool', visibleRelations),
  define('pg_type_is_visible', [OID], 'bool', visibleTypes),
]);

export const systemFunctionNames: readonly string[] = [...FUNCTIONS.keys()];

/** Undefined: it is none of these, or has other arguments. `args` are bound; `coerced` makes one what it has to be. */
export function bindSystemFunction(
  name: string,
  args: readonly Expr[],
  coerced: (i: number, oid: number) => Expr,
  sessionCall: (fn: SessionFunction) => Expr,
): Expr | undefined {
  const found = FUNCTIONS.get(name);
  if (found === undefined) return undefined;
  const { argOids, optional, result, partAt, dictionary } = found;
  if (args.length > argOids.length || args.length < argOids.length - optional) return undefined;
  // All are coerced: what is not used must be right, too.
  const bound = args.map((_, i) => coerced(i, argOids[i] as number));
  const oid = bound[0] as Expr;
  const entries = sessionCall(dictionary);
  if (result === 'bool') {
    return { kind: 'call', type: columnType(BOOL), name: SYSTEM_BOOL, args: [entries, oid] };
  }
  const whole: Expr = { kind: 'constant', type: columnType(INT4), value: 0 };
  const part = (partAt === undefined ? undefined : bound[partAt]) ?? whole;
  return { kind: 'call', type: columnType(TEXT), name: SYSTEM_TEXT, args: [entries, oid, part] };
}

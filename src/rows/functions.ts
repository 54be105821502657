// The registry of scalar functions and operators: by signature for expressions, by SQL name for whoever resolves
// overloads. Comparison, AND, IN, CASE and the like are expressions of their own (expr.ts); functions whose answer
// comes from the session or the moment are the session's.

import { compareDatums, type Datum, orderingOf } from './datum.ts';
import { arrayFunctions } from './function-array.ts';
import { quantifiedFunctions } from './function-quantified.ts';
import { dateFunctions } from './function-dates.ts';
import { jsonFunctions } from './function-json.ts';
import { mathFunctions } from './function-math.ts';
import { numberFunctions } from './function-numbers.ts';
import { regexFunctions } from './function-regex.ts';
import { stringFunctions } from './function-strings.ts';
import { templateFunctions } from './function-templates.ts';
import { textFunctions } from './function-text.ts';
import { systemFunctions } from './function-system.ts';
import { timeFunctions } from './function-time.ts';
import { type ScalarFunction, variadicWithNulls } from './function-types.ts';
import {
  ARRAY_OIDS,
  BOOL,
  BPCHAR,
  BYTEA,
  DATE,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  JSONB,
  NUMERIC,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
  VARCHAR,
} from './types.ts';

export { ANY, type ScalarFunction } from './function-types.ts';

/** NULLs are passed over; only NULLs make NULL. */
function extreme(oid: number, sign: 1 | -1): (...values: Datum[]) => Datum {
  return (...values) => {
    let found: Datum = null;
    for (const value of values) {
      if (value === null) continue;
      if (found === null || compareDatums(oid, value, found) * sign > 0) found = value;
    }
    return found;
  };
}

const COMPARABLE = [
  ...[INT2, INT4, INT8, NUMERIC, FLOAT4, FLOAT8, TEXT, VARCHAR, BPCHAR, BOOL, BYTEA, DATE],
  ...[TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, JSONB],
  ...ARRAY_OIDS.filter((oid) => orderingOf(oid) !== undefined),
];

const extremes: readonly ScalarFunction[] = COMPARABLE.flatMap((oid) => [
  variadicWithNulls('greatest', [oid], oid, extreme(oid, 1)),
  variadicWithNulls('least', [oid], oid, extreme(oid, -1)),
]);

const named: readonly ScalarFunction[] = [
  ...mathFunctions,
  ...textFunctions,
  ...timeFunctions,
  ...arrayFunctions,
  ...jsonFunctions,
  ...numberFunctions,
  ...stringFunctions,
  ...dateFunctions,
  ...templateFunctions,
  ...regexFunctions,
  ...systemFunctions,
  ...extremes,
];

const all: readonly ScalarFunction[] = [...named, ...quantifiedFunctions(named)];

/** By signature, the name that a 'call' expression carries. */
export const scalarFunctions: ReadonlyMap<string, ScalarFunction> = new Map(
  all.map((entry) => [entry.name, entry]),
);

const bySqlName = new Map<string, ScalarFunction[]>();
for (const entry of all) {
  const overloads = bySqlName.get(entry.sqlName);
  if (overloads === undefined) bySqlName.set(entry.sqlName, [entry]);
  else overloads.push(entry);
}

/** All overloads of a function name (lower case) or operator symbol; prefix operators have one argument. */
export function candidates(sqlName: string): readonly ScalarFunction[] {
  return bySqlName.get(sqlName) ?? [];
}

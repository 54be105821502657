// Which types compare with which, and as what: PostgreSQL has an operator of its own for each pair here; all of them
// compare as the wider type, so one comparison for each type is enough.

import * as t from '../../rows/types.ts';
import type { Signature } from './overloads.ts';

export interface ComparisonSignature extends Signature {
  /** Both sides are brought to this type. */
  readonly comparedAs: number;
}

function same(oid: number): ComparisonSignature {
  return { argOids: [oid, oid], comparedAs: oid };
}

/** Both ways round; the later one is the wider. */
function pairs(...oids: readonly number[]): ComparisonSignature[] {
  return oids.flatMap((narrow, i) =>
    oids.slice(i + 1).flatMap((wide) => [
      { argOids: [narrow, wide], comparedAs: wide },
      { argOids: [wide, narrow], comparedAs: wide },
    ]),
  );
}

export const COMPARISONS: readonly ComparisonSignature[] = [
  ...[t.BOOL, t.INT2, t.INT4, t.INT8, t.FLOAT4, t.FLOAT8, t.NUMERIC, t.OID].map(same),
  ...t.REG_TYPES.map(same),
  ...[t.TEXT, t.BPCHAR, t.NAME, t.CHAR1, t.BYTEA, t.UUID, t.JSONB].map(same),
  ...[t.DATE, t.TIME, t.TIMESTAMP, t.TIMESTAMPTZ, t.INTERVAL].map(same),
  ...pairs(t.INT2, t.INT4, t.INT8),
  ...pairs(t.FLOAT4, t.FLOAT8),
  ...pairs(t.NAME, t.TEXT),
  ...pairs(t.DATE, t.TIMESTAMP, t.TIMESTAMPTZ),
];

const COMPARABLE: ReadonlySet<number> = new Set([
  ...COMPARISONS.map((c) => c.comparedAs),
  t.VARCHAR,
]);

/** Has equality and an order: may be grouped, sorted, made distinct, be part of a key. */
export function isComparable(oid: number): boolean {
  return COMPARABLE.has(t.elementOf(oid) ?? oid);
}

// For how long a range keeps its past: as long as any table that it has rows of asks for.

import { compareBytes } from '../../base/bytes.ts';
import { overlaps } from '../../ranges/descriptor.ts';
import { CATALOG_END } from '../../ranges/layout.ts';
import type { Span } from '../../storage/engine.ts';

/** A table that says for itself. */
export interface KeepingTable {
  /** Of its rows. */
  readonly spans: readonly Span[];
  readonly micros: number;
}

export interface KeptPast {
  /** Where no table says otherwise. */
  readonly micros: number;
  readonly tables: readonly KeepingTable[];
}

export function keptMicros(span: Span, { micros, tables }: KeptPast): number {
  if (tables.length === 0) return micros;
  // The schema of then is asked for with whatever is read.
  const isSchema = compareBytes(span.start, CATALOG_END) < 0;
  let most = isSchema ? micros : 0;
  for (const table of tables) {
    for (const rows of table.spans) {
      if (covers(rows, span)) return table.micros;
      if (isSchema || overlaps(rows, span)) most = Math.max(most, table.micros);
    }
  }
  // Some of it is of others, who don't say.
  return Math.max(most, micros);
}

export function leastMicros({ micros, tables }: KeptPast): number {
  return tables.reduce((least, table) => Math.min(least, table.micros), micros);
}

function covers(outer: Span, inner: Span): boolean {
  if (compareBytes(outer.start, inner.start) > 0) return false;
  if (outer.end === undefined) return true;
  return inner.end !== undefined && compareBytes(inner.end, outer.end) <= 0;
}

// Tables that are not stored: their rows are made from the catalog and the session when they are read. A new one is a
// value of VirtualTable in one of the lists that make up VIRTUAL_TABLES; joins, filters and sorts come from the executor.

import type { Datum } from '../../rows/datum.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { SessionValues } from '../exec/plan-api.ts';

export interface VirtualTable {
  readonly schema: 'pg_catalog' | 'information_schema';
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  rows(source: VirtualSource): readonly (readonly Datum[])[];
}

export interface VirtualSource {
  readonly catalog: CatalogView;
  readonly session: SessionValues;
}

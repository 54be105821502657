// Object ids of what has none of its own: each kind has a stretch of the numbers, behind those of tables.

import type { CheckConstraint, IndexDescriptor, TableDescriptor } from '../catalog/descriptor.ts';

export const PG_CATALOG_OID = 11;
export const PUBLIC_OID = 2200;
export const INFORMATION_SCHEMA_OID = 13_000;
export const OWNER_OID = 10;
export const DATABASE_OID = 16_384;

const INDEX_OIDS = 1_000_000_000;
const KEY_CONSTRAINT_OIDS = 1_500_000_000;
const DEFAULT_OIDS = 2_000_000_000;
const CHECK_OIDS = 3_200_000_000;
/** Of one table. */
const COLUMNS_MAX = 2048;
const CHECKS_MAX = 256;

export function indexOid(index: Pick<IndexDescriptor, 'id'>): number {
  return INDEX_OIDS + index.id;
}

/** Of a primary key, or a unique constraint, by its index. */
export function keyConstraintOid(index: Pick<IndexDescriptor, 'id'>): number {
  return KEY_CONSTRAINT_OIDS + index.id;
}

export function checkOid(table: TableDescriptor, check: CheckConstraint): number {
  return CHECK_OIDS + table.id * CHECKS_MAX + table.checks.indexOf(check);
}

export function defaultOid(table: TableDescriptor, attributeNumber: number): number {
  return DEFAULT_OIDS + table.id * COLUMNS_MAX + attributeNumber;
}

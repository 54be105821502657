// The virtual tables by name.

import { DbError } from '../../base/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Name } from '../parse/ast.ts';
import { INFORMATION_SCHEMA } from './information-schema.ts';
import { PG_CATALOG } from './pg-catalog.ts';
import type { VirtualTable } from './virtual.ts';

const VIRTUAL_TABLES: ReadonlyMap<string, VirtualTable> = new Map(
  [...PG_CATALOG, ...INFORMATION_SCHEMA].map((table) => [`${table.schema}.${table.name}`, table]),
);

/** pg_catalog is searched before the session's path, as PostgreSQL does. */
export function findVirtualTable(
  name: Name,
  find: (name: Name) => TableDescriptor | undefined,
): VirtualTable | undefined {
  if (name.schema !== undefined) {
    const found = VIRTUAL_TABLES.get(`${name.schema}.${name.name}`);
    if (
      found === undefined &&
      (name.schema === 'pg_catalog' || name.schema === 'information_schema')
    ) {
      throw new DbError(
        '42P01',
        `relation "${name.schema}.${name.name}" does not exist`,
        name.at < 0 ? {} : { position: name.at + 1 },
      );
    }
    return found;
  }
  if (!name.name.startsWith('pg_') || find(name) !== undefined) return undefined;
  return VIRTUAL_TABLES.get(`pg_catalog.${name.name}`);
}

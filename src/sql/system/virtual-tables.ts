// The virtual tables by name.

import { DbError } from '../../base/errors.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import type { Name } from '../parse/ast.ts';
import { parseRelations, systemTables } from './define.ts';
import { INFORMATION_SCHEMA_MAKERS } from './information-schema.ts';
import { INFORMATION_SCHEMA_COLUMNS } from './information-schema-columns.ts';
import { PG_CATALOG_COLUMNS } from './pg-catalog-columns.ts';
import { relationMakers } from './relations.ts';
import { STATIC_MAKERS } from './statics.ts';
import { VIEW_MAKERS } from './views.ts';
import type { VirtualTable } from './virtual.ts';

const SYSTEM = {
  catalog: parseRelations(PG_CATALOG_COLUMNS),
  information: parseRelations(INFORMATION_SCHEMA_COLUMNS),
};

const VIRTUAL_TABLES: ReadonlyMap<string, VirtualTable> = new Map(
  [
    ...systemTables('pg_catalog', SYSTEM.catalog, {
      ...STATIC_MAKERS,
      ...VIEW_MAKERS,
      ...relationMakers(SYSTEM),
    }),
    ...systemTables('information_schema', SYSTEM.information, INFORMATION_SCHEMA_MAKERS),
  ].map((table) => [`${table.schema}.${table.name}`, table]),
);

export function* systemRelations(): Generator<{
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
}> {
  for (const { name, oid } of SYSTEM.catalog) yield { schema: 'pg_catalog', name, oid };
  for (const { name, oid } of SYSTEM.information) yield { schema: 'information_schema', name, oid };
}

export function systemRelationOids(schema: VirtualTable['schema']): readonly number[] {
  return (schema === 'pg_catalog' ? SYSTEM.catalog : SYSTEM.information).map(({ oid }) => oid);
}

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

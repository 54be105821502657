// Names of what object ids stand for, both ways: for regclass and its like.

import { formatIdentifier } from '../parse/format.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import { catalogTypeName, sqlTypeName } from '../../rows/type-names.ts';
import { columnType, REGCLASS, REGNAMESPACE, REGPROC, REGROLE, REGTYPE } from '../../rows/types.ts';
import { BUILT_TYPES } from '../types/names.ts';
import { indexOid, OWNER_OID } from './oids.ts';
import { shownIndexes } from './relations.ts';
import { procedures, SCHEMAS } from './statics.ts';
import { systemRelations } from './virtual-tables.ts';

type Namer = (
  add: (oid: number, schema: string | undefined, name: string) => void,
  catalog: CatalogView,
  session: SessionValues,
) => void;

const NAMERS: ReadonlyMap<number, Namer> = new Map<number, Namer>([
  [
    REGCLASS,
    (add, catalog) => {
      for (const { schema, name, oid } of systemRelations()) add(oid, schema, name);
      for (const table of catalog.all()) {
        add(table.id, table.schema, table.name);
        for (const { index } of shownIndexes(table)) add(indexOid(index), table.schema, index.name);
      }
    },
  ],
  [
    REGTYPE,
    (add) => {
      for (const oid of BUILT_TYPES) {
        add(oid, 'pg_catalog', catalogTypeName(oid));
        add(oid, undefined, sqlTypeName(columnType(oid)));
      }
    },
  ],
  [
    REGNAMESPACE,
    (add) => {
      for (const [name, oid] of SCHEMAS) add(oid, undefined, name);
    },
  ],
  [REGROLE, (add, _catalog, session) => add(OWNER_OID, undefined, session.sessionUser)],
  [
    REGPROC,
    (add) => {
      for (const [name, oid] of procedures()) add(oid, 'pg_catalog', name);
    },
  ],
]);

/** By oid, as it is written: with its schema where the search path does not find it. */
export function namesByOid(
  type: number,
  catalog: CatalogView,
  session: SessionValues,
): Record<string, string> {
  const names: Record<string, string> = { 0: '-' };
  NAMERS.get(type)?.(
    (oid, schema, name) => {
      // A type is written as SQL has it, which comes last.
      const isPlain = type === REGTYPE && schema === undefined;
      const shown = isPlain ? name : formatIdentifier(name);
      const found =
        schema === undefined || schema === 'pg_catalog' || session.searchPath.includes(schema);
      names[oid] = found ? shown : `${formatIdentifier(schema)}.${shown}`;
    },
    catalog,
    session,
  );
  return names;
}

/** By name, with and without schema. */
export function oidsByName(
  type: number,
  catalog: CatalogView,
  session: SessionValues,
): Record<string, number> {
  const oids: Record<string, number> = {};
  NAMERS.get(type)?.(
    (oid, schema, name) => {
      if (schema === undefined) oids[name] = oid;
      else {
        oids[`${schema}.${name}`] = oid;
        const found = schema === 'pg_catalog' || session.searchPath.includes(schema);
        if (found) oids[name] ??= oid;
      }
    },
    catalog,
    session,
  );
  return oids;
}

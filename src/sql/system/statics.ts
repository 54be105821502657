// What of pg_catalog is the same for everybody, or follows from the session: types, schemas, the database, the one user,
// settings.

import type { Datum } from '../../rows/datum.ts';
import { catalogTypeName } from '../../rows/type-names.ts';
import * as t from '../../rows/types.ts';
import { SETTINGS } from '../settings/definitions.ts';
import { categoryOf, isPreferred } from '../types/categories.ts';
import { BUILT_TYPES } from '../types/names.ts';
import type { Row, Rows } from './define.ts';
import {
  DATABASE_OID,
  INFORMATION_SCHEMA_OID,
  OWNER_OID,
  PG_CATALOG_OID,
  PUBLIC_OID,
} from './oids.ts';

const UTF8 = 6;
const DEFAULT_COLLATION = 100;
const C_COLLATION = 950;

export const SCHEMAS: ReadonlyMap<string, number> = new Map([
  ['pg_catalog', PG_CATALOG_OID],
  ['public', PUBLIC_OID],
  ['information_schema', INFORMATION_SCHEMA_OID],
]);

/** Of types whose values lie in a row as they are, and how they are aligned there. */
const ALIGNMENT: ReadonlyMap<number, string> = new Map([
  ...([t.BOOL, t.CHAR1, t.NAME, t.UUID] as const).map((oid) => [oid, 'c'] as const),
  [t.INT2, 's'],
  ...([t.INT8, t.FLOAT8, t.TIME, t.TIMESTAMP, t.TIMESTAMPTZ, t.INTERVAL] as const).map(
    (oid) => [oid, 'd'] as const,
  ),
]);
/** Whose input and output functions are called otherwise than after the type. */
const UNDERSCORED: ReadonlySet<number> = new Set([
  ...[
    t.JSON_TYPE,
    t.JSONB,
    t.DATE,
    t.TIME,
    t.TIMESTAMP,
    t.TIMESTAMPTZ,
    t.INTERVAL,
    t.NUMERIC,
    t.UUID,
  ],
]);

function typeRow(oid: number): Row {
  const length = t.typeLength(oid);
  const element = t.elementOf(oid);
  const name = catalogTypeName(oid);
  const stem = stemOf(oid);
  const isText = [t.TEXT, t.VARCHAR, t.BPCHAR].includes(element ?? oid);
  return {
    oid,
    typname: name,
    typnamespace: PG_CATALOG_OID,
    typowner: OWNER_OID,
    typlen: length,
    typbyval: length > 0 && length <= 8,
    typtype: oid === t.UNKNOWN ? 'p' : 'b',
    typcategory: element === undefined ? categoryOf(oid) : 'A',
    typispreferred: isPreferred(oid),
    typisdefined: true,
    typdelim: ',',
    typelem: element ?? 0,
    typarray: t.arrayOf(oid) ?? 0,
    typinput: procedure(`${stem}in`),
    typoutput: procedure(`${stem}out`),
    typreceive: procedure(`${stem}recv`),
    typsend: procedure(`${stem}send`),
    typanalyze: element === undefined ? 0 : procedure('array_typanalyze'),
    typsubscript: element === undefined ? 0 : procedure('array_subscript_handler'),
    typalign: ALIGNMENT.get(element ?? oid) ?? 'i',
    typstorage: length > 0 ? 'p' : oid === t.NUMERIC ? 'm' : 'x',
    typtypmod: -1,
    typcollation: isText ? DEFAULT_COLLATION : (element ?? oid) === t.NAME ? C_COLLATION : 0,
  };
}

const FIRST_PROCEDURE = 9000;
let known: ReadonlyMap<string, number> | undefined;

/** Those that types are read and written by: nothing but their names is known of them. */
export function procedures(): ReadonlyMap<string, number> {
  if (known === undefined) {
    const names = new Set([
      'heap_tableam_handler',
      'bthandler',
      'array_subscript_handler',
      'array_typanalyze',
    ]);
    for (const oid of BUILT_TYPES) {
      const stem = stemOf(oid);
      for (const end of ['in', 'out', 'recv', 'send']) names.add(stem + end);
    }
    known = new Map([...names].map((name, i) => [name, FIRST_PROCEDURE + i]));
  }
  return known;
}

function procedure(name: string): number {
  return procedures().get(name) ?? 0;
}

function stemOf(oid: number): string {
  if (t.elementOf(oid) !== undefined) return 'array_';
  return `${catalogTypeName(oid)}${UNDERSCORED.has(oid) ? '_' : ''}`;
}

function fixed(...rows: readonly Row[]): Rows {
  return () => rows;
}

const collation = (
  oid: number,
  collname: string,
  collprovider: string,
  at: string | null,
): Row => ({
  oid,
  collname,
  collnamespace: PG_CATALOG_OID,
  collowner: OWNER_OID,
  collprovider,
  collisdeterministic: true,
  collencoding: -1,
  collcollate: at,
  collctype: at,
});

function role(name: string): Row {
  return {
    oid: OWNER_OID,
    rolname: name,
    rolsuper: true,
    rolinherit: true,
    rolcreaterole: true,
    rolcreatedb: true,
    rolcanlogin: true,
    rolreplication: true,
    rolbypassrls: true,
    rolconnlimit: -1,
  };
}

export const STATIC_MAKERS: Readonly<Record<string, Rows>> = {
  pg_type: () => BUILT_TYPES.map(typeRow),
  pg_namespace: () => [...SCHEMAS].map(([nspname, oid]) => ({ oid, nspname, nspowner: OWNER_OID })),
  pg_database: ({ session }) => [
    {
      oid: DATABASE_OID,
      datname: session.database,
      datdba: OWNER_OID,
      encoding: UTF8,
      datlocprovider: 'c',
      datallowconn: true,
      datconnlimit: -1,
      dattablespace: 1663,
      datcollate: 'C',
      datctype: 'C',
    },
  ],
  pg_roles: ({ session }) => [{ ...role(session.sessionUser), rolpassword: '********' }],
  pg_authid: ({ session }) => [role(session.sessionUser)],
  pg_user: ({ session }) => [
    {
      usename: session.sessionUser,
      usesysid: OWNER_OID,
      usecreatedb: true,
      usesuper: true,
      userepl: true,
      usebypassrls: true,
      passwd: '********',
    },
  ],
  pg_am: () => [
    { oid: 2, amname: 'heap', amhandler: procedure('heap_tableam_handler'), amtype: 't' },
    { oid: 403, amname: 'btree', amhandler: procedure('bthandler'), amtype: 'i' },
  ],
  pg_tablespace: fixed({ oid: 1663, spcname: 'pg_default', spcowner: OWNER_OID }),
  pg_collation: fixed(
    collation(DEFAULT_COLLATION, 'default', 'd', null),
    collation(C_COLLATION, 'C', 'c', 'C'),
    collation(951, 'POSIX', 'c', 'POSIX'),
  ),
  pg_language: fixed(
    { oid: 12, lanname: 'internal', lanowner: OWNER_OID, lanvalidator: 2246 },
    { oid: 13, lanname: 'c', lanowner: OWNER_OID, lanvalidator: 2247 },
    { oid: 14, lanname: 'sql', lanowner: OWNER_OID, lanpltrusted: true, lanvalidator: 2248 },
  ),
  pg_settings: function* rows({ session }) {
    for (const { name, initial, description } of SETTINGS.values()) {
      const setting: Datum = session.setting(name.toLowerCase()) ?? initial;
      yield {
        name,
        setting,
        short_desc: description,
        context: 'user',
        vartype: 'string',
        source: setting === initial ? 'default' : 'session',
        boot_val: initial,
        reset_val: initial,
        pending_restart: false,
      };
    }
  },
};

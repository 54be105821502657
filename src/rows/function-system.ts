// What functions over the system's tables are made of (sql/system/functions.ts): an answer is looked up in a dictionary,
// which the session makes once for each execution and hands in as JSON: what an oid stands for, in one or several parts.

import { DbError } from '../base/errors.ts';
import type { Datum } from './datum.ts';
import { type ScalarFunction, scalar, withNulls } from './function-types.ts';
import { sqlTypeName } from './type-names.ts';
import { BOOL, columnType, INT2, INT4, INT8, NAME, OID, TEXT } from './types.ts';

type Dictionary = Readonly<Record<string, string | readonly string[]>>;

/** Those of the executions under way, most likely. */
const KEPT_MAX = 8;
const read = new Map<string, Dictionary>();

function dictionaryOf(text: string): Dictionary {
  let dictionary = read.get(text);
  if (dictionary === undefined) {
    dictionary = JSON.parse(text) as Dictionary;
    if (read.size >= KEPT_MAX) read.delete(read.keys().next().value as string);
    read.set(text, dictionary);
  }
  return dictionary;
}

function part(text: string, oid: number, which: number): string | null {
  const found = dictionaryOf(text)[String(oid)];
  if (found === undefined) return null;
  if (typeof found === 'string') return which === 0 ? found : null;
  return found[which] ?? null;
}

interface Oids {
  readonly type: string;
  readonly oids: Readonly<Record<string, number>>;
}

const MISSING: Readonly<Record<string, readonly [what: string, code: string]>> = {
  regclass: ['relation', '42P01'],
  regtype: ['type', '42704'],
  regproc: ['function', '42883'],
  regnamespace: ['schema', '3F000'],
  regrole: ['role', '42704'],
};

/** A name, with or without its schema and quotes, or a number. */
function oidOf(text: string, name: string): Datum {
  if (name === '-') return 0;
  if (name.trim() === '') throw new DbError('42602', 'invalid name syntax');
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const { type, oids } = dictionaryOf(text) as unknown as Oids;
  const plain = name
    .trim()
    .replaceAll(/"((?:[^"]|"")*)"|[^".]+/g, (word, quoted?: string) =>
      quoted === undefined ? word.toLowerCase() : quoted.replaceAll('""', '"'),
    );
  const oid = oids[plain];
  if (oid !== undefined) return oid;
  const [what, code] = MISSING[type] as readonly [string, string];
  throw new DbError(code, `${what} "${name.trim()}" does not exist`);
}

export const SYSTEM_OID = '[oid](text,text)';
export const SYSTEM_TEXT = '[lookup](text,oid,int4)';
export const SYSTEM_BOOL = '[holds](text,oid)';

/** format_type(): also of a type that is not built. */
function formatType(oid: Datum, modifier: Datum): Datum {
  if (oid === null) return null;
  if (oid === 0) return '-';
  const known = (modifier ?? -1) as number;
  const name = sqlTypeName(columnType(oid as number, known));
  return name.startsWith('type ') ? '???' : name;
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** From 10,240 of a unit on, the next one; halves are rounded up. */
function sizeText(bytes: number | bigint): string {
  let size = Number(bytes);
  let unit = 0;
  while (Math.abs(size) >= 10_240 && unit < UNITS.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${Math.sign(size) * Math.round(Math.abs(size))} ${UNITS[unit]}`;
}

const ENCODINGS: Readonly<Record<number, string>> = { 0: 'SQL_ASCII', 6: 'UTF8' };

const mayAll = (name: string, ...signatures: readonly (readonly number[])[]): ScalarFunction[] =>
  signatures.map((argOids) => scalar(name, argOids, BOOL, () => true));

/** The one user may do everything. */
const privileges: readonly ScalarFunction[] = [
  ...[
    'has_table_privilege',
    'has_sequence_privilege',
    'has_schema_privilege',
    'has_database_privilege',
  ].flatMap((name) =>
    mayAll(name, [TEXT, TEXT], [OID, TEXT], [NAME, TEXT, TEXT], [NAME, OID, TEXT]),
  ),
  ...mayAll('has_column_privilege', [TEXT, TEXT, TEXT], [OID, TEXT, TEXT], [OID, INT2, TEXT]),
  ...mayAll('has_function_privilege', [TEXT, TEXT], [OID, TEXT]),
  ...mayAll('pg_has_role', [NAME, TEXT], [OID, TEXT], [NAME, NAME, TEXT], [NAME, OID, TEXT]),
];

/** Of what there can't be any: comments, triggers, functions of one's own. */
const nothing = (name: string, ...argOids: readonly number[]): ScalarFunction =>
  scalar(name, argOids, TEXT, () => null);

export const systemFunctions: readonly ScalarFunction[] = [
  { ...scalar('[lookup]', [TEXT, OID, INT4], TEXT, part as never), name: SYSTEM_TEXT },
  {
    ...scalar('[holds]', [TEXT, OID], BOOL, ((text: string, oid: number): Datum => {
      const found = part(text, oid, 0);
      return found === null ? null : found === 't';
    }) as never),
    name: SYSTEM_BOOL,
  },
  { ...scalar('[oid]', [TEXT, TEXT], OID, oidOf as never), name: SYSTEM_OID },
  withNulls('format_type', [OID, INT4], TEXT, formatType),
  // What is stored is the text itself.
  scalar('pg_get_expr', [TEXT, OID], TEXT, (text: string) => text),
  scalar('pg_get_expr', [TEXT, OID, BOOL], TEXT, (text: string) => text),
  scalar('pg_encoding_to_char', [INT4], NAME, (encoding: number) => ENCODINGS[encoding] ?? ''),
  ...privileges,
  // How much there is of a table is known to its ranges (SHOW RANGES), not to the catalog.
  ...['pg_table_size', 'pg_relation_size', 'pg_total_relation_size', 'pg_indexes_size'].map(
    (name) => scalar(name, [OID], INT8, () => null),
  ),
  scalar('pg_size_pretty', [INT8], TEXT, sizeText),
  nothing('col_description', OID, INT4),
  nothing('obj_description', OID),
  nothing('obj_description', OID, NAME),
  nothing('shobj_description', OID, NAME),
  nothing('pg_get_function_arguments', OID),
  nothing('pg_get_function_result', OID),
  nothing('pg_get_function_identity_arguments', OID),
  nothing('pg_get_ruledef', OID),
  nothing('pg_get_statisticsobjdef_columns', OID),
  nothing('pg_get_triggerdef', OID),
  nothing('pg_get_triggerdef', OID, BOOL),
];

// Keys as people read them: a row's key is its values, as they would be written in VALUES.

import { ByteReader, compareBytes, toHex } from '../../base/bytes.ts';
import { decodeKeyDatum } from '../../rows/key-codec.ts';
import type { Datum } from '../../rows/datum.ts';
import { formatText } from '../../rows/text-format.ts';
import {
  BOOL,
  type ColumnType,
  columnType,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  NUMERIC,
  OID,
} from '../../rows/types.ts';
import type { Catalog } from '../catalog/api.ts';
import { indexSpan, systemIndexName } from '../catalog/keys.ts';
import { indexWithId, type KeyIndex } from './key-columns.ts';

const PREFIX_BYTES = 4;
const BARE: ReadonlySet<number> = new Set([BOOL, INT2, INT4, INT8, OID, FLOAT4, FLOAT8, NUMERIC]);

/** A bound anywhere in the keyspace: 't (42, ''abc'')'; `end` for one that is an end. Undefined: the end of it all. */
export function keyText(key: Uint8Array | undefined, catalog: Pick<Catalog, 'tables'>): string {
  if (key === undefined) return '<max>';
  if (key.length === 0) return '<min>';
  if (key.length < PREFIX_BYTES) return hex(key);
  const indexId = new ByteReader(key).u32be();
  const index = indexWithId(catalog.tables(), indexId);
  const rest = key.subarray(PREFIX_BYTES);
  if (index === undefined) {
    const name = systemIndexName(indexId) ?? `index ${indexId}`;
    return rest.length === 0 ? name : `${name} ${hex(rest)}`;
  }
  return rest.length === 0 ? index.shown : `${index.shown} ${valuesText(index, rest)}`;
}

/** A bound among the keys of one index. */
export function rowKeyText(key: Uint8Array | undefined, index: KeyIndex): string {
  const { start, end } = indexSpan(index.id);
  if (key === undefined || compareBytes(key, end) >= 0) return '<end>';
  if (compareBytes(key, start) <= 0) return '<start>';
  return valuesText(index, key.subarray(PREFIX_BYTES));
}

/** Of a key without its prefix. What is no whole value of its column comes last, in hexadecimal. */
function valuesText({ columns }: KeyIndex, bytes: Uint8Array): string {
  const reader = new ByteReader(bytes);
  const values: string[] = [];
  let taken = 0;
  for (const { type, descending } of columns) {
    if (reader.remaining === 0) break;
    try {
      values.push(valueText(type, decodeKeyDatum(reader, type.oid, descending)));
    } catch {
      break;
    }
    taken = bytes.length - reader.remaining;
  }
  if (taken < bytes.length) values.push(hex(bytes.subarray(taken)));
  return `(${values.join(', ')})`;
}

function valueText(type: ColumnType, value: Datum): string {
  if (value === null) return 'NULL';
  // A key has no more of a value than what orders it: no length, no scale.
  const text = formatText(columnType(type.oid), value);
  if (BARE.has(type.oid)) return type.oid === BOOL ? (value === true ? 'true' : 'false') : text;
  return `'${text.replaceAll("'", "''")}'`;
}

function hex(bytes: Uint8Array): string {
  return `\\x${toHex(bytes)}`;
}

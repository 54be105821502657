// Where the catalog keeps what: ordinary keys under index ids that no table gets.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { INT8, TEXT } from '../../rows/types.ts';

/** Table id -> descriptor. */
const DESCRIPTORS = 3;
/** Name of a counter -> first number not yet taken. */
const COUNTERS = 4;
/** Index id -> node: its keys are to be cleared, unless a transaction of that node takes the record away, which may
 * still be open. */
const PENDING_CLEARS = 5;
/** Schema, name -> table id: what makes names unique, and what two CREATEs of one name lock. */
const NAMES = 6;
/** Name of a counter of the schema's home (schema-stint.ts) -> its value. */
const SCHEMA_HOME = 7;
/** Node -> empty: it was given a lease on the schema some time. */
const GATEWAYS = 8;

export const FIRST_INDEX_ID = 100;
/** As PostgreSQL's first object id that is not the system's: clients take smaller ones for system tables. */
export const FIRST_TABLE_ID = 16384;

/** What is kept under ids that no table gets, by whichever room. */
const SYSTEM_INDEXES: ReadonlyMap<number, string> = new Map([
  [1, '<root>'],
  [2, '<directory>'],
  [DESCRIPTORS, '<catalog>'],
  [COUNTERS, '<counters>'],
  [PENDING_CLEARS, '<pending clears>'],
  [NAMES, '<names>'],
  [SCHEMA_HOME, '<schema home>'],
  [GATEWAYS, '<gateways>'],
  [90, '<key-value>'],
]);

export function systemIndexName(indexId: number): string | undefined {
  return SYSTEM_INDEXES.get(indexId);
}

export interface KeySpan {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** All keys of an index. */
export function indexSpan(indexId: number): KeySpan {
  return { start: keyPrefix(indexId), end: keyPrefix(indexId + 1) };
}

export const DESCRIPTOR_SPAN: KeySpan = indexSpan(DESCRIPTORS);
export const PENDING_CLEAR_SPAN: KeySpan = indexSpan(PENDING_CLEARS);
export const GATEWAY_SPAN: KeySpan = indexSpan(GATEWAYS);

export function descriptorKey(tableId: number): Uint8Array {
  return numberKey(DESCRIPTORS, tableId);
}

export function pendingClearKey(indexId: number): Uint8Array {
  return numberKey(PENDING_CLEARS, indexId);
}

export function counterKey(name: string): Uint8Array {
  return textKey(COUNTERS, [name]);
}

export const STINT_KEY: Uint8Array = textKey(SCHEMA_HOME, ['stint']);

export function gatewayKey(node: number): Uint8Array {
  return numberKey(GATEWAYS, node);
}

export function nameKey(schema: string, name: string): Uint8Array {
  return textKey(NAMES, [schema, name]);
}

/** What an index's record of PENDING_CLEARS holds. */
export function clearRecord(node: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.u53(node);
  return writer.take();
}

export function clearingNode(record: Uint8Array): number {
  return new ByteReader(record).u53();
}

/** What a name's key holds. */
export function tableIdBytes(tableId: number): Uint8Array {
  const writer = new ByteWriter(4);
  writer.u32(tableId);
  return writer.take();
}

function numberKey(indexId: number, value: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.raw(keyPrefix(indexId));
  encodeKeyDatum(writer, INT8, value, false, false);
  return writer.take();
}

function textKey(indexId: number, values: readonly string[]): Uint8Array {
  const writer = new ByteWriter(64);
  writer.raw(keyPrefix(indexId));
  for (const value of values) encodeKeyDatum(writer, TEXT, value, false, false);
  return writer.take();
}

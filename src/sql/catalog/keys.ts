// Where the catalog keeps what: ordinary keys under index ids that no table gets.

import { ByteWriter } from '../../base/bytes.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { INT8, TEXT } from '../../rows/types.ts';

/** Table id -> descriptor. */
const DESCRIPTORS = 3;
/** Name of a counter -> first number not yet taken. */
const COUNTERS = 4;
/** Index id -> empty: its keys are to be cleared, unless a transaction that is still open takes the record away. */
const PENDING_CLEARS = 5;
/** Schema, name -> table id: what makes names unique, and what two CREATEs of one name lock. */
const NAMES = 6;

export const FIRST_INDEX_ID = 100;
/** As PostgreSQL's first object id that is not the system's: clients take smaller ones for system tables. */
export const FIRST_TABLE_ID = 16384;

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

export function descriptorKey(tableId: number): Uint8Array {
  return numberKey(DESCRIPTORS, tableId);
}

export function pendingClearKey(indexId: number): Uint8Array {
  return numberKey(PENDING_CLEARS, indexId);
}

export function counterKey(name: string): Uint8Array {
  return textKey(COUNTERS, [name]);
}

export function nameKey(schema: string, name: string): Uint8Array {
  return textKey(NAMES, [schema, name]);
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

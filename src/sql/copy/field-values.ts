// From a field's bytes to a datum, without a string where the type allows.

import { fromUtf8Strict, toHex } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { parseText } from '../../rows/text-format.ts';
import { type ColumnType, INT2, INT4, INT8 } from '../../rows/types.ts';

/** Throws DbError for what the type can't read. */
export function fieldDatum(type: ColumnType, bytes: Uint8Array, start: number, end: number): Datum {
  const { oid } = type;
  if (oid === INT4 || oid === INT8 || oid === INT2) {
    const value = shortInteger(bytes, start, end, oid === INT2 ? 4 : 9);
    if (value !== undefined) return value;
  }
  return parseText(type, fieldText(bytes, start, end));
}

/** Throws DbError 22021 for bytes that are not UTF-8. */
export function fieldText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 16) {
    let text = '';
    let i = start;
    for (; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (i === end) return text;
  }
  const piece = bytes.subarray(start, end);
  return fromUtf8Strict(piece) ?? refuseEncoding(piece);
}

/** At most `digitsMax` bare digits, perhaps with a minus; undefined for anything else. */
function shortInteger(
  bytes: Uint8Array,
  start: number,
  end: number,
  digitsMax: number,
): number | undefined {
  const negative = bytes[start] === 45 && start < end;
  const first = negative ? start + 1 : start;
  const digits = end - first;
  if (digits < 1 || digits > digitsMax) return undefined;
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return negative ? 0 - value : value;
}

function refuseEncoding(bytes: Uint8Array): never {
  const at = firstInvalid(bytes);
  const shown = toHex(bytes.subarray(at, at + sequenceLength(bytes[at] as number)));
  const spelled = (shown.match(/../g) ?? []).map((byte) => `0x${byte}`).join(' ');
  throw new DbError('22021', `invalid byte sequence for encoding "UTF8": ${spelled}`);
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0 || lead >= 0xf8) return 1;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

function firstInvalid(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] as number);
    if (fromUtf8Strict(bytes.subarray(at, at + length)) === undefined) return at;
    at += length;
  }
  return 0;
}

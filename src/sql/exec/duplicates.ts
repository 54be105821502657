// How a key that is there already is told.

import { DbError } from '../../base/errors.ts';
import type { Datum } from '../../rows/datum.ts';
import { formatText } from '../../rows/text-format.ts';
import type { ColumnType } from '../../rows/types.ts';

/** Characters of a value that a message shows. */
const SHOWN_CHARACTERS_MAX = 64;

export function shownValue(type: ColumnType, value: Datum): string {
  if (value === null) return 'null';
  const text = formatText(type, value);
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}

export interface KeyPart {
  readonly name: string;
  readonly type: ColumnType;
  readonly value: Datum;
}

/** 'Key (a, b)=(1, x)'. */
export function keyShown(parts: readonly KeyPart[]): string {
  const names = parts.map(({ name }) => name).join(', ');
  const values = parts.map(({ type, value }) => shownValue(type, value)).join(', ');
  return `Key (${names})=(${values})`;
}

export function duplicateKey(table: string, index: string, parts: readonly KeyPart[]): DbError {
  return new DbError('23505', `duplicate key value violates unique constraint "${index}"`, {
    detail: `${keyShown(parts)} already exists.`,
    table,
    constraint: index,
  });
}

/** A key as a Map's key: one character for each byte. */
export function keyText(key: Uint8Array): string {
  let text = '';
  for (let i = 0; i < key.length; i++) text += String.fromCharCode(key[i] as number);
  return text;
}

// Functions of any type: which types their pseudo-types stand for in a call (PostgreSQL's manual, 38.2.5). The arguments
// of ANYELEMENT and its like must have one element type as they are; those of ANYCOMPATIBLE are brought to a common one.

import { DbError } from '../../base/errors.ts';
import * as t from '../../rows/types.ts';
import { canCoerceImplicitly, commonType } from './coercion.ts';

export interface Resolved {
  readonly argOids: readonly number[];
  readonly resultOid: number;
}

const ALIKE: ReadonlySet<number> = new Set([t.ANYARRAY, t.ANYELEMENT]);
const COMPATIBLE: ReadonlySet<number> = new Set([t.ANYCOMPATIBLE, t.ANYCOMPATIBLEARRAY]);

export function isPolymorphic(oid: number): boolean {
  return ALIKE.has(oid) || COMPATIBLE.has(oid);
}

/** Undefined: the inputs don't fit. An element type that stays open is UNKNOWN. */
function elementsOf(
  declared: readonly number[],
  inputs: readonly number[],
): { alike: number; compatible: number } | undefined {
  let alike = t.UNKNOWN;
  const compatible: number[] = [];
  for (let i = 0; i < declared.length; i++) {
    const input = inputs[i] as number;
    const oid = declared[i] as number;
    if (!isPolymorphic(oid) || input === t.UNKNOWN) continue;
    const isArray = oid === t.ANYARRAY || oid === t.ANYCOMPATIBLEARRAY;
    const element = isArray ? t.elementOf(input) : input;
    if (element === undefined) return undefined;
    if (COMPATIBLE.has(oid)) compatible.push(element);
    else if (alike === t.UNKNOWN) alike = element;
    else if (alike !== element) return undefined;
  }
  const common = commonOf(compatible);
  return common === undefined ? undefined : { alike, compatible: common };
}

function commonOf(oids: readonly number[]): number | undefined {
  if (oids.length === 0) return t.TEXT;
  try {
    const common = commonType(oids, '', []);
    return oids.every((oid) => oid === common || canCoerceImplicitly(oid, common))
      ? common
      : undefined;
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}

export function fitsPolymorphic(declared: readonly number[], inputs: readonly number[]): boolean {
  const found = elementsOf(declared, inputs);
  if (found === undefined) return false;
  return declared.every((oid) => {
    if (oid === t.ANYARRAY) return found.alike === t.UNKNOWN || isElement(found.alike);
    return oid !== t.ANYCOMPATIBLEARRAY || isElement(found.compatible);
  });
}

function isElement(oid: number): boolean {
  return t.arrayOf(oid) !== undefined;
}

/** Of inputs that fit. Throws 42804 when nothing says what the types are. */
export function resolvePolymorphic(
  declared: readonly number[],
  resultOid: number,
  inputs: readonly number[],
): Resolved {
  const found = elementsOf(declared, inputs) ?? { alike: t.UNKNOWN, compatible: t.TEXT };
  const concrete = (oid: number): number => {
    if (!isPolymorphic(oid)) return oid;
    const element = ALIKE.has(oid) ? found.alike : found.compatible;
    if (element === t.UNKNOWN) {
      throw new DbError(
        '42804',
        'could not determine polymorphic type because input has type unknown',
      );
    }
    const isArray = oid === t.ANYARRAY || oid === t.ANYCOMPATIBLEARRAY;
    return isArray ? (t.arrayOf(element) ?? t.UNKNOWN) : element;
  };
  return { argOids: declared.map(concrete), resultOid: concrete(resultOid) };
}

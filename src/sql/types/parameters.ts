// The types of a statement's parameters, which it learns while it is bound: declared by the client, taken from where
// $n stands, or, for a literal that the fingerprint took out, by how it is written.

import { DbError } from '../../base/errors.ts';
import { columnType, type ColumnType, TEXT, UNKNOWN } from '../../rows/types.ts';
import type { LiteralValue } from '../parse/ast.ts';
import { literalTypeOid } from './literals.ts';
import { formatTypeOid, isKnownType, positionOf } from './names.ts';

export class ParameterTypes {
  /** 0-based; undefined while open. */
  readonly #oids: (number | undefined)[];
  readonly #statementParameters: number;
  readonly #literals: readonly LiteralValue[];
  /** Numeric literals whose final type was chosen by their context. */
  readonly #retyped = new Set<number>();

  constructor(
    declared: readonly number[],
    statementParameters: number,
    literals: readonly LiteralValue[],
  ) {
    this.#statementParameters = statementParameters;
    this.#literals = literals;
    this.#oids = [];
    // A client may declare more than the statement uses; then there are no folded literals behind them.
    const own =
      literals.length > 0 ? statementParameters : Math.max(statementParameters, declared.length);
    for (let i = 0; i < own; i++) {
      const oid = declared[i] ?? 0;
      if (oid !== 0 && oid !== UNKNOWN && !isKnownType(oid)) {
        throw new DbError('42704', `type with OID ${oid} does not exist`);
      }
      this.#oids.push(oid === 0 || oid === UNKNOWN ? undefined : oid);
    }
    for (const literal of literals) {
      const oid = literalTypeOid(literal);
      this.#oids.push(oid === UNKNOWN ? undefined : oid);
    }
  }

  /** The literal that stands behind a parameter, if the fingerprint made it one. */
  literal(index: number): LiteralValue | undefined {
    return index < this.#statementParameters
      ? undefined
      : this.#literals[index - this.#statementParameters];
  }

  get count(): number {
    return this.#oids.length;
  }

  /** UNKNOWN while open. */
  oidOf(index: number, at: number): number {
    if (index >= this.#oids.length) {
      throw new DbError('42P02', `there is no parameter $${index + 1}`, positionOf(at));
    }
    return this.#oids[index] ?? UNKNOWN;
  }

  /** An open parameter stands where `oid` is wanted. */
  settle(index: number, oid: number, at: number): void {
    const settled = this.#oids[index];
    if (settled === undefined) {
      this.#oids[index] = oid;
    } else if (settled !== oid) {
      throw new DbError('42P08', `inconsistent types deduced for parameter $${index + 1}`, {
        detail: `${formatTypeOid(settled)} versus ${formatTypeOid(oid)}`,
        ...positionOf(at),
      });
    }
  }

  /** A folded number that is only ever used as `oid` is read as that at once; false when it can't be. */
  retypeLiteral(index: number, oid: number): boolean {
    if (this.literal(index) === undefined || this.#retyped.has(index)) return false;
    this.#retyped.add(index);
    this.#oids[index] = oid;
    return true;
  }

  /** The parameter stands in several places: its type stays as it is. */
  pin(index: number): void {
    this.#retyped.add(index);
  }

  /** All of them, when binding is through. */
  finish(): readonly ColumnType[] {
    return this.#oids.map((oid, index) => {
      if (oid !== undefined) return columnType(oid);
      if (index >= this.#statementParameters && this.#literals.length > 0) return columnType(TEXT);
      throw new DbError('42P18', `could not determine data type of parameter $${index + 1}`);
    });
  }
}

// What sorting, DISTINCT and joins may hold in memory; beyond it the statement fails rather than the node.

import { DbError } from '../../base/errors.ts';
import { Decimal } from '../../rows/decimal.ts';
import type { Datum } from '../../rows/datum.ts';

export const WORK_BYTES_MAX: number = 128 * 1024 * 1024;

const ROW_BYTES = 48;
const DATUM_BYTES = 8;

export class MemoryBudget {
  readonly #what: string;
  #bytes = 0;

  constructor(what: string) {
    this.#what = what;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(values: readonly Datum[]): void {
    this.#bytes += rowBytes(values);
    if (this.#bytes > WORK_BYTES_MAX) {
      throw new DbError(
        '53200',
        `${this.#what} needs more than ${WORK_BYTES_MAX} bytes of memory`,
        {
          hint: 'Select fewer rows or columns, or order by the primary key.',
        },
      );
    }
  }

  remove(values: readonly Datum[]): void {
    this.#bytes -= rowBytes(values);
  }
}

function rowBytes(values: readonly Datum[]): number {
  let bytes = ROW_BYTES;
  for (const value of values) bytes += datumBytes(value);
  return bytes;
}

function datumBytes(value: Datum): number {
  if (typeof value === 'string') return DATUM_BYTES + 16 + value.length;
  if (typeof value !== 'object' || value === null) return DATUM_BYTES;
  if (value instanceof Uint8Array) return DATUM_BYTES + 96 + value.length;
  return value instanceof Decimal ? DATUM_BYTES + 64 : DATUM_BYTES + 48;
}

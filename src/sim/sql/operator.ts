// Somebody who divides tables, moves their leases, and changes them, while others use them.

import { DbError } from '../../base/errors.ts';
import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';

const KEY_MAX = 100;
const BYTES_MAX = ['64KiB', '1MiB'];

export class Operator {
  readonly #random: SeededRandom;
  readonly #tables: readonly string[];
  readonly #note: (kind: string) => void;

  constructor(random: SeededRandom, tables: readonly string[], note: (kind: string) => void) {
    this.#random = random;
    this.#tables = tables;
    this.#note = note;
  }

  async act(sql: SqlConnection): Promise<void> {
    const random = this.#random;
    const table = this.#tables[random.below(this.#tables.length)] as string;
    const [what, rest] = this.#someChange();
    try {
      await sql.query(`ALTER TABLE ${table} ${rest}`);
      this.#note(what);
    } catch (error) {
      // Ranges may be changing in any way just now.
      if (!(error instanceof DbError)) throw error;
      this.#note(`${what} failed with ${error.code}`);
    }
  }

  #someChange(): readonly [what: string, rest: string] {
    const random = this.#random;
    switch (random.below(5)) {
      case 0:
        return [
          'split at',
          `SPLIT AT VALUES (${random.below(KEY_MAX)}), (${random.below(KEY_MAX)})`,
        ];
      case 1:
        return ['unsplit', 'UNSPLIT ALL'];
      case 2:
        return ['scatter', 'SCATTER'];
      case 3:
        return ['table set', `SET (range.bytes_max = '${BYTES_MAX[random.below(2)]}')`];
      default:
        return ['table reset', 'RESET (range.bytes_max)'];
    }
  }
}

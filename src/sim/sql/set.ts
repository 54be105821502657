// A set to which elements are added, one statement each, and which is read whole.

import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';
import {
  type HistoryWorkload,
  inBlock,
  ofLook,
  type Present,
  type Question,
  someLook,
} from './question.ts';

const TABLE = 'elements';
/** Elements lie all over the keys: these have no common divisor. */
const STEP = 7919;
const ELEMENTS_MAX = 100_003;

export class SetOfElements implements HistoryWorkload {
  readonly name = 'set';
  readonly tables: readonly string[] = [TABLE];
  #added = 0;

  async setUp(sql: SqlConnection): Promise<void> {
    await sql.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (k int PRIMARY KEY)`);
  }

  next(random: SeededRandom, now: Present): Question {
    if (!random.oneIn(3)) return this.#add();
    const look = someLook(random, now);
    return { ...read(look.begin), ...ofLook(look) };
  }

  #add(): Question {
    const element = (++this.#added * STEP) % ELEMENTS_MAX;
    return {
      f: 'add',
      value: element,
      run: async (sql) => {
        await sql.query(`INSERT INTO ${TABLE} VALUES ($1)`, [element]);
        return element;
      },
    };
  }

  last(): Question {
    return read('BEGIN READ ONLY');
  }
}

function read(begin: string): Question {
  return {
    f: 'read',
    value: null,
    run: (sql) =>
      inBlock(sql, begin, async () => {
        const { rows } = await sql.query(`SELECT k FROM ${TABLE} ORDER BY k`);
        return rows.map((row) => Number(row['k']));
      }),
  };
}

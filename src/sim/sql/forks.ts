// Keys that are written once, by one transaction each, and read several at a time: no two reads may see two writes in
// opposite orders.

import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';
import { cellsOf, createCells, type Operation, readCell } from './cells.ts';
import {
  type HistoryWorkload,
  inBlock,
  ofLook,
  type Present,
  type Question,
  someLook,
} from './question.ts';

const GROUP = 3;
const GROUPS = 2;
const CELLS = cellsOf('forks');

export class LongFork implements HistoryWorkload {
  readonly name = 'long-fork';
  readonly tables: readonly string[] = CELLS.tables;
  /** First keys of the groups that are being written. */
  readonly #groups = Array.from({ length: GROUPS }, (_, i) => i * GROUP);
  readonly #written = new Set<number>();

  setUp(sql: SqlConnection): Promise<void> {
    return createCells(sql, CELLS, 'int NOT NULL');
  }

  next(random: SeededRandom, now: Present): Question {
    const place = random.below(GROUPS);
    const first = this.#groups[place] as number;
    const key = first + random.below(GROUP);
    if (random.oneIn(4) && !this.#written.has(key)) return this.#write(place, key);
    const look = someLook(random, now);
    // In any order, beginning anywhere.
    const keys = Array.from({ length: GROUP }, (_, i) => first + ((key + i) % GROUP));
    return {
      f: 'txn',
      value: keys.map((one) => ['r', one, null]),
      ...ofLook(look),
      run: (sql) =>
        inBlock(sql, look.begin, async () => {
          const read: Operation[] = [];
          for (const one of keys) {
            const cell = await readCell(sql, CELLS, one, '');
            read.push(['r', one, cell === undefined ? null : Number(cell)]);
          }
          return read;
        }),
    };
  }

  #write(place: number, key: number): Question {
    this.#written.add(key);
    const first = this.#groups[place] as number;
    const isFull = Array.from({ length: GROUP }, (_, i) => first + i).every((one) =>
      this.#written.has(one),
    );
    if (isFull) this.#groups[place] = Math.max(...this.#groups) + GROUP;
    const operations: Operation[] = [['w', key, 1]];
    return {
      f: 'txn',
      value: operations,
      run: async (sql) => {
        await sql.query(`INSERT INTO ${CELLS.tableOf(key)} VALUES ($1, 1)`, [key]);
        return operations;
      },
    };
  }

  last(): undefined {
    return undefined;
  }
}

// Lists that transactions append unique elements to: the workload that tells the most. A list is a text of numbers with
// commas in between.

import type { Datum } from '../../rows/datum.ts';
import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';
import {
  cellsOf,
  createCells,
  type Operation,
  readAll,
  readCell,
  scanCells,
  someLock,
} from './cells.ts';
import { KeyWindow } from './key-window.ts';
import {
  type HistoryWorkload,
  inBlock,
  ofLook,
  type Present,
  type Question,
  someLook,
} from './question.ts';

const KEYS = 6;
const USES_MAX = 40;
const OPERATIONS_MAX = 5;
const CELLS = cellsOf('lists');

export class Append implements HistoryWorkload {
  readonly name = 'append';
  readonly tables: readonly string[] = CELLS.tables;
  readonly #keys = new KeyWindow(KEYS, USES_MAX);
  #next = 1;

  setUp(sql: SqlConnection): Promise<void> {
    return createCells(sql, CELLS, 'text NOT NULL');
  }

  next(random: SeededRandom, now: Present): Question {
    const count = 1 + random.below(OPERATIONS_MAX);
    if (random.oneIn(3)) return this.#look(random, now, count);
    const operations = Array.from(
      { length: count },
      (): Operation =>
        random.oneIn(2)
          ? ['append', this.#keys.use(random), this.#next++]
          : ['r', this.#keys.some(random), null],
    );
    const lock = someLock(random);
    return {
      f: 'txn',
      value: operations,
      run: (sql) => inBlock(sql, 'BEGIN', () => this.#write(sql, random, operations, lock)),
    };
  }

  #look(random: SeededRandom, now: Present, count: number): Question {
    const look = someLook(random, now);
    const keys = Array.from({ length: count }, () => this.#keys.some(random));
    const scans = random.oneIn(3);
    return {
      f: 'txn',
      value: keys.map((key) => ['r', key, null]),
      ...ofLook(look),
      run: (sql) =>
        inBlock(sql, look.begin, async () => {
          const found = scans ? await scanCells(sql, CELLS, keys) : undefined;
          const read: Operation[] = [];
          for (const key of keys) {
            const cell = found ? found.get(key) : await readCell(sql, CELLS, key, '');
            read.push(['r', key, listOf(cell)]);
          }
          return read;
        }),
    };
  }

  async #write(
    sql: SqlConnection,
    random: SeededRandom,
    operations: readonly Operation[],
    lock: string,
  ): Promise<readonly Operation[]> {
    const done: Operation[] = [];
    for (const operation of operations) {
      const [f, key, value] = operation;
      if (random.oneIn(12)) await this.#inVain(sql, key);
      if (f === 'r') {
        done.push(['r', key, listOf(await readCell(sql, CELLS, key, lock))]);
      } else {
        await append(sql, random, key, value as number);
        done.push(operation);
      }
    }
    return done;
  }

  /** An element that nobody may ever see. */
  async #inVain(sql: SqlConnection, key: number): Promise<void> {
    await sql.query('SAVEPOINT s');
    await upsert(sql, key, this.#next++);
    await sql.query('ROLLBACK TO SAVEPOINT s');
  }

  last(): Question {
    const keys = this.#keys.all();
    return {
      f: 'txn',
      value: keys.map((key) => ['r', key, null]),
      run: (sql) =>
        inBlock(sql, 'BEGIN READ ONLY', async () => {
          const all = await readAll(sql, CELLS);
          return keys.map((key) => ['r', key, listOf(all.get(key))]);
        }),
    };
  }
}

/** In one statement, or as who reads and writes. */
async function append(
  sql: SqlConnection,
  random: SeededRandom,
  key: number,
  element: number,
): Promise<void> {
  if (!random.oneIn(3)) {
    await upsert(sql, key, element);
    return;
  }
  const cell = await readCell(sql, CELLS, key, someLock(random));
  const table = CELLS.tableOf(key);
  if (cell === undefined)
    await sql.query(`INSERT INTO ${table} VALUES ($1, $2)`, [key, String(element)]);
  else
    await sql.query(`UPDATE ${table} SET v = $2 WHERE k = $1`, [
      key,
      `${cell as string},${element}`,
    ]);
}

async function upsert(sql: SqlConnection, key: number, element: number): Promise<void> {
  const table = CELLS.tableOf(key);
  await sql.query(
    `INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = ${table}.v || ',' || $2`,
    [key, String(element)],
  );
}

function listOf(cell: Datum | undefined): number[] {
  return cell === undefined ? [] : (cell as string).split(',').map(Number);
}

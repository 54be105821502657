// Registers that transactions read and write, each value only once.

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

const KEYS = 5;
const USES_MAX = 60;
const OPERATIONS_MAX = 4;
const CELLS = cellsOf('registers');

export class RegisterTransactions implements HistoryWorkload {
  readonly name = 'rw';
  readonly tables: readonly string[] = CELLS.tables;
  readonly #keys = new KeyWindow(KEYS, USES_MAX);
  #next = 1;

  setUp(sql: SqlConnection): Promise<void> {
    return createCells(sql, CELLS, 'int NOT NULL');
  }

  next(random: SeededRandom, now: Present): Question {
    const count = 1 + random.below(OPERATIONS_MAX);
    if (random.oneIn(3)) return this.#look(random, now, count);
    const operations = Array.from({ length: count }, () => this.#someOperation(random)).flat();
    const lock = someLock(random);
    return {
      f: 'txn',
      value: operations,
      run: (sql) =>
        inBlock(sql, 'BEGIN', async () => {
          const done: Operation[] = [];
          for (const operation of operations) {
            const [f, key, value] = operation;
            if (f === 'r') done.push(['r', key, valueOf(await readCell(sql, CELLS, key, lock))]);
            else {
              await write(sql, key, value as number);
              done.push(operation);
            }
          }
          return done;
        }),
    };
  }

  /** Who writes after reading tells which version came before. */
  #someOperation(random: SeededRandom): Operation[] {
    if (random.oneIn(3)) return [['r', this.#keys.some(random), null]];
    const key = this.#keys.use(random);
    const write: Operation = ['w', key, this.#next++];
    return random.oneIn(3) ? [write] : [['r', key, null], write];
  }

  #look(random: SeededRandom, now: Present, count: number): Question {
    const look = someLook(random, now);
    const keys = Array.from({ length: count }, () => this.#keys.some(random));
    return {
      f: 'txn',
      value: keys.map((key) => ['r', key, null]),
      ...ofLook(look),
      run: (sql) =>
        inBlock(sql, look.begin, async () => {
          const found = await scanCells(sql, CELLS, keys);
          return keys.map((key) => ['r', key, valueOf(found.get(key))]);
        }),
    };
  }

  last(): Question {
    const keys = this.#keys.all();
    return {
      f: 'txn',
      value: keys.map((key) => ['r', key, null]),
      run: (sql) =>
        inBlock(sql, 'BEGIN READ ONLY', async () => {
          const all = await readAll(sql, CELLS);
          return keys.map((key) => ['r', key, valueOf(all.get(key))]);
        }),
    };
  }
}

async function write(sql: SqlConnection, key: number, value: number): Promise<void> {
  const table = CELLS.tableOf(key);
  await sql.query(`INSERT INTO ${table} VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = $2`, [
    key,
    value,
  ]);
}

function valueOf(cell: Datum | undefined): number | null {
  return cell === undefined ? null : Number(cell);
}

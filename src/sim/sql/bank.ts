// Accounts between which money moves: whoever reads all of them finds the same sum, at whatever time.

import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';
import { readCell, cellsOf, createCells, readAll, someLock } from './cells.ts';
import {
  ChangedItsMind,
  type HistoryWorkload,
  inBlock,
  ofLook,
  type Present,
  type Question,
  someLook,
} from './question.ts';

const ACCOUNTS = 8;
const START = 100;
const AMOUNT_MAX = 30;
const CELLS = cellsOf('accounts');

/** What they say of the past is not said in microseconds: it must add up all the same. */
const PASTS = ['follower_read_timestamp()', "'-500ms'"];
/** By any clock. */
const PASTS_MICROS = 2_000_000;

export class BankTransactions implements HistoryWorkload {
  readonly name = 'bank';
  readonly total: number = ACCOUNTS * START;
  readonly tables: readonly string[] = CELLS.tables;

  async setUp(sql: SqlConnection): Promise<void> {
    await createCells(sql, CELLS, 'int NOT NULL');
    // All at once, so that no past has only some.
    const values = Array.from({ length: ACCOUNTS }, (_, key) => key);
    await inBlock(sql, 'BEGIN', async () => {
      for (const table of CELLS.tables) {
        const rows = values.filter((key) => CELLS.tableOf(key) === table);
        const list = rows.map((key) => `(${key}, ${START})`).join(', ');
        await sql.query(`INSERT INTO ${table} VALUES ${list} ON CONFLICT DO NOTHING`);
      }
    });
  }

  next(random: SeededRandom, now: Present): Question {
    if (random.oneIn(2)) return this.#transfer(random);
    if (now.pastMicros > PASTS_MICROS && random.oneIn(4)) {
      const past = PASTS[random.below(PASTS.length)] as string;
      return read(`BEGIN AS OF SYSTEM TIME ${past}`);
    }
    const look = someLook(random, now);
    return { ...read(look.begin), ...ofLook(look) };
  }

  #transfer(random: SeededRandom): Question {
    const from = random.below(ACCOUNTS);
    const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    const amount = 1 + random.below(AMOUNT_MAX);
    const value = ['transfer', from, to, amount];
    const lock = someLock(random);
    const moves = random.below(4);
    return {
      f: 'transfer',
      value,
      run: (sql) =>
        inBlock(sql, 'BEGIN', async () => {
          const has = Number(await readCell(sql, CELLS, from, lock));
          const other = Number(await readCell(sql, CELLS, to, lock));
          if (has < amount) throw new ChangedItsMind();
          await change(sql, from, has - amount, moves === 0);
          await change(sql, to, other + amount, moves === 1);
          return value;
        }),
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
        const all = await readAll(sql, CELLS);
        return Object.fromEntries([...all].map(([key, value]) => [key, Number(value)]));
      }),
  };
}

/** Also as a new row in the place of the old one. */
async function change(
  sql: SqlConnection,
  key: number,
  balance: number,
  anew: boolean,
): Promise<void> {
  const table = CELLS.tableOf(key);
  if (!anew) {
    await sql.query(`UPDATE ${table} SET v = $2 WHERE k = $1`, [key, balance]);
    return;
  }
  await sql.query(`DELETE FROM ${table} WHERE k = $1`, [key]);
  await sql.query(`INSERT INTO ${table} VALUES ($1, $2)`, [key, balance]);
}

// Rows of a key and a value, in two tables by turns: how they are read and written. For lists, registers and forks.

import type { Datum } from '../../rows/datum.ts';
import type { SeededRandom } from '../random.ts';
import type { SqlConnection } from '../workloads/workload.ts';

export type Operation = readonly [f: string, key: number, value: unknown];

export interface Cells {
  readonly tables: readonly string[];
  tableOf(key: number): string;
}

export function cellsOf(name: string): Cells {
  const tables = [`${name}_a`, `${name}_b`];
  return { tables, tableOf: (key) => tables[key % 2] as string };
}

export async function createCells(
  sql: SqlConnection,
  { tables }: Cells,
  type: string,
): Promise<void> {
  for (const table of tables) {
    await sql.query(`CREATE TABLE IF NOT EXISTS ${table} (k int PRIMARY KEY, v ${type})`);
  }
}

const LOCKS = ['', '', ' FOR UPDATE', ' FOR SHARE'];

/** Undefined: there is no such row. */
export async function readCell(
  sql: SqlConnection,
  cells: Cells,
  key: number,
  lock: string,
): Promise<Datum | undefined> {
  const table = cells.tableOf(key);
  const { rows } = await sql.query(`SELECT v FROM ${table} WHERE k = $1${lock}`, [key]);
  return rows[0]?.['v'] as Datum | undefined;
}

/** Of a read in a block that may write. */
export function someLock(random: SeededRandom): string {
  return LOCKS[random.below(LOCKS.length)] as string;
}

/** Of all rows, by key. */
export async function readAll(sql: SqlConnection, { tables }: Cells): Promise<Map<number, Datum>> {
  const all = new Map<number, Datum>();
  for (const table of tables) {
    const { rows } = await sql.query(`SELECT k, v FROM ${table} ORDER BY k`);
    for (const row of rows) all.set(Number(row['k']), row['v'] as Datum);
  }
  return all;
}

/** Those of a few keys, by scans that may find more. */
export async function scanCells(
  sql: SqlConnection,
  { tables }: Cells,
  keys: readonly number[],
): Promise<Map<number, Datum>> {
  const found = new Map<number, Datum>();
  const [least, greatest] = [Math.min(...keys), Math.max(...keys)];
  for (const table of tables) {
    const { rows } = await sql.query(`SELECT k, v FROM ${table} WHERE k >= $1 AND k <= $2`, [
      least,
      greatest,
    ]);
    for (const row of rows) found.set(Number(row['k']), row['v'] as Datum);
  }
  return found;
}

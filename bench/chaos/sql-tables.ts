// The tables that SQL clients use, and where they are divided at the start.

import type { SqlConnection } from './sql-connection.ts';

export const REGISTERS = 32;
export const ACCOUNTS = 32;
export const BALANCE = 1000;
/** Keys of what is only added are spread over so many, so that all of its ranges are busy. */
export const SPREAD = 1_000_000;

export interface Table {
  readonly name: string;
  readonly columns: string;
  /** Its keys are 0 to one less. */
  readonly keys: number;
}

export const TABLES: readonly Table[] = [
  { name: 'chaos_register', columns: 'k int PRIMARY KEY, v bigint, filler text', keys: REGISTERS },
  { name: 'chaos_account', columns: 'id int PRIMARY KEY, balance bigint NOT NULL', keys: ACCOUNTS },
  { name: 'chaos_ledger', columns: 'id int PRIMARY KEY, v bigint, filler text', keys: SPREAD },
  {
    name: 'chaos_transfer',
    columns: 'id int PRIMARY KEY, source int, target int, amount bigint',
    keys: SPREAD,
  },
];

const PIECES = 4;
/** Small enough for ranges to divide and to unite by themselves while the run lasts. */
const SETTINGS: Readonly<Record<string, string>> = {
  'range.bytes_max': '256KiB',
  'range.merge_after': '5s',
  'range.merge_bytes': '64KiB',
  'node.dead_after': '30s',
};

/** A part of the keyspace, for who asks whether it takes writes. */
export function partOf(table: 'chaos_register' | 'chaos_account', key: number): string {
  const keys = table === 'chaos_register' ? REGISTERS : ACCOUNTS;
  const from = Math.floor((key * PIECES) / keys) * (keys / PIECES);
  return `${table} from ${from}`;
}

export function allParts(): readonly string[] {
  const places = Array.from({ length: PIECES }, (_, i) => i);
  return [
    ...places.map((i) => partOf('chaos_register', (i * REGISTERS) / PIECES)),
    ...places.map((i) => partOf('chaos_account', (i * ACCOUNTS) / PIECES)),
  ];
}

export async function makeTables(connection: SqlConnection): Promise<void> {
  for (const [name, value] of Object.entries(SETTINGS)) {
    await connection.query(`SET CLUSTER SETTING ${name} = '${value}'`);
  }
  for (const { name, columns, keys } of TABLES) {
    await connection.query(`CREATE TABLE ${name} (${columns})`);
    const cuts = Array.from({ length: PIECES - 1 }, (_, i) => `(${((i + 1) * keys) / PIECES})`);
    await connection.query(`ALTER TABLE ${name} SPLIT AT VALUES (0), ${cuts.join(', ')}`);
  }
  await connection.query(
    `INSERT INTO chaos_register SELECT g, NULL, '' FROM generate_series(0, ${REGISTERS - 1}) AS g`,
  );
  await connection.query(
    `INSERT INTO chaos_account SELECT g, ${BALANCE} FROM generate_series(0, ${ACCOUNTS - 1}) AS g`,
  );
}

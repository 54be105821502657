// What was read in the end against what clients were told. Each answers what is wrong, a line for each.

import type { Outcome } from './clients.ts';
import { LEDGER_PREFIX } from './clients.ts';
import type { Transfer } from './sql-clients.ts';
import type { SqlRow } from './sql-connection.ts';
import { ACCOUNTS, BALANCE } from './sql-tables.ts';

interface Written<T> {
  readonly value: T;
  readonly outcome: Outcome;
}

export function ledgerIsWrong(
  pairs: ReadonlyMap<string, string>,
  ledger: ReadonlyMap<string, Written<string>>,
): readonly string[] {
  return [
    ...notAsAnswered(ledger, (key) => pairs.get(key), String),
    ...[...pairs.keys()].flatMap((key) =>
      key.startsWith(LEDGER_PREFIX) && !ledger.has(key) ? [`nobody wrote ${key}`] : [],
    ),
  ];
}

export function sqlLedgerIsWrong(
  rows: readonly SqlRow[],
  ledger: ReadonlyMap<number, Written<number>>,
): readonly string[] {
  const found = new Map(rows.map((row) => [Number(row['id']), Number(row['v'])]));
  return [
    ...notAsAnswered(
      ledger,
      (id) => found.get(id),
      (id) => `row ${id}`,
    ),
    ...[...found.keys()].flatMap((id) => (ledger.has(id) ? [] : [`nobody wrote row ${id}`])),
    ...(rows.length === found.size ? [] : ['a row was found twice']),
  ];
}

/** Balances are what the transfers' rows make of them, and these are what was answered. */
export function accountsAreWrong(
  accounts: readonly SqlRow[],
  rows: readonly SqlRow[],
  transfers: ReadonlyMap<number, Transfer>,
): readonly string[] {
  const wrong: string[] = [];
  const due = new Map(Array.from({ length: ACCOUNTS }, (_, id) => [id, BALANCE]));
  const told = new Map<number, string>();
  for (const row of rows) {
    const [source, target] = [Number(row['source']), Number(row['target'])];
    const amount = Number(row['amount']);
    due.set(source, (due.get(source) ?? 0) - amount);
    due.set(target, (due.get(target) ?? 0) + amount);
    told.set(Number(row['id']), textOf({ source, target, amount }));
    if (!transfers.has(Number(row['id']))) wrong.push(`nobody made transfer ${String(row['id'])}`);
  }
  const asked = new Map(
    [...transfers].map(([id, one]) => [id, { value: textOf(one), outcome: one.outcome }]),
  );
  wrong.push(
    ...notAsAnswered(
      asked,
      (id) => told.get(id),
      (id) => `transfer ${id}`,
    ),
  );
  const balances = new Map(accounts.map((row) => [Number(row['id']), Number(row['balance'])]));
  for (const [id, balance] of due) {
    const is = balances.get(id);
    if (is !== balance) wrong.push(`account ${id} has ${is}, by its transfers ${balance}`);
  }
  return wrong;
}

function notAsAnswered<K extends string | number, T extends string | number>(
  written: ReadonlyMap<K, Written<T>>,
  read: (key: K) => T | undefined,
  name: (key: K) => string,
): readonly string[] {
  return [...written].flatMap(([key, { value, outcome }]) => {
    const found = read(key);
    const isWell =
      found === undefined ? outcome !== 'done' : found === value && outcome !== 'failed';
    if (isWell) return [];
    return [`${name(key)} has ${found ?? 'nothing'}; its write of ${value} was ${outcome}`];
  });
}

function textOf({ source, target, amount }: Omit<Transfer, 'outcome'>): string {
  return `${amount} from ${source} to ${target}`;
}

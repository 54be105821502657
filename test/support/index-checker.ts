// Whether each secondary index of a table holds exactly what its rows say: read from storage, with a reading of entries
// of its own for keys, and the writer's for what rows demand.

import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import { decodeRow } from '../../src/rows/row-codec.ts';
import type { Datum } from '../../src/rows/datum.ts';
import type { TableDescriptor } from '../../src/sql/catalog/descriptor.ts';
import { decodeDescriptor } from '../../src/sql/catalog/encoding.ts';
import { DESCRIPTOR_SPAN, indexSpan, type KeySpan } from '../../src/sql/catalog/keys.ts';
import { IndexEntries } from '../../src/sql/exec/index-entries.ts';
import { tableRules } from '../../src/sql/plan/bind-rules.ts';
import type { Transactions } from '../../src/txn/api.ts';

type Pair = readonly [key: string, value: string];

async function pairsOf(transactions: Transactions, span: KeySpan): Promise<[Buffer, Buffer][]> {
  const scan = await transactions.snapshot().scan({
    span,
    reverse: false,
    program: undefined,
    parameters: undefined,
    limitRows: 0,
    batchBytes: 1 << 20,
  });
  const pairs: [Buffer, Buffer][] = [];
  const reader = new PackedRowReader();
  for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
    reader.reset(batch.rows);
    while (reader.next()) pairs.push([Buffer.from(reader.key()), Buffer.from(reader.row())]);
  }
  scan.close();
  return pairs;
}

export async function storedTable(
  transactions: Transactions,
  name: string,
): Promise<TableDescriptor> {
  const descriptors = await pairsOf(transactions, DESCRIPTOR_SPAN);
  const table = descriptors
    .map(([, bytes]) => decodeDescriptor(bytes))
    .find((descriptor) => descriptor.name === name);
  if (table === undefined) throw new Error(`there is no table "${name}"`);
  return table;
}

export interface IndexContents {
  readonly index: string;
  /** Of its keys in storage. */
  readonly stored: readonly Pair[];
  /** What the rows demand. */
  readonly demanded: readonly Pair[];
}

export async function indexContents(
  transactions: Transactions,
  name: string,
): Promise<{ readonly rows: readonly (readonly Datum[])[]; readonly indexes: IndexContents[] }> {
  const table = await storedTable(transactions, name);
  const stored = await pairsOf(transactions, indexSpan(table.primary.id));
  const rows = stored.map(([, row]) => decodeRow(table.layout, row));
  const rules = tableRules(table, undefined as never).indexes;
  const indexes: IndexContents[] = [];
  for (const rule of rules) {
    const entries = new IndexEntries(table, rule);
    const demanded: Pair[] = [];
    for (const row of rows) {
      const entry = entries.entry(row);
      if (entry === undefined) continue;
      demanded.push([Buffer.from(entry.key).toString('hex'), hex(entry.value)]);
    }
    const found = await pairsOf(transactions, indexSpan(rule.index.id));
    indexes.push({
      index: rule.index.name,
      stored: found.map(([key, value]): Pair => [key.toString('hex'), value.toString('hex')]),
      demanded: demanded.sort(([a], [b]) => (a < b ? -1 : 1)),
    });
  }
  return { rows, indexes };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

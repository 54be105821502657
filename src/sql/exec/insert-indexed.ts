// INSERT into a table with secondary indexes: with ON CONFLICT all keys that must be unique are locked and looked up at
// once, of all rows and all indexes, before the first row is decided on.

import type { Maybe } from '../../base/maybe.ts';
import { whenReady } from '../../base/maybe.ts';
import type { Datum } from '../../rows/datum.ts';
import { LOCK_EXCLUSIVE } from '../../txn/api.ts';
import { type CompiledConflict, secondTime } from './conflict.ts';
import { keyText } from './duplicates.ts';
import { type Execution, transactionOf } from './execution.ts';
import type { IndexEntries } from './index-entries.ts';
import { RowChanges } from './row-changes.ts';
import type { RowWriter } from './row-writer.ts';

type Row = readonly Datum[];

/** Answers the rows that were written. */
export function writeIndexed(
  writer: RowWriter,
  rows: readonly Row[],
  conflict: CompiledConflict | undefined,
  execution: Execution,
): Maybe<readonly Row[]> {
  const txn = transactionOf(execution);
  if (conflict === undefined) {
    const changes = new RowChanges(writer);
    for (const values of rows) changes.insert(values);
    return whenReady(changes.apply(txn), () => rows);
  }
  return resolve(writer, rows, conflict, execution);
}

/** A key of a row to be inserted that no other may have. */
interface Probe {
  readonly key: Uint8Array;
  /** Undefined: the primary index. */
  readonly entries: IndexEntries | undefined;
  stored: Uint8Array | undefined;
}

async function resolve(
  writer: RowWriter,
  rows: readonly Row[],
  conflict: CompiledConflict,
  execution: Execution,
): Promise<readonly Row[]> {
  const txn = transactionOf(execution);
  const probes = rows.map((values) => probesOf(writer, values));
  const all = probes.flat();
  const found = await txn.getManyLocked(
    all.map(({ key }) => key),
    LOCK_EXCLUSIVE,
  );
  const free = new Set<string>();
  all.forEach((probe, i) => {
    probe.stored = found[i];
    if (probe.stored === undefined) free.add(keyText(probe.key));
  });
  const isArbiter = ({ entries }: Probe): boolean =>
    conflict.arbiters.length === 0 ||
    conflict.arbiters.some((arbiter) =>
      arbiter.kind === 'primary' ? entries === undefined : entries?.index.id === arbiter.index.id,
    );
  const existing =
    conflict.update === undefined
      ? undefined
      : await existingRows(all.filter(isArbiter), execution);
  const changes = new RowChanges(writer, writer.indexes, free);
  const written: Row[] = [];
  const updated = new Set<string>();
  rows.forEach((values, i) => {
    const taken = (probes[i] as Probe[]).filter(
      ({ key, stored }) => changes.knows(key) ?? stored !== undefined,
    );
    const [first] = taken;
    if (first === undefined) {
      changes.insert(values);
      written.push(values);
      return;
    }
    const arbiter = taken.find(isArbiter);
    if (arbiter === undefined) {
      throw first.entries?.duplicate(values) ?? writer.duplicate(values);
    }
    if (existing === undefined) return;
    const row =
      changes.knows(arbiter.key) === true ? undefined : existing.get(keyText(arbiter.key));
    if (row === undefined) throw secondTime();
    const before = writer.decode(row);
    const place = keyText(writer.key(before));
    if (updated.has(place)) throw secondTime();
    updated.add(place);
    const after = conflict.updated(before, values, execution);
    if (after === undefined) return;
    changes.update(before, after);
    written.push(after);
  });
  await changes.apply(txn);
  return written;
}

function probesOf(writer: RowWriter, values: Row): Probe[] {
  const probes: Probe[] = [];
  if (writer.table.hasPrimaryKey) {
    probes.push({ key: writer.key(values), entries: undefined, stored: undefined });
  }
  for (const entries of writer.indexes) {
    const entry = entries.index.unique ? entries.entry(values) : undefined;
    if (entry?.isUnique !== true) continue;
    probes.push({ key: entry.key, entries, stored: undefined });
  }
  return probes;
}

/** The stored rows behind keys that were found, by the text of the key. */
async function existingRows(
  probes: readonly Probe[],
  execution: Execution,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const rows = new Map<string, Uint8Array>();
  const texts: string[] = [];
  const keys: Uint8Array[] = [];
  for (const { key, entries, stored } of probes) {
    if (stored === undefined) continue;
    const text = keyText(key);
    if (entries === undefined) {
      rows.set(text, stored);
      continue;
    }
    texts.push(text);
    keys.push(entries.rowKey(stored));
  }
  if (keys.length === 0) return rows;
  const found = await transactionOf(execution).getManyLocked(keys, LOCK_EXCLUSIVE);
  found.forEach((row, i) => {
    if (row !== undefined) rows.set(texts[i] as string, row);
  });
  return rows;
}

// Judges transactions that append to lists and read them (Elle's list-append): first each read by itself, then the order
// of all transactions by the cycles of their graph.
//
// With elements that are unique, what was read tells the versions of each key in their order, so the graph has all that
// must hold: without a cycle there is an order in which everything can have happened, and with one there is none.

import { explainAppend, appendGraph } from './append-graph.ts';
import {
  type Append,
  type AppendKey,
  type AppendRead,
  type AppendVersions,
  appendVersions,
  lastReadOf,
  listOf,
  seenWriters,
} from './append-versions.ts';
import { addCycles } from './cycle-witness.ts';
import type { Scalar } from './events.ts';
import type { Findings } from './models.ts';
import { addTimeEdges } from './time-order.ts';
import {
  answeredBefore,
  happenedOf,
  type Operation,
  type Transaction,
  tellValue,
} from './transactions.ts';
import { tellTransaction } from './witness.ts';

export function checkListAppend(transactions: readonly Transaction[], findings: Findings): void {
  const versions = appendVersions(transactions);
  for (const transaction of transactions) {
    if (transaction.call.outcome === 'done') checkInternal(transaction, findings);
  }
  for (const { key, read } of versions.contradictions) checkContradiction(key, read, findings);
  for (const key of versions.keys) {
    checkElements(key, findings);
    const refused = firstRefused(key);
    for (const read of key.reads) checkRead(key, read, refused, findings);
    checkLostUpdates(key, findings);
    checkLost(key, findings);
  }
  addAppendCycles(transactions, versions, findings);
}

function addAppendCycles(
  transactions: readonly Transaction[],
  versions: AppendVersions,
  findings: Findings,
): void {
  const happened = happenedOf(transactions, seenWriters(versions.keys));
  const builder = appendGraph(transactions, versions, happened);
  addTimeEdges(builder, transactions, happened);
  addCycles(builder.build(), transactions, findings, (step, first, second) =>
    explainAppend(versions, step, first, second),
  );
}

/** Each read must show what the transaction has read and appended before. */
function checkInternal(transaction: Transaction, findings: Findings): void {
  const { operations } = transaction;
  for (const [at, { f, key, value }] of operations.entries()) {
    if (f !== 'r') continue;
    const own: Scalar[] = [];
    let base: readonly Scalar[] | undefined;
    for (const other of operations.slice(0, at)) {
      if (other.key !== key) continue;
      if (other.f === 'append') own.push(other.value as Scalar);
      else {
        base = listOf(other.value);
        own.length = 0;
      }
    }
    const list = listOf(value);
    const expected = [...(base ?? list.slice(0, Math.max(0, list.length - own.length))), ...own];
    const future = ownLater(operations, at).find((element) => list.includes(element));
    if (isEqual(list, expected) && future === undefined) continue;
    const reason =
      future === undefined
        ? `T1 read ${tellValue(list)} of key ${key}, where by itself it should be ${
            base === undefined ? `… ${own.join(' ')}` : tellValue(expected)
          }`
        : `T1 read ${future} of key ${key} before it appended it`;
    findings.add('internal', () => [tellTransaction('T1', transaction), `  ${reason}`]);
  }
}

function ownLater(operations: readonly Operation[], at: number): Scalar[] {
  const { key } = operations[at] as Operation;
  return operations
    .slice(at + 1)
    .filter((other) => other.f === 'append' && other.key === key)
    .map((other) => other.value as Scalar);
}

function isEqual(a: readonly Scalar[], b: readonly Scalar[]): boolean {
  return a.length === b.length && a.every((element, i) => element === b[i]);
}

/** A read that is no beginning of the longest one. */
function checkContradiction(key: AppendKey, read: AppendRead, findings: Findings): void {
  checkList(key, read, findings);
  const longest = key.longest as AppendRead;
  findings.add('incompatible-order', () => [
    tellTransaction('T1', longest.transaction),
    tellTransaction('T2', read.transaction),
    `  T1 read ${tellValue(longest.list)} of key ${key.key}, and T2 ${tellValue(read.list)}, which is no beginning of it`,
  ]);
}

/** The longest list, of which all others are beginnings. */
function checkElements(key: AppendKey, findings: Findings): void {
  if (key.longest !== undefined) checkList(key, key.longest, findings);
  let before: Append | undefined;
  for (const append of key.appends) {
    if (append.position === -1) continue;
    const earlier = before;
    before = append;
    if (earlier?.transaction !== append.transaction || earlier.position < append.position) continue;
    findings.add('incompatible-order', () => [
      tellTransaction('T1', append.transaction),
      `  T1 appended ${earlier.element} to key ${key.key} before ${append.element}, which is seen in front of it`,
    ]);
  }
}

/** What is in a list: each element once, and appended by somebody. */
function checkList(key: AppendKey, { list, transaction }: AppendRead, findings: Findings): void {
  const seen = new Set<Scalar>();
  for (const element of list) {
    const tell = (what: string) => () => [
      tellTransaction('T1', transaction),
      `  T1 read ${tellValue(list)} of key ${key.key}: ${what}`,
    ];
    if (seen.has(element)) findings.add('duplicate-elements', tell(`${element} is there twice`));
    seen.add(element);
    if (!key.byElement.has(element)) findings.add('unwritten', tell(`nobody appended ${element}`));
  }
}

/** G1a and G1b. */
function checkRead(
  key: AppendKey,
  read: AppendRead,
  refused: Append | undefined,
  findings: Findings,
): void {
  const { transaction, list, isExternal } = read;
  if (refused !== undefined && refused.position < list.length) {
    findings.add('G1a', () => [
      tellTransaction('T1', refused.transaction),
      tellTransaction('T2', transaction),
      `  T2 read ${refused.element} of key ${key.key}, which T1 appended, which failed`,
    ]);
  }
  const last = key.byElement.get(list.at(-1) ?? '');
  if (!isExternal || last === undefined || last.transaction === transaction) return;
  if (!last.isIntermediate) return;
  findings.add('G1b', () => [
    tellTransaction('T1', last.transaction),
    tellTransaction('T2', transaction),
    `  T2 read key ${key.key} up to ${last.element}, after which T1 appended more to it`,
  ]);
}

/** Of what is in the list: the first whose transaction failed. */
function firstRefused({ appends }: AppendKey): Append | undefined {
  return appends
    .filter(({ position, transaction }) => position !== -1 && transaction.call.outcome === 'failed')
    .sort((a, b) => a.position - b.position)[0];
}

/** Of two that read the same version and appended to the key, one has not seen the other's. */
function checkLostUpdates(key: AppendKey, findings: Findings): void {
  const writers = new Set(key.appends.map(({ transaction }) => transaction));
  const updates = new Map<number, Transaction>();
  for (const { transaction, list, isExternal } of key.reads) {
    if (!isExternal || !writers.has(transaction)) continue;
    const other = updates.get(list.length);
    if (other === undefined) {
      updates.set(list.length, transaction);
      continue;
    }
    findings.add('lost-update', () => [
      tellTransaction('T1', other),
      tellTransaction('T2', transaction),
      `  T1 and T2 both read ${tellValue(list)} of key ${key.key}, and both appended to it`,
    ]);
  }
}

/** Appends that were acknowledged before somebody asked for the key, and that nobody ever saw. */
function checkLost(key: AppendKey, findings: Findings): void {
  const last = lastReadOf(key);
  if (last === undefined) return;
  for (const { transaction, position, element } of key.appends) {
    if (position !== -1 || !answeredBefore(transaction, last.transaction)) continue;
    findings.add('lost-append', () => [
      tellTransaction('T1', transaction),
      tellTransaction('T2', last.transaction),
      `  T1 was acknowledged before T2 began, and neither T2 nor anybody else saw ${element} of key ${key.key}`,
    ]);
  }
}

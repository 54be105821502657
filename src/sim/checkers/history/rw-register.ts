// Judges transactions that read and write registers (Elle's rw-register). What it can and can't conclude stands in
// register-versions.ts.

import { addCycles } from './cycle-witness.ts';
import type { Scalar } from './events.ts';
import type { Findings } from './models.ts';
import { explainRegister, registerGraph } from './register-graph.ts';
import { type Register, registersOf, seenWriters, type Touch } from './register-versions.ts';
import { addTimeEdges } from './time-order.ts';
import { happenedOf, type Operation, type Transaction, tellValue } from './transactions.ts';
import { tellTransaction } from './witness.ts';

export function checkRegisterTransactions(
  transactions: readonly Transaction[],
  findings: Findings,
): void {
  const registers = registersOf(transactions);
  for (const transaction of transactions) {
    if (transaction.call.outcome === 'done') checkInternal(transaction, findings);
  }
  for (const register of registers) {
    for (const touch of register.touches) checkFound(register, touch, findings);
    checkLostUpdates(register, findings);
  }
  const happened = happenedOf(transactions, seenWriters(registers));
  const { graph, reasons } = registerGraph(transactions, registers, happened);
  addTimeEdges(graph, transactions, happened);
  addCycles(graph.build(), transactions, findings, (step, first, second) =>
    explainRegister(reasons, step, first, second),
  );
}

/** Each read must show what the transaction has read or written before. */
function checkInternal(transaction: Transaction, findings: Findings): void {
  const { operations } = transaction;
  for (const [at, { f, key, value }] of operations.entries()) {
    if (f !== 'r') continue;
    const before = operations.slice(0, at).findLast((other: Operation) => other.key === key);
    const isFuture =
      value !== null &&
      operations
        .slice(at + 1)
        .some((one) => one.f === 'w' && one.key === key && one.value === value);
    if (!isFuture && (before === undefined || before.value === value)) continue;
    const reason = isFuture
      ? 'before it wrote it'
      : `where by itself it should be ${tellValue(before?.value ?? null)}`;
    findings.add('internal', () => [
      tellTransaction('T1', transaction),
      `  T1 read ${tellValue(value)} of key ${key}, ${reason}`,
    ]);
  }
}

/** G1a and G1b. */
function checkFound({ key, versions }: Register, touch: Touch, findings: Findings): void {
  const { transaction, found } = touch;
  if (found === undefined || found === null) return;
  const version = versions.get(found);
  if (version === undefined) {
    findings.add('unwritten', () => [
      tellTransaction('T1', transaction),
      `  T1 read ${found} of key ${key}, which nobody wrote`,
    ]);
    return;
  }
  const { writer, isIntermediate } = version;
  if (writer === transaction) return;
  const tell = (what: string) => () => [
    tellTransaction('T1', writer),
    tellTransaction('T2', transaction),
    `  T2 read ${found} of key ${key}, which T1 wrote${what}`,
  ];
  if (writer.call.outcome === 'failed') findings.add('G1a', tell(', which failed'));
  else if (isIntermediate) findings.add('G1b', tell(' and overwrote'));
}

/** Of two that read the same version and wrote the key, one has not seen the other's. */
function checkLostUpdates({ key, touches }: Register, findings: Findings): void {
  const updates = new Map<Scalar | null, Transaction>();
  for (const { transaction, found, left } of touches) {
    if (found === undefined || left === undefined || transaction.call.outcome !== 'done') continue;
    const other = updates.get(found);
    if (other === undefined) {
      updates.set(found, transaction);
      continue;
    }
    findings.add('lost-update', () => [
      tellTransaction('T1', other),
      tellTransaction('T2', transaction),
      `  T1 and T2 both read ${tellValue(found)} of key ${key}, and both wrote to it`,
    ]);
  }
}

// Judges reads of a few keys, each of which is written once: whoever sees one write and not another must not meet
// somebody who sees the other and not the one. The graph of register-graph.ts finds such forks too, and what is stale
// besides; this says it in two lines.

import type { Findings } from './models.ts';
import type { Transaction } from './transactions.ts';
import { tellTransaction } from './witness.ts';

interface ForkRead {
  readonly transaction: Transaction;
  /** Of the group's keys in their order: whether the write was seen. */
  readonly seen: readonly boolean[];
  readonly count: number;
}

interface Group {
  readonly keys: readonly string[];
  /** One read of each kind. */
  readonly reads: Map<string, ForkRead>;
}

export function checkLongFork(transactions: readonly Transaction[], findings: Findings): void {
  const groups = new Map<string, Group>();
  for (const transaction of transactions) addRead(groups, transaction);
  for (const { keys, reads } of groups.values()) {
    // Without a fork each read has all that those before it have.
    const sorted = [...reads.values()].sort((a, b) => a.count - b.count);
    for (const [i, later] of sorted.entries()) {
      const earlier = sorted[i - 1];
      const missing = earlier?.seen.findIndex((one, at) => one && later.seen[at] !== true) ?? -1;
      if (earlier === undefined || missing === -1) continue;
      const more = later.seen.findIndex((one, at) => one && earlier.seen[at] !== true);
      findings.add('long-fork', () => [
        tellTransaction('T1', earlier.transaction),
        tellTransaction('T2', later.transaction),
        `  T1 saw the write of key ${keys[missing]} and not that of key ${keys[more]}, T2 the other way round`,
      ]);
    }
  }
}

function addRead(groups: Map<string, Group>, transaction: Transaction): void {
  const { call, operations } = transaction;
  if (call.outcome !== 'done' || operations.some(({ f }) => f !== 'r')) return;
  const values = new Map(operations.map(({ key, value }) => [String(key), value]));
  const keys = [...values.keys()].sort();
  const name = JSON.stringify(keys);
  let group = groups.get(name);
  if (group === undefined) {
    group = { keys, reads: new Map() };
    groups.set(name, group);
  }
  const seen = keys.map((key) => values.get(key) !== null);
  const kind = seen.join();
  if (group.reads.has(kind)) return;
  group.reads.set(kind, { transaction, seen, count: seen.filter(Boolean).length });
}

// Shows cycles: each transaction on a line, and between them why the one before must have come first.

import { type Cycle, findCycles } from './cycles.ts';
import { EDGE, type Graph } from './graph.ts';
import type { Findings } from './models.ts';
import type { Step } from './shortest-cycle.ts';
import { answeredBefore, type Transaction } from './transactions.ts';
import { tellTransaction } from './witness.ts';

/** Why the first comes before the second, by what they read and wrote. */
type Explain = (step: Step, first: string, second: string) => string;

export function addCycles(
  graph: Graph,
  transactions: readonly Transaction[],
  findings: Findings,
  explain: Explain,
): void {
  const isDirectlyBefore = (first: number, second: number): boolean => {
    const [one, other] = [transactions[first], transactions[second]];
    return one !== undefined && other !== undefined && answeredBefore(one, other);
  };
  for (const cycle of findCycles(graph, isDirectlyBefore)) {
    findings.add(cycle.name, () => tellCycle(cycle, transactions, explain), cycle.steps.length);
  }
}

function tellCycle(
  { steps }: Cycle,
  transactions: readonly Transaction[],
  explain: Explain,
): string[] {
  const lines: string[] = [];
  for (const [i, step] of steps.entries()) {
    const [first, second] = [`T${i + 1}`, `T${i + 1 === steps.length ? 1 : i + 2}`];
    lines.push(tellTransaction(first, transactions[step.from] as Transaction));
    lines.push(`  ${reasonOf(step, first, second, transactions, explain)}`);
  }
  lines.push('T1 again');
  return lines;
}

function reasonOf(
  step: Step,
  first: string,
  second: string,
  transactions: readonly Transaction[],
  explain: Explain,
): string {
  if (step.kind === EDGE.realTime) return `${first} was acknowledged before ${second} began`;
  if (step.kind !== EDGE.process) return explain(step, first, second);
  const { process } = (transactions[step.from] as Transaction).call;
  return `process ${process} did ${first} before ${second}`;
}

// Judges a bank: transfers move money between accounts, so whoever reads all of them finds the same sum, and no account
// is ever overdrawn. Every model that is checked demands both.

import { type Call, whereabouts } from './calls.ts';
import { badEvent } from './events.ts';
import type { Findings } from './models.ts';

interface BankRead {
  readonly call: Call;
  readonly balances: readonly (readonly [account: string, balance: number])[];
  readonly sum: number;
}

/** `total`: what all accounts add up to; by default what the first read says. */
export function checkBank(calls: readonly Call[], findings: Findings, total?: number): void {
  const reads = calls.flatMap((call) => readOf(call) ?? []);
  const expected = total ?? reads[0]?.sum;
  for (const { call, balances, sum } of reads) {
    const tell = (what: string) => () => [
      `T1 (${whereabouts(call)}): ${balances.map(([id, balance]) => `${id}: ${balance}`).join(', ')}`,
      `  ${what}`,
    ];
    if (sum !== expected) {
      findings.add('wrong-total', tell(`T1 read balances that add up to ${sum}, not ${expected}`));
    }
    const overdrawn = balances.find(([, balance]) => balance < 0);
    if (overdrawn !== undefined) {
      findings.add(
        'negative-balance',
        tell(`T1 read that account ${overdrawn[0]} has ${overdrawn[1]}`),
      );
    }
  }
}

/** Transfers say how much they move: ['transfer', a, b, amount], or f 'transfer'. Reads have answers that name accounts. */
function readOf(call: Call): BankRead | undefined {
  if (call.outcome !== 'done') return undefined;
  const { answered, f } = call;
  if (f === 'transfer') return undefined;
  if (Array.isArray(answered)) {
    if (answered[0] === 'transfer') return undefined;
  } else if (typeof answered === 'object' && answered !== null) {
    const balances = Object.entries(answered as Record<string, unknown>);
    const numbers = balances.filter((entry): entry is [string, number] =>
      Number.isSafeInteger(entry[1]),
    );
    if (numbers.length === balances.length) {
      return {
        call,
        balances: numbers,
        sum: numbers.reduce((sum, [, balance]) => sum + balance, 0),
      };
    }
  }
  throw badEvent(
    call.to as number,
    `${JSON.stringify(answered)} is neither a transfer nor the balances of accounts`,
  );
}

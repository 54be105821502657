// How transactions are shown to people.

import { whereabouts } from './calls.ts';
import { tellOperations, type Transaction } from './transactions.ts';

/** "T1 (process 3, events 12 to 17): r 5 [1 2], append 6 3" */
export function tellTransaction(name: string, transaction: Transaction): string {
  return `${name} (${whereabouts(transaction.call)}): ${tellOperations(transaction)}`;
}

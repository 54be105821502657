// The catalog's own small transactions: retried after an abort, each attempt as old as the first (P21).

import { DbError } from '../../base/errors.ts';
import type { Transaction, Transactions } from '../../txn/api.ts';

/** A bound against defects, not against contention: the oldest transaction is not wounded. */
const ATTEMPTS_MAX = 1000;

export async function inOwnTransaction<T>(
  transactions: Transactions,
  run: (txn: Transaction) => Promise<T>,
  first: () => Transaction = () => transactions.begin(),
): Promise<T> {
  let txn: Transaction | undefined;
  for (let attempt = 1; ; attempt++) {
    txn = txn === undefined ? first() : transactions.begin(txn);
    try {
      const result = await run(txn);
      await txn.commit();
      return result;
    } catch (error) {
      txn.rollback();
      const again = error instanceof DbError && error.code === '40001' && attempt < ATTEMPTS_MAX;
      if (!again) throw error;
    }
  }
}

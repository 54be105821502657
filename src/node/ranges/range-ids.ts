// Ids of ranges: counted in the root range by transactions, some at a time, so that no two ranges ever get one. What a
// node has taken and not used when it stops is never used.

import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { FIRST_FREE_RANGE, RANGE_COUNTER_KEY } from '../../ranges/layout.ts';
import { inOwnTransaction } from '../../sql/catalog/attempts.ts';
import type { RangeId } from '../../storage/shard.ts';
import { LOCK_EXCLUSIVE, type Transactions } from '../../txn/api.ts';
import { readRow } from '../placement/root-rows.ts';

const TAKEN_AT_ONCE = 16;

export class RangeIds {
  readonly #transactions: Transactions;
  #next = 0;
  #end = 0;
  #taking: Promise<void> | undefined;

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
  }

  async next(): Promise<RangeId> {
    while (this.#next >= this.#end) {
      this.#taking ??= this.#take().finally(() => {
        this.#taking = undefined;
      });
      await this.#taking;
    }
    return this.#next++;
  }

  async #take(): Promise<void> {
    const first = await inOwnTransaction(this.#transactions, async (txn) => {
      const row = await readRow(txn, RANGE_COUNTER_KEY, LOCK_EXCLUSIVE);
      const free = row === undefined ? FIRST_FREE_RANGE : Number(fromUtf8(row));
      txn.put(RANGE_COUNTER_KEY, utf8(String(free + TAKEN_AT_ONCE)));
      return free;
    });
    this.#next = first;
    this.#end = first + TAKEN_AT_ONCE;
  }
}

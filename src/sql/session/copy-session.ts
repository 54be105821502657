// COPY … FROM STDIN within a session's transaction: the copy's rows and the block it runs in end together.

import type { Maybe } from '../../base/maybe.ts';
import type { CopyIn } from '../api.ts';
import type { TransactionState } from './transaction-state.ts';

export class CopySession implements CopyIn {
  readonly #copy: CopyIn;
  readonly #state: TransactionState;
  readonly #simple: boolean;

  constructor(copy: CopyIn, state: TransactionState, simple: boolean) {
    this.#copy = copy;
    this.#state = state;
    this.#simple = simple;
  }

  get columnCount(): number {
    return this.#copy.columnCount;
  }

  data(chunk: Uint8Array): Maybe<void> {
    return this.#copy.data(chunk);
  }

  /** In the simple protocol a copy outside a block commits here; in the extended one at Sync. */
  async done(): Promise<string> {
    const tag = await this.#copy.done();
    if (this.#simple && this.#state.status === 'I') await this.#state.commit();
    return tag;
  }

  fail(message: string): void {
    this.#copy.fail(message);
  }
}

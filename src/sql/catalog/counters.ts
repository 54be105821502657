// Numbers that never repeat. They are taken from the store in blocks: a block belongs to whoever committed the
// counter's advance past it, before any number of it is used. What is left of a block at a crash is lost, never reused.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { assert } from '../../base/assert.ts';
import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import { LOCK_EXCLUSIVE, type Transactions } from '../../txn/api.ts';
import { inOwnTransaction } from './attempts.ts';
import { counterKey } from './keys.ts';

const COUNTER_FORMAT_VERSION = 1;

/** Commits the counter's advance; answers the first number of the block. */
async function takeBlock(
  transactions: Transactions,
  name: string,
  size: number,
  first: number,
  limit: number,
): Promise<number> {
  const key = counterKey(name);
  return await inOwnTransaction(transactions, async (txn) => {
    const [stored] = await txn.getManyLocked([key], LOCK_EXCLUSIVE);
    const start = stored === undefined ? first : decodeCounter(stored);
    if (start + size > limit) {
      throw new DbError('54000', `the counter "${name}" has reached its limit of ${limit}`);
    }
    const out = new ByteWriter(16);
    out.u8(COUNTER_FORMAT_VERSION);
    out.u53(start + size);
    txn.put(key, out.take());
    return start;
  });
}

function decodeCounter(bytes: Uint8Array): number {
  const input = new ByteReader(bytes);
  const format = input.u8();
  if (format !== COUNTER_FORMAT_VERSION) {
    throw new DbError(
      'XX001',
      `catalog counter has format version ${format}; this program reads version ${COUNTER_FORMAT_VERSION}`,
    );
  }
  return input.u53();
}

/** Ids of tables and indexes: u32, waited for when a block is used up. */
export class IdCounter {
  static readonly #BLOCK = 64;
  readonly #transactions: Transactions;
  readonly #name: string;
  readonly #first: number;
  #next = 0;
  #end = 0;
  #refill: Promise<void> | undefined;

  constructor(transactions: Transactions, name: string, first: number) {
    this.#transactions = transactions;
    this.#name = name;
    this.#first = first;
  }

  take(): Maybe<number> {
    return this.#next < this.#end ? this.#next++ : this.#wait();
  }

  async #wait(): Promise<number> {
    // Others may have used the new block up by the time that this one goes on.
    while (this.#next >= this.#end) {
      this.#refill ??= this.#take().finally(() => {
        this.#refill = undefined;
      });
      await this.#refill;
    }
    return this.#next++;
  }

  async #take(): Promise<void> {
    const size = IdCounter.#BLOCK;
    const start = await takeBlock(this.#transactions, this.#name, size, this.#first, 0xffffffff);
    this.#next = start;
    this.#end = start + size;
  }
}

/** Hidden keys: given at once, so the next block is taken while half of this one is left. A block of 2^30 makes a
 * refill that loses the race with its use a matter of a disk that hangs for minutes, and leaves 2^23 blocks, one for
 * each start. */
export class RowIdCounter {
  readonly #transactions: Transactions;
  readonly #onError: (error: unknown) => void;
  readonly #block: number;
  #next = 0;
  #end = 0;
  #following = 0;
  #refilling = false;
  #started = false;
  /** Why the last block was not given. */
  #refusal: DbError | undefined;

  constructor(
    transactions: Transactions,
    onError: (error: unknown) => void,
    block: number = 2 ** 30,
  ) {
    this.#transactions = transactions;
    this.#onError = onError;
    this.#block = block;
  }

  /** Before the first take(). A full disk does not keep a node from starting: it can be read. */
  async start(): Promise<void> {
    this.#started = true;
    try {
      this.#next = await this.#takeBlock();
      this.#end = this.#next + this.#block;
    } catch (error) {
      if (!(error instanceof DbError) || error.code !== '53100') throw error;
      this.#refusal = error;
    }
  }

  take(): number {
    if (this.#next >= this.#end) this.#advance();
    const id = this.#next++;
    if (this.#end - id < this.#block / 2 && this.#following === 0) this.#refill();
    return id;
  }

  #advance(): void {
    assert(this.#started, 'a row id was asked for before the catalog was loaded');
    if (this.#following === 0) {
      this.#refill();
      if (this.#refusal !== undefined) throw this.#refusal;
      throw new DbError('53400', 'row ids are used up faster than new ones can be reserved', {
        hint: 'Try again.',
      });
    }
    this.#next = this.#following;
    this.#end = this.#following + this.#block;
    this.#following = 0;
  }

  #refill(): void {
    if (this.#refilling) return;
    this.#refilling = true;
    this.#takeBlock()
      .then((start) => {
        this.#following = start;
        this.#refusal = undefined;
      })
      .catch((error: unknown) => {
        if (error instanceof DbError) this.#refusal = error;
        this.#onError(error);
      })
      .finally(() => {
        this.#refilling = false;
      });
  }

  #takeBlock(): Promise<number> {
    return takeBlock(this.#transactions, 'rows', this.#block, this.#block, Number.MAX_SAFE_INTEGER);
  }
}

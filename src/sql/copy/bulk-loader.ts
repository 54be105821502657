// Rows into an index that only its transaction can see, around the transaction: batches of a few megabytes, a few of
// them under way. Keys must be new: while they arrive in ascending order, each is above all before it and there is
// nothing to ask; otherwise a batch is compared with itself and then looked up, after all before it have landed.

import { compareBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Maybe } from '../../base/maybe.ts';
import type { Write } from '../../ranges/api.ts';
import { firstTwin } from './twins.ts';

const BATCH_BYTES = 2 << 20;
const BATCH_ROWS = 32_768;
const IN_FLIGHT_MAX = 3;
/** What a write costs beside its bytes. */
const WRITE_OVERHEAD_BYTES = 32;

export interface BulkTarget {
  bulkWrite(writes: readonly Write[]): Promise<void>;
  /** Of keys that may have been loaded, or written by the transaction, before. */
  existing(keys: readonly Uint8Array[]): Maybe<readonly (Uint8Array | undefined)[]>;
  /** The second row of a key; `tag` is what add() was given with it. */
  duplicate(row: Uint8Array, tag: number): unknown;
}

export class BulkLoader {
  readonly #target: BulkTarget;
  /** Whether the index may hold rows that this loader did not load. */
  readonly #mayHoldRows: boolean;
  /** No two keys can be equal: nothing is looked up. */
  readonly #isDistinct: boolean;
  #writes: Write[] = [];
  #tags: number[] = [];
  #bytes = 0;
  /** Whether the batch's keys ascend, from above all keys before it. */
  #ascending = true;
  #greatest: Uint8Array | undefined;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(target: BulkTarget, mayHoldRows: boolean, isDistinct = false) {
    this.#target = target;
    this.#isDistinct = isDistinct;
    this.#mayHoldRows = mayHoldRows;
  }

  /** Takes both over. */
  add(key: Uint8Array, row: Uint8Array, tag: number): void {
    if (this.#greatest === undefined || compareBytes(key, this.#greatest) > 0) this.#greatest = key;
    else this.#ascending = false;
    this.#writes.push({ key, value: row });
    this.#tags.push(tag);
    this.#bytes += key.length + row.length + WRITE_OVERHEAD_BYTES;
  }

  get full(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#writes.length >= BATCH_ROWS;
  }

  /** Nothing waits to be sent. */
  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Sends the batch. Resolves when there is room for the next. */
  async flush(): Promise<void> {
    const writes = this.#writes;
    const tags = this.#tags;
    const checked = !this.#isDistinct && (!this.#ascending || this.#mayHoldRows);
    this.#writes = [];
    this.#tags = [];
    this.#bytes = 0;
    this.#ascending = true;
    if (writes.length > 0) {
      if (checked) {
        await this.#drain(0);
        const keys = writes.map((write) => write.key);
        const bad = firstTwin(keys, await this.#target.existing(keys));
        if (bad >= 0) throw this.#duplicate(writes, tags, bad);
      }
      if (this.#failure === undefined) this.#send(writes);
    }
    await this.#drain(IN_FLIGHT_MAX - 1);
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.#drain(0);
  }

  /** For a transaction that is over: nothing more is sent. Resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#failure ??= new DbError('57014', 'the load was given up');
    while (this.#inFlight.size > 0) await Promise.race(this.#inFlight);
  }

  #send(writes: readonly Write[]): void {
    const sent: Promise<void> = this.#target
      .bulkWrite(writes)
      .catch((error: Error) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }

  /** Waits until at most so many batches are under way. */
  async #drain(most: number): Promise<void> {
    while (this.#inFlight.size > most) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #duplicate(writes: readonly Write[], tags: readonly number[], i: number): unknown {
    return this.#target.duplicate((writes[i] as Write).value as Uint8Array, tags[i] as number);
  }
}

// A bank whose accounts are spread over ranges: transfers between any two, each with a mark beside both accounts, and
// readers who see all at once, at the present, in the past and under locks. Money is neither made nor lost, nobody ever
// sees half of a transfer, and what a client was told is so.

import { compareBytes, EMPTY_BYTES, fromUtf8, toHex, utf8 } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { keyOf, rowKeyOf, spanOf } from '../../doors/kv/keys.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import {
  LOCK_EXCLUSIVE,
  LOCK_SHARED,
  type ReadView,
  type ScanSpec,
  type Transaction,
} from '../../txn/api.ts';
import type { Coordinator } from '../../txn/transactions.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import type { World } from '../world.ts';
import type { Cluster } from './cluster.ts';
import type { DatabaseNode } from './database-node.ts';
import { NO_WORK } from './subject.ts';
import type { Probe, Work, WorkCounts } from './work.ts';

const START = 100;
const CLIENTS = 3;
const READERS = 2;
const PAUSE_MICROS_MAX = 80_000;
const ATTEMPTS_MAX = 3;
const PAST_MICROS_MAX = 2_000_000;
/** Small, so that a scan asks each range for more than one batch. */
const BATCH_BYTES = 256;

type Told = 'committed' | 'aborted' | 'unknown';

interface Transfer {
  readonly from: number;
  readonly to: number;
  told: Told;
  /** Why it was refused. */
  refusal: string;
}

export class Bank implements Work {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #cluster: Cluster<DatabaseNode>;
  readonly #accounts: number;
  readonly #registersPerArea: number;
  readonly #note: (kind: string) => void;
  readonly #transfers = new Map<string, Transfer>();
  #openedAt: Timestamp | undefined;
  #begun = 0;
  #busy = 0;
  #isOver = false;

  /** An account in each area. */
  constructor(
    world: World,
    cluster: Cluster<DatabaseNode>,
    note: (kind: string) => void,
    accounts: number,
    registersPerArea: number,
  ) {
    this.#world = world;
    this.#random = world.random.fork('bank');
    this.#cluster = cluster;
    this.#accounts = accounts;
    this.#registersPerArea = registersPerArea;
    this.#note = note;
  }

  /** Before anything goes wrong. */
  async open(): Promise<void> {
    while (this.#openedAt === undefined) {
      const opened = await this.#ask(async (node) => {
        const transaction = node.database.kv.transactions.begin();
        for (let i = 1; i <= this.#accounts; i++) {
          transaction.put(accountKey(i), utf8(String(START)));
        }
        return await transaction.commit();
      });
      if (typeof opened === 'number') this.#openedAt = opened;
      else await this.#world.sleep(PAUSE_MICROS_MAX);
    }
    for (let i = 0; i < CLIENTS; i++) this.#run(() => this.#transfer(i));
    for (let i = 0; i < READERS; i++) this.#run(() => this.#look());
  }

  /** Registers tell. */
  probes(): readonly Probe[] {
    return [];
  }

  /** Of a register, or between registers. */
  someKey(random: SeededRandom): Uint8Array {
    const area = 1 + random.below(this.#accounts);
    const what = random.oneIn(3) ? '' : String(random.below(this.#registersPerArea));
    return rowKeyOf(utf8(`${area}/${what}${random.oneIn(3) ? 'x' : ''}`));
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Transfers are noted, and not counted with what is asked of registers. */
  get counts(): WorkCounts {
    return NO_WORK;
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  /** Once all is well. */
  async check(): Promise<void> {
    let seen: Seen | undefined;
    while (seen === undefined) {
      seen = await this.#ask((node) => this.#scan(node.database.kv.transactions.snapshot()));
      if (seen === undefined) await this.#world.sleep(PAUSE_MICROS_MAX);
    }
    this.#judge(seen);
    for (const [id, { told, refusal }] of this.#transfers) {
      const isThere = seen.marks.has(id);
      demand(told !== 'committed' || isThere, `transfer ${id} was acknowledged and is not there`);
      demand(
        told !== 'aborted' || !isThere,
        `transfer ${id} was refused (${refusal}) and is there`,
      );
    }
  }

  #run(step: () => Promise<void>): void {
    const go = async (): Promise<void> => {
      this.#busy += 1;
      while (!this.#isOver) {
        await step();
        await this.#world.sleep(this.#random.below(PAUSE_MICROS_MAX));
      }
      this.#busy -= 1;
    };
    go().catch((error: unknown) => this.#world.fail(error));
  }

  /** Of any node; undefined: it has failed as requests do, or nobody knows. */
  async #ask<T>(run: (node: DatabaseNode) => Promise<T>): Promise<T | undefined> {
    const node = 1 + this.#random.below(this.#cluster.seats.length);
    const answer = await this.#cluster.ask(node, async (one) => {
      try {
        return { value: await run(one) };
      } catch (error) {
        if (error instanceof DbError) return { value: undefined };
        throw error;
      }
    });
    return 'value' in answer ? (answer.value as T | undefined) : undefined;
  }

  async #transfer(client: number): Promise<void> {
    const from = 1 + this.#random.below(this.#accounts);
    const to = 1 + this.#random.below(this.#accounts);
    if (from === to) return;
    const name = `${client}-${this.#begun++}`;
    await this.#ask((node) => this.#attempts(node.database.kv.transactions, name, from, to));
  }

  async #attempts(coordinator: Coordinator, name: string, from: number, to: number): Promise<void> {
    let last: Transaction | undefined;
    for (let i = 0; i < ATTEMPTS_MAX && last?.aborted === undefined; i++) {
      const id = `${name}-${i}`;
      const transfer: Transfer = { from, to, told: 'unknown', refusal: '' };
      last = coordinator.begin(last);
      try {
        await this.#prepare(last, id, transfer);
        this.#transfers.set(id, transfer);
        await last.commit();
        transfer.told = 'committed';
        this.#note('transfers');
        return;
      } catch (error) {
        last.rollback();
        if (!(error instanceof DbError)) throw error;
        if (error.code === '40003') return;
        transfer.told = 'aborted';
        transfer.refusal = `${error.code} ${error.message}`;
        if (error.code !== '40001') return;
      }
    }
  }

  async #prepare(transaction: Transaction, id: string, { from, to }: Transfer): Promise<void> {
    const random = this.#random;
    const keys = [accountKey(from), accountKey(to)];
    const lock = random.oneIn(3) ? LOCK_SHARED : LOCK_EXCLUSIVE;
    const found = await transaction.getManyLocked(keys, lock);
    const [a, b] = found.map(amountOf) as [number, number];
    if (random.oneIn(4)) {
      const other = accountKey(1 + random.below(this.#accounts));
      await transaction.getManyLocked([other], LOCK_SHARED);
    }
    if (random.oneIn(4)) await this.#world.sleep(random.below(PAUSE_MICROS_MAX));
    const amount = 1 + random.below(10);
    transaction.put(accountKey(from), utf8(String(a - amount)));
    transaction.put(accountKey(to), utf8(String(b + amount)));
    for (const account of [from, to]) transaction.put(markKey(account, id), utf8('1'));
  }

  async #look(): Promise<void> {
    const kind = this.#random.below(8);
    const seen = await this.#ask(async ({ database: { kv } }) => {
      const { transactions } = kv;
      if (kind === 0) await this.#lookUnderLocks(transactions);
      else if (kind <= 2) this.#judge(await this.#scan(transactions.snapshot()));
      else await this.#lookAtAccounts(transactions, kind === 3);
      return kind;
    });
    this.#note(seen === undefined ? 'sums refused' : 'sums');
  }

  async #lookAtAccounts(transactions: Coordinator, isPast: boolean): Promise<void> {
    const { timestamp: now } = transactions.snapshot();
    const ago = isPast ? this.#random.below(PAST_MICROS_MAX) : 0;
    const at = Math.max(now - ago, this.#openedAt as Timestamp) as Timestamp;
    const keys = Array.from({ length: this.#accounts }, (_, i) => accountKey(i + 1));
    const amounts = (await transactions.snapshot(at).getMany(keys)).map(amountOf);
    this.#judgeSum(amounts, at);
  }

  /** What it saw was so at one time only if it commits. */
  async #lookUnderLocks(transactions: Coordinator): Promise<void> {
    const transaction = transactions.begin();
    try {
      const seen = await this.#scan(transaction);
      await transaction.commit();
      this.#judge(seen);
    } finally {
      transaction.rollback();
    }
  }

  #judge({ amounts, marks }: Seen): void {
    this.#judgeSum(amounts, 'in a scan');
    for (const [id, count] of marks) demand(count === 2, `transfer ${id} is half there`);
  }

  #judgeSum(amounts: readonly number[], at: Timestamp | string): void {
    const sum = amounts.reduce((a, b) => a + b, 0);
    demand(
      sum === START * this.#accounts && amounts.length === this.#accounts,
      `the accounts hold ${sum} at ${at}: ${amounts.join()}`,
    );
  }

  /** Of all keys, registers too. */
  async #scan(view: ReadView): Promise<Seen> {
    const amounts: number[] = [];
    const marks = new Map<string, number>();
    let last: Uint8Array | undefined;
    const scan = await view.scan(EVERYTHING);
    try {
      const reader = new PackedRowReader();
      for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
        reader.reset(batch.rows);
        while (reader.next()) {
          const key = reader.key();
          const isNext = last === undefined || compareBytes(last, key) < 0;
          demand(isNext, `a scan came to ${toHex(key)} after ${toHex(last ?? key)}`);
          last = key;
          const [, kind, id = ''] = fromUtf8(keyOf(key)).split('/');
          if (kind === ACCOUNT) amounts.push(amountOf(reader.row()));
          else if (kind === MARK) marks.set(id, (marks.get(id) ?? 0) + 1);
        }
      }
    } finally {
      scan.close();
    }
    return { amounts, marks };
  }
}

interface Seen {
  readonly amounts: readonly number[];
  /** By transfer. */
  readonly marks: ReadonlyMap<string, number>;
}

const ACCOUNT = 'account';
const MARK = 'mark';
const EVERYTHING: ScanSpec = {
  span: spanOf(EMPTY_BYTES, EMPTY_BYTES),
  reverse: false,
  program: undefined,
  parameters: undefined,
  limitRows: 0,
  batchBytes: BATCH_BYTES,
};

function accountKey(area: number): Uint8Array {
  return rowKeyOf(utf8(`${area}/${ACCOUNT}`));
}

function markKey(area: number, id: string): Uint8Array {
  return rowKeyOf(utf8(`${area}/${MARK}/${id}`));
}

function amountOf(value: Uint8Array | undefined): number {
  return value === undefined ? Number.NaN : Number(fromUtf8(value));
}

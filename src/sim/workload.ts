// SQL clients with their own final checks. Every transaction inserts two rows (both or neither may be there), moves
// money between accounts (the sum stays), and takes the next number of a counter (none twice, none skipped, none
// lost). Readers look at the counter: it never shows less than what was acknowledged before they asked, and no half of
// a transaction.

import { DbError } from '../base/errors.ts';
import { EmbeddedSession } from '../node/embedded.ts';
import type { SqlServer } from '../sql/api.ts';
import type { SeededRandom } from './random.ts';
import type { Life, World } from './world.ts';

const WRITERS = 4;
const READERS = 2;
const ACCOUNTS = 8;
const START_BALANCE = 100;

interface Acknowledged {
  readonly id: string;
  readonly number: number;
}

export class Workload {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #acknowledged: Acknowledged[] = [];
  /** The greatest number acknowledged so far. */
  #greatest = 0;
  #nextId = 0;
  #isSetUp = false;
  operations = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('workload');
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Clients of one life: they end with it. */
  start(sql: SqlServer, life: Life): void {
    for (let i = 0; i < WRITERS; i++) this.#client(life, () => this.#write(sql, i, life));
    for (let i = 0; i < READERS; i++) this.#client(life, () => this.#read(sql, life));
  }

  #client(life: Life, run: () => Promise<void>): void {
    run().catch((error: unknown) => {
      if (life.alive) this.#world.fail(error);
    });
  }

  async #pause(life: Life, micros: number): Promise<void> {
    await this.#world.sleep(this.#random.below(micros), life);
  }

  async #write(sql: SqlServer, writer: number, life: Life): Promise<void> {
    const session = new EmbeddedSession(sql);
    while (life.alive) {
      const id = `${writer}-${this.#nextId++}`;
      const from = this.#random.below(ACCOUNTS);
      const to = (from + 1 + this.#random.below(ACCOUNTS - 1)) % ACCOUNTS;
      const amount = 1 + this.#random.below(5);
      this.operations += 1;
      try {
        await session.query('BEGIN');
        await session.query('UPDATE accounts SET balance = balance - $1 WHERE id = $2', [amount, from]);
        await session.query('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [amount, to]);
        const { rows } = await session.query('UPDATE counter SET n = n + 1 WHERE id = 1 RETURNING n');
        const number = rows[0]?.['n'] as number;
        await session.query('INSERT INTO pairs VALUES ($1, 1, $2), ($1, 2, $2)', [id, number]);
        await session.query('COMMIT');
        this.#acknowledged.push({ id, number });
        this.#greatest = Math.max(this.#greatest, number);
      } catch (error) {
        if (!isExpected(error)) throw error;
        await session.query('ROLLBACK');
      }
      await this.#pause(life, 60_000);
    }
  }

  async #read(sql: SqlServer, life: Life): Promise<void> {
    const session = new EmbeddedSession(sql);
    while (life.alive) {
      this.operations += 1;
      const least = this.#greatest;
      try {
        const { rows } = await session.query('SELECT n FROM counter WHERE id = 1');
        const shown = rows[0]?.['n'] as number;
        if (shown < least) {
          throw new Error(`a reader saw ${shown} after ${least} was acknowledged`);
        }
        const halves = await session.query('SELECT number, count(*) AS c FROM pairs WHERE number > $1 GROUP BY number', [
          least - 5,
        ]);
        for (const row of halves.rows) {
          if (row['c'] !== 2) throw new Error(`a reader saw half of transaction ${String(row['number'])}`);
        }
      } catch (error) {
        if (!isExpected(error)) throw error;
      }
      await this.#pause(life, 100_000);
    }
  }

  /** After a restart. Answers what is wrong, '' when nothing is. */
  async check(sql: SqlServer): Promise<string> {
    const session = new EmbeddedSession(sql);
    try {
      return this.#isSetUp ? await this.#verify(session) : await this.#setUp(session);
    } finally {
      await session.close();
    }
  }

  async #setUp(session: EmbeddedSession): Promise<string> {
    await session.query('CREATE TABLE IF NOT EXISTS pairs (id text, half int, number int NOT NULL, PRIMARY KEY (id, half))');
    await session.query('CREATE TABLE IF NOT EXISTS accounts (id int PRIMARY KEY, balance int NOT NULL)');
    await session.query('CREATE TABLE IF NOT EXISTS counter (id int PRIMARY KEY, n int NOT NULL)');
    await session.query('INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING');
    for (let i = 0; i < ACCOUNTS; i++) {
      await session.query('INSERT INTO accounts VALUES ($1, $2) ON CONFLICT DO NOTHING', [i, START_BALANCE]);
    }
    this.#isSetUp = true;
    return '';
  }

  async #verify(session: EmbeddedSession): Promise<string> {
    const { rows } = await session.query('SELECT id, half, number FROM pairs');
    const numbers = new Map<string, number>();
    const halves = new Map<string, number>();
    for (const row of rows) {
      const id = row['id'] as string;
      numbers.set(id, row['number'] as number);
      halves.set(id, (halves.get(id) ?? 0) + 1);
    }
    for (const [id, count] of halves) if (count !== 2) return `transaction ${id} is there by half`;
    for (const { id, number } of this.#acknowledged) {
      const stored = numbers.get(id);
      if (stored === undefined) return `transaction ${id}, acknowledged with number ${number}, is lost`;
      if (stored !== number) return `transaction ${id} was told number ${number} and has ${stored}`;
    }
    const counted = (await session.query('SELECT n FROM counter WHERE id = 1')).rows[0]?.['n'] as number;
    const distinct = new Set(numbers.values());
    if (distinct.size !== numbers.size) return 'a number of the counter was given twice: an update was lost';
    if (counted !== numbers.size) return `the counter is at ${counted} after ${numbers.size} transactions`;
    const sum = (await session.query('SELECT sum(balance) AS s FROM accounts')).rows[0]?.['s'];
    if (Number(sum) !== ACCOUNTS * START_BALANCE) return `the balances sum to ${String(sum)}`;
    return '';
  }
}

/** Aborts, full disks and the like are part of life; anything else is a defect. */
function isExpected(error: unknown): boolean {
  return (
    error instanceof DbError &&
    ['40001', '40003', '53100', '25P02', '57014', '55P03', '57P01', '57P03', '58030', '53000'].includes(error.code)
  );
}

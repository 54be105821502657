// Money and numbers: transfers keep the sum of all balances; a numbered transaction takes the next number of a counter
// and stores two rows under it. No number twice, none skipped, none lost, no half of anything, in every snapshot.

import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import { inTransaction, numberOf, type SqlConnection, type Workload } from './workload.ts';

const ACCOUNTS = 8;
const START_BALANCE = 100;
/** Numbers below the newest that a reader looks at. */
const WINDOW = 5;

export class Ledger implements Workload {
  readonly name = 'ledger';
  /** The id that each acknowledged number was taken with. */
  readonly #acknowledged = new Map<number, string>();
  /** The greatest number that anyone was told or shown: no later read may show less, after a restart neither. */
  #known = 0;
  #nextId = 0;

  async setUp(session: SqlConnection): Promise<void> {
    await session.query(
      'CREATE TABLE IF NOT EXISTS pairs (number int, half int, id text, PRIMARY KEY (number, half, id))',
    );
    await session.query(
      'CREATE TABLE IF NOT EXISTS accounts (id int PRIMARY KEY, balance int NOT NULL)',
    );
    await session.query('CREATE TABLE IF NOT EXISTS counter (id int PRIMARY KEY, n int NOT NULL)');
    await session.query('INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING');
    for (let i = 0; i < ACCOUNTS; i++) {
      await session.query('INSERT INTO accounts VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        i,
        START_BALANCE,
      ]);
    }
  }

  async write(session: SqlConnection, _client: number, random: SeededRandom): Promise<void> {
    const transfers = random.oneIn(2);
    if (transfers && random.oneIn(2)) {
      await inTransaction(session, 'BEGIN', () => this.#transfer(session, random));
      return;
    }
    const id = `t${this.#nextId++}`;
    const number = await inTransaction(session, 'BEGIN', async () => {
      if (transfers) await this.#transfer(session, random);
      const next = await numberOf(session, 'UPDATE counter SET n = n + 1 WHERE id = 1 RETURNING n');
      await session.query('INSERT INTO pairs VALUES ($1, 1, $2), ($1, 2, $2)', [next, id]);
      return next;
    });
    const other = this.#acknowledged.get(number);
    demand(
      other === undefined,
      `number ${number} was given to ${id} and to ${other}: an update was lost`,
    );
    this.#acknowledged.set(number, id);
    this.#known = Math.max(this.#known, number);
  }

  async #transfer(session: SqlConnection, random: SeededRandom): Promise<void> {
    const from = random.below(ACCOUNTS);
    const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    const amount = 1 + random.below(5);
    await session.query('UPDATE accounts SET balance = balance - $1 WHERE id = $2', [amount, from]);
    await session.query('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [amount, to]);
  }

  async read(session: SqlConnection, random: SeededRandom): Promise<void> {
    // Locking reads must see the same as snapshots.
    const begin = random.oneIn(4) ? 'BEGIN' : 'BEGIN READ ONLY';
    if (random.oneIn(2)) await inTransaction(session, begin, () => this.#readBalances(session));
    else await this.#readNumbers(session, begin);
  }

  async #readBalances(session: SqlConnection): Promise<void> {
    let sum = 0;
    for (let i = 0; i < ACCOUNTS; i++) {
      sum += await numberOf(session, 'SELECT balance FROM accounts WHERE id = $1', [i]);
    }
    const scanned = await numberOf(session, 'SELECT sum(balance) AS s FROM accounts');
    const right = ACCOUNTS * START_BALANCE;
    demand(
      sum === right && scanned === right,
      `the balances sum to ${sum} one by one, ${scanned} together, not ${right}`,
    );
  }

  async #readNumbers(session: SqlConnection, begin: string): Promise<void> {
    const least = this.#known;
    const shown = await inTransaction(session, begin, async () => {
      const n = await numberOf(session, 'SELECT n FROM counter WHERE id = 1');
      const from = Math.max(0, n - WINDOW);
      const { rows } = await session.query(
        'SELECT number, half FROM pairs WHERE number > $1 ORDER BY number, half',
        [from],
      );
      const seen = rows.map((row) => `${String(row['number'])}/${String(row['half'])}`).join(' ');
      const right: string[] = [];
      for (let i = from + 1; i <= n; i++) right.push(`${i}/1`, `${i}/2`);
      demand(seen === right.join(' '), `with the counter at ${n}, a reader saw ${seen}`);
      return n;
    });
    demand(shown >= least, `a reader saw the counter at ${shown} after somebody knew of ${least}`);
    this.#known = Math.max(this.#known, shown);
  }

  async verify(session: SqlConnection): Promise<void> {
    const { rows } = await session.query(
      'SELECT number, half, id FROM pairs ORDER BY number, half, id',
    );
    const stored = rows.map((row) => `${String(row['number'])}/${String(row['half'])}`);
    const n = await numberOf(session, 'SELECT n FROM counter WHERE id = 1');
    for (let i = 1; i <= n; i++) {
      for (const half of [1, 2]) {
        const place = 2 * (i - 1) + half - 1;
        demand(
          stored[place] === `${i}/${half}`,
          `where ${i}/${half} should be, ${stored[place] ?? 'nothing'} is stored`,
        );
      }
      const [first, second] = [rows[2 * i - 2]?.['id'], rows[2 * i - 1]?.['id']];
      demand(first === second, `number ${i} has halves of ${String(first)} and ${String(second)}`);
      const told = this.#acknowledged.get(i);
      demand(
        told === undefined || told === first,
        `number ${i}, acknowledged to ${told}, belongs to ${String(first)}`,
      );
    }
    demand(
      stored.length === 2 * n,
      `the counter is at ${n}, and ${stored.length} halves are stored`,
    );
    demand(n >= this.#known, `the counter is at ${n}, though somebody knew of ${this.#known}`);
    await this.#readBalances(session);
  }
}

// One row for each client, which only it writes, one statement at a time, always greater. A read shows no less than
// what was acknowledged or shown to anyone before it was asked, and one snapshot shows one state.

import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import { inTransaction, numberOf, type SqlConnection, type Workload } from './workload.ts';

export class Registers implements Workload {
  readonly name = 'registers';
  readonly #clients: number;
  /** The greatest value that anyone was told or shown. */
  readonly #known: number[];
  readonly #attempted: number[];

  constructor(clients: number) {
    this.#clients = clients;
    this.#known = new Array<number>(clients).fill(0);
    this.#attempted = new Array<number>(clients).fill(0);
  }

  async setUp(session: SqlConnection): Promise<void> {
    await session.query(
      'CREATE TABLE IF NOT EXISTS registers (id int PRIMARY KEY, v int NOT NULL, filler text)',
    );
    for (let i = 0; i < this.#clients; i++) {
      await session.query('INSERT INTO registers VALUES ($1, 0) ON CONFLICT DO NOTHING', [i]);
    }
  }

  async write(session: SqlConnection, client: number, random: SeededRandom): Promise<void> {
    const value = (this.#attempted[client] as number) + 1;
    this.#attempted[client] = value;
    // Long enough at times to take many pieces of the disk, so that a record can be torn.
    const filler = 'x'.repeat(random.below(random.oneIn(3) ? 4_000 : 40));
    if (random.oneIn(3)) {
      // As a new row over the tombstone of the old one.
      await inTransaction(session, 'BEGIN', async () => {
        await session.query('DELETE FROM registers WHERE id = $1', [client]);
        await session.query('INSERT INTO registers VALUES ($1, $2, $3)', [client, value, filler]);
      });
    } else {
      await session.query('UPDATE registers SET v = $2, filler = $3 WHERE id = $1', [
        client,
        value,
        filler,
      ]);
    }
    this.#learn(client, value);
  }

  async read(session: SqlConnection, random: SeededRandom): Promise<void> {
    const first = random.below(this.#clients);
    const least = [...this.#known];
    if (random.oneIn(2)) {
      this.#judge(
        first,
        await numberOf(session, 'SELECT v FROM registers WHERE id = $1', [first]),
        least,
      );
      return;
    }
    const { point, values } = await inTransaction(session, 'BEGIN READ ONLY', async () => ({
      point: await numberOf(session, 'SELECT v FROM registers WHERE id = $1', [first]),
      values: await this.#all(session),
    }));
    demand(
      point === values[first],
      `in one snapshot register ${first} was ${point} and then ${values[first]}`,
    );
    values.forEach((value, i) => this.#judge(i, value, least));
  }

  async #all(session: SqlConnection): Promise<number[]> {
    const { rows } = await session.query('SELECT id, v FROM registers ORDER BY id');
    const ids = rows.map((row) => Number(row['id'])).join(' ');
    const right = Array.from({ length: this.#clients }, (_, i) => i).join(' ');
    demand(ids === right, `there are registers ${ids} instead of ${right}`);
    return rows.map((row) => Number(row['v']));
  }

  #judge(i: number, value: number, least: readonly number[]): void {
    demand(
      value >= (least[i] as number),
      `register ${i} was ${value} after somebody knew of ${least[i]}`,
    );
    demand(
      value <= (this.#attempted[i] as number),
      `register ${i} was ${value}, which nobody wrote`,
    );
    this.#learn(i, value);
  }

  #learn(i: number, value: number): void {
    this.#known[i] = Math.max(this.#known[i] as number, value);
  }

  async verify(session: SqlConnection): Promise<void> {
    (await this.#all(session)).forEach((value, i) => this.#judge(i, value, this.#known));
  }
}

// Clients that speak SQL, each at one node at a time: registers, for the checker of linearizability; rows that are
// written once, and must be there at the end; and transfers between accounts that lie in different ranges, each with a
// row that tells of it, so that balances must be what these rows say. Whoever adds all balances up must always find the
// same sum.

import type { RegisterHistory } from '../../src/sim/checkers/register-history.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import type { Availability } from './availability.ts';
import { Figures, nextNode, type Outcome, pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { Journal } from './journal.ts';
import { codeOf, isRefusal, SqlConnection } from './sql-connection.ts';
import { ACCOUNTS, BALANCE, partOf, REGISTERS, SPREAD } from './sql-tables.ts';
import type { Violations } from './violations.ts';

const DEADLINE_MILLIS = 3000;
const THINK_MILLIS_MAX = 60;
const AFTER_FAILURE_MILLIS = 50;
const WANDERS_ONE_IN = 40;
const FILLER_MAX = 1024;
const AMOUNT_MAX = 50;

/** In percent; what is left reads. */
const WRITES = 30;
const APPENDS = 15;
const TRANSFERS = 25;
const SUMS = 5;

export interface Transfer {
  readonly source: number;
  readonly target: number;
  readonly amount: number;
  outcome: Outcome;
}

export interface SqlParts {
  readonly fleet: Fleet;
  readonly history: RegisterHistory;
  readonly availability: Availability;
  readonly violations: Violations;
  readonly journal: Journal;
}

export class SqlClients {
  readonly figures: Figures = new Figures();
  /** By id: what was written once, and what became of it. */
  readonly ledger: Map<number, { readonly value: number; outcome: Outcome }> = new Map();
  readonly transfers: Map<number, Transfer> = new Map();
  sums = 0;
  readonly #parts: SqlParts;
  readonly #running: Promise<void>[];
  #isStopped = false;
  #values = 0;

  constructor(parts: SqlParts, count: number, random: SeededRandom) {
    this.#parts = parts;
    this.#running = Array.from({ length: count }, (_, i) =>
      this.#run(`SQL client ${i + 1}`, random.fork(`client ${i}`)),
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** Each register once: what is known at the end. */
  async readAll(connection: SqlConnection): Promise<void> {
    for (let k = 0; k < REGISTERS; k++) await this.#read('the last SQL reader', connection, k);
  }

  async #run(name: string, random: SeededRandom): Promise<void> {
    const { fleet, journal } = this.#parts;
    let node = this.#anyNode(random);
    let connection: SqlConnection | undefined;
    while (!this.#isStopped) {
      if (connection !== undefined && (connection.isBroken || connection.node !== node)) {
        connection.destroy();
        connection = undefined;
      }
      const startedAt = performance.now();
      try {
        connection ??= await SqlConnection.open(node, fleet.url(node), DEADLINE_MILLIS);
        await this.#operate(name, connection, random);
      } catch (error) {
        this.#count(error);
        journal.failed(name, node, connection?.last ?? 'to connect', startedAt, error);
        // Whatever it was in the middle of is over then.
        if (connection?.isBroken === false) await leaveBlock(connection);
        await pause(AFTER_FAILURE_MILLIS);
        node = nextNode(fleet.ids, node);
      }
      if (!fleet.ids.includes(node) || random.oneIn(WANDERS_ONE_IN)) node = this.#anyNode(random);
      await pause(random.below(THINK_MILLIS_MAX));
    }
    connection?.destroy();
  }

  async #operate(name: string, connection: SqlConnection, random: SeededRandom): Promise<void> {
    this.figures.operations += 1;
    let kind = random.below(100);
    const isOf = (percent: number): boolean => {
      kind -= percent;
      return kind < 0;
    };
    if (isOf(WRITES)) await this.#write(name, connection, random);
    else if (isOf(APPENDS)) await this.#append(connection, random);
    else if (isOf(TRANSFERS)) await this.#transfer(connection, random);
    else if (isOf(SUMS)) await this.#sum(connection);
    else await this.#read(name, connection, random.below(REGISTERS));
    this.figures.acknowledged += 1;
  }

  async #write(name: string, connection: SqlConnection, random: SeededRandom): Promise<void> {
    const { history, availability } = this.#parts;
    const key = random.below(REGISTERS);
    const value = this.#values++;
    const filler = ' '.repeat(random.below(FILLER_MAX));
    const operation = history.call(
      `${name} at node ${connection.node}`,
      registerOf(key),
      'write',
      value,
    );
    const invokedAt = performance.now();
    const parts = [partOf('chaos_register', key)];
    availability.tries(parts);
    try {
      await connection.query('UPDATE chaos_register SET v = $1, filler = $2 WHERE k = $3', [
        value,
        filler,
        key,
      ]);
    } catch (error) {
      if (isRefusal(error)) history.failed(operation);
      else this.figures.unknown += 1;
      throw error;
    }
    history.done(operation);
    const what = `the write of ${value} to register ${key} at node ${connection.node}`;
    availability.accepted(invokedAt, what, parts);
  }

  async #read(name: string, connection: SqlConnection, key: number): Promise<void> {
    const { history } = this.#parts;
    const operation = history.call(`${name} at node ${connection.node}`, registerOf(key), 'read');
    try {
      const [row] = await connection.query('SELECT v FROM chaos_register WHERE k = $1', [key]);
      const value = row?.['v'] ?? null;
      history.done(operation, value === null ? undefined : Number(value));
    } catch (error) {
      history.failed(operation);
      throw error;
    }
  }

  async #append(connection: SqlConnection, random: SeededRandom): Promise<void> {
    const id = this.#freshId(this.ledger, random);
    const value = this.#values++;
    const entry = { value, outcome: 'unknown' as Outcome };
    this.ledger.set(id, entry);
    const filler = ' '.repeat(random.below(FILLER_MAX));
    const invokedAt = performance.now();
    try {
      await connection.query('INSERT INTO chaos_ledger VALUES ($1, $2, $3)', [id, value, filler]);
    } catch (error) {
      if (isRefusal(error)) entry.outcome = 'failed';
      else this.figures.unknown += 1;
      throw error;
    }
    entry.outcome = 'done';
    this.#parts.availability.accepted(invokedAt, `the insertion of ${id}`, []);
  }

  async #transfer(connection: SqlConnection, random: SeededRandom): Promise<void> {
    const source = random.below(ACCOUNTS);
    // Never the same, and mostly in another range.
    const target = (source + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    const id = this.#freshId(this.transfers, random);
    const amount = 1 + random.below(AMOUNT_MAX);
    const transfer: Transfer = { source, target, amount, outcome: 'failed' };
    this.transfers.set(id, transfer);
    const parts = [source, target].map((account) => partOf('chaos_account', account));
    const invokedAt = performance.now();
    this.#parts.availability.tries(parts);
    await connection.query('BEGIN');
    const move = 'UPDATE chaos_account SET balance = balance + $1 WHERE id = $2';
    await connection.query(move, [-amount, source]);
    await connection.query(move, [amount, target]);
    const row = [id, source, target, amount];
    await connection.query('INSERT INTO chaos_transfer VALUES ($1, $2, $3, $4)', row);
    transfer.outcome = 'unknown';
    try {
      await connection.query('COMMIT');
    } catch (error) {
      if (isRefusal(error)) transfer.outcome = 'failed';
      else this.figures.unknown += 1;
      throw error;
    }
    transfer.outcome = 'done';
    const what = `transfer ${id} at node ${connection.node}`;
    this.#parts.availability.accepted(invokedAt, what, parts);
  }

  async #sum(connection: SqlConnection): Promise<void> {
    const [row] = await connection.query(
      'SELECT count(*) AS rows, sum(balance) AS sum FROM chaos_account',
    );
    this.sums += 1;
    if (Number(row?.['rows']) === ACCOUNTS && Number(row?.['sum']) === ACCOUNTS * BALANCE) return;
    this.#parts.violations.add(
      `node ${connection.node} added ${String(row?.['rows'])} balances up to ${String(row?.['sum'])}, there are ${ACCOUNTS} of ${BALANCE}`,
    );
  }

  #anyNode(random: SeededRandom): number {
    const { ids } = this.#parts.fleet;
    return ids[random.below(ids.length)] as number;
  }

  #freshId(taken: ReadonlyMap<number, unknown>, random: SeededRandom): number {
    for (;;) {
      const id = random.below(SPREAD);
      if (!taken.has(id)) return id;
    }
  }

  #count(error: unknown): void {
    const { figures } = this;
    if (isRefusal(error)) figures.refused += 1;
    const name = codeOf(error) ?? 'no answer';
    figures.errors.set(name, (figures.errors.get(name) ?? 0) + 1);
  }
}

async function leaveBlock(connection: SqlConnection): Promise<void> {
  try {
    await connection.query('ROLLBACK');
  } catch {
    connection.destroy();
  }
}

function registerOf(key: number): string {
  return `SQL register ${key}`;
}

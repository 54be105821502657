// Tables that come and go: what was created and acknowledged is there with its rows, what was dropped is not, and a
// TRUNCATE takes all rows or none.

import { DbError } from '../../base/errors.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import { numberOf, type SqlConnection, type Workload } from './workload.ts';

const ROWS = 3;

/** Of the only table of a client. `changing`: the outcome of the last statement is not known. */
interface Table {
  readonly name: string;
  state: 'absent' | 'empty' | 'filled' | 'changing';
  hasKey: boolean;
  /** How often it was changed. */
  changes: number;
}

export class Tables implements Workload {
  readonly name = 'tables';
  readonly #tables = new Map<number, Table>();
  #nextName = 0;

  async setUp(): Promise<void> {}

  async write(session: SqlConnection, client: number, random: SeededRandom): Promise<void> {
    const table = this.#tables.get(client);
    if (table === undefined || table.state === 'absent' || table.state === 'changing') {
      // What became of the last one is left behind: a name is used once.
      const hasKey = !random.oneIn(3);
      const name = `scratch_${client}_${this.#nextName++}`;
      const fresh: Table = { name, state: 'absent', hasKey, changes: 0 };
      this.#tables.set(client, fresh);
      const key = hasKey ? 'PRIMARY KEY' : 'NOT NULL';
      await change(fresh, 'empty', () =>
        session.query(`CREATE TABLE ${fresh.name} (id int ${key}, v text)`),
      );
      return;
    }
    if (!table.hasKey && random.oneIn(2)) {
      table.hasKey = true;
      await change(table, table.state, () =>
        session.query(`ALTER TABLE ${table.name} ADD PRIMARY KEY (id)`),
      );
      return;
    }
    if (table.state === 'empty') {
      await change(table, 'filled', () =>
        session.query(
          `INSERT INTO ${table.name} SELECT n, 'filled' FROM (VALUES (1), (2), (3)) AS v (n)`,
        ),
      );
    } else if (random.oneIn(2)) {
      await change(table, 'empty', () => session.query(`TRUNCATE ${table.name}`));
    } else {
      await change(table, 'absent', () => session.query(`DROP TABLE ${table.name}`));
    }
  }

  async read(session: SqlConnection): Promise<void> {
    for (const table of this.#tables.values()) {
      const before = table.changes;
      const rows = await rowsOf(session, table);
      if (table.changes === before) judge(table, rows);
    }
  }

  async verify(session: SqlConnection): Promise<void> {
    for (const table of this.#tables.values()) {
      const rows = await rowsOf(session, table);
      judge(table, rows);
      // Nothing is under way any more: what is there now must stay.
      if (table.state === 'changing')
        table.state = rows === undefined ? 'absent' : rows === 0 ? 'empty' : 'filled';
    }
  }
}

async function change(
  table: Table,
  to: Table['state'],
  run: () => Promise<unknown>,
): Promise<void> {
  table.state = 'changing';
  table.changes += 1;
  await run();
  table.state = to;
  table.changes += 1;
}

/** Undefined: there is no such table. */
async function rowsOf(session: SqlConnection, table: Table): Promise<number | undefined> {
  try {
    return await numberOf(session, `SELECT count(*) AS c FROM ${table.name}`);
  } catch (error) {
    if (error instanceof DbError && error.code === '42P01') return undefined;
    throw error;
  }
}

function judge(table: Table, rows: number | undefined): void {
  const { name, state } = table;
  if (state === 'changing') {
    demand(
      rows === undefined || rows === 0 || rows === ROWS,
      `${name} has ${rows} rows: a statement was done by half`,
    );
    return;
  }
  const right = state === 'absent' ? undefined : state === 'empty' ? 0 : ROWS;
  demand(rows === right, `${name} should be ${state}, and has ${rows ?? 'no'} rows`);
}

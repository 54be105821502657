// Tables that come and go: what was created and acknowledged is there with its rows, what was dropped is not, and a
// TRUNCATE takes all rows or none.

import { DbError } from '../../base/errors.ts';
import type { EmbeddedSession } from '../../node/embedded.ts';
import type { SeededRandom } from '../random.ts';
import { demand } from '../violation.ts';
import { numberOf, type Workload } from './workload.ts';

const ROWS = 3;

/** Of the only table of a client. `changing`: the outcome of the last statement is not known. */
interface Table {
  readonly name: string;
  state: 'absent' | 'empty' | 'filled' | 'changing';
}

export class Tables implements Workload {
  readonly name = 'tables';
  readonly #tables = new Map<number, Table>();
  #nextName = 0;

  async setUp(): Promise<void> {}

  async write(session: EmbeddedSession, client: number, random: SeededRandom): Promise<void> {
    const table = this.#tables.get(client);
    if (table === undefined || table.state === 'absent' || table.state === 'changing') {
      // What became of the last one is left behind: a name is used once.
      const fresh: Table = { name: `scratch_${client}_${this.#nextName++}`, state: 'absent' };
      this.#tables.set(client, fresh);
      await change(fresh, 'empty', () =>
        session.query(`CREATE TABLE ${fresh.name} (id int PRIMARY KEY, v text)`),
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

  async read(session: EmbeddedSession): Promise<void> {
    for (const table of this.#tables.values()) {
      const before = table.state;
      const rows = await rowsOf(session, table);
      if (table.state === before) judge(table, rows);
    }
  }

  async verify(session: EmbeddedSession): Promise<void> {
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
  await run();
  table.state = to;
}

/** Undefined: there is no such table. */
async function rowsOf(session: EmbeddedSession, table: Table): Promise<number | undefined> {
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

// kill -9 at random moments under load: every acknowledged write is there, no unacknowledged transaction is half
// there. Real processes, real disk; the moments are random, the claim holds at each.

import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { moreSeeds } from '../support/depth.ts';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';

const KILLS = moreSeeds === undefined ? 6 : 20;
const WRITERS = 4;
const ACCOUNTS = 20;
const TOTAL = ACCOUNTS * 100;

/** What was acknowledged; it tells when there is so much of it. */
class Acknowledged extends Set<string> {
  #awaited = Number.POSITIVE_INFINITY;
  #reached: () => void = () => undefined;

  override add(id: string): this {
    super.add(id);
    if (this.size >= this.#awaited) this.#reached();
    return this;
  }

  reaches(size: number): Promise<void> {
    this.#awaited = size;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }
}

/** Inserts pairs (both or neither must survive) and moves money, until its connection dies. */
async function write(
  url: string,
  writer: number,
  acknowledged: Acknowledged,
  round: number,
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (let i = 0; ; i++) {
      const id = `${round}-${writer}-${i}`;
      const from = (i * 7 + writer) % ACCOUNTS;
      const to = (from + 1 + (i % (ACCOUNTS - 1))) % ACCOUNTS;
      try {
        await client.query('BEGIN');
        await client.query('INSERT INTO pairs VALUES ($1, 1), ($1, 2)', [id]);
        await client.query('UPDATE accounts SET balance = balance - 1 WHERE id = $1', [from]);
        await client.query('UPDATE accounts SET balance = balance + 1 WHERE id = $1', [to]);
        await client.query('COMMIT');
        acknowledged.add(id);
      } catch (error) {
        if ((error as { code?: string }).code !== '40001') throw error;
        await client.query('ROLLBACK');
      }
    }
  } catch {
    // The node was killed.
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('a node that is killed', () => {
  it(`keeps what it acknowledged and nothing half, ${KILLS} times`, async () => {
    const directory = temporaryDirectory();
    const ports = await nodePorts();
    const acknowledged = new Acknowledged();
    let node = new NodeProcess(`${directory.path}/data`, ports);
    try {
      await node.ready();
      const setup = new pg.Client({ connectionString: node.url });
      await setup.connect();
      await setup.query('CREATE TABLE pairs (id text, half int, PRIMARY KEY (id, half))');
      await setup.query('CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL)');
      for (let i = 0; i < ACCOUNTS; i++) {
        await setup.query('INSERT INTO accounts VALUES ($1, 100)', [i]);
      }
      await setup.end();
      for (let round = 0; round < KILLS; round++) {
        const before = acknowledged.size;
        // The moment: after a random number of acknowledged transactions more.
        const target = before + 1 + Math.floor(Math.random() * 60);
        const moment = acknowledged.reaches(target);
        const writers = Array.from({ length: WRITERS }, (_, i) =>
          write(node.url, i, acknowledged, round),
        );
        await Promise.race([moment, Promise.all(writers)]);
        // Else the node ended by itself.
        expect(acknowledged.size).toBeGreaterThanOrEqual(target);
        await node.signal('SIGKILL');
        await Promise.all(writers);
        node = new NodeProcess(`${directory.path}/data`, ports);
        await node.ready();
        const reader = new pg.Client({ connectionString: node.url });
        await reader.connect();
        const rows = (await reader.query('SELECT id, half FROM pairs')).rows as {
          id: string;
          half: number;
        }[];
        const halves = new Map<string, number>();
        for (const { id } of rows) halves.set(id, (halves.get(id) ?? 0) + 1);
        const half = [...halves].filter(([, count]) => count !== 2);
        const lost = [...acknowledged].filter((id) => !halves.has(id));
        const sum = (await reader.query('SELECT sum(balance) AS sum FROM accounts')).rows as {
          sum: string;
        }[];
        await reader.end();
        expect({ round, half, lost, sum: sum[0]?.sum }).toEqual({
          round,
          half: [],
          lost: [],
          sum: String(TOTAL),
        });
      }
      expect(await node.signal('SIGTERM')).toBe(0);
    } finally {
      node.child.kill('SIGKILL');
      await node.exited();
      directory.remove();
    }
  });
});

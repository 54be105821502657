// Stopping and starting as an operator does it: signals, a second start, and what clients are told.

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  NodeProcess,
  type NodePorts,
  nodePorts,
  temporaryDirectory,
} from '../support/node-process.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let ports: NodePorts;
let node: NodeProcess;

beforeEach(async () => {
  directory = temporaryDirectory();
  ports = await nodePorts();
  node = new NodeProcess(`${directory.path}/data`, ports);
  await node.ready();
});

afterEach(async () => {
  await node.signal('SIGKILL');
  directory.remove();
});

async function client(
  url: string,
): Promise<{ client: pg.Client; ended: Promise<{ code?: string } | undefined> }> {
  const connection = new pg.Client({ connectionString: url });
  let told: { code?: string } | undefined;
  const ended = new Promise<{ code?: string } | undefined>((resolve) => {
    connection.on('error', (error) => {
      told ??= error as { code?: string };
    });
    connection.once('end', () => resolve(told));
  });
  await connection.connect();
  return { client: connection, ended };
}

describe('a clean stop', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s tells clients, keeps everything and exits with 0',
    async (signal) => {
      const idle = await client(node.url);
      const open = await client(node.url);
      await idle.client.query('CREATE TABLE t (id int PRIMARY KEY)');
      await idle.client.query('INSERT INTO t VALUES (1), (2)');
      await open.client.query('BEGIN');
      await open.client.query('INSERT INTO t VALUES (3)');
      expect(await node.signal(signal)).toBe(0);
      expect((await idle.ended)?.code).toBe('57P01');
      expect((await open.ended)?.code).toBe('57P01');

      node = new NodeProcess(`${directory.path}/data`, ports);
      await node.ready();
      const again = await client(node.url);
      expect((await again.client.query('SELECT id FROM t ORDER BY id')).rows).toEqual([
        { id: 1 },
        { id: 2 },
      ]);
      await again.client.end();
    },
  );

  it('under load answers or ends every statement', async () => {
    const setup = await client(node.url);
    await setup.client.query('CREATE TABLE t (id int PRIMARY KEY)');
    const acknowledged: number[] = [];
    let next = 0;
    let reached: () => void = () => undefined;
    const busy = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const writers = Array.from({ length: 4 }, async () => {
      const writer = await client(node.url);
      try {
        for (;;) {
          const id = next++;
          await writer.client.query('INSERT INTO t VALUES ($1)', [id]);
          acknowledged.push(id);
          if (acknowledged.length === 50) reached();
        }
      } catch {
        // The node stopped.
      }
    });
    await busy;
    expect(await node.signal('SIGTERM')).toBe(0);
    await Promise.all(writers);
    node = new NodeProcess(`${directory.path}/data`, ports);
    await node.ready();
    const again = await client(node.url);
    const { rows } = await again.client.query<{ id: number }>('SELECT id FROM t');
    const stored = new Set(rows.map((row) => row.id));
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    await again.client.end();
  });
});

describe('a second start', () => {
  it('on the same data directory is refused and says why', async () => {
    const second = new NodeProcess(`${directory.path}/data`, await nodePorts());
    expect(await second.exited()).toBe(1);
    expect(second.output).toContain(`${directory.path}/data`);
    expect(second.output).toMatch(/in use|locked|running/);
    const first = await client(node.url);
    expect((await first.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await first.client.end();
  });

  it('on a port that is taken is refused and says which', async () => {
    for (const door of ['sql', 'rpc', 'http'] as const) {
      const free = await nodePorts();
      const second = new NodeProcess(`${directory.path}/other`, { ...free, [door]: ports[door] });
      expect(await second.exited()).toBe(1);
      expect(second.output).toContain(`127.0.0.1:${ports[door]} is in use`);
      expect(second.output).toContain(`--${door} HOST:PORT`);
    }
  });
});

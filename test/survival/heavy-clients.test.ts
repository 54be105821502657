// Clients that ask for too much: statements beyond all bounds, and answers that nobody takes.

import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import { message, startup } from '../support/wire.ts';

const MIB = 1024 * 1024;
const ROWS = 40_000;
const ROW_BYTES = 1_000;

const directory = temporaryDirectory();
let node: NodeProcess;
let client: pg.Client;

beforeAll(async () => {
  node = new NodeProcess(`${directory.path}/data`, await nodePorts(), ['--cache-mb', '16']);
  await node.ready();
  client = new pg.Client({ connectionString: node.url });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await node.signal('SIGKILL');
  directory.remove();
});

describe('a pathological statement', () => {
  it.each([
    ['100,000 terms', `SELECT ${Array(100_000).fill('1').join(' + ')}`],
    ['100,000 conditions', `SELECT 1 WHERE ${Array(100_000).fill('1 = 1').join(' OR ')}`],
    ['5,000 parentheses', `SELECT ${'('.repeat(5_000)}1${')'.repeat(5_000)}`],
    ['1 MB of casts', `SELECT '1'${'::text'.repeat(175_000)}`],
    [
      '5,000 nested subqueries',
      `SELECT * FROM ${'(SELECT * FROM '.repeat(5_000)}t${') AS s'.repeat(5_000)}`,
    ],
    ['5,000 unions', Array(5_000).fill('SELECT 1').join(' UNION ALL ')],
    ['20,000 minus signs', `SELECT ${'- '.repeat(20_000)}1`],
    ['20,000 NOTs', `SELECT ${'NOT '.repeat(20_000)}true`],
    ['5,000 CASEs', `SELECT ${'CASE WHEN true THEN '.repeat(5_000)}1${' END'.repeat(5_000)}`],
    ['5,000 function calls', `SELECT ${'abs('.repeat(5_000)}1${')'.repeat(5_000)}`],
    ['5,000 open brackets', `SELECT ${'['.repeat(5_000)}`],
    ['an open string of 1 MB', `SELECT '${'x'.repeat(1_000_000)}`],
  ])('of %s is an error, and the next query works', async (_what, text) => {
    await expect(client.query(text)).rejects.toMatchObject({
      code: expect.stringMatching(/^(54001|54000|42601|0A000)$/) as string,
    });
    expect((await client.query('SELECT 1 + 1 AS two')).rows).toEqual([{ two: 2 }]);
  });
});

async function residentBytes(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${node.ports.http}/metrics`);
  return Number(/^meridian_resident_bytes (\d+)/m.exec(await response.text())?.[1]);
}

/** A connection whose answers are read only on demand. */
function openUnread(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(node.ports.sql, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
    socket.pause();
  });
}

describe('a client that does not read', () => {
  it('stops its own query: memory stays, others are served, and it gets every row in the end', async () => {
    await client.query('CREATE TABLE big (id int PRIMARY KEY, v text)');
    for (let from = 1; from <= ROWS; from += 20_000) {
      await client.query(
        `INSERT INTO big SELECT n, repeat('x', ${ROW_BYTES}) FROM generate_series(${from}, ${from + 19_999}) AS g (n)`,
      );
    }
    // The others' work, done once before, so that only the answers nobody reads could add to memory.
    const others = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const { rows } = await client.query<{ n: string }>('SELECT count(v) AS n FROM big');
        expect(Number(rows[0]?.n)).toBe(ROWS);
      }
    };
    await others();
    const before = await residentBytes();
    const slow = await Promise.all(Array.from({ length: 6 }, () => openUnread()));
    for (const socket of slow) {
      socket.write(startup());
      socket.write(message('Q', Buffer.from('SELECT id, v FROM big ORDER BY id\0')));
    }
    await others();
    // All six answers are 240 MB.
    expect(await residentBytes()).toBeLessThan(before + 100 * MIB);

    const [first, ...rest] = slow as [Socket, ...Socket[]];
    for (const socket of rest) socket.destroy();
    const received = await new Promise<number>((resolve, reject) => {
      let bytes = 0;
      let tail = Buffer.alloc(0);
      first.on('error', reject);
      first.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        tail = Buffer.concat([tail, chunk]).subarray(-64);
        if (tail.includes(`SELECT ${ROWS}\0`)) resolve(bytes);
      });
      first.resume();
    });
    expect(received).toBeGreaterThan(ROWS * ROW_BYTES);
    first.destroy();
    await others();
  });
});

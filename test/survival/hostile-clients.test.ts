// Clients that mean harm or have bad luck: the server answers with an error or closes, and serves the others.

import { connect, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import { message, startup } from '../support/wire.ts';

const directory = temporaryDirectory();
let node: NodeProcess;

beforeAll(async () => {
  node = new NodeProcess(`${directory.path}/data`, await nodePorts());
  await node.ready();
  await query('CREATE TABLE t (id int PRIMARY KEY, v text)');
  await query("INSERT INTO t VALUES (1, 'one')");
});

afterAll(async () => {
  await node.signal('SIGKILL');
  directory.remove();
});

async function query(text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: node.url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(node.ports.sql, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** All that the server sends until it closes. */
function untilClosed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => resolve(Buffer.concat(chunks)));
    socket.on('close', () => resolve(Buffer.concat(chunks)));
  });
}

describe('hostile clients', () => {
  it('random bytes get a closed connection', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await open();
      const closed = untilClosed(socket);
      socket.end(Buffer.from(Array.from({ length: 200 }, () => Math.floor(Math.random() * 256))));
      await closed;
    }
    expect((await query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('random bytes after a good start get a closed connection', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = await open();
      const closed = untilClosed(socket);
      socket.write(startup());
      socket.end(Buffer.from(Array.from({ length: 500 }, () => Math.floor(Math.random() * 256))));
      await closed;
    }
    expect((await query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('a message that claims a gibibyte is refused before its bytes', async () => {
    const socket = await open();
    const closed = untilClosed(socket);
    socket.write(startup());
    const header = Buffer.alloc(5);
    header.write('Q', 0);
    header.writeUInt32BE(1 << 30, 1);
    socket.write(header);
    expect((await closed).toString('latin1')).toContain('invalid message length 1073741824');
  });

  it('half a message and then nothing costs only its connection', async () => {
    const socket = await open();
    socket.write(startup());
    socket.write(message('Q', Buffer.from('SELECT 1\0')).subarray(0, 9));
    const closed = untilClosed(socket);
    socket.end();
    await closed;
    expect((await query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('a client that vanishes in a transaction leaves no locks', async () => {
    const vanishing = new pg.Client({ connectionString: node.url });
    vanishing.on('error', () => undefined);
    await vanishing.connect();
    await vanishing.query('BEGIN');
    await vanishing.query("UPDATE t SET v = 'never' WHERE id = 1");
    (vanishing as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
    const updated = await query("UPDATE t SET v = 'after' WHERE id = 1 RETURNING v");
    expect(updated.rows).toEqual([{ v: 'after' }]);
  });

  it('messages of the wrong kind in the extended protocol are errors up to Sync', async () => {
    const socket = await open();
    const closed = untilClosed(socket);
    socket.write(startup());
    // Bind to a statement that is not there, then Sync, then Terminate.
    socket.write(message('B', Buffer.from('\0nothing\0\0\0\0\0\0\0')));
    socket.write(message('S', Buffer.alloc(0)));
    socket.write(message('X', Buffer.alloc(0)));
    const text = (await closed).toString('latin1');
    expect(text).toContain('26000');
    expect(text).toContain('prepared statement "nothing" does not exist');
  });

  it('memory stays where it was after a thousand broken connections', async () => {
    const resident = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${node.ports.http}/metrics`);
      return Number(/^meridian_resident_bytes (\d+)/m.exec(await response.text())?.[1]);
    };
    const storm = async (): Promise<void> => {
      for (let i = 0; i < 500; i++) {
        const socket = await open();
        const closed = untilClosed(socket);
        socket.write(startup());
        socket.end(message('Q', Buffer.from('SELECT * FROM t\0')).subarray(0, 5 + (i % 12)));
        await closed;
      }
    };
    await storm();
    const before = await resident();
    await storm();
    expect(await resident()).toBeLessThan(before + 64 * 1024 * 1024);
  });
});

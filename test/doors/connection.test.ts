// The SQL door over real sockets, in front of sessions that do what each test tells them.

import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type PgWireServer, startPgWire } from '../../src/doors/pgwire/server.ts';
import { NodeTimers } from '../../src/runtime/node/timers.ts';
import type { BindRequest, CopyIn, ResultSink, Session } from '../../src/sql/api.ts';
import { message, startup } from '../support/wire.ts';

const DONE = { kind: 'done' } as const;
const SYNC = message('S', Buffer.alloc(0));

/** A session that answers everything with nothing. */
function session(behaviour: Partial<Session>): Session {
  return {
    status: 'I',
    simple: () => DONE,
    simpleContinue: () => DONE,
    parse: () => undefined,
    bind: () => undefined,
    describeStatement: () => ({ parameterTypes: [], fields: undefined }),
    portalShape: () => ({ fields: undefined, resultFormats: [] }),
    execute: () => DONE,
    closeStatement: () => undefined,
    closePortal: () => undefined,
    sync: () => undefined,
    failed: () => undefined,
    cancel: () => undefined,
    close: () => undefined,
    ...behaviour,
  };
}

const servers: PgWireServer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await server.close();
});

async function serve(behaviour: Partial<Session>): Promise<PgWireServer> {
  const server = await startPgWire({
    host: '127.0.0.1',
    port: 0,
    sql: { openSession: () => session(behaviour), parameterStatuses: () => new Map() },
    random: { uint32: () => 7, below: () => 0, fork: () => ({}) as never },
    timers: new NodeTimers(),
    broken: () => undefined,
  });
  servers.push(server);
  return server;
}

async function client(server: PgWireServer): Promise<Socket> {
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write(startup());
  await types(socket, 'Z');
  return socket;
}

/** Types of the messages that come, up to and with the first of type `last`. */
function types(socket: Socket, last: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let input = Buffer.alloc(0);
    let seen = '';
    const closed = (): void => reject(new Error(`closed after ${seen}`));
    const read = (chunk: Buffer): void => {
      input = Buffer.concat([input, chunk]);
      while (input.length >= 5 && input.length >= 1 + input.readInt32BE(1)) {
        seen += input.toString('latin1', 0, 1);
        input = input.subarray(1 + input.readInt32BE(1));
        if (!seen.endsWith(last)) continue;
        socket.off('data', read);
        socket.off('close', closed);
        resolve(seen);
      }
    };
    socket.on('data', read);
    socket.once('close', closed);
  });
}

function bind(parameters: number): Buffer {
  const body = Buffer.alloc(2 + 2 + 2 + 4 * parameters + 2);
  body.writeUInt16BE(parameters, 4);
  for (let i = 0; i < parameters; i++) body.writeInt32BE(-1, 6 + 4 * i);
  return message('B', body);
}

function defer<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((told) => {
    resolve = told;
  });
  return { promise, resolve };
}

describe('messages', () => {
  it('Bind takes as many parameters as sixteen bits can say', async () => {
    const bound: BindRequest[] = [];
    const socket = await client(await serve({ bind: (request) => void bound.push(request) }));
    socket.write(Buffer.concat([bind(65_535), SYNC]));
    expect(await types(socket, 'Z')).toBe('2Z');
    expect(bound[0]?.parameters.length).toBe(65_535);
  });

  it('what fails after a COPY in a simple text is answered to its end', async () => {
    const copy: CopyIn = {
      columnCount: 1,
      data: () => undefined,
      done: async () => 'COPY 0',
      fail() {},
    };
    const socket = await client(
      await serve({
        simple: () => ({ kind: 'copyIn', copy }),
        simpleContinue: () => Promise.reject(new Error('a defect')),
      }),
    );
    socket.write(message('Q', Buffer.from('COPY t FROM STDIN; SELECT 1\0')));
    expect(await types(socket, 'G')).toBe('G');
    socket.write(message('c', Buffer.alloc(0)));
    expect(await types(socket, 'Z')).toBe('CEZ');
  });
});

describe('a client that vanishes', () => {
  it('while its COPY is being prepared leaves no COPY behind', async () => {
    const vanished = defer<void>();
    const prepared = defer<{ kind: 'copyIn'; copy: CopyIn }>();
    const failed = defer<string>();
    const over = defer<void>();
    const called: string[] = [];
    const socket = await client(
      await serve({
        simple: () => {
          called.push('simple');
          return prepared.promise;
        },
        cancel: () => {
          called.push('cancel');
          vanished.resolve();
        },
        close: () => {
          called.push('close');
          over.resolve();
        },
      }),
    );
    const copy: CopyIn = {
      columnCount: 1,
      data: () => undefined,
      done: () => Promise.reject(new Error('nobody is there to be told')),
      fail: failed.resolve,
    };
    socket.write(message('Q', Buffer.from('COPY t FROM STDIN\0')));
    // Whole messages that wait behind it must not be met again, either.
    socket.write(message('Q', Buffer.from('SELECT 1\0')));
    while (called.length === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await vanished.promise;
    called.push('prepared');
    prepared.resolve({ kind: 'copyIn', copy });
    expect(await failed.promise).toMatch(/closed/);
    await over.promise;
    // Not before its statement is over: that would go on in a transaction of its own.
    expect(called).toEqual(['simple', 'cancel', 'prepared', 'close']);
  });

  it('while its COPY ends does not go on with the rest of the text', async () => {
    const ending = defer<void>();
    const ended = defer<string>();
    const vanished = defer<void>();
    const over = defer<void>();
    const called: string[] = [];
    const copy: CopyIn = {
      columnCount: 1,
      data: () => undefined,
      done: () => {
        ending.resolve();
        return ended.promise;
      },
      fail() {},
    };
    const socket = await client(
      await serve({
        simple: () => ({ kind: 'copyIn', copy }),
        simpleContinue: () => {
          called.push('continue');
          return DONE;
        },
        cancel: vanished.resolve,
        close: over.resolve,
      }),
    );
    socket.write(message('Q', Buffer.from('COPY t FROM STDIN; DELETE FROM t\0')));
    await types(socket, 'G');
    socket.write(message('c', Buffer.alloc(0)));
    await ending.promise;
    socket.destroy();
    await vanished.promise;
    ended.resolve('COPY 0');
    await over.promise;
    expect(called).toEqual([]);
  });
});

describe('a client that does not read', () => {
  const ROW = Buffer.alloc(60_000);

  it('is not served further until it does', async () => {
    let executed = 0;
    const server = await serve({
      simple: (_text: string, sink: ResultSink) => {
        executed++;
        sink.copyData(ROW);
        return DONE;
      },
    });
    const socket = await client(server);
    socket.pause();
    const QUERIES = 2_000;
    const query = message('Q', Buffer.from('SELECT 1\0'));
    socket.write(Buffer.concat(Array.from({ length: QUERIES }, () => query)));
    // A query of another client is answered: by then the first client's were met, as far as they would be.
    const other = await client(server);
    for (let i = 0; i < 20; i++) {
      other.write(SYNC);
      await types(other, 'Z');
    }
    // What the operating system and the door hold, not all that was asked for.
    expect(executed * ROW.length).toBeLessThan(40 << 20);

    let ready = 0;
    const all = new Promise<void>((resolve) => {
      let left = QUERIES * (5 + ROW.length + 6);
      socket.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left === 0) resolve();
      });
    });
    socket.resume();
    await all;
    ready = executed;
    expect(ready).toBe(QUERIES);
  });

  it('does not keep the server from stopping once it has said goodbye', async () => {
    const server = await serve({
      simple: (_text: string, sink: ResultSink) => {
        for (let i = 0; i < 400; i++) sink.copyData(ROW);
        return DONE;
      },
    });
    const socket = await client(server);
    socket.pause();
    socket.write(message('Q', Buffer.from('SELECT 1\0')));
    // Its side is closed: so is the session, but not yet the socket with all that was to be read.
    socket.end();
    while (server.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
    await server.close();
    servers.pop();
  });
});

// The SQL door: accepts connections that speak PostgreSQL's protocol. It knows sessions and sockets, no plans.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { DbError } from '../../base/errors.ts';
import type { Random, Timers } from '../../runtime/runtime.ts';
import type { SqlServer } from '../../sql/api.ts';
import { Connection } from './connection.ts';
import { WireOutput } from './output.ts';

/** How long a client may take over its last message when the server stops. */
const FAREWELL_MICROS = 1_000_000;
/** And when its connection alone ends: then what it does not read is dropped with its socket. */
const LINGER_MICROS = 10_000_000;

/** Beyond it a client gets 53300. */
export const CONNECTIONS_MAX = 1000;

export interface PgWireOptions {
  readonly host: string;
  readonly port: number;
  readonly sql: SqlServer;
  readonly random: Random;
  readonly timers: Timers;
  /** An error that is no DbError reached the door. */
  broken(error: unknown): void;
}

export interface PgWireServer {
  readonly host: string;
  readonly port: number;
  readonly connectionCount: number;
  /** Tells every client, rolls their transactions back and closes. */
  close(): Promise<void>;
}

interface Entry {
  readonly connection: Connection;
  readonly secret: number;
}

export async function startPgWire(options: PgWireOptions): Promise<PgWireServer> {
  const entries = new Map<number, Entry>();
  /** Those that have said goodbye included. */
  const sockets = new Set<Socket>();
  let nextProcessId = 1;

  /** The client has its last message; it may take it or not. */
  function linger(socket: Socket): void {
    if (socket.destroyed) return;
    const late = options.timers.after(LINGER_MICROS, () => socket.destroy());
    socket.once('close', () => late[Symbol.dispose]());
  }

  function accept(socket: Socket): void {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (entries.size >= CONNECTIONS_MAX) {
      refuse(socket);
      linger(socket);
      return;
    }
    const processId = nextProcessId++;
    const secret = options.random.uint32();
    const connection = new Connection(socket, {
      sql: options.sql,
      processId,
      secret,
      cancel: (id, key) => {
        const entry = entries.get(id);
        if (entry !== undefined && entry.secret === key) entry.connection.cancel();
      },
      closed: () => {
        entries.delete(processId);
        linger(socket);
      },
      broken: (error) => options.broken(error),
    });
    entries.set(processId, { connection, secret });
  }

  const server = createServer({ allowHalfOpen: false }, accept);
  const address = await listen(server, options.host, options.port);
  return {
    host: options.host,
    port: address.port,
    get connectionCount() {
      return entries.size;
    },
    close: () =>
      new Promise((resolve) => {
        const late = options.timers.after(FAREWELL_MICROS, () => {
          for (const socket of sockets) socket.destroy();
        });
        server.close(() => {
          late[Symbol.dispose]();
          resolve();
        });
        for (const { connection } of [...entries.values()]) connection.shutDown();
      }),
  };
}

function refuse(socket: Socket): void {
  const output = new WireOutput({
    write: (bytes) => {
      socket.write(bytes);
      return false;
    },
    congested: false,
    drained: () => Promise.resolve(),
  });
  output.errorResponse(
    'FATAL',
    new DbError('53300', `sorry, too many clients already (the most is ${CONNECTIONS_MAX})`),
  );
  socket.on('error', () => undefined);
  output.flush();
  socket.end();
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 511 }, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

// The network that `npm run chaos` cuts: were a cut none, nothing would have been tried.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Links } from '../../bench/chaos/links.ts';

let servers: Server[];
let links: Links;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  // Both nodes send back what they hear.
  servers = await Promise.all([echo(), echo()]);
  links = await Links.open(servers.map((server) => `127.0.0.1:${portOf(server)}`));
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  links.close();
  for (const server of servers) server.close();
});

function echo(): Promise<Server> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** As node 1 dials node 2. */
function dial(): Socket {
  const socket = connect(
    links.routesOf(1)[String(portOf(servers[1] as Server))] as number,
    '127.0.0.1',
  );
  sockets.push(socket);
  return socket;
}

function heard(socket: Socket, text: string): Promise<void> {
  let all = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      all += chunk.toString();
      if (all === text) resolve();
    });
  });
}

/** It is broken, or ended by the other side. */
function over(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.resume().once('close', () => resolve()));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a link', () => {
  it.each([
    ['there', 1, 2, 4, 4],
    ['back', 2, 1, 8, 4],
  ] as const)(
    'that stalls on the way %s holds what is sent until it is healed',
    async (_way, from, to, there, back) => {
      const socket = dial();
      const whole = heard(socket, 'one.two.');
      socket.write('one.');
      await until(() => links.bytes(2, 1) === 4);
      const heal = links.stall(from, to);
      expect(links.isOpen(from, to)).toBe(false);
      expect(links.isOpen(to, from)).toBe(true);
      socket.write('two.');
      await until(() => links.isHolding(from, to));
      expect([links.bytes(1, 2), links.bytes(2, 1)]).toEqual([there, back]);
      heal();
      await whole;
    },
  );

  it('that resets breaks its connections and refuses others', async () => {
    const socket = dial();
    socket.write('one.');
    await until(() => links.bytes(2, 1) === 4);
    const broken = over(socket);
    const heal = links.cut(1, 2, 'reset');
    await broken;
    await over(dial());
    heal();
    const again = dial();
    const whole = heard(again, 'two.');
    again.write('two.');
    await whole;
  });
});

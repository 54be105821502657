// One address for clients of SQL that know only one: each connection goes to the next node that takes it.

import { connect, createServer, type Server, type Socket } from 'node:net';

export class Front {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `ports` of the nodes on this machine. */
  static async open(ports: readonly number[]): Promise<Front> {
    let next = 0;
    const server = createServer((near) => {
      const far = connect(ports[next++ % ports.length] as number, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        front.#sockets.add(one);
        // 'close' follows, and takes the other with it: its client connects again, and gets the next node.
        one.on('error', () => undefined);
        one.on('close', () => {
          front.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    const front = new Front(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return front;
  }

  get url(): string {
    const { port } = this.#server.address() as { port: number };
    return `postgres://root@127.0.0.1:${port}/defaultdb`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

// A connection's socket, as its output sees it. A class, for an object literal with an accessor would be of a kind of its
// own to the compiler for each connection, and every look at one slow (bench: point).

import type { Socket } from 'node:net';
import type { OutputTarget } from './output.ts';

/** Output that may wait in the socket before a statement is held up. */
export const OUTPUT_BYTES_MAX: number = 1024 * 1024;

export class SocketTarget implements OutputTarget {
  readonly #socket: Socket;
  readonly drained: () => Promise<void>;

  constructor(socket: Socket, drained: () => Promise<void>) {
    this.#socket = socket;
    this.drained = drained;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket.destroyed) socket.write(bytes);
    // Nothing waits: the system has it all.
    return socket.writableLength === 0;
  }

  get congested(): boolean {
    const socket = this.#socket;
    return socket.writableLength > OUTPUT_BYTES_MAX && !socket.destroyed;
  }
}

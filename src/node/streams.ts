// Streams that other nodes open, by what they are for: 'snapshot/1' goes to whoever registered 'snapshot/1'.

import type { ByteStream, Log, Network, NodeId } from '../runtime/runtime.ts';

export type ServeStream = (from: NodeId, stream: ByteStream) => Promise<void>;

export class Streams {
  readonly #serving = new Map<string, ServeStream>();
  #stopped = false;

  constructor(network: Network, log: Log) {
    network.onStream((from, purpose, stream) => {
      const serve = this.#stopped ? undefined : this.#serving.get(purpose);
      if (serve === undefined) {
        log.warn('a stream that nobody serves here', { from, purpose });
        stream.abort();
        return;
      }
      serve(from, stream).catch((error: unknown) => {
        log.warn('a stream was cut off', { from, purpose, error: String(error) });
        stream.abort();
      });
    });
  }

  register(purpose: string, serve: ServeStream): void {
    this.#serving.set(purpose, serve);
  }

  stop(): void {
    this.#stopped = true;
  }
}

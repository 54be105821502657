// Streams that other nodes open, by what they are for: 'snapshot/1' goes to whoever registered 'snapshot/1', or all of
// 'snapshot'.

import type { ByteStream, Log, Network, NodeId } from '../runtime/runtime.ts';

export type ServeStream = (from: NodeId, stream: ByteStream) => Promise<void>;

/** `about`: what came after the slash. */
export type ServeStreamAbout = (
  from: NodeId,
  stream: ByteStream,
  about: string,
) => Promise<void> | undefined;

export class Streams {
  readonly #serving = new Map<string, ServeStream>();
  readonly #servingAll = new Map<string, ServeStreamAbout>();
  #stopped = false;

  constructor(network: Network, log: Log) {
    network.onStream((from, purpose, stream) => {
      const served = this.#stopped ? undefined : this.#serve(from, purpose, stream);
      if (served === undefined) {
        log.warn('a stream that nobody serves here', { from, purpose });
        stream.abort();
        return;
      }
      served.catch((error: unknown) => {
        log.warn('a stream was cut off', { from, purpose, error: String(error) });
        stream.abort();
      });
    });
  }

  register(purpose: string, serve: ServeStream): void {
    this.#serving.set(purpose, serve);
  }

  /** For every purpose 'name/…'; undefined: nobody serves it. */
  registerAll(name: string, serve: ServeStreamAbout): void {
    this.#servingAll.set(name, serve);
  }

  #serve(from: NodeId, purpose: string, stream: ByteStream): Promise<void> | undefined {
    const one = this.#serving.get(purpose);
    if (one !== undefined) return one(from, stream);
    const slash = purpose.indexOf('/');
    if (slash < 0) return undefined;
    return this.#servingAll.get(purpose.slice(0, slash))?.(from, stream, purpose.slice(slash + 1));
  }

  stop(): void {
    this.#stopped = true;
  }
}

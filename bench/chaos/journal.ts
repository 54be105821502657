// What clients were told when it was not what they had asked for: a line for each, in the run's directory, for whoever
// has to find out why.

import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';

export class Journal {
  readonly #file: WriteStream;

  constructor(directory: string) {
    this.#file = createWriteStream(join(directory, 'clients.log'), { flags: 'a' });
  }

  failed(client: string, node: number, what: string, startedAt: number, error: unknown): void {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const seconds = (millis: number): string => (millis / 1000).toFixed(3);
    const when = `${new Date().toISOString()} ${seconds(startedAt)} s to ${seconds(performance.now())} s`;
    this.#file.write(
      `${when} ${client} at node ${node}: ${what}: ${String(code)} ${String(message)}\n`,
    );
  }
}

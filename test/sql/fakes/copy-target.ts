// A sink that keeps what COPY sends.
import { concatBytes } from '../../../src/base/bytes.ts';
import type { ResultSink } from '../../../src/sql/api.ts';

export class CopyTarget implements ResultSink {
  readonly #chunks: Uint8Array[] = [];
  readonly full = false;

  get messages(): number {
    return this.#chunks.length;
  }

  bytes(): Uint8Array {
    return concatBytes(...this.#chunks);
  }

  copyData(chunk: Uint8Array): void {
    this.#chunks.push(chunk.slice());
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  copyOut(): void {}
  copyOutDone(): void {}
  fields(): void {}
  tuple(): void {}
  stored(): void {}
  complete(): void {}
  emptyQuery(): void {}
  suspended(): void {}
  notice(): void {}
  parameterStatus(): void {}
  error(): void {}
}

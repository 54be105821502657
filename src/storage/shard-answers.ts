// What a shard answers: everything of one turn in one message.

import { ByteWriter } from '../base/bytes.ts';
import type { Port } from '../runtime/runtime.ts';
import * as protocol from './shard-protocol.ts';

const WRITER_BYTES_KEPT_MAX = 1 << 20;

export class Answers {
  private readonly port: Port;
  private out = new ByteWriter(4096);

  constructor(port: Port) {
    this.port = port;
  }

  /** Starts an answer; the caller appends what belongs to it before its turn ends. */
  begin(kind: number, id: number): ByteWriter {
    const { out } = this;
    if (out.length === 0) queueMicrotask(() => this.flush());
    out.u8(kind);
    out.u32(id);
    return out;
  }

  refuse(id: number, error: unknown): void {
    protocol.writeError(this.begin(protocol.ANSWER_ERROR, id), error);
  }

  flush(): void {
    const { out } = this;
    if (out.length === 0) return;
    this.port.post(out.take());
    if (out.bytes.length > WRITER_BYTES_KEPT_MAX) this.out = new ByteWriter(4096);
    else out.reset();
  }
}

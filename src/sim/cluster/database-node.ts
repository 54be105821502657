// A whole node, as in a process but for its sockets and threads: registers are keys of the key-value door.

import { DbError } from '../../base/errors.ts';
import { ByteReader, ByteWriter, utf8 } from '../../base/bytes.ts';
import { KvStore } from '../../doors/kv/store.ts';
import type { Database } from '../../node/database.ts';
import type { RangeStatus } from '../../node/status.ts';
import type { CommitAnswer } from '../../ranges/api.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Answer, ClusterNode, Register } from './cluster-node.ts';
import { registerName } from './cluster-node.ts';

/** A write has so much filler at times. */
const FILLER_BYTES_MAX = 3_000;

export class DatabaseNode implements ClusterNode {
  readonly database: Database;
  readonly #runtime: Runtime;
  readonly #kv: KvStore;

  constructor(runtime: Runtime, database: Database) {
    this.#runtime = runtime;
    this.database = database;
    const { transactions } = database.kv;
    this.#kv = new KvStore({ transactions, timers: runtime.timers });
  }

  get range(): RangeStatus {
    return this.database.status().ranges[0] as RangeStatus;
  }

  async read(register: Register): Promise<Answer> {
    try {
      const { value } = await this.#kv.get(keyOf(register));
      return { kind: 'done', value: value === undefined ? undefined : new ByteReader(value).u53() };
    } catch (error) {
      if (error instanceof DbError) return this.#refusal();
      throw error;
    }
  }

  write(register: Register, value: number): Promise<Answer> {
    const { random } = this.#runtime;
    const filler = random.below(6) === 0 ? random.below(FILLER_BYTES_MAX) : random.below(8);
    const writer = new ByteWriter(8 + filler);
    writer.u53(value);
    writer.raw(new Uint8Array(filler));
    return new Promise((resolve) => {
      this.#kv.write(keyOf(register), writer.take(), (told) => resolve(this.#answerOf(told)));
    });
  }

  #answerOf(told: CommitAnswer): Answer {
    if (told.kind === 'committed') return { kind: 'done', value: undefined };
    return told.kind === 'ambiguous' ? { kind: 'unknown' } : this.#refusal();
  }

  #refusal(): Answer {
    return { kind: 'refused', leader: this.database.kv.leader()?.nodeId };
  }

  holdsLease(): boolean {
    return this.range.isLeaseHeld;
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

function keyOf(register: Register): Uint8Array {
  return utf8(registerName(register));
}

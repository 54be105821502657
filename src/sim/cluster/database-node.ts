// A whole node, as in a process but for its sockets and threads: registers are keys of the key-value door.

import { DbError } from '../../base/errors.ts';
import { ByteReader, ByteWriter, utf8 } from '../../base/bytes.ts';
import { KvStore } from '../../doors/kv/store.ts';
import { defaultConfig, type NodeConfig } from '../../node/config.ts';
import { type Database, type DatabaseOptions, openDatabase } from '../../node/database.ts';
import { type Member, writeIdentity } from '../../node/identity.ts';
import { FIRST_DATA_RANGE } from '../../ranges/layout.ts';
import type { RangeStatus } from '../../node/status.ts';
import type { CommitAnswer } from '../../ranges/api.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Life, type World } from '../world.ts';
import type { Answer, ClusterNode, Register } from './cluster-node.ts';
import { registerName } from './cluster-node.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterShape } from './plans.ts';

/** `shape`: how its groups keep time, and how much of their logs. */
export async function openNode(
  runtime: Runtime,
  { timing, retention }: Pick<ClusterShape, 'timing' | 'retention'>,
  consistencyCheckMicros: number,
  options: DatabaseOptions,
): Promise<DatabaseNode> {
  const config = { ...SMALL_NODE, timing, consistencyCheckMicros };
  return new DatabaseNode(runtime, await openDatabase(runtime, config, { ...options, retention }));
}

/** Little of everything, so that what rarely happens happens. */
const SMALL_NODE: NodeConfig = {
  ...defaultConfig('data'),
  cacheBytes: 64 << 10,
  minFreeBytes: 8 << 20,
  logSegmentBytes: 64 << 10,
  entriesPerFlush: 40,
};

/** Every node knows from the start who belongs to the cluster; the first `founders` of them have its first ranges. */
export async function writeIdentities(
  world: World,
  { seats }: Cluster<DatabaseNode>,
  founders: number,
): Promise<void> {
  const members = seats.map(({ machine: { node } }): Member => {
    const at = (port: number): string => `127.0.0.1:${port + 10 * (node - 1)}`;
    return { nodeId: node, rpc: at(7433), sql: at(7432), http: at(7434) };
  });
  const nodes = members.map(({ nodeId }) => nodeId);
  let left = members.length;
  for (const { machine } of seats) {
    const files = machine.disk.files(new Life(machine.node));
    const identity = {
      clusterId: 'c0ffee',
      nodeId: machine.node,
      shards: 1,
      members,
      founders: nodes.slice(0, founders),
    };
    writeIdentity(files, SMALL_NODE.dataDirectory, identity).then(
      () => {
        left -= 1;
      },
      (error: unknown) => world.fail(error),
    );
  }
  await world.run(() => left === 0, WRITING_MICROS_MAX);
}

const WRITING_MICROS_MAX = 1_000_000;

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

  get range(): RangeStatus | undefined {
    // Registers are keys and values: they lie in it.
    return this.database.status().ranges.find(({ range }) => range === FIRST_DATA_RANGE);
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
    return this.range?.isLeaseHeld === true;
  }

  close(): Promise<void> {
    return this.database.close();
  }
}

function keyOf(register: Register): Uint8Array {
  return utf8(registerName(register));
}

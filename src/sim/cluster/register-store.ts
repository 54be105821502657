// The state machine of groups in the simulator: a few registers for each group, kept by the machine as RocksDB keeps
// ranges. Nothing is synced write by write; a power loss leaves the state of the last flush, or a later one.

import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readConfiguration, writeConfiguration } from '../../raft/codec.ts';
import type { Configuration } from '../../raft/configuration.ts';
import type { SnapshotMark } from '../../raft/ready.ts';
import type { Entry, GroupId, ReplicaId } from '../../raft/types.ts';
import type { Keeper } from '../machine.ts';
import type { SeededRandom } from '../random.ts';

/** Of one group, at one moment. */
export interface RegisterState {
  readonly appliedIndex: number;
  readonly values: ReadonlyMap<number, number>;
  /** What it began with, when that was a snapshot. */
  readonly installed: SnapshotMark | undefined;
}

const EMPTY_STATE: RegisterState = {
  appliedIndex: 0,
  values: new Map(),
  installed: undefined,
};

/** A replica that a machine has. */
export class StoredReplica {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  /** Of a group as it began. */
  readonly founders: Configuration;
  /** P31: a snapshot's state was being written when the node ended. */
  isInstalling = false;
  #current: RegisterState = EMPTY_STATE;
  #durable: RegisterState = EMPTY_STATE;

  constructor(group: GroupId, replica: ReplicaId, founders: Configuration) {
    this.group = group;
    this.replica = replica;
    this.founders = founders;
  }

  get state(): RegisterState {
    return this.#current;
  }

  apply(entries: readonly Entry[]): void {
    assert(!this.isInstalling, 'nothing is applied while a snapshot is installed');
    const values = new Map(this.#current.values);
    let { appliedIndex } = this.#current;
    for (const entry of entries) {
      assert(entry.index === appliedIndex + 1, `entry ${entry.index} after ${appliedIndex}`);
      appliedIndex = entry.index;
      const write = decodeWrite(entry);
      if (write !== undefined) values.set(write.register, write.value);
    }
    this.#current = { ...this.#current, appliedIndex, values };
  }

  /** P31: durably, there is no state until install(). */
  beginInstall(): void {
    this.isInstalling = true;
    this.#install(EMPTY_STATE);
  }

  /** P31: state and mark change in one durable step. */
  finishInstall(state: RegisterState): void {
    this.isInstalling = false;
    this.#install(state);
  }

  #install(state: RegisterState): void {
    this.#current = state;
    this.#durable = state;
  }

  /** Makes durable what the state was when the flush began. */
  flushed(state: RegisterState): void {
    if (state.appliedIndex > this.#durable.appliedIndex) this.#durable = state;
  }

  losePower(random: SeededRandom): void {
    if (random.oneIn(2)) this.#current = this.#durable;
    else this.#durable = this.#current;
  }
}

export class RegisterStore implements Keeper {
  readonly replicas: Map<GroupId, StoredReplica> = new Map();

  losePower(random: SeededRandom): void {
    for (const replica of this.replicas.values()) replica.losePower(random);
  }

  killProcess(): void {}

  loseAll(): void {
    this.replicas.clear();
  }
}

const REGISTER_WRITE = 1;

/** With filler, so that records are torn and messages divided. */
export function encodeWrite(register: number, value: number, fillerBytes: number): Uint8Array {
  const writer = new ByteWriter(16 + fillerBytes);
  writer.u8(REGISTER_WRITE);
  writer.u8(register);
  writer.u53(value);
  writer.block(new Uint8Array(fillerBytes).fill(value & 0xff));
  return writer.take();
}

/** Undefined: an entry that changes no register. */
function decodeWrite({ kind, data }: Entry): { register: number; value: number } | undefined {
  if (kind !== 'command' || data.length === 0) return undefined;
  const reader = new ByteReader(data);
  if (reader.u8() !== REGISTER_WRITE) return undefined;
  const register = reader.u8();
  const value = reader.u53();
  const filler = reader.block();
  assert(
    filler.every((byte) => byte === (value & 0xff)),
    'a committed write has the bytes that were proposed',
  );
  return { register, value };
}

/** P3's entry: it says nothing to registers. */
export const FENCE: Uint8Array = Uint8Array.of(2);

export function encodeSnapshot(state: RegisterState, mark: SnapshotMark): Uint8Array {
  const writer = new ByteWriter(256);
  writer.u53(mark.index);
  writer.u53(mark.term);
  writer.u53(mark.configurationIndex);
  writeConfiguration(writer, mark.configuration);
  writer.u32(state.values.size);
  for (const [register, value] of state.values) {
    writer.u8(register);
    writer.u53(value);
  }
  return writer.take();
}

export function decodeSnapshot(bytes: Uint8Array): RegisterState & { installed: SnapshotMark } {
  const reader = new ByteReader(bytes);
  const index = reader.u53();
  const term = reader.u53();
  const configurationIndex = reader.u53();
  const configuration = readConfiguration(reader);
  const values = new Map<number, number>();
  for (let left = reader.u32(); left > 0; left--) {
    const register = reader.u8();
    values.set(register, reader.u53());
  }
  return {
    appliedIndex: index,
    values,
    installed: { index, term, configuration, configurationIndex },
  };
}

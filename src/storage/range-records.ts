// What the store keeps of each range beside its rows, under META_PREFIX: the index up to which it is applied, what
// came with the snapshot that its state began with, and whether a snapshot is being installed (P31). Records go into
// the engine with the writes that they speak of; this is what they say.

import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Engine, EngineOp, EngineReader } from './engine.ts';
import { META_PREFIX, writeHeader } from './mvcc.ts';
import type { AppliedRange, RangeId } from './shard.ts';

// Second byte of a record's key; then the range's id (u32, big-endian).
const APPLIED_TAG = 0x61;
/** [u8 format version][block state] */
const INSTALLED_TAG = 0x62;
/** [u8 format version] */
const INSTALLING_TAG = 0x63;

const FORMAT_VERSION = 1;

export class RangeRecords {
  private readonly applied = new Map<RangeId, number>();
  private readonly installed = new Map<RangeId, Uint8Array>();
  private readonly installing = new Set<RangeId>();

  static async load(engine: Engine): Promise<RangeRecords> {
    const records = new RangeRecords();
    const span = {
      start: Uint8Array.of(META_PREFIX, APPLIED_TAG),
      end: Uint8Array.of(META_PREFIX, INSTALLING_TAG + 1),
    };
    for await (const batch of engine.scan(span)) {
      batch.keys.forEach((key, i) => records.learn(key, batch.values[i] as Uint8Array));
    }
    return records;
  }

  appliedIndex(range: RangeId): number {
    return this.applied.get(range) ?? 0;
  }

  isInstalling(range: RangeId): boolean {
    return this.installing.has(range);
  }

  /** Of every range that the engine knows, whether it survives power loss or not. */
  all(): AppliedRange[] {
    const ranges = new Set([...this.applied.keys(), ...this.installing]);
    return [...ranges].map((range) => ({
      range,
      appliedIndex: this.appliedIndex(range),
      installed: this.installed.get(range),
      isInstalling: this.installing.has(range),
    }));
  }

  /** To be called once appliedOp() is written. */
  advance(range: RangeId, index: number): void {
    this.applied.set(range, index);
  }

  /** To be called once beginOps() are written. */
  began(range: RangeId): void {
    this.applied.delete(range);
    this.installed.delete(range);
    this.installing.add(range);
  }

  /** To be called once finishOps() are written. */
  finished(range: RangeId, appliedIndex: number, state: Uint8Array): void {
    this.applied.set(range, appliedIndex);
    this.installed.set(range, state);
    this.installing.delete(range);
  }

  private learn(key: Uint8Array, value: Uint8Array): void {
    const range = new ByteReader(key, 2).u32be();
    const reader = new ByteReader(value);
    if (key[1] === APPLIED_TAG) {
      this.applied.set(range, reader.u53());
      return;
    }
    const version = reader.u8();
    if (version !== FORMAT_VERSION) {
      throw new DbError(
        'XX001',
        `range ${range} has a record of format version ${version}, this program knows version ${FORMAT_VERSION}`,
        { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
      );
    }
    if (key[1] === INSTALLED_TAG) this.installed.set(range, reader.block().slice());
    else this.installing.add(range);
  }
}

export function appliedOp(range: RangeId, index: number): EngineOp {
  const value = new Uint8Array(8);
  writeHeader(value, 0, index as Timestamp, false);
  return { kind: 'put', key: recordKey(APPLIED_TAG, range), value };
}

export function beginOps(range: RangeId): EngineOp[] {
  return [
    {
      kind: 'put',
      key: recordKey(INSTALLING_TAG, range),
      value: Uint8Array.of(FORMAT_VERSION),
    },
    { kind: 'delete', key: recordKey(APPLIED_TAG, range) },
    { kind: 'delete', key: recordKey(INSTALLED_TAG, range) },
  ];
}

export function finishOps(range: RangeId, appliedIndex: number, state: Uint8Array): EngineOp[] {
  const value = new ByteWriter(5 + state.length);
  value.u8(FORMAT_VERSION);
  value.block(state);
  return [
    { kind: 'delete', key: recordKey(INSTALLING_TAG, range) },
    { kind: 'put', key: recordKey(INSTALLED_TAG, range), value: value.take() },
    appliedOp(range, appliedIndex),
  ];
}

/** As of a snapshot. Undefined: the range is being installed. */
export async function readAppliedIndex(
  reader: EngineReader,
  range: RangeId,
): Promise<number | undefined> {
  const [applied, installing] = await reader.getMany([
    recordKey(APPLIED_TAG, range),
    recordKey(INSTALLING_TAG, range),
  ]);
  if (installing !== undefined) return undefined;
  return applied === undefined ? 0 : new ByteReader(applied).u53();
}

function recordKey(tag: number, range: RangeId): Uint8Array {
  const key = new Uint8Array(6);
  key[0] = META_PREFIX;
  key[1] = tag;
  new DataView(key.buffer).setUint32(2, range, false);
  return key;
}

// What the store keeps of each range beside its rows, under META_PREFIX: the index up to which it is applied, whether a
// snapshot is being installed (P31), and named records, which mean something to the range only (ranges/range-state.ts).
// All of it goes into the engine with the writes that it speaks of.

import { ByteReader, concatBytes, fromUtf8, prefixEnd, utf8 } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Engine, EngineOp, EngineReader, Span } from './engine.ts';
import { META_PREFIX, writeHeader } from './mvcc.ts';
import type { AppliedRange, RangeId } from './shard.ts';

// Second byte of a record's key; then the range's id (u32, big-endian).
const APPLIED_TAG = 0x61;
/** [u8 format version] */
const INSTALLING_TAG = 0x63;
/** Then the record's name. The value as it was given. */
const RECORD_TAG = 0x64;

/** What a range is: the one record that an installation brings itself. */
export const STATE_RECORD = 'state';

export type Records = ReadonlyMap<string, Uint8Array>;
export const NO_RECORDS: Records = new Map();

const FORMAT_VERSION = 1;

export class RangeRecords {
  private readonly applied = new Map<RangeId, number>();
  private readonly installing = new Set<RangeId>();
  /** As they were when the engine was opened, until they are taken. */
  private loaded = new Map<RangeId, Map<string, Uint8Array>>();

  static async load(engine: Engine): Promise<RangeRecords> {
    const records = new RangeRecords();
    const span = {
      start: Uint8Array.of(META_PREFIX, APPLIED_TAG),
      end: Uint8Array.of(META_PREFIX, RECORD_TAG + 1),
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

  /** Of every range that the engine knows, whether it survives power loss or not; without records. */
  all(): AppliedRange[] {
    const ranges = new Set([...this.applied.keys(), ...this.installing]);
    return [...ranges].map((range) => this.one(range, NO_RECORDS));
  }

  /** Of every range that the engine knew when it was opened; once. */
  takeLoaded(): AppliedRange[] {
    const { loaded } = this;
    this.loaded = new Map();
    const ranges = new Set([...this.applied.keys(), ...this.installing, ...loaded.keys()]);
    return [...ranges].map((range) => this.one(range, loaded.get(range) ?? NO_RECORDS));
  }

  private one(range: RangeId, records: Records): AppliedRange {
    const isInstalling = this.installing.has(range);
    return { range, appliedIndex: this.appliedIndex(range), records, isInstalling };
  }

  /** To be called once appliedOp() is written. */
  advance(range: RangeId, index: number): void {
    this.applied.set(range, index);
  }

  /** To be called once forgetOps() are written. */
  forget(range: RangeId): void {
    this.applied.delete(range);
    this.installing.delete(range);
  }

  /** To be called once beginOps() are written. */
  began(range: RangeId): void {
    this.applied.delete(range);
    this.installing.add(range);
  }

  /** To be called once finishOps() are written. */
  finished(range: RangeId, appliedIndex: number): void {
    this.applied.set(range, appliedIndex);
    this.installing.delete(range);
  }

  private learn(key: Uint8Array, value: Uint8Array): void {
    const reader = new ByteReader(key, 2);
    const range = reader.u32be();
    if (key[1] === APPLIED_TAG) {
      this.applied.set(range, new ByteReader(value).u53());
    } else if (key[1] === RECORD_TAG) {
      let records = this.loaded.get(range);
      if (records === undefined) this.loaded.set(range, (records = new Map()));
      records.set(nameOf(key), value.slice());
    } else {
      const version = value[0];
      if (version !== FORMAT_VERSION) {
        throw new DbError(
          'XX001',
          `range ${range} has a record of format version ${version}, this program knows version ${FORMAT_VERSION}`,
          { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
        );
      }
      this.installing.add(range);
    }
  }
}

export function appliedOp(range: RangeId, index: number): EngineOp {
  const value = new Uint8Array(8);
  writeHeader(value, 0, index as Timestamp, false);
  return { kind: 'put', key: recordKey(APPLIED_TAG, range), value };
}

export function putRecordOp(range: RangeId, name: string, value: Uint8Array): EngineOp {
  return { kind: 'put', key: namedKey(range, name), value };
}

export function deleteRecordOp(range: RangeId, name: string): EngineOp {
  return { kind: 'delete', key: namedKey(range, name) };
}

/** All that is kept of the range but its rows goes. */
export function forgetOps(range: RangeId): EngineOp[] {
  return [
    { kind: 'delete', key: recordKey(APPLIED_TAG, range) },
    { kind: 'delete', key: recordKey(INSTALLING_TAG, range) },
    { kind: 'deleteSpan', span: recordsSpan(range) },
  ];
}

/** Puts the records of `from` whose names begin with `prefix` under `to`. */
export async function copyRecords(
  engine: EngineReader,
  from: RangeId,
  prefix: string,
  to: RangeId,
): Promise<EngineOp[]> {
  const ops: EngineOp[] = [];
  const start = namedKey(from, prefix);
  for await (const batch of engine.scan({ start, end: prefixEnd(start) })) {
    batch.keys.forEach((key, i) => {
      const value = (batch.values[i] as Uint8Array).slice();
      ops.push(putRecordOp(to, nameOf(key), value));
    });
  }
  return ops;
}

export function beginOps(range: RangeId): EngineOp[] {
  return [
    {
      kind: 'put',
      key: recordKey(INSTALLING_TAG, range),
      value: Uint8Array.of(FORMAT_VERSION),
    },
    { kind: 'delete', key: recordKey(APPLIED_TAG, range) },
    { kind: 'deleteSpan', span: recordsSpan(range) },
  ];
}

export function finishOps(range: RangeId, appliedIndex: number, state: Uint8Array): EngineOp[] {
  return [
    { kind: 'delete', key: recordKey(INSTALLING_TAG, range) },
    putRecordOp(range, STATE_RECORD, state),
    appliedOp(range, appliedIndex),
  ];
}

/** Where the named records of a range are. */
export function recordsSpan(range: RangeId): Span {
  const start = recordKey(RECORD_TAG, range);
  return { start, end: prefixEnd(start) };
}

/** Whether an engine key is that of a record of the range. */
export function isRecordOf(range: RangeId, key: Uint8Array): boolean {
  return (
    key[0] === META_PREFIX && key[1] === RECORD_TAG && new ByteReader(key, 2).u32be() === range
  );
}

export async function readRecords(reader: EngineReader, range: RangeId): Promise<Records> {
  const records = new Map<string, Uint8Array>();
  for await (const batch of reader.scan(recordsSpan(range))) {
    batch.keys.forEach((key, i) => {
      records.set(nameOf(key), (batch.values[i] as Uint8Array).slice());
    });
  }
  return records;
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

function nameOf(key: Uint8Array): string {
  return fromUtf8(key.subarray(6));
}

function namedKey(range: RangeId, name: string): Uint8Array {
  return concatBytes(recordKey(RECORD_TAG, range), utf8(name));
}

function recordKey(tag: number, range: RangeId): Uint8Array {
  const key = new Uint8Array(6);
  key[0] = META_PREFIX;
  key[1] = tag;
  new DataView(key.buffer).setUint32(2, range, false);
  return key;
}

// The commands in a range's log, packed: what a leader proposes (ranges/command.ts writes them) and a shard applies
// (apply.ts). Layout, little-endian:
//   [u8 format version][u8 kind]
//   kind 0, empty: nothing more. A leader's first entry of its term.
//   kind 1, writes: u53 timestamp, 16 bytes transaction id, u53 deadline, u32 count, then count times
//           [u8 0: delete, 1: put, 2: put of a key that was never written][u32 key length][key], for a put also
//           [u32 value length][value]
//   kind 2, clear span: u53 timestamp, block start, block end (empty: to the end of the keyspace)
//   kind 3, floor: u53 timestamp. A leader that hands over says what it has served and assigned at most (P3).
//   kind 4, checksum: u53 timestamp, u53 id. Replicas compare what they hold at that timestamp.
// Kinds 3 and 4 change nothing of the state.
//   kind 5, records: u32 count, then count times [u8 RECORD_*][u32 range][block name] and what that needs; then, if
//           anything is left, a command of kind 1 whose writes are made in the same step. Never in a log: it is what a
//           replica makes of an entry that changes more than rows, the same on every replica.
// From kind 16 on: entries that only replicas understand (ranges/); they come here as kind 5.
// A block is a u32 length and the bytes. Shard.apply takes several: repeated [u53 index][block command].

import { DbError } from '../base/errors.ts';
import { ByteReader } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from './engine.ts';

export const COMMAND_VERSION = 1;
export const COMMAND_EMPTY = 0;
export const COMMAND_WRITES = 1;
export const COMMAND_CLEAR = 2;
export const COMMAND_FLOOR = 3;
export const COMMAND_CHECKSUM = 4;
export const COMMAND_RECORDS = 5;

export const WRITE_DELETE = 0;
export const WRITE_PUT = 1;
/** The leader knows that no version of the key exists, not even a tombstone: apply need not look. */
export const WRITE_NEW = 2;

export const RECORD_DELETE = 0;
/** Then the value, a block. */
export const RECORD_PUT = 1;
/** No name; then u53: the range named begins with this applied index. */
export const RECORD_APPLIED = 2;
/** All records whose names begin with this one, as they are before the command; then u32 range: it gets the same. Comes
 * before all other steps. */
export const RECORD_COPY = 3;
/** No name: whatever is kept of the range beside its rows goes, its applied index too. */
export const RECORD_FORGET = 4;

export const TXN_ID_BYTES = 16;

/** One step of kind 5. */
export interface RecordOp {
  readonly op: number;
  readonly range: number;
  readonly name: string;
  /** Of a put; a view into the command. */
  readonly value: Uint8Array;
  /** Of an applied index, or the range that gets a copy. */
  readonly number: number;
}

const NO_BYTES = new Uint8Array(0);

/** Walks one command in place. After start(): kind and, where it has one, timestamp. */
export class CommandReader {
  reader: ByteReader = new ByteReader(new Uint8Array(0));
  kind: number = COMMAND_EMPTY;
  timestamp: Timestamp = 0 as Timestamp;

  // Of kind COMMAND_WRITES.
  /** A view into the command. */
  txnId: Uint8Array = new Uint8Array(0);
  deadline: Timestamp = 0 as Timestamp;
  count = 0;

  // Of the write that nextWrite() stands at: offsets into `reader.bytes`.
  op: number = WRITE_DELETE;
  keyStart = 0;
  keyEnd = 0;
  /** Both 0 for a delete. */
  valueStart = 0;
  valueEnd = 0;

  private left = 0;

  /** Reads up to the first write. */
  start(command: Uint8Array): void {
    const reader = new ByteReader(command);
    this.reader = reader;
    this.left = 0;
    const version = reader.u8();
    if (version !== COMMAND_VERSION) {
      throw new DbError(
        'XX001',
        `a log entry has format version ${version}, this program knows version ${COMMAND_VERSION}`,
        { hint: 'Start the version of Meridian that wrote this data directory, or a newer one.' },
      );
    }
    this.kind = reader.u8();
    switch (this.kind) {
      case COMMAND_EMPTY:
        return;
      case COMMAND_WRITES:
        this.timestamp = reader.u53() as Timestamp;
        this.txnId = reader.raw(TXN_ID_BYTES);
        this.deadline = reader.u53() as Timestamp;
        this.count = reader.u32();
        this.left = this.count;
        return;
      case COMMAND_CLEAR:
      case COMMAND_FLOOR:
      case COMMAND_CHECKSUM:
        this.timestamp = reader.u53() as Timestamp;
        return;
      case COMMAND_RECORDS:
        this.left = reader.u32();
        return;
      default:
        throw new DbError('XX001', `a log entry has the unknown kind ${this.kind}`);
    }
  }

  nextWrite(): boolean {
    if (this.left === 0) return false;
    this.left--;
    const { reader } = this;
    this.op = reader.u8();
    const keyLength = reader.u32();
    this.keyStart = reader.at;
    this.keyEnd = this.keyStart + keyLength;
    reader.at = this.keyEnd;
    this.valueStart = 0;
    this.valueEnd = 0;
    if (this.op === WRITE_PUT || this.op === WRITE_NEW) {
      const valueLength = reader.u32();
      this.valueStart = reader.at;
      this.valueEnd = this.valueStart + valueLength;
      reader.at = this.valueEnd;
    } else if (this.op !== WRITE_DELETE) {
      throw new DbError('XX001', `a log entry has the unknown operation ${this.op}`);
    }
    if (reader.at > reader.bytes.length) throw new RangeError('a log entry ends within a write');
    return true;
  }

  /** Of kind COMMAND_RECORDS: the next step; undefined when there is none left. */
  nextRecord(): RecordOp | undefined {
    if (this.left === 0) return undefined;
    this.left--;
    const { reader } = this;
    const op = reader.u8();
    const range = reader.u32();
    const name = reader.text();
    const value = op === RECORD_PUT ? reader.block() : NO_BYTES;
    let number = 0;
    if (op === RECORD_APPLIED) number = reader.u53();
    else if (op === RECORD_COPY) number = reader.u32();
    else if (op > RECORD_FORGET) {
      throw new DbError('XX001', `a command has the unknown operation ${op} on records`);
    }
    return { op, range, name, value, number };
  }

  /** Of kind COMMAND_RECORDS, after its records: goes on as the command of kind COMMAND_WRITES that follows; false:
   * there is none. */
  startWrites(): boolean {
    const { reader } = this;
    if (reader.remaining === 0) return false;
    this.start(reader.raw(reader.remaining));
    return true;
  }

  /** Of kind COMMAND_CLEAR; views into the command. */
  clearedSpan(): Span {
    const start = this.reader.block();
    const end = this.reader.block();
    return { start, end: end.length === 0 ? undefined : end };
  }
}

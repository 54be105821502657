// Log entries of a range: what the leader proposes and every replica applies. Their layout: storage/command-format.ts.

import { ByteWriter, EMPTY_BYTES } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import {
  COMMAND_CHECKSUM,
  COMMAND_CLEAR,
  COMMAND_EMPTY,
  COMMAND_FLOOR,
  COMMAND_VERSION,
  COMMAND_WRITES,
  WRITE_DELETE,
  WRITE_NEW,
  WRITE_PUT,
} from '../storage/command-format.ts';
import type { Span, Write } from './api.ts';

/** Commands are views into slabs of this size: an allocation of its own for each costs several times its encoding. */
const SLAB_BYTES = 64 << 10;
/** A slab with less room than this left is not begun upon any more. */
const ROOM_BYTES_MIN = 4 << 10;

/** Stands for entries that carry nothing for the state: a leader's first one, configuration changes. */
export const EMPTY_COMMAND: Uint8Array = Uint8Array.of(COMMAND_VERSION, COMMAND_EMPTY);

// Where a command has what its leader looks at again when it is committed.
const TIMESTAMP_AT = 2;
const TXN_AT = 10;
const DEADLINE_AT = 26;
const CHECKSUM_AT = 10;

export class CommandEncoder {
  private writer = new ByteWriter(SLAB_BYTES);

  writes(
    timestamp: Timestamp,
    /** Four words. */
    txn: Uint32Array,
    deadline: Timestamp,
    writes: readonly Write[],
    /** Whether the i-th write is of a key that was never written. */
    isNew: (i: number) => boolean,
  ): Uint8Array {
    const writer = this.begin();
    const start = writer.length;
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_WRITES);
    writer.u53(timestamp);
    for (let word = 0; word < 4; word++) writer.u32be(txn[word] as number);
    writer.u53(deadline);
    writer.u32(writes.length);
    for (let i = 0; i < writes.length; i++) {
      const { key, value } = writes[i] as Write;
      writer.u8(value === undefined ? WRITE_DELETE : isNew(i) ? WRITE_NEW : WRITE_PUT);
      writer.block(key);
      if (value !== undefined) writer.block(value);
    }
    return writer.bytes.subarray(start, writer.length);
  }

  clearSpan(timestamp: Timestamp, span: Span): Uint8Array {
    const writer = this.begin();
    const start = writer.length;
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_CLEAR);
    writer.u53(timestamp);
    writer.block(span.start);
    writer.block(span.end ?? EMPTY_BYTES);
    return writer.bytes.subarray(start, writer.length);
  }

  floor(timestamp: Timestamp): Uint8Array {
    const writer = this.begin();
    const start = writer.length;
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_FLOOR);
    writer.u53(timestamp);
    return writer.bytes.subarray(start, writer.length);
  }

  checksum(timestamp: Timestamp, id: number): Uint8Array {
    const writer = this.begin();
    const start = writer.length;
    writer.u8(COMMAND_VERSION);
    writer.u8(COMMAND_CHECKSUM);
    writer.u53(timestamp);
    writer.u53(id);
    return writer.bytes.subarray(start, writer.length);
  }

  /** A large command makes the writer grow into a buffer of its own. */
  private begin(): ByteWriter {
    const { length, bytes } = this.writer;
    if (bytes.length > SLAB_BYTES || length > SLAB_BYTES - ROOM_BYTES_MIN) {
      this.writer = new ByteWriter(SLAB_BYTES);
    }
    return this.writer;
  }
}

/** Of all ranges: a slab for each would be most of what an idle one takes. */
export const COMMANDS: CommandEncoder = new CommandEncoder();

/** Undefined for a command that has none. */
export function commandTimestamp(command: Uint8Array): Timestamp | undefined {
  if (command.length < TIMESTAMP_AT + 8 || command[1] === COMMAND_EMPTY) return undefined;
  return u53(command, TIMESTAMP_AT) as Timestamp;
}

/** Of a transaction's writes: puts its id into `txn` (four words) and answers its deadline; undefined for others. */
export function commandTxn(command: Uint8Array, txn: Uint32Array): Timestamp | undefined {
  if (command[1] !== COMMAND_WRITES) return undefined;
  for (let word = 0; word < 4; word++) {
    const at = TXN_AT + word * 4;
    txn[word] =
      ((command[at] as number) << 24) |
      ((command[at + 1] as number) << 16) |
      ((command[at + 2] as number) << 8) |
      (command[at + 3] as number);
  }
  return u53(command, DEADLINE_AT) as Timestamp;
}

export function isClear(command: Uint8Array): boolean {
  return command[1] === COMMAND_CLEAR;
}

/** The id of a checksum command; undefined for others. */
export function commandChecksum(command: Uint8Array): number | undefined {
  return command[1] === COMMAND_CHECKSUM ? u53(command, CHECKSUM_AT) : undefined;
}

/** The command with its last write changed; only on purpose. */
export function corrupted(command: Uint8Array): Uint8Array {
  if (command[1] !== COMMAND_WRITES) return command;
  const other = command.slice();
  other[other.length - 1] = (other[other.length - 1] as number) ^ 1;
  return other;
}

/** As ByteReader.u53, without making a reader for each entry. */
function u53(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) + u32(bytes, at + 4) * 0x100000000;
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

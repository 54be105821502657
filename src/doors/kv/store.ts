// The key-value door without its transport: put, get, batch and scan over the same ranges and transactions as SQL.

import { DbError } from '../../base/errors.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import {
  type CommitAnswer,
  KEY_BYTES_MAX,
  type RowScan,
  type RowSlice,
  VALUE_BYTES_MAX,
  type Write,
} from '../../ranges/api.ts';
import type { Timers } from '../../runtime/runtime.ts';
import type { BlindWrites, Transactions } from '../../txn/api.ts';
import { GatheredWrites } from './gathered-writes.ts';
import { keyOf, rowKeyOf, spanOf } from './keys.ts';

export interface KvParts {
  readonly transactions: Transactions & BlindWrites;
  readonly timers: Timers;
}

export interface Found {
  /** Undefined: there is none. The caller's to keep. */
  readonly value: Uint8Array | undefined;
  /** Of the version read, in microseconds; 0 when there never was one. */
  readonly timestamp: number;
}

export interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One write of a batch: a value undefined deletes. */
export interface KvWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

const BATCH_BYTES = 64 * 1024;

export class KvStore {
  private readonly transactions: Transactions & BlindWrites;
  private readonly gathered: GatheredWrites;

  constructor(parts: KvParts) {
    this.transactions = parts.transactions;
    this.gathered = new GatheredWrites(parts.transactions, parts.timers);
  }

  /** Takes the value over. Refusals, like outcomes, come through `answer`. */
  write(
    key: Uint8Array,
    value: Uint8Array | undefined,
    answer: (told: CommitAnswer) => void,
  ): void {
    const wrong = whyWrong(key, value);
    if (wrong === undefined) this.gathered.add(rowKeyOf(key), value, answer);
    else answer({ kind: 'tooLarge', message: wrong });
  }

  /** All or nothing; of two writes of one key the later counts. */
  async batch(writes: readonly KvWrite[]): Promise<CommitAnswer> {
    const byKey = new Map<string, Write>();
    for (const { key, value } of writes) {
      const wrong = whyWrong(key, value);
      if (wrong !== undefined) return { kind: 'tooLarge', message: wrong };
      byKey.set(Buffer.from(key).toString('latin1'), { key: rowKeyOf(key), value });
    }
    if (byKey.size === 0) return { kind: 'tooLarge', message: 'a batch without writes' };
    return await this.transactions.writeAll([...byKey.values()]);
  }

  /** The newest version, or the newest at `at`. Throws DbError when this node can't serve it. */
  async get(key: Uint8Array, at?: number): Promise<Found> {
    const slice: RowSlice = { bytes: NOTHING, offset: 0, length: -1, timestamp: 0 as never };
    const snapshot = this.transactions.snapshot(at as never);
    const read = snapshot.read(rowKeyOf(key), slice);
    if (read !== true) await read;
    // Nothing runs between the read's completion and this copy.
    const { bytes, offset, length } = slice;
    return {
      value: length < 0 ? undefined : bytes.slice(offset, offset + length),
      timestamp: Math.max(0, slice.timestamp),
    };
  }

  /** Pairs in order of their keys, batch by batch. An end without bytes is the end of everything; limit 0 is none. */
  async *scan(
    start: Uint8Array,
    end: Uint8Array,
    limitRows: number,
    reverse: boolean,
  ): AsyncGenerator<readonly Pair[]> {
    if (start.length > KEY_BYTES_MAX || end.length > KEY_BYTES_MAX) throw keyTooLong();
    const scan: RowScan = await this.transactions.snapshot().scan({
      span: spanOf(start, end),
      reverse,
      program: undefined,
      parameters: undefined,
      limitRows,
      batchBytes: BATCH_BYTES,
    });
    try {
      for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
        const reader = new PackedRowReader(batch.rows);
        const pairs: Pair[] = [];
        while (reader.next()) pairs.push({ key: keyOf(reader.key()), value: reader.row() });
        yield pairs;
      }
    } finally {
      scan.close();
    }
  }
}

const NOTHING = new Uint8Array(0);

/** What the encoding may add to a key. */
const KEY_SLACK = 2;

function whyWrong(key: Uint8Array, value: Uint8Array | undefined): string | undefined {
  // A zero byte takes two in the row key.
  if (key.length * 2 + KEY_SLACK > KEY_BYTES_MAX - 8) {
    return `a key has ${key.length} bytes; at most ${(KEY_BYTES_MAX - 8 - KEY_SLACK) >> 1} are allowed`;
  }
  if (value !== undefined && value.length > VALUE_BYTES_MAX) {
    return `a value has ${value.length} bytes; at most ${VALUE_BYTES_MAX} are allowed`;
  }
  return undefined;
}

function keyTooLong(): DbError {
  return new DbError('54000', `a key of a scan has more than ${KEY_BYTES_MAX} bytes`);
}

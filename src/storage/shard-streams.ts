// What a shard sends in pieces: scans, snapshots, checksums. Each holds a snapshot of the engine while it is open.

import type { ByteReader } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import { RunningChecksum } from './checksum.ts';
import { PackedRowWriter } from '../rows/packed-rows.ts';
import { DecodedPrograms } from './decoded-programs.ts';
import type { Span } from './engine.ts';
import type { RowStore } from './row-store.ts';
import type { RangeId, ShardScanRequest } from './shard.ts';
import type { Answers } from './shard-answers.ts';
import * as protocol from './shard-protocol.ts';
import { RunningScan, type ScanOutput } from './shard-scan.ts';
import { RunningSnapshot, type SnapshotOutput } from './snapshot-read.ts';

const STREAMS_OPEN_MAX = 1024;
const ROWS_BYTES_KEPT_MAX = 256 << 10;

interface RunningStream {
  run(): void | Promise<void>;
  addCredit(credits: number): void;
  close(): void;
}

export class ShardStreams {
  scansServed = 0;
  private readonly store: RowStore;
  private readonly answers: Answers;
  private readonly ended: () => void;
  private readonly programs = new DecodedPrograms();
  private readonly open = new Map<number, RunningStream>();
  /** Of a scan that has ended, for the next. */
  private spareRows: PackedRowWriter | undefined;
  private isClosed = false;

  /** `ended` is called whenever a stream has given its handles back. */
  constructor(store: RowStore, answers: Answers, ended: () => void) {
    this.store = store;
    this.answers = answers;
    this.ended = ended;
  }

  get isIdle(): boolean {
    return this.open.size === 0;
  }

  addCredit(id: number, credits: number): void {
    this.open.get(id)?.addCredit(credits);
  }

  closeOne(id: number): void {
    this.open.get(id)?.close();
  }

  /** None is opened from now on. */
  close(): void {
    this.isClosed = true;
    for (const stream of this.open.values()) stream.close();
  }

  /** Reads a request; the answer opens it. */
  prepare(kind: number, id: number, reader: ByteReader): () => void {
    if (kind === protocol.REQUEST_SCAN) return this.prepareScan(id, reader);
    if (kind === protocol.REQUEST_CHECKSUM) {
      const span = protocol.readSpan(reader);
      const at = reader.u53() as Timestamp;
      return () => this.startChecksum(id, span, at);
    }
    const range = reader.u32();
    const span = protocol.readSpan(reader);
    const chunkBytes = reader.u32();
    const credits = reader.u32();
    return () => this.startSnapshot(id, range, span, chunkBytes, credits);
  }

  private prepareScan(id: number, reader: ByteReader): () => void {
    const at = reader.u53() as Timestamp;
    const flags = reader.u8();
    const start = reader.block();
    const end = (flags & protocol.SCAN_HAS_END) === 0 ? undefined : reader.block();
    const program = (flags & protocol.SCAN_HAS_PROGRAM) === 0 ? undefined : reader.block();
    const parameters = (flags & protocol.SCAN_HAS_PARAMETERS) === 0 ? undefined : reader.block();
    const limitRows = reader.u32();
    const batchBytes = reader.u32();
    const credits = reader.u32();
    const reverse = (flags & protocol.SCAN_REVERSE) !== 0;
    const span = { start, end };
    const request = { span, at, reverse, program, parameters, limitRows, batchBytes };
    return () => this.startScan(id, request, credits);
  }

  private startScan(id: number, request: ShardScanRequest, credits: number): void {
    this.start(id, () => {
      const rows = this.spareRows ?? new PackedRowWriter();
      const { failed, ended } = this.ending(id);
      const output: ScanOutput = {
        batch: (batch, newest, lastKey) => this.sendBatch(id, batch, newest, lastKey),
        failed,
        ended: () => {
          this.keepRows(rows);
          ended();
        },
      };
      const scan = new RunningScan(this.store, this.programs, request, credits, output, rows);
      this.spareRows = undefined;
      this.scansServed++;
      return scan;
    });
  }

  private sendBatch(
    id: number,
    rows: PackedRowWriter,
    newest: number,
    lastKey: Uint8Array | undefined,
  ): void {
    const out = this.answers.begin(protocol.ANSWER_SCAN_BATCH, id);
    out.u8(lastKey === undefined ? 1 : 0);
    out.u53(newest);
    out.u32(rows.rowCount);
    out.block(rows.writer.peek());
    if (lastKey !== undefined) out.block(lastKey);
  }

  private keepRows(rows: PackedRowWriter): void {
    if (rows.writer.bytes.length > ROWS_BYTES_KEPT_MAX) return;
    rows.reset();
    this.spareRows = rows;
  }

  private startSnapshot(
    id: number,
    range: RangeId,
    span: Span,
    chunkBytes: number,
    credits: number,
  ): void {
    this.start(id, () => {
      return new RunningSnapshot(this.store, range, span, chunkBytes, credits, {
        began: (taken) => {
          protocol.writeRanges(this.answers.begin(protocol.ANSWER_SNAPSHOT, id), [taken]);
        },
        chunk: (chunk, isLast) => {
          const out = this.answers.begin(protocol.ANSWER_SNAPSHOT_CHUNK, id);
          out.u8(isLast ? 1 : 0);
          out.block(chunk);
        },
        ...this.ending(id),
      });
    });
  }

  private startChecksum(id: number, span: Span, at: Timestamp): void {
    this.start(id, () => {
      return new RunningChecksum(this.store, span, at, {
        done: ({ rows, bytes, sum }) => {
          const out = this.answers.begin(protocol.ANSWER_CHECKSUM, id);
          out.u53(rows);
          out.u53(bytes);
          out.text(sum);
        },
        ...this.ending(id),
      });
    });
  }

  private start(id: number, open: () => RunningStream): void {
    if (this.isClosed) return;
    if (this.open.size >= STREAMS_OPEN_MAX) {
      this.answers.refuse(
        id,
        new DbError('53000', `too many scans are open in one storage shard (${STREAMS_OPEN_MAX})`, {
          hint: 'Close cursors that are not needed, or read them to their end.',
        }),
      );
      return;
    }
    try {
      const stream = open();
      this.open.set(id, stream);
      // It never rejects.
      void stream.run();
    } catch (error) {
      this.answers.refuse(id, error);
    }
  }

  private ending(id: number): Pick<SnapshotOutput, 'failed' | 'ended'> {
    return {
      failed: (error) => this.answers.refuse(id, error),
      ended: () => {
        this.open.delete(id);
        this.ended();
      },
    };
  }
}

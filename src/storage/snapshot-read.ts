// Reading a range out of a shard, as it was at one applied index: one engine snapshot, walked as far as the reader has
// given credit for.

import { ByteWriter } from '../base/bytes.ts';
import { DbError } from '../base/errors.ts';
import type { Engine, EngineSnapshot, Span } from './engine.ts';
import { readAppliedIndex, readRecords, recordsSpan } from './range-records.ts';
import type { AppliedRange, RangeId } from './shard.ts';
import { addVersion, beginChunk, VERSION_OVERHEAD_BYTES } from './snapshot-chunk.ts';
import { storedSpan } from './stored-span.ts';

/** Read from the engine at once. */
const READ_BYTES_MAX = 256 << 10;

export interface SnapshotOutput {
  began(taken: AppliedRange): void;
  /** Valid only for as long as the call lasts; empty at the end of a snapshot that fills its chunks exactly. */
  chunk(bytes: Uint8Array, isLast: boolean): void;
  failed(error: unknown): void;
  /** Nothing more comes, and the engine has its handles back. */
  ended(): void;
}

export class RunningSnapshot {
  private readonly range: RangeId;
  private readonly span: Span;
  private readonly chunkBytes: number;
  private readonly output: SnapshotOutput;
  private readonly snapshot: EngineSnapshot;
  private credits: number;
  private closed = false;
  private resume: (() => void) | undefined;

  constructor(
    engine: Engine,
    range: RangeId,
    span: Span,
    chunkBytes: number,
    credits: number,
    output: SnapshotOutput,
  ) {
    this.range = range;
    this.span = span;
    this.chunkBytes = chunkBytes;
    this.credits = credits;
    this.output = output;
    this.snapshot = engine.snapshot();
  }

  addCredit(credits: number): void {
    this.credits += credits;
    this.resume?.();
  }

  /** The reader wants no more. */
  close(): void {
    this.closed = true;
    this.resume?.();
  }

  /** Once; never rejects. */
  async run(): Promise<void> {
    try {
      await this.produce();
    } catch (error) {
      if (!this.closed) this.output.failed(error);
    } finally {
      this.snapshot.release();
      this.output.ended();
    }
  }

  private async produce(): Promise<void> {
    const appliedIndex = await readAppliedIndex(this.snapshot, this.range);
    if (appliedIndex === undefined) {
      throw new DbError('55006', `range ${this.range} is being installed from a snapshot here`);
    }
    const records = await readRecords(this.snapshot, this.range);
    this.output.began({ range: this.range, appliedIndex, records, isInstalling: false });
    const { latest, history } = await storedSpan(this.snapshot, this.span);
    const out = new ByteWriter(this.chunkBytes);
    beginChunk(out);
    const emptyBytes = out.length;
    const batchBytes = Math.min(READ_BYTES_MAX, this.chunkBytes);
    for (const part of [recordsSpan(this.range), latest, history]) {
      for await (const { keys, values } of this.snapshot.scan(part, { batchBytes })) {
        for (let i = 0; i < keys.length; i++) {
          const key = keys[i] as Uint8Array;
          const record = values[i] as Uint8Array;
          const bytes = VERSION_OVERHEAD_BYTES + key.length + record.length;
          if (out.length > emptyBytes && out.length + bytes > this.chunkBytes) {
            if (!(await this.hand(out, false))) return;
          }
          addVersion(out, key, record);
        }
        if (this.closed) return;
      }
    }
    await this.hand(out, true);
  }

  /** Waits for credit. False: nothing more is wanted. */
  private async hand(out: ByteWriter, isLast: boolean): Promise<boolean> {
    while (this.credits === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.resume = resolve;
      });
      this.resume = undefined;
    }
    if (this.closed) return false;
    this.credits--;
    this.output.chunk(out.peek(), isLast);
    beginChunk(out);
    return true;
  }
}

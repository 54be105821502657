// What the hot paths of one range tell: plain additions, and now and then a sample. While the range is not warm nothing
// is sampled (bench: micro, `load: ...`).

import { compareBytes, keyAfter } from '../../base/bytes.ts';
import type { Span } from '../../storage/engine.ts';
import type { Write } from '../api.ts';
import {
  COMMITS,
  FOLLOWED,
  FOLLOWED_BYTES,
  LOADED,
  type LoadCounts,
  type LoadRates,
  READ_BYTES,
  READS,
  SCANS,
  SERVED,
  WRITTEN,
  WRITTEN_BYTES,
} from './load-counts.ts';
import type { RequestSample } from './request-sample.ts';
import {
  COMMIT_WORK,
  CROSSED_COMMIT_FACTOR,
  READ_WORK,
  SCAN_WORK,
  WRITTEN_BYTE_WORK,
  WRITTEN_ROW_WORK,
} from './work.ts';

/** What a scan is taken to cost before its rows are counted. */
const SAMPLED_SCAN_WORK = 4 * SCAN_WORK;

export class RangeLoad {
  /** Where its counts begin. */
  readonly at: number;
  /** While the range is warm; the book decides. */
  sample: RequestSample | undefined = undefined;
  private readonly counts: LoadCounts;
  private untilSample = 0;
  private oneIn = 1;
  private noise: number;

  constructor(counts: LoadCounts, at: number) {
    this.counts = counts;
    this.at = at;
    this.noise = (at + 1) | 0;
  }

  /** A key was asked for. `bytes` of its row; below 0: there is none. */
  read(key: Uint8Array, bytes: number): void {
    const { at } = this;
    const { values } = this.counts;
    values[at + READS] = (values[at + READS] as number) + 1;
    if (bytes > 0) values[at + READ_BYTES] = (values[at + READ_BYTES] as number) + bytes;
    if (this.sample !== undefined && --this.untilSample <= 0) this.takeKey(key);
  }

  /** Rows that had to be read from storage. */
  loaded(rows: number): void {
    this.add(LOADED, rows);
  }

  scanOpened(span: Span, reverse: boolean, limitRows: number): void {
    this.add(SCANS, 1);
    if (this.sample !== undefined && --this.untilSample <= 0) {
      this.takeScan(span, reverse, limitRows);
    }
  }

  scanned(bytes: number): void {
    this.add(READ_BYTES, bytes);
  }

  /** A transaction, or its part in this range, is proposed. */
  wrote(writes: readonly Write[], bytes: number): void {
    this.add(COMMITS, 1);
    this.add(WRITTEN, writes.length);
    this.add(WRITTEN_BYTES, bytes);
    if (this.sample !== undefined && --this.untilSample <= 0) this.takeWrites(writes, bytes);
  }

  /** A request, counted beside, that another node has sent. */
  served(): void {
    this.add(SERVED, 1);
  }

  /** Entries that another node's leader has made of its requests. */
  followed(entries: number, bytes: number): void {
    this.add(FOLLOWED, entries);
    this.add(FOLLOWED_BYTES, bytes);
  }

  /** As part of a snapshot. */
  sent(bytes: number): void {
    this.counts.snapshotBytesSent += bytes;
  }

  /** Microseconds a second, of what this replica leads; the same as rates().work. */
  get work(): number {
    return this.counts.fastWork(this.at);
  }

  get writtenBytesPerSecond(): number {
    return this.counts.fastWrittenBytes(this.at);
  }

  /** Of the last seconds. */
  rates(): LoadRates {
    return this.counts.fastRates(this.at);
  }

  /** Of the last minute or two. */
  slowRates(): LoadRates {
    return this.counts.slowRates(this.at);
  }

  /** The moment of the last sweep: how old a sample is shows by it. */
  get tickMicros(): number {
    return this.counts.tickMicros;
  }

  sampleOneIn(requests: number): void {
    this.oneIn = Math.max(1, requests);
    if (this.untilSample > 2 * this.oneIn) this.untilSample = this.oneIn;
  }

  private add(count: number, amount: number): void {
    const { values } = this.counts;
    const at = this.at + count;
    values[at] = (values[at] as number) + amount;
  }

  private takeKey(key: Uint8Array): void {
    this.take(key, undefined, READ_WORK, 0, false);
  }

  private takeScan(span: Span, reverse: boolean, limitRows: number): void {
    // How far a scan with a limit gets is not known; most don't get far from where they begin.
    if (limitRows > 0 && !reverse) this.take(span.start, undefined, SAMPLED_SCAN_WORK, 0, false);
    else if (limitRows > 0 && span.end !== undefined) {
      this.take(span.end, undefined, SAMPLED_SCAN_WORK, 0, false);
    } else {
      // Whoever reads across a boundary opens one scan more.
      this.take(span.start, span.end ?? null, SAMPLED_SCAN_WORK, SCAN_WORK, false);
    }
  }

  private takeWrites(writes: readonly Write[], bytes: number): void {
    const first = writes[0];
    if (first === undefined) return;
    const work = COMMIT_WORK + writes.length * WRITTEN_ROW_WORK + bytes * WRITTEN_BYTE_WORK;
    let least = first.key;
    let greatest = first.key;
    for (let i = 1; i < writes.length; i++) {
      const { key } = writes[i] as Write;
      if (compareBytes(key, least) < 0) least = key;
      else if (compareBytes(key, greatest) > 0) greatest = key;
    }
    if (least === greatest) this.take(least, undefined, work, 0, true);
    else this.take(least, keyAfter(greatest), work, CROSSED_COMMIT_FACTOR * work, true);
  }

  private take(
    start: Uint8Array,
    end: Uint8Array | undefined | null,
    work: number,
    crossing: number,
    isWrite: boolean,
  ): void {
    // Steps differ, so that requests which come in a rhythm are all met. Chance would do; this is a function of what came
    // before, as a simulated run must be.
    this.noise = (Math.imul(this.noise, 1664525) + 1013904223) | 0;
    this.untilSample = (this.oneIn >> 1) + ((this.noise >>> 8) % this.oneIn) + 1;
    this.sample?.add({
      start: start.slice(),
      end: end?.slice() ?? (end === null ? null : undefined),
      work,
      crossing,
      isWrite,
      tickMicros: this.counts.tickMicros,
    });
  }
}

// A scan of one range, or of several that lie side by side in one store, as the caller sees it: batches of the shard, held
// back until all that they show has passed (P10), and passed on while the ranges that they are of still hold them.

import { compareBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { ShardScan, ShardScanBatch } from '../../storage/shard.ts';
import type { RowScan, ScanBatch, ScanRequest } from '../requests.ts';
import type { ScanGrant, ScanPart } from './scan-grant.ts';

/** `grants`: neighbours in the order of the scan, in one store, given in this turn; `request` spans all of them. */
export function openScan(
  grants: readonly ScanGrant[],
  request: ScanRequest,
  t: Timestamp,
): ShardScan {
  const { span: all, reverse, program, parameters, limitRows, batchBytes } = request;
  for (const { load, span } of grants) load.scanOpened(span, reverse, limitRows);
  return (grants[0] as ScanGrant).shard.scan({
    span: all,
    at: t,
    reverse,
    program,
    parameters,
    limitRows,
    batchBytes,
  });
}

export class RangeScan implements RowScan {
  /** In the order of the scan. */
  private readonly parts: readonly ScanPart[];
  private readonly reverse: boolean;
  private readonly opened: Promise<ShardScan> | ShardScan;
  /** Of the first part that was not passed on wholly. */
  private at = 0;
  private isClosed = false;

  constructor(
    parts: readonly ScanPart[],
    reverse: boolean,
    opened: Promise<ShardScan> | ShardScan,
  ) {
    this.parts = parts;
    this.reverse = reverse;
    this.opened = opened;
    // A scan that is closed before its first batch must not leave a rejection behind.
    if (opened instanceof Promise) opened.catch(() => undefined);
  }

  async next(): Promise<ScanBatch | undefined> {
    if (this.isClosed) return undefined;
    const scan = this.opened instanceof Promise ? await this.opened : this.opened;
    // All are of one node, which has one clock.
    const { gate } = this.parts[0] as ScanPart;
    for (;;) {
      const batch: ShardScanBatch | undefined = await scan.next();
      if (batch !== undefined && !gate.hasPassed(batch.newest)) {
        await gate.waitUntilPassed(batch.newest);
      }
      // After every await: the locks must have held until now (P15), and the ranges what they held (P28).
      this.pass(batch);
      if (batch === undefined || batch.rowCount > 0) return batch;
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.opened instanceof Promise) {
      this.opened.then(
        (scan) => scan.close(),
        () => undefined,
      );
    } else {
      this.opened.close();
    }
  }

  /** Checks the parts that the batch has something of, and counts it. */
  private pass(batch: ShardScanBatch | undefined): void {
    const { parts, at } = this;
    const lastKey = batch?.lastKey;
    let last = at;
    if (lastKey === undefined) last = parts.length - 1;
    else while (last < parts.length - 1 && this.isBeyond(lastKey, parts[last] as ScanPart)) last++;
    for (let i = at; i <= last; i++) (parts[i] as ScanPart).check();
    this.at = last;
    if (batch === undefined) return;
    // How much of it is whose is not told.
    const bytes = batch.rows.length / (last - at + 1);
    for (let i = at; i <= last; i++) (parts[i] as ScanPart).load.scanned(bytes);
  }

  private isBeyond(key: Uint8Array, { span }: ScanPart): boolean {
    if (this.reverse) return compareBytes(key, span.start) < 0;
    return span.end !== undefined && compareBytes(key, span.end) >= 0;
  }
}

export function notServing(reason: string): DbError {
  return new DbError('57P03', `the range does not serve: ${reason}`, {
    hint: 'Try again; if it lasts, look at the log of the node.',
  });
}

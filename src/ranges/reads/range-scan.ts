// A scan of one range as the caller sees it: batches of the shard, held back until all that they show has passed (P10).

import { DbError } from '../../base/errors.ts';
import type { ShardScan, ShardScanBatch } from '../../storage/shard.ts';
import type { RowScan, ScanBatch } from '../api.ts';
import type { Gate } from '../gate.ts';
import type { RangeLoad } from '../load/range-load.ts';

export class RangeScan implements RowScan {
  private readonly gate: Gate;
  private readonly load: RangeLoad;
  private readonly opened: Promise<ShardScan> | ShardScan;
  /** Throws when what was read is no longer protected (a wounded session). */
  private readonly check: () => void;
  private isClosed = false;

  constructor(
    gate: Gate,
    load: RangeLoad,
    opened: Promise<ShardScan> | ShardScan,
    check: () => void,
  ) {
    this.gate = gate;
    this.load = load;
    this.opened = opened;
    this.check = check;
    // A scan that is closed before its first batch must not leave a rejection behind.
    if (opened instanceof Promise) opened.catch(() => undefined);
  }

  async next(): Promise<ScanBatch | undefined> {
    if (this.isClosed) return undefined;
    const scan = this.opened instanceof Promise ? await this.opened : this.opened;
    for (;;) {
      const batch: ShardScanBatch | undefined = await scan.next();
      if (batch !== undefined && !this.gate.hasPassed(batch.newest)) {
        await this.gate.waitUntilPassed(batch.newest);
      }
      // After every await: the locks must have held until now (P15).
      this.check();
      if (batch !== undefined) this.load.scanned(batch.rows.length);
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
}

export function notServing(reason: string): DbError {
  return new DbError('57P03', `the range does not serve: ${reason}`, {
    hint: 'Try again; if it lasts, look at the log of the node.',
  });
}

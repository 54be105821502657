// A lock-free view of everything as of one timestamp.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Ranges, RowScan, RowSlice } from '../ranges/api.ts';
import type { ScanSpec, Snapshot } from './api.ts';

export class SnapshotAt implements Snapshot {
  private readonly ranges: Ranges;
  readonly timestamp: Timestamp;

  constructor(ranges: Ranges, timestamp: Timestamp) {
    this.ranges = ranges;
    this.timestamp = timestamp;
  }

  read(key: Uint8Array, into: RowSlice): Maybe<true> {
    return this.ranges.readAt(key, this.timestamp, into);
  }

  getMany(keys: readonly Uint8Array[]): Maybe<readonly (Uint8Array | undefined)[]> {
    return this.ranges.getAt(keys, this.timestamp);
  }

  scan(spec: ScanSpec): RowScan {
    return this.ranges.scanAt(spec, this.timestamp);
  }
}

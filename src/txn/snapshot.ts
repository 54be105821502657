// A lock-free view of everything as of one timestamp.

import type { Maybe } from '../base/maybe.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import type { Ranges, RowScan, RowSlice } from '../ranges/api.ts';
import type { ScanSpec, Snapshot } from './api.ts';
import { serializationFailure } from './refusals.ts';

export interface SnapshotHome {
  readonly ranges: Ranges;
  /** Changes when others may have changed the schema under whoever reads. */
  readonly era: number;
}

export class SnapshotAt implements Snapshot {
  private readonly home: SnapshotHome;
  private readonly era: number;
  readonly timestamp: Timestamp;

  constructor(home: SnapshotHome, timestamp: Timestamp) {
    this.home = home;
    this.era = home.era;
    this.timestamp = timestamp;
  }

  private get ranges(): Ranges {
    if (this.era !== this.home.era) {
      throw serializationFailure('another node has served meanwhile');
    }
    return this.home.ranges;
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

// A range's leave to read what it has in a span, as of a time, from a store of this node. It holds for the turn in which it
// was given (P22), so that leaves of neighbours, given in one turn, are used for one scan of the store (range-scan.ts).

import type { Timestamp } from '../../clock/timestamp.ts';
import type { Shard } from '../../storage/shard.ts';
import type { Span } from '../requests.ts';

/** What a scan has of one range. */
export interface ScanPart {
  readonly span: Span;
  readonly gate: {
    hasPassed(t: Timestamp): boolean;
    waitUntilPassed(t: Timestamp): Promise<void>;
  };
  readonly load: {
    scanOpened(span: Span, reverse: boolean, limitRows: number): void;
    scanned(bytes: number): void;
  };
  /** Throws when what was read is no longer protected (a wounded session), or no longer the range's. */
  check(): void;
}

export interface ScanGrant extends ScanPart {
  readonly shard: Pick<Shard, 'scan'>;
}

// Until when transactions may be made in the name of somebody who can lose the right to them: SQL's lease on the
// schema. What is read at the present lies before the end, and no commit gets a timestamp at or above it.

import type { Timestamp } from '../clock/timestamp.ts';

export interface Fence {
  /** As far as is known; may only grow while it is held. */
  readonly end: Timestamp;
  /** Throws DbError unless `t`, the present, lies before the end: moves that where it can. */
  demand(t: Timestamp): void;
}

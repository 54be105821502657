// What the roles of a core share.

import type { CoreLog } from './log.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Standing } from './standing.ts';
import type { CoreTuning } from '../tuning.ts';
import type { ReplicaId } from '../types.ts';

/** Whether a bug on purpose shows itself now; never in production. */
export interface BugSwitch {
  sometimes(point: string): boolean;
}

export interface CoreParts {
  readonly self: ReplicaId;
  readonly standing: Standing;
  readonly log: CoreLog;
  readonly membership: Membership;
  readonly outbox: Outbox;
  readonly tuning: CoreTuning;
  readonly faults: BugSwitch | undefined;
}

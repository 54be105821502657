// What the roles of a core share.

import type { CoreLog } from './log.ts';
import type { Membership } from './membership.ts';
import type { BugSwitch } from './options.ts';
import type { Outbox } from './outbox.ts';
import type { Standing } from './standing.ts';
import type { CoreTuning } from '../tuning.ts';
import type { ReplicaId } from '../types.ts';

export interface CoreParts {
  readonly self: ReplicaId;
  readonly standing: Standing;
  readonly log: CoreLog;
  readonly membership: Membership;
  readonly outbox: Outbox;
  readonly tuning: CoreTuning;
  readonly faults: BugSwitch | undefined;
}

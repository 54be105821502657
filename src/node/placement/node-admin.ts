// What SHOW NODES asks (sql/cluster-admin.ts).

import type { NodeAdmin } from '../../sql/cluster-admin.ts';
import type { Placement } from './placement-node.ts';

export function nodeAdmin(placement: Placement): NodeAdmin {
  return {
    list: async () =>
      (await placement.list()).map(({ nodeId, replicas, busy: _, ...rest }) => ({
        ...rest,
        node: nodeId,
        ranges: replicas,
      })),
  };
}

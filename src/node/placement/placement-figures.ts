// What a node has moved, for /metrics.

import type { Gauge } from '../status.ts';
import type { NodeView } from './placement.ts';
import type { PlacementCounts } from './placement-driver.ts';

export function placementGauges(
  { done, failed, stuck }: PlacementCounts,
  nodes: readonly NodeView[],
): Gauge[] {
  const counted = (prefix: string): number => {
    let sum = 0;
    for (const [kind, count] of done) if (kind.startsWith(prefix)) sum += count;
    return sum;
  };
  const counter = (name: string, help: string, value: number): Gauge => {
    return { name, help, type: 'counter', value };
  };
  const gauge = (name: string, help: string, value: number): Gauge => {
    return { name, help, type: 'gauge', value };
  };
  const those = (liveness: NodeView['liveness']): number =>
    nodes.filter((node) => node.liveness === liveness && !node.isDecommissioning).length;
  return [
    counter('leases_moved_total', 'Leases that this node gave away.', counted('transferLease ')),
    counter(
      'leases_moved_load_total',
      'Those of them that were for load.',
      counted('transferLease load'),
    ),
    counter(
      'replicas_added_total',
      'Replicas that were begun elsewhere, for ranges that this node led.',
      counted('addLearner '),
    ),
    counter(
      'replicas_added_repair_total',
      'Those of them that were missing, or for dead or leaving nodes.',
      counted('addLearner replication') +
        counted('addLearner dead') +
        counted('addLearner decommission'),
    ),
    counter('replicas_removed_total', 'Replicas that were removed alone.', counted('remove ')),
    counter('placement_failures_total', 'Moves that failed, and are tried again.', failed),
    gauge('ranges_stuck', 'Ranges led here that need what is not there: see the log.', stuck),
    gauge('nodes_live', 'Nodes that were heard of lately.', those('live')),
    gauge('nodes_suspect', 'Nodes that were not.', those('suspect')),
    gauge('nodes_dead', 'Nodes that are given up.', those('dead')),
  ];
}

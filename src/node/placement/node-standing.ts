// How a node stands, for people: what `meridian node list` and SHOW NODES print.

import type { NodeId } from '../../runtime/runtime.ts';
import type { NodeStatuses } from './node-status.ts';
import type { NodeRecord } from './registry.ts';

export type Standing =
  | 'live'
  | 'suspect'
  | 'dead'
  | 'draining'
  | 'decommissioning'
  | 'decommissioned';

export interface NodeStanding {
  readonly nodeId: NodeId;
  readonly sql: string;
  readonly rpc: string;
  readonly http: string;
  readonly locality: string;
  readonly state: Standing;
  /** These are undefined until the node has told. */
  readonly replicas: number | undefined;
  readonly leases: number | undefined;
  readonly bytes: number | undefined;
  readonly readsPerSecond: number | undefined;
  readonly writesPerSecond: number | undefined;
  /** Of what it can do, how much it does. */
  readonly busy: number | undefined;
}

/** By id. */
export function standings(
  records: readonly NodeRecord[],
  statuses: NodeStatuses,
): readonly NodeStanding[] {
  return records.map((record) => {
    const { nodeId, sql, rpc, http, locality } = record;
    const report = statuses.report(nodeId);
    return {
      nodeId,
      sql,
      rpc,
      http,
      locality,
      state: standingOf(record, statuses),
      replicas: report?.replicas,
      leases: report?.leases,
      bytes: report === undefined ? undefined : statuses.heldBy(nodeId),
      readsPerSecond: report?.readsPerSecond,
      writesPerSecond: report?.writesPerSecond,
      busy:
        report === undefined
          ? undefined
          : (report.leadLoad + report.followLoad) / statuses.capacityOf(nodeId, report.capacity),
    };
  });
}

function standingOf({ nodeId, state }: NodeRecord, statuses: NodeStatuses): Standing {
  if (state !== 'active') return state;
  const liveness = statuses.liveness(nodeId);
  if (liveness !== 'live') return liveness;
  return statuses.report(nodeId)?.isDraining === true ? 'draining' : 'live';
}

// Whether a node may be drained, or decommissioned: pure functions of what is known. Who asks for what can't end well is
// told why, before anything has moved.

import { DbError } from '../../base/errors.ts';
import { nodeOf } from '../../raft/types.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import { factorOf, quorum } from './allocator-repair.ts';
import type { NodeView } from './placement.ts';
import type { NodeRecord } from './registry.ts';

/** DbError 55000 when those that stay are too few, or too few of them live, to take over what it has. */
export function requireEnoughWithout(
  node: NodeId,
  records: readonly NodeRecord[],
  views: readonly NodeView[],
  factor: number,
): void {
  const active = records.filter(({ state }) => state === 'active');
  const staying = active.filter(({ nodeId }) => nodeId !== node);
  const wanted = factorOf(factor, active.length);
  const hint = 'Add a node first, or lower the setting replication.factor.';
  if (staying.length < wanted) {
    throw new DbError(
      '55000',
      `node ${node} can't be decommissioned: ${count(staying.length, 'node')} would be left, and each range has ${wanted} replicas`,
      { hint },
    );
  }
  const live = staying.filter(({ nodeId }) =>
    views.some((view) => view.node === nodeId && view.liveness === 'live'),
  );
  if (live.length >= wanted) return;
  const silent = staying.filter((one) => !live.includes(one)).map(({ nodeId }) => nodeId);
  throw new DbError(
    '55000',
    `node ${node} can't be decommissioned: of the others only ${live.length} ${live.length === 1 ? 'lives' : 'live'}, and each range has ${wanted} replicas; no answer from ${list(silent)}`,
    { hint: `Start ${silent.length === 1 ? 'it' : 'them'} again, or add a node first.` },
  );
}

/** DbError 55000 when ranges would have no majority while the node is away. */
export function requireMajoritiesWithout(
  node: NodeId,
  descriptors: Iterable<RangeDescriptor>,
  views: readonly NodeView[],
): void {
  const live = new Set(views.filter((view) => view.liveness === 'live').map((view) => view.node));
  let stopped = 0;
  for (const { configuration } of descriptors) {
    const halves = [configuration.voters, configuration.outgoing];
    const stops = halves.some((voters) => {
      const nodes = voters.map(nodeOf);
      if (!nodes.includes(node)) return false;
      return nodes.filter((one) => one !== node && live.has(one)).length < quorum(nodes.length);
    });
    if (stops) stopped += 1;
  }
  if (stopped === 0) return;
  const silent = views
    .filter((view) => view.node !== node && view.liveness !== 'live' && !view.isDecommissioning)
    .map((view) => view.node);
  throw new DbError(
    '55000',
    `without node ${node} ${count(stopped, 'range')} would have no majority and serve nothing${silent.length === 0 ? '' : `: no answer from ${list(silent)}`}`,
    { hint: 'Start the others first, or say --force.' },
  );
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function list(nodes: readonly NodeId[]): string {
  return nodes.map((node) => `node ${node}`).join(', ');
}

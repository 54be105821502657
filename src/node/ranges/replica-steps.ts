// Changes of a range's replicas, as placement asks for them: from steps by node to a change of Raft's configuration, with
// ids that no replica had before (P32).

import { DbError } from '../../base/errors.ts';
import { type Change, membersOf } from '../../raft/configuration.ts';
import { incarnationOf, nodeOf, type ReplicaId, replicaIdOn } from '../../raft/types.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { NodeId } from '../../runtime/runtime.ts';

/** A step in changing a range's replicas; those of one call are one change. */
export type ReplicaStep =
  | { readonly kind: 'addLearner'; readonly node: NodeId }
  | { readonly kind: 'promote'; readonly node: NodeId }
  | { readonly kind: 'remove'; readonly node: NodeId };

export function changeOf(descriptor: RangeDescriptor, steps: readonly ReplicaStep[]): Change {
  const { configuration, range } = descriptor;
  let { nextIncarnation } = descriptor;
  const on = (node: NodeId): ReplicaId => {
    const replica = membersOf(configuration).find((one) => nodeOf(one) === node);
    if (replica !== undefined) return replica;
    throw new DbError('22023', `node ${node} has no replica of range ${range}`);
  };
  const raftSteps = steps.map((step) => {
    switch (step.kind) {
      case 'addLearner':
        if (membersOf(configuration).some((one) => nodeOf(one) === step.node)) {
          throw new DbError('22023', `node ${step.node} has a replica of range ${range} already`);
        }
        return { kind: 'addLearner', replica: replicaIdOn(step.node, nextIncarnation++) } as const;
      case 'promote':
        return { kind: 'addVoter', replica: on(step.node) } as const;
      case 'remove':
        return { kind: 'remove', replica: on(step.node) } as const;
    }
  });
  const changesVoters = steps.filter((step) => step.kind !== 'addLearner').length;
  if (changesVoters <= 1) return { kind: 'simple', steps: raftSteps };
  return { kind: 'enterJoint', autoLeave: true, steps: raftSteps };
}

/** P32: it had its time, or never was: no replica is given an id that is behind the counter. */
export function wasRemoved(
  { configuration, nextIncarnation }: RangeDescriptor,
  other: ReplicaId,
): boolean {
  return incarnationOf(other) < nextIncarnation && !membersOf(configuration).includes(other);
}

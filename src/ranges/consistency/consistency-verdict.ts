// Who is right when replicas differ: what most of all members hold. Of two, the leader: somebody must be.

import type { NodeId } from '../../runtime/runtime.ts';
import type { ShardChecksum } from '../../storage/shard.ts';
import { isSame } from './first-difference.ts';

export type Verdict =
  | { readonly kind: 'consistent' }
  /** `right` is a node whose replica is as most are. */
  | { readonly kind: 'different'; readonly nodes: readonly NodeId[]; readonly right: NodeId }
  | { readonly kind: 'undecided'; readonly reason: string };

export interface Sum {
  readonly node: NodeId;
  readonly sum: ShardChecksum;
}

/** `sums`: of those that answered, the leader's first. `members`: how many there are. */
export function verdictOf(sums: readonly Sum[], members: number): Verdict {
  const first = sums[0];
  if (first === undefined || (sums.length < 2 && members > 1)) {
    return { kind: 'undecided', reason: `${sums.length} of ${members} replicas answered` };
  }
  if (sums.every((one) => isSame(one.sum, first.sum))) return { kind: 'consistent' };
  for (const candidate of sums) {
    const alike = sums.filter((one) => isSame(one.sum, candidate.sum));
    const isRight = alike.length * 2 > members || (members === 2 && candidate === first);
    if (!isRight) continue;
    const nodes = sums.filter((one) => !alike.includes(one)).map(({ node }) => node);
    return { kind: 'different', nodes, right: candidate.node };
  }
  return {
    kind: 'undecided',
    reason: `the replicas of nodes ${sums.map(({ node }) => node).join(', ')} differ, and no majority of ${members} agrees`,
  };
}

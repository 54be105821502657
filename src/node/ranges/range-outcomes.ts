// What became of a proposal or a change of a range, in the words of who asked.

import { DbError } from '../../base/errors.ts';
import type { ProposeAnswer } from '../../raft/proposals.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { ChangeOutcome } from '../../ranges/range-changes.ts';
import type { ProposalOutcome } from '../../ranges/replica-parts.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';

export function demandChanged(outcome: ChangeOutcome, range: RangeId): RangeDescriptor {
  switch (outcome.kind) {
    case 'changed':
      return outcome.descriptor;
    case 'refused':
      throw new DbError('55000', `range ${range} can't be changed so: ${outcome.message}`);
    case 'wrongRange':
      throw new DbError('55000', `range ${range} does not hold that key any more`, {
        hint: 'Try again.',
      });
    default:
      throw new DbError('57P03', `range ${range} was not changed: ${outcome.message}`, {
        hint: 'Look whether it was after all, and try again.',
      });
  }
}

export function notLeading(nodeId: NodeId, range: RangeId): DbError {
  return new DbError('57P03', `node ${nodeId} does not lead range ${range}`, {
    hint: 'Ask the node that leads.',
  });
}

const COMMITTED: ProposalOutcome = { kind: 'committed' };

export function outcomeOf(answer: ProposeAnswer): ProposalOutcome {
  switch (answer.kind) {
    case 'committed':
      return COMMITTED;
    case 'unknown':
      return { kind: 'unknown', message: answer.message };
    case 'notLeader':
      return { kind: 'refused', message: 'this node does not lead the range' };
    case 'busy':
      return { kind: 'refused', message: answer.message };
    case 'diskFull':
    case 'tooLarge':
      return answer;
  }
}

// A session without sequences.

import type { SequenceValues } from '../../../src/sql/exec/plan-api.ts';

function refuse(): never {
  throw new Error('there are no sequences here');
}

export const NO_SEQUENCES: SequenceValues = {
  nextval: refuse,
  currval: refuse,
  lastval: refuse,
  setval: refuse,
};

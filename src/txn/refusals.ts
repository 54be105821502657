// What a client is told when a commit did not succeed (DESIGN.md section 8.8).

import { DbError } from '../base/errors.ts';
import { type CommitAnswer, refusalError } from '../ranges/api.ts';

export { refusalError, serializationFailure } from '../ranges/api.ts';

export function commitError(answer: Exclude<CommitAnswer, { kind: 'committed' }>): DbError {
  if (answer.kind !== 'ambiguous') return refusalError(answer);
  return new DbError(
    '40003',
    `it is not known whether the transaction committed: ${answer.message}`,
    {
      hint: 'Find out by reading what it wrote before you try again.',
    },
  );
}

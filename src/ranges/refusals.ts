// What a client is told when ranges refuse (DESIGN.md section 8.8): aborts that a retry may cure are 40001.

import { DbError } from '../base/errors.ts';
import type { Refusal } from './requests.ts';

export function serializationFailure(message: string): DbError {
  return new DbError('40001', `could not serialize access: ${message}`, {
    hint: 'Retry the transaction.',
  });
}

export function refusalError(refusal: Refusal): DbError {
  switch (refusal.kind) {
    case 'wounded':
    case 'sessionGone':
      return serializationFailure(refusal.message);
    case 'lockNotAvailable':
      return new DbError('55P03', 'could not obtain lock on row');
    case 'lockTimeout':
      return new DbError('55P03', 'canceling statement due to lock timeout');
    case 'notServing':
      return new DbError('57P03', `the range does not serve: ${refusal.message}`, {
        hint: 'Try again; if it lasts, look at the log of the node.',
      });
    case 'diskFull':
      return new DbError('53100', refusal.message, {
        hint: 'Reads go on. Writes resume when there is free space again.',
      });
    case 'tooLarge':
      return new DbError('54000', refusal.message, {
        hint: 'Divide the work into several transactions.',
      });
  }
}

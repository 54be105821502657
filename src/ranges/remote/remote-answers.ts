// What the answers of another node mean to who asked.

import { DbError } from '../../base/errors.ts';
import type { Elsewhere, RangeRefusal } from '../endpoint.ts';
import type { WireAnswer } from './wire-answers.ts';

export function refusalOf(answer: WireAnswer): RangeRefusal | undefined {
  switch (answer.kind) {
    case 'wounded':
    case 'lockNotAvailable':
    case 'lockTimeout':
    case 'sessionGone':
    case 'notServing':
    case 'diskFull':
    case 'tooLarge':
    case 'wrongRange':
    case 'notLeader':
      return answer;
    default:
      return undefined;
  }
}

/** Asking again, there or elsewhere, does no harm. */
export function lostOnTheWay(message: string): Elsewhere {
  return { kind: 'notLeader', leaderNode: undefined, message, known: undefined };
}

export function unexpected(answer: WireAnswer, what: string): Error {
  if (answer.kind !== 'failed') return new Error(`'${answer.kind}' is no answer to ${what}`);
  const { code, message, detail, hint } = answer;
  return new DbError(code, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  });
}

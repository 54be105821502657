// Why a request was not carried out, as gRPC says it.

import { status } from '@grpc/grpc-js';
import { DbError } from '../../base/errors.ts';
import type { CommitAnswer } from '../../ranges/api.ts';
import type { CallFailure } from './calls.ts';

export interface KvFailure {
  readonly code: status;
  readonly message: string;
  /** With FAILED_PRECONDITION: the RPC address of the node that leads. */
  readonly leader: string | undefined;
}

const LEADER_METADATUM = 'meridian-leader';

/** The RPC address of the node that leads, when that is known and another. */
export type LeaderAddress = () => string | undefined;

export function refusal(
  answer: Exclude<CommitAnswer, { kind: 'committed' }>,
  leaderAddress: LeaderAddress,
): KvFailure {
  switch (answer.kind) {
    case 'notServing':
      return notServing(answer.message, leaderAddress);
    case 'diskFull':
      return { code: status.RESOURCE_EXHAUSTED, message: answer.message, leader: undefined };
    case 'tooLarge':
      return { code: status.INVALID_ARGUMENT, message: answer.message, leader: undefined };
    case 'ambiguous':
      return {
        code: status.UNKNOWN,
        message: `it is not known whether it was committed: ${answer.message}`,
        leader: undefined,
      };
    case 'wounded':
    case 'sessionGone':
      return { code: status.ABORTED, message: `try again: ${answer.message}`, leader: undefined };
    case 'lockNotAvailable':
    case 'lockTimeout':
      return {
        code: status.ABORTED,
        message: 'try again: another transaction holds the lock of the key',
        leader: undefined,
      };
  }
}

/** What a read has thrown. */
export function failure(error: unknown, leaderAddress: LeaderAddress): KvFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof DbError)) return { code: status.INTERNAL, message, leader: undefined };
  if (error.code === '57P03' || error.code === '57P01') return notServing(message, leaderAddress);
  const isWrong = error.code.startsWith('22') || error.code === '54000';
  const code = isWrong ? status.INVALID_ARGUMENT : status.ABORTED;
  return { code, message, leader: undefined };
}

function notServing(message: string, leaderAddress: LeaderAddress): KvFailure {
  const leader = leaderAddress();
  return {
    code: leader === undefined ? status.UNAVAILABLE : status.FAILED_PRECONDITION,
    message: leader === undefined ? message : `${message}; ask the leader at ${leader}`,
    leader,
  };
}

/** As a call's end. */
export function endOf({ code, message, leader }: KvFailure): CallFailure {
  return {
    status: status[code] as keyof typeof status,
    reason: message,
    metadata: leader === undefined ? undefined : { [LEADER_METADATUM]: leader },
  };
}

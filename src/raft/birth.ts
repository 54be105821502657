// What a replica begins with when it comes to life: its part of the log, or a new one, and the vote that it gave.
//
// Born by a split (P25, P26), all replicas of a group begin at one position, in term 1, with their votes of that term
// given to the replica of the node that proposed the split. So that replica may lead term 1 without an election. Why
// that is safe:
//
//   Nobody else leads term 1: nobody asks for votes in it. Who is born is in term 1 already and campaigns in term 2 or
//   later, and a replica that was met before its birth belongs to no configuration, so it never campaigns.
//
//   It leads term 1 once. It does so only when it is born while its parent leads in the term of the split's entry; no
//   replica leads a term again after its process has ended, and in one process an entry is applied once, and a group
//   is not born again: its log is known from then on, or its tombstone. A replay of the split after a restart finds
//   another term, and elects. So no two entries of term 1 share an index, though the first may leave before the birth
//   is synced here.
//
//   It has everything that was committed before: nothing was. A replica that was met before its birth and has moved on
//   to a later term keeps that, and its vote, and does not lead; it refuses the leader of term 1 as any replica would,
//   who then steps down.

import { DbError } from '../base/errors.ts';
import type { Faults } from '../runtime/runtime.ts';
import { type Configuration, EMPTY_CONFIGURATION } from './configuration.ts';
import type { GroupOptions } from './group.ts';
import type { GroupIdentity, GroupLog } from './log/group-log.ts';
import type { RaftLog } from './log/log.ts';
import type { SnapshotMark } from './ready.ts';
import type { LogPosition } from './terms.ts';
import type { GroupId, HardState, ReplicaId } from './types.ts';

/** Where the logs of replicas begin that a split gives birth to. Not at the very beginning: a replica that was not born
 * so lacks the state that the split left, and has to pull it. */
export const BIRTH: LogPosition = { index: 1, term: 1 };

/** GroupOptions.startAt of a replica that a split gives birth to. */
export function birthMark(configuration: Configuration): SnapshotMark {
  return { ...BIRTH, configuration, configurationIndex: 0 };
}

/** Whether the log has the replica's first configuration, so that it can't be born any more. */
export function isInitialised(log: GroupLog): boolean {
  return (log.identity?.configuration.voters.length ?? 0) > 0;
}

/** P26: a split drops its right half where a newer replica of that group is, or was. */
export function mayBeBorn(nodeLog: RaftLog, groupId: GroupId, replicaId: ReplicaId): boolean {
  const known = nodeLog.group(groupId)?.identity?.replicaId ?? 0;
  return known <= replicaId && nodeLog.removedReplica(groupId) < replicaId;
}

/** What a replica goes on from. */
export interface Beginning {
  readonly log: GroupLog;
  readonly hardState: HardState;
  /** It leads term 1. */
  readonly leads: boolean;
}

export function beginningOf(nodeLog: RaftLog, options: GroupOptions, faults: Faults): Beginning {
  const { groupId, replicaId, birth } = options;
  const met = nodeLog.group(groupId);
  // Otherwise it was born already: this is a replay.
  const isBorn = birth !== undefined && (met === undefined || !isInitialised(met));
  const log = logOf(nodeLog, options);
  if (!isBorn) return { log, hardState: hardStateOf(nodeLog, log, faults), leads: false };
  const born: HardState = { term: BIRTH.term, vote: birth.proposer, commit: BIRTH.index };
  const isNew = log.hardState.term === 0;
  // A bug on purpose, for the simulator to find: P26 turned off, a child forgets its term and vote.
  if (isNew || faults.sometimes('raft.birth-overwrites-term')) nodeLog.appendHardState(log, born);
  const { core } = birth.parent;
  const isStillLed = core.role === 'leader' && core.term === birth.entry.term;
  // A bug on purpose, for the simulator to find: a replay of the split leads term 1 again.
  const leads = isStillLed || faults.sometimes('raft.lead-from-birth-again');
  return { log, hardState: log.hardState, leads: isNew && leads && birth.proposer === replicaId };
}

function logOf(nodeLog: RaftLog, options: GroupOptions): GroupLog {
  const { groupId, replicaId, startAt, configuration = EMPTY_CONFIGURATION } = options;
  const known = nodeLog.group(groupId);
  if (startAt === undefined) {
    const identity = { replicaId, configuration, configurationIndex: 0 };
    return known ?? nodeLog.create(groupId, identity);
  }
  const identity = identityOf(replicaId, startAt);
  if (known === undefined) return nodeLog.create(groupId, identity, startAt);
  const { index, term, configurationIndex } = startAt;
  if (index < known.firstIndex || known.terms?.termAt(index) === term) return known;
  // Born, or the node stopped between a snapshot's installation and the log's new beginning (P31).
  const isNewer = configurationIndex >= (known.identity?.configurationIndex ?? 0);
  nodeLog.reset(known, startAt, isNewer ? identity : (known.identity ?? identity));
  return known;
}

function hardStateOf(nodeLog: RaftLog, log: GroupLog, faults: Faults): HardState {
  const { hardState } = log;
  const term = log.terms?.lastTerm ?? 0;
  if (hardState.term < term) {
    // A snapshot of a term that was not written down yet.
    const entered = { term, vote: 0, commit: log.firstIndex - 1 };
    nodeLog.appendHardState(log, entered);
    return entered;
  }
  // A bug on purpose, for the simulator to find: a vote is forgotten by a restart.
  if (faults.sometimes('raft.forget-vote')) return { ...hardState, vote: 0 };
  return hardState;
}

function identityOf(
  replicaId: ReplicaId,
  { configuration, configurationIndex }: SnapshotMark,
): GroupIdentity {
  return { replicaId, configuration, configurationIndex };
}

/** What the state machine holds must be in the log or compacted away from it, without a gap. */
export function checkApplied(log: GroupLog, appliedIndex: number): void {
  const { firstIndex, lastIndex } = log;
  if (firstIndex - 1 <= appliedIndex && appliedIndex <= lastIndex) return;
  throw new DbError(
    'XX001',
    `group ${log.groupId} has applied its log up to ${appliedIndex}, but the log holds entries ${firstIndex} to ${lastIndex}`,
    { hint: 'The log and the store are of different times: restore both from the same backup.' },
  );
}

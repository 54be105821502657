// What a replica begins with when it comes to life: its part of the log, or a new one, and the vote that it gave.

import { DbError } from '../base/errors.ts';
import type { Faults } from '../runtime/runtime.ts';
import { EMPTY_CONFIGURATION } from './configuration.ts';
import type { GroupOptions } from './group.ts';
import type { GroupIdentity, GroupLog } from './log/group-log.ts';
import type { RaftLog } from './log/log.ts';
import type { SnapshotMark } from './ready.ts';
import type { HardState, ReplicaId } from './types.ts';

export function logOf(nodeLog: RaftLog, options: GroupOptions): GroupLog {
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
  // The node stopped between the installation and the log's new beginning (P31).
  const isNewer = configurationIndex >= (known.identity?.configurationIndex ?? 0);
  nodeLog.reset(known, startAt, isNewer ? identity : (known.identity ?? identity));
  return known;
}

export function hardStateOf(nodeLog: RaftLog, log: GroupLog, faults: Faults): HardState {
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

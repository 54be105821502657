// What must hold of every group at every moment (Raft paper, figure 3), seen from outside: this looks at all replicas at
// once, which no replica can. It is told of leaders and of entries that replicas deliver, and asks for terms of logs.

import { assert } from '../../base/assert.ts';
import { hashBytes } from '../../base/bytes.ts';
import { BIRTH } from '../../raft/birth.ts';
import type { RaftGroup } from '../../raft/group.ts';
import type { SchedulerObserver } from '../../raft/options.ts';
import { type Entry, type GroupId, nodeOf, type ReplicaId, replicaIdOn } from '../../raft/types.ts';
import { demand } from '../violation.ts';

/** The log of a replica that runs. */
export interface LogView {
  readonly replica: ReplicaId;
  readonly lastIndex: number;
  /** Undefined: not in the log, or no longer. */
  termAt(index: number): number | undefined;
}

export function logView(core: RaftGroup['core'], log: RaftGroup['log']): LogView {
  return {
    replica: core.replicaId,
    lastIndex: core.lastIndex,
    termAt: (index) => log.terms?.termAt(index),
  };
}

/** An entry that some replica has delivered, and so must be what every replica ever delivers at its index. */
interface Committed {
  readonly term: number;
  readonly hash: number;
  /** The lowest term known to have committed it; leaders of later terms have it. */
  readonly by: number;
  readonly replica: ReplicaId;
}

interface GroupRecord {
  readonly leaders: Map<number, ReplicaId>;
  /** By index; the first has index 1. */
  readonly committed: Committed[];
}

export class RaftInvariants {
  readonly #groups = new Map<GroupId, GroupRecord>();
  elections = 0;

  /** The greatest index that any replica has delivered. */
  committedIndex(group: GroupId): number {
    return this.#record(group).committed.length;
  }

  /** What was committed there. */
  hashAt(group: GroupId, index: number): number | undefined {
    return this.#record(group).committed[index - 1]?.hash;
  }

  /** Of any node: tells what it sees. `onElected` is told of each that wins. */
  observer(onElected: (replica: ReplicaId) => void): SchedulerObserver {
    return {
      onLeader: ({ groupId, term, core, log }) => {
        this.onLeader(groupId, term, logView(core, log));
        onElected(core.replicaId);
      },
      onCommittedEntries: ({ groupId, term, core }, entries) => {
        this.onCommitted(groupId, core.replicaId, term, entries);
      },
    };
  }

  /** A replica has won an election. */
  onLeader(group: GroupId, term: number, log: LogView): void {
    const { leaders, committed } = this.#record(group);
    const other = leaders.get(term);
    demand(
      other === undefined || other === log.replica,
      `election safety: ${nameOf(other ?? 0)} and ${nameOf(log.replica)} both led group ${group} in term ${term}`,
    );
    if (other === undefined) this.elections += 1;
    leaders.set(term, log.replica);
    // Leader completeness. It suffices to look at the newest entry that was committed before this term: what lies
    // before that in a log follows from log matching.
    for (let index = committed.length; index > 0; index--) {
      const entry = committed[index - 1] as Committed;
      if (entry.by >= term) continue;
      demand(
        log.lastIndex >= index,
        `leader completeness: ${nameOf(log.replica)} leads group ${group} in term ${term} with a log up to ${log.lastIndex}, without entry ${index} of term ${entry.term}, committed in term ${entry.by}`,
      );
      const has = log.termAt(index);
      demand(
        has === undefined || has === entry.term,
        `leader completeness: ${nameOf(log.replica)} leads group ${group} in term ${term} with an entry ${index} of term ${has}; committed in term ${entry.by} is one of term ${entry.term}`,
      );
      return;
    }
  }

  /** A replica, which is in `term`, has delivered entries. */
  onCommitted(group: GroupId, replica: ReplicaId, term: number, entries: readonly Entry[]): void {
    const { committed } = this.#record(group);
    // A split has given birth to the group: its log begins after index 1 (raft/birth.ts).
    if (committed.length === 0 && entries[0]?.index === BIRTH.index + 1) {
      committed.push({ term: BIRTH.term, hash: 0, by: BIRTH.term, replica });
    }
    for (const entry of entries) {
      const hash = hashOf(entry);
      const known = committed[entry.index - 1];
      if (known === undefined) {
        assert(
          entry.index === committed.length + 1,
          `group ${group}: entry ${entry.index} was delivered by ${nameOf(replica)}, nobody knows ${committed.length + 1}`,
        );
        committed.push({ term: entry.term, hash, by: term, replica });
        continue;
      }
      demand(
        known.term === entry.term && known.hash === hash,
        `state-machine safety: in group ${group}, ${nameOf(replica)} delivered another entry ${entry.index} (term ${entry.term}) than ${nameOf(known.replica)} (term ${known.term})`,
      );
      if (term < known.by) committed[entry.index - 1] = { ...known, by: term };
    }
  }

  /** Log matching: two logs that have an entry of one index and term are alike up to it. */
  checkLogs(group: GroupId, logs: readonly LogView[]): void {
    for (const [i, a] of logs.entries()) {
      for (const b of logs.slice(i + 1)) checkPair(group, a, b);
    }
  }

  #record(group: GroupId): GroupRecord {
    let record = this.#groups.get(group);
    if (record === undefined) {
      record = { leaders: new Map(), committed: [] };
      this.#groups.set(group, record);
    }
    return record;
  }
}

function checkPair(group: GroupId, a: LogView, b: LogView): void {
  let matches = false;
  for (let index = Math.min(a.lastIndex, b.lastIndex); index > 0; index--) {
    const one = a.termAt(index);
    const other = b.termAt(index);
    if (one === undefined || other === undefined) return;
    demand(
      one === other || !matches,
      `log matching: in group ${group}, ${nameOf(a.replica)} has term ${one} at ${index}, ${nameOf(b.replica)} has ${other}, and they agree further on`,
    );
    if (one === other) matches = true;
  }
}

/** Of what a command or change says; what the entry's place adds is compared by itself. */
export function hashOf(entry: Pick<Entry, 'kind' | 'data'>): number {
  const { kind, data } = entry;
  return kind === 'change' ? ~hashBytes(data) : hashBytes(data);
}

/** Node and incarnation. */
export function nameOf(replica: ReplicaId): string {
  return `replica ${nodeOf(replica)}.${(replica - nodeOf(replica)) / replicaIdOn(0, 1)}`;
}

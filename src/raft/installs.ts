// Snapshots from the follower's side: the state machine pulls one from the leader's node and installs it durably; then
// the log begins anew after it, and the core goes on from there (P31). Other groups don't notice.

import type { Log } from '../runtime/runtime.ts';
import type { RaftGroup, SnapshotSource } from './group.ts';
import type { SnapshotMark } from './ready.ts';

export interface InstallsParts {
  readonly log: Log;
  /** Between two attempts to get a snapshot for a replica without state. */
  readonly retryTicks: number;
  isStopped(): boolean;
  /** The state machine holds `mark` durably: log and core are to go on from there. */
  installed(group: RaftGroup, mark: SnapshotMark): void;
  /** The core was given something to do. */
  touched(group: RaftGroup): void;
}

export class Installs {
  private readonly parts: InstallsParts;

  constructor(parts: InstallsParts) {
    this.parts = parts;
  }

  /** The core asks for a snapshot from there. */
  start(group: RaftGroup, source: SnapshotSource): void {
    group.isInstalling = true;
    // A log with nothing to apply it to goes on from wherever the snapshot meets it.
    const index = group.lacksState ? group.log.firstIndex - 1 : source.index;
    this.install(group, { from: source.from, index }).catch((error: unknown) => {
      if (this.isOver(group)) return;
      const fields = { group: group.groupId, from: source.from, error: String(error) };
      this.parts.log.warn('a snapshot could not be had', fields);
      this.failed(group);
    });
  }

  private failed(group: RaftGroup): void {
    group.core.snapshotFailed();
    group.isInstalling = group.lacksState;
    this.parts.touched(group);
  }

  /** Once a tick, for a replica without state: asks for a snapshot as if its leader had offered one. */
  tick(group: RaftGroup): void {
    if (group.retryTicks-- > 0 || group.leader === 0) return;
    group.retryTicks = this.parts.retryTicks;
    const { core } = group;
    const { replicaId: to, leader: from, term } = core;
    // Of a position that no log has, so that the core does not take it for one that it has already.
    const nowhere = { index: core.lastIndex + 1, indexTerm: term, stamp: 0 };
    core.step({ kind: 'snapshot', from, to, term, ...nowhere });
  }

  private isOver(group: RaftGroup): boolean {
    return group.isRemoved || this.parts.isStopped();
  }

  private async install(group: RaftGroup, source: SnapshotSource): Promise<void> {
    // The state must not be written to while it is replaced.
    await group.delivery;
    if (this.isOver(group)) return;
    if (group.options.pullSnapshot === undefined) {
      throw new Error('this state machine takes no snapshots');
    }
    const mark = await group.options.pullSnapshot(source);
    if (this.isOver(group)) return;
    if (mark === undefined) {
      this.failed(group);
      return;
    }
    if (mark.index < group.delivered) {
      throw new Error(`it ends at entry ${mark.index}, before ${group.delivered}`);
    }
    this.parts.installed(group, mark);
  }
}

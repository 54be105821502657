// Removing segments from the oldest on, while no group needs their entries. Entries that are kept for others only, who
// lag behind, go when the log has grown long: one group that rests must not keep the segments of all.

import type { GroupId } from '../types.ts';
import type { GroupLog } from './group-log.ts';
import type { Tombstone } from './recover.ts';
import type { Segment } from './segment.ts';

export interface RemovalParts {
  /** Oldest first; the last is written on. */
  readonly segments: Segment[];
  readonly groups: ReadonlyMap<GroupId, GroupLog>;
  readonly tombstones: ReadonlyMap<GroupId, Tombstone>;
  /** With more segments than these, only what is not durable elsewhere is kept. */
  readonly keptSegments: number;
  isStopped(): boolean;
  /** Appends the live state of a group again: identity, beginning, term and vote. */
  rewriteGroup(group: GroupLog): void;
  rewriteTombstone(groupId: GroupId, tombstone: Tombstone): void;
  sync(): Promise<void>;
  compact(group: GroupLog, index: number): void;
  remove(segment: Segment): Promise<void>;
  failed(error: Error): void;
}

export class SegmentRemoval {
  private readonly parts: RemovalParts;
  private running: Promise<void> | undefined;
  private isAskedAgain = false;
  /** The group that needed the oldest segment when it was last looked for: it probably still does. */
  private needy: GroupLog | undefined;

  constructor(parts: RemovalParts) {
    this.parts = parts;
  }

  /** Entries have been forgotten, or a segment has been added. */
  start(): void {
    this.isAskedAgain = true;
    this.running ??= this.run()
      .catch((error: unknown) => this.parts.failed(error as Error))
      .finally(() => {
        this.running = undefined;
      });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.isAskedAgain) {
      // Many groups are truncated in one turn.
      await Promise.resolve();
      this.isAskedAgain = false;
      while (await this.removeOldest());
    }
  }

  private async removeOldest(): Promise<boolean> {
    const { parts } = this;
    const { segments, groups, tombstones } = parts;
    if (segments.length <= 1 || parts.isStopped()) return false;
    const oldest = segments[0] as Segment;
    if (segments.length > parts.keptSegments) this.shed(oldest);
    if (oldest.readers > 0 || this.isNeeded(oldest)) return false;
    // P33: the live state that only it holds is written again and synced before it goes.
    for (const group of groups.values()) {
      if (group.needsRewriteBefore(oldest.number)) parts.rewriteGroup(group);
    }
    for (const [groupId, tombstone] of tombstones) {
      if (tombstone.segment === oldest.number) parts.rewriteTombstone(groupId, tombstone);
    }
    await parts.sync();
    // A read may have begun meanwhile; entries can't have come into an old segment.
    if (oldest.readers > 0) return false;
    segments.shift();
    for (const group of groups.values()) group.forgetSegment(oldest.number);
    await parts.remove(oldest);
    return true;
  }

  private shed(oldest: Segment): void {
    for (const group of this.parts.groups.values()) {
      const index = Math.min(group.durableIndex, group.lastIndexIn(oldest.number));
      if (index >= group.firstIndex) this.parts.compact(group, index);
    }
  }

  private isNeeded(oldest: Segment): boolean {
    const { groups } = this.parts;
    const { needy } = this;
    if (
      needy !== undefined &&
      groups.get(needy.groupId) === needy &&
      needy.needsEntriesOf(oldest.number)
    ) {
      return true;
    }
    for (const group of groups.values()) {
      if (!group.needsEntriesOf(oldest.number)) continue;
      this.needy = group;
      return true;
    }
    this.needy = undefined;
    return false;
  }
}

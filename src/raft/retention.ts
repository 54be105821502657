// Up to where a group's log may be cut. What the state machine has made durable is not needed here any more, but
// followers that lag behind need it: without it each would have to pull a snapshot.

import type { RaftGroup } from './group.ts';

export interface RetentionBounds {
  /** A replica keeps so much for others, whoever leads: a new leader finds its peers a little behind. */
  readonly keptBytes: number;
  /** For active followers that are behind. */
  readonly laggingBytes: number;
  /** For followers that pull a snapshot, and go on from there; the disk must have room for it. */
  readonly snapshotBytes: number;
}

export const DEFAULT_RETENTION: RetentionBounds = {
  keptBytes: 1024 * 1024,
  laggingBytes: 16 * 1024 * 1024,
  snapshotBytes: 512 * 1024 * 1024,
};

export interface Cut {
  /** Entries up to here may go when the log grows long. */
  readonly durableIndex: number;
  /** Entries up to here go now. */
  readonly index: number;
}

export function cutOf(group: RaftGroup, durableIndex: number, bounds: RetentionBounds): Cut {
  const { core, log, peers } = group;
  const { terms } = log;
  if (peers.length === 0 || terms === undefined) return { durableIndex, index: durableIndex };
  const before = log.firstIndex - 1;
  if (durableIndex <= before) return { durableIndex, index: before };
  const bytes = terms.bytesBetween(before, durableIndex);
  /** A cut here leaves about so many bytes of what is durable. */
  const leaving = (bytesMax: number): number =>
    bytes <= bytesMax ? before : terms.lastWithin(before + 1, bytes - bytesMax);
  let index = Math.min(durableIndex, leaving(bounds.keptBytes));
  let limit = durableIndex;
  for (const replica of peers) {
    const progress = core.progressOf(replica);
    if (progress?.isActive !== true) continue;
    if (progress.state === 'snapshot') {
      limit = Math.min(limit, leaving(bounds.snapshotBytes));
    } else {
      index = Math.min(index, Math.max(progress.matchIndex, leaving(bounds.laggingBytes)));
    }
  }
  return { durableIndex: limit, index: Math.min(index, limit) };
}

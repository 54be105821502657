// Puts the entries into the appends that leave. The newest are in memory; older ones are read from the log's segments,
// one read at a time for each follower, whose later appends wait for it, and few reads at a time in all: a follower that
// lags must not fill the memory, nor the disk's queue, of the others.
//
// An append without entries that only tells a follower what has committed waits for the next one with entries, or for
// the next tick: under load each round would send it, for nothing (bench: put, half of all frames).

import { isPromise } from '../base/maybe.ts';
import type { RaftGroup, ReadingLane } from './group.ts';
import type { RaftLog } from './log/log.ts';
import type { OutgoingAppend, OutgoingMessage } from './messages.ts';
import type { Sender } from './sender.ts';
import type { Entry, IndexRange } from './types.ts';

/** Beyond it, appends that wait for one follower's reads are dropped: Raft sends them again. */
const LANE_WAITING_MAX = 32;

export interface AppendsParts {
  readonly log: RaftLog;
  readonly sender: Sender;
  readonly readsMax: number;
  failed(error: Error): void;
}

export class Appends {
  private readonly parts: AppendsParts;
  private reading = 0;
  /** Lanes that wait for one of the reads, oldest first. */
  private readonly waiting: (() => void)[] = [];
  /** Groups with commit indexes to tell. */
  private telling: RaftGroup[] = [];

  constructor(parts: AppendsParts) {
    this.parts = parts;
  }

  /** Leaves with the next flush of the sender, or once its entries are read. */
  send(group: RaftGroup, message: OutgoingMessage): void {
    if (message.kind !== 'append') {
      this.parts.sender.add(group.groupId, message);
      return;
    }
    if (message.range === undefined) {
      const isHeld = !group.tellsNow && group.core.progressOf(message.to)?.state === 'replicate';
      if (isHeld) this.hold(group, message);
      else this.parts.sender.add(group.groupId, message);
      return;
    }
    group.commitsToTell?.delete(message.to);
    const lane = group.lanes?.get(message.to);
    if (lane !== undefined) {
      if (lane.waiting.length < LANE_WAITING_MAX) lane.waiting.push(message);
      return;
    }
    const { range } = message;
    if (range.first < group.log.firstIndex) return;
    const entries = this.cached(group, range);
    if (entries === undefined) this.open(group, message);
    else this.put(group, message, entries);
  }

  private hold(group: RaftGroup, message: OutgoingAppend): void {
    if (group.commitsToTell === undefined) {
      group.commitsToTell = new Map();
      this.telling.push(group);
    }
    group.commitsToTell.set(message.to, message);
  }

  /** A tick: what was held back leaves with the next flush. */
  tellCommits(): void {
    const { telling } = this;
    if (telling.length === 0) return;
    this.telling = [];
    for (const group of telling) this.letGo(group);
    this.parts.sender.flush();
  }

  /** Of one group, at once: somebody waits for what the others make of it. */
  tellNow(group: RaftGroup): void {
    this.letGo(group);
    this.parts.sender.flush();
  }

  private letGo(group: RaftGroup): void {
    const { commitsToTell, core, groupId, isRemoved } = group;
    group.commitsToTell = undefined;
    if (commitsToTell === undefined) return;
    for (const message of commitsToTell.values()) {
      if (isRemoved || core.role !== 'leader' || core.term !== message.term) continue;
      this.parts.sender.add(groupId, message);
    }
  }

  private put(group: RaftGroup, message: OutgoingAppend, entries: readonly Entry[]): void {
    if (group.sentIndex < (message.range as IndexRange).last) {
      group.sentIndex = (message.range as IndexRange).last;
    }
    this.parts.sender.add(group.groupId, message, entries);
  }

  /** All of them, if all are in memory. */
  private cached(group: RaftGroup, { first, last }: IndexRange): readonly Entry[] | undefined {
    const entries: Entry[] = [];
    for (let index = first; index <= last; index++) {
      const entry = group.log.cachedAt(index);
      if (entry === undefined) return undefined;
      entries.push(entry);
    }
    return entries;
  }

  private open(group: RaftGroup, message: OutgoingAppend): void {
    const lane: ReadingLane = { waiting: [message] };
    group.lanes ??= new Map();
    group.lanes.set(message.to, lane);
    this.work(group, lane)
      .catch((error: unknown) => this.parts.failed(error as Error))
      .finally(() => group.lanes?.delete(message.to));
  }

  private async work(group: RaftGroup, lane: ReadingLane): Promise<void> {
    for (;;) {
      const message = lane.waiting.shift();
      if (message === undefined) return;
      if (!isCurrent(group, message)) continue;
      await this.turn();
      let entries: readonly Entry[] | undefined;
      try {
        entries = await this.read(group, message);
      } finally {
        this.reading--;
        this.waiting.shift()?.();
      }
      if (entries === undefined || !isCurrent(group, message)) continue;
      this.put(group, message, entries);
      this.parts.sender.flush();
    }
  }

  private async turn(): Promise<void> {
    while (this.reading >= this.parts.readsMax) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.reading++;
  }

  /** Undefined when the log has forgotten some of them, or has others. */
  private async read(
    group: RaftGroup,
    message: OutgoingAppend,
  ): Promise<readonly Entry[] | undefined> {
    const { first, last } = message.range as IndexRange;
    const all: Entry[] = [];
    while (all.length <= last - first) {
      if (!isCurrent(group, message)) return undefined;
      const found = this.parts.log.read(group.log, first + all.length, last, Infinity);
      all.push(...(isPromise(found) ? await found : found));
    }
    return all;
  }
}

/** Whether it still says what this replica would: it leads in the same term, and so has the same entries. */
function isCurrent({ core, log, isRemoved }: RaftGroup, message: OutgoingAppend): boolean {
  const { first } = message.range as IndexRange;
  return (
    !isRemoved && core.role === 'leader' && core.term === message.term && first >= log.firstIndex
  );
}

// The rounds of a node. A round takes what every group wants done, sends what leaders have for their followers, and
// writes all of it with one write and one sync meanwhile; after that sync, acknowledgements and votes leave (P29), the
// cores are told, and what has committed is handed on. It starts once the input of a turn is in, so that what was
// proposed in one turn, and what arrived in it, share a write; what comes while a write is in flight shares the next.
//
// No group can keep others waiting: what one may propose, receive or deliver at once is bounded (core/, delivery.ts).

import type { Timers } from '../runtime/runtime.ts';
import type { Appends } from './appends.ts';
import type { RaftGroup } from './group.ts';
import type { RaftLog } from './log/log.ts';
import type { Ready } from './ready.ts';
import type { Sender } from './sender.ts';
import type { IndexRange } from './types.ts';

interface Written {
  readonly group: RaftGroup;
  readonly ready: Ready;
  /** What follows from entries being replaced. */
  readonly replaced: (() => void) | undefined;
}

export interface RoundsParts {
  readonly log: RaftLog;
  readonly timers: Timers;
  readonly appends: Appends;
  readonly sender: Sender;
  /** The members of the group are others than before. */
  readonly membersChanged: (group: RaftGroup) => void;
  /** Entries from `index` on are about to be replaced. The answer is to be called once that is synced: until then a
   * crash may bring them back. */
  readonly replacing: (group: RaftGroup, index: number) => (() => void) | undefined;
  readonly committed: (group: RaftGroup, range: IndexRange | undefined) => void;
  /** Everything else that follows when the core has changed. */
  readonly touched: (group: RaftGroup) => void;
  /** What the core wants pulled, and reads that it answers. */
  readonly asked: (group: RaftGroup, ready: Ready) => void;
  /** group.installed is in the state machine: log and core go on from there. Nothing of theirs waits to be written. */
  readonly adopt: (group: RaftGroup) => void;
  /** A round has taken everything that was proposed. */
  readonly begun: () => void;
  readonly isStopped: () => boolean;
  readonly failed: (error: Error) => void;
}

export class Rounds {
  private readonly parts: RoundsParts;
  private queue: RaftGroup[] = [];
  private isDue = false;
  /** Somebody in the queue waits for the next round. */
  private isAwaited = false;
  /** Rounds whose write is in flight: the next one starts after it. */
  private writing = 0;

  constructor(parts: RoundsParts) {
    this.parts = parts;
  }

  get isBusy(): boolean {
    return this.writing > 0 || this.queue.length > 0;
  }

  /** The group has something for the next round. */
  enqueue(group: RaftGroup): void {
    this.enqueueForLater(group);
    this.isAwaited = true;
    this.schedule();
  }

  /** It joins a round that others ask for, or that of the next tick: that something has committed is told to members
   * with what they are sent next, not with messages, answers and rounds of its own. */
  enqueueForLater(group: RaftGroup): void {
    if (group.isQueued) return;
    group.isQueued = true;
    this.queue.push(group);
  }

  private schedule(): void {
    if (this.isDue || this.writing > 0) return;
    this.isDue = true;
    this.parts.timers.soon(this.runDue);
  }

  private readonly runDue = (): void => {
    this.isDue = false;
    if (this.writing === 0) this.run();
  };

  /** Also while a write is in flight: what leaves must not wait for a disk that stalls. */
  run(): void {
    if (this.parts.isStopped() || this.queue.length === 0) return;
    const { log, sender, begun } = this.parts;
    const { queue } = this;
    this.queue = [];
    this.isAwaited = false;
    const written: Written[] = [];
    try {
      for (const group of queue) this.take(group, written);
      sender.flush();
    } catch (error) {
      this.parts.failed(error as Error);
      return;
    }
    begun();
    if (written.length === 0) return;
    this.writing++;
    log
      .sync()
      .then(() => this.finish(written))
      .catch((error: unknown) => this.parts.failed(error as Error));
  }

  private take(group: RaftGroup, written: Written[]): void {
    group.isQueued = false;
    if (group.isRemoved) return;
    const { log, appends, replacing, membersChanged, committed, adopt } = this.parts;
    const { core } = group;
    const ready = core.ready();
    if (ready !== undefined) {
      const { entries, hardState, messages } = ready;
      let replaced: (() => void) | undefined;
      // Before entries, as a torn write may leave any beginning of this: no entry may be of a term that was not entered,
      // and a log that has the next change must know the configuration that it changes.
      if (hardState !== undefined) log.appendHardState(group.log, hardState);
      if (core.configuration !== group.seenConfiguration) membersChanged(group);
      if (entries.length > 0) {
        const first = entries[0]?.index as number;
        if (first <= group.log.lastIndex) replaced = replacing(group, first);
        log.appendEntries(group.log, entries);
      }
      for (let i = 0; i < messages.length; i++) {
        appends.send(group, messages[i] as Ready['messages'][number]);
      }
      group.tellsNow = false;
      written.push({ group, ready, replaced });
      committed(group, ready.committed);
    }
    if (group.installed !== undefined) adopt(group);
  }

  /** What a round wrote is synced. */
  private finish(written: readonly Written[]): void {
    const { sender, asked, touched } = this.parts;
    this.writing--;
    // First what others wait for.
    for (let i = 0; i < written.length; i++) {
      const { group, ready } = written[i] as Written;
      const { messagesAfterSync } = ready;
      if (group.isRemoved) continue;
      for (let j = 0; j < messagesAfterSync.length; j++) {
        sender.add(group.groupId, messagesAfterSync[j] as Ready['messages'][number]);
      }
    }
    sender.flush();
    for (let i = 0; i < written.length; i++) {
      const { group, ready, replaced } = written[i] as Written;
      if (group.isRemoved) continue;
      group.core.advance(ready);
      replaced?.();
      if (ready.snapshot !== undefined || ready.readStates.length > 0) asked(group, ready);
      // What was proposed meanwhile is queued already; a won election has an entry of its own to write.
      touched(group);
    }
    if (this.isAwaited) this.schedule();
  }
}

// The end of a pair that leads: which of its sleeping groups the follower's node has registered, as far as known. An
// acknowledgement speaks for the registered groups only if every change up to its version is known here (P4): else one
// of them may have moved on, and voted.
//
// Why it suffices. What is attached to a lease was registered by a change v, and no change that is known ends it. An
// acknowledgement that counts was made at a version that is known. If that is at least v, the group was registered when
// the heartbeat was heard, so the promise began after it was sent. If it is less, the heartbeat was heard before the
// group registered, and registering renews the promise. Either way the follower promises for a lease from a time after
// the sending.

import type { Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { Lease } from './lease.ts';
import type { LivenessRuntime, PairAnswers } from './liveness.ts';
import {
  ITEMS_PER_FRAME_MAX,
  type PairAcknowledgement,
  type PairHeartbeat,
  type PairRequest,
  type SleepOffer,
} from './pair-frames.ts';
import { nextEpoch, Unconfirmed } from './pair-numbers.ts';
import { NO_STAMP } from './stamps.ts';
import type { ReplicaId } from './types.ts';

/** A group that this node leads, and that sleeps or is about to. */
export interface LeaderSleep {
  readonly offer: SleepOffer;
  readonly lease: Lease;
  readonly followers: readonly ReplicaId[];
  readonly absent: readonly ReplicaId[];
  /** Followers that have not registered yet. */
  missing: number;
  readonly offeredAtTick: number;
}

interface Sleeper {
  readonly sleep: LeaderSleep;
  readonly replica: ReplicaId;
  /** By which it was asked to sleep. */
  readonly request: number;
}

export interface PairLeaderEvents {
  onRegistered(sleep: LeaderSleep, replica: ReplicaId): void;
  /** Its follower there sleeps no more, or never did. */
  onLost(sleep: LeaderSleep): void;
}

export class PairLeader implements PairAnswers {
  readonly node: NodeId;
  private readonly runtime: LivenessRuntime;
  private readonly events: PairLeaderEvents;
  private epoch: number;
  /** 0: unknown; nothing can be registered. */
  private followerEpoch = 0;
  /** Changes up to this version are known. */
  private known = 0;
  private readonly requests = new Unconfirmed<PairRequest>();
  /** Requests up to this one have left, perhaps in vain. */
  private sent = 0;
  private readonly sleepers = new Map<number, Sleeper>();
  answeredStamp: number = NO_STAMP;
  heardStamp: number = NO_STAMP;
  /** Ticks since the last acknowledgement. */
  silentTicks = 0;

  constructor(node: NodeId, runtime: LivenessRuntime, events: PairLeaderEvents) {
    this.node = node;
    this.runtime = runtime;
    this.events = events;
    this.epoch = nextEpoch(runtime, 0);
  }

  get isReady(): boolean {
    return this.followerEpoch !== 0;
  }

  get sleeping(): number {
    return this.sleepers.size;
  }

  ask(sleep: LeaderSleep, replica: ReplicaId): void {
    const request = this.requests.push({ kind: 'sleep', ...sleep.offer });
    this.sleepers.set(sleep.offer.group, { sleep, replica, request });
  }

  /** The group wakes: the follower is to wake as well, should nothing else wake it. */
  dismiss(group: number): void {
    if (this.sleepers.delete(group)) this.requests.push({ kind: 'wake', group });
  }

  /** `closed`: for all that sleep now (P23). */
  heartbeat(stamp: number, closed: Timestamp): PairHeartbeat {
    const { first, items } = this.requests.from(1, ITEMS_PER_FRAME_MAX);
    this.sent = Math.max(this.sent, first + items.length - 1);
    const { epoch: leaderEpoch, followerEpoch, known } = this;
    const { last: through } = this.requests;
    const envelope = { leaderEpoch, followerEpoch, stamp };
    return { kind: 'heartbeat', ...envelope, closed, known, through, first, requests: items };
  }

  /** Answers whether there is more to ask, or to be told, at once. */
  receive(answer: PairAcknowledgement): boolean {
    if (answer.leaderEpoch !== this.epoch || answer.followerEpoch < this.followerEpoch)
      return false;
    if (answer.followerEpoch > this.followerEpoch) {
      this.forget();
      this.followerEpoch = answer.followerEpoch;
    }
    this.silentTicks = 0;
    if (answer.stamp > this.heardStamp) this.heardStamp = answer.stamp;
    const { known } = this;
    const { count } = this.requests;
    this.requests.confirm(answer.done);
    this.learn(answer);
    if (this.known >= answer.version && answer.stamp > this.answeredStamp) {
      this.answeredStamp = answer.stamp;
    }
    const hasMore = this.known < answer.version || this.sent < this.requests.last;
    return hasMore && (this.known > known || this.requests.count < count);
  }

  private learn({ first, changes }: PairAcknowledgement): void {
    // Some before these are missing: they come again.
    if (first > this.known + 1) return;
    const last = first + changes.length - 1;
    // Attached and detached before the acknowledgement counts: what has left does not profit from it.
    for (let version = this.known + 1; version <= last; version++) {
      const change = changes[version - first];
      if (change === undefined) break;
      this.known = version;
      const sleeper = this.sleepers.get(change.group);
      // Of an earlier sleep; it is over already.
      if (sleeper === undefined || sleeper.request !== change.request) continue;
      if (change.kind === 'registered') {
        this.events.onRegistered(sleeper.sleep, sleeper.replica);
      } else {
        this.sleepers.delete(change.group);
        this.events.onLost(sleeper.sleep);
      }
    }
  }

  /** The follower's node is silent: nothing that it has registered counts any more (P4). */
  restart(): void {
    this.epoch = nextEpoch(this.runtime, this.epoch);
    this.followerEpoch = 0;
    this.forget();
  }

  private forget(): void {
    this.known = 0;
    const lost = [...this.sleepers.values()];
    this.sleepers.clear();
    this.requests.reset();
    this.sent = 0;
    for (const { sleep } of lost) this.events.onLost(sleep);
  }
}

// The end of a pair that follows: which of its groups have registered with the leader's node, with a version that rises
// whenever that changes. A heartbeat from there renews the promises of all of them at once, for they look at
// heardAtMicros themselves.

import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { NodeId } from '../runtime/runtime.ts';
import type { LivenessRuntime, PairHearing, Registrant } from './liveness.ts';
import {
  ITEMS_PER_FRAME_MAX,
  type PairAcknowledgement,
  type PairChange,
  type PairHeartbeat,
  type PairRequest,
  type SleepOffer,
} from './pair-frames.ts';
import { nextEpoch, Unconfirmed } from './pair-numbers.ts';
import type { GroupId } from './types.ts';

interface Registration {
  readonly request: number;
  readonly registrant: Registrant;
}

export interface PairFollowerEvents {
  /** Whether the group sleeps now; then who registers. */
  onOffer(offer: SleepOffer, pair: PairFollower): Registrant | undefined;
  /** It has left already. */
  onWake(group: GroupId): void;
}

export class PairFollower implements PairHearing {
  readonly node: NodeId;
  private readonly runtime: LivenessRuntime;
  private readonly events: PairFollowerEvents;
  private epoch: number;
  /** 0: heard nothing. */
  private leaderEpoch = 0;
  /** Requests up to this one are done. */
  private done = 0;
  /** Their numbers are versions. */
  private readonly changes = new Unconfirmed<PairChange>();
  private readonly registered = new Map<GroupId, Registration>();
  heardAtMicros: number = Number.NEGATIVE_INFINITY;
  closedAt: Timestamp = MIN_TIMESTAMP;
  /** Ticks since the last heartbeat. */
  silentTicks = 0;

  constructor(node: NodeId, runtime: LivenessRuntime, events: PairFollowerEvents) {
    this.node = node;
    this.runtime = runtime;
    this.events = events;
    this.epoch = nextEpoch(runtime, 0);
  }

  get sleeping(): number {
    return this.registered.size;
  }

  /** The acknowledgement; undefined: it was sent by an earlier life of the leader's node. */
  receive(heartbeat: PairHeartbeat): PairAcknowledgement | undefined {
    if (heartbeat.leaderEpoch < this.leaderEpoch) return undefined;
    if (heartbeat.leaderEpoch > this.leaderEpoch) {
      const groups = this.forget();
      this.leaderEpoch = heartbeat.leaderEpoch;
      for (const group of groups) this.events.onWake(group);
    }
    this.heardAtMicros = this.runtime.time.monotonicMicros();
    this.silentTicks = 0;
    // Otherwise it speaks to an earlier epoch of this end.
    if (heartbeat.followerEpoch === this.epoch) {
      this.changes.confirm(heartbeat.known);
      this.carryOut(heartbeat);
      const { closed, through } = heartbeat;
      // P23: who is registered sleeps at the leader, too. What was closed before it registered holds for it as well: it
      // was led under the same clock by then, with fewer entries.
      if (this.done >= through && closed > this.closedAt) this.closedAt = closed;
    }
    return this.acknowledgement(heartbeat);
  }

  private carryOut({ first, requests }: PairHeartbeat): void {
    if (first > this.done + 1) return;
    for (let number = this.done + 1; number < first + requests.length; number++) {
      this.done = number;
      const request = requests[number - first] as PairRequest;
      if (request.kind === 'sleep') this.register(request, number);
      else if (this.leave(request.group)) this.events.onWake(request.group);
    }
  }

  private register(offer: SleepOffer, request: number): void {
    const { group } = offer;
    const registrant = this.events.onOffer(offer, this);
    if (registrant === undefined) {
      this.changes.push({ kind: 'refused', group, request });
      return;
    }
    registrant.attach(this);
    this.registered.set(group, { request, registrant });
    this.changes.push({ kind: 'registered', group, request });
  }

  /** Before the replica votes, or changes its term. */
  leave(group: GroupId): boolean {
    const registration = this.registered.get(group);
    if (registration === undefined) return false;
    this.registered.delete(group);
    registration.registrant.detach();
    this.changes.push({ kind: 'left', group, request: registration.request });
    return true;
  }

  private acknowledgement({ known, stamp }: PairHeartbeat): PairAcknowledgement {
    const { earliestMicros, latestMicros } = this.runtime.time.wall();
    const { first, items } = this.changes.from(known + 1, ITEMS_PER_FRAME_MAX);
    return {
      kind: 'acknowledgement',
      leaderEpoch: this.leaderEpoch,
      followerEpoch: this.epoch,
      stamp,
      earliestMicros,
      latestMicros,
      version: this.changes.last,
      done: this.done,
      first,
      changes: items,
    };
  }

  /** The leader's node is silent: nothing that is registered counts any more (P4). The groups that were. */
  restart(): readonly GroupId[] {
    this.epoch = nextEpoch(this.runtime, this.epoch);
    this.leaderEpoch = 0;
    return this.forget();
  }

  private forget(): readonly GroupId[] {
    const groups = [...this.registered.keys()];
    for (const { registrant } of this.registered.values()) registrant.detach();
    this.registered.clear();
    this.closedAt = MIN_TIMESTAMP;
    this.changes.reset();
    this.done = 0;
    return groups;
  }
}

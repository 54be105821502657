// The leader's lease (P1). Followers promise, for a lease from when they hear from a leader, not to help elect another
// (promise.ts); the leader counts from when it sent what they heard. A majority's promises overlap every majority that
// could elect another, so until the majority-th latest of these sendings plus a lease, nobody else leads.
//
// Why the timestamp end holds: a promise that began with a message sent at true time x ends, by the slowest clock, at
// or after x + leaseMicros / (1 + drift). E = now().earliest at x, plus leaderLeaseMicros, is not later than that. Who
// is elected afterwards keeps its floor above its now().latest, which is above true time, so above E and above every t
// that was served here.
//
// A check uses the ends that were reckoned last while they suffice, and reckons anew when they don't: most reads cost
// two comparisons and a look at the monotonic clock.

import type { Timestamp } from '../clock/timestamp.ts';
import { applyChange, type Change, type Configuration } from './configuration.ts';
import type { Liveness, PairAnswers } from './liveness.ts';
import { committedIndex, EVERYTHING } from './quorum.ts';
import { NO_STAMP } from './stamps.ts';
import { nodeOf, type ReplicaId, type Role } from './types.ts';

const NEVER = Number.NEGATIVE_INFINITY;
/** What is asked for beyond this is refused elsewhere (P9): it must not bind a former lone voter's promise. */
const AHEAD_MICROS_MAX = 10_000_000;
const ALONE_STEP_MICROS = 1000;
/** A step of the wall goes unnoticed by isHeld() for no longer than by the clock's source. */
const PRESENT_MICROS_MAX = 5_000;

/** What a lease looks at in its replica at every check; RaftCore is one. */
export interface LeaseView {
  readonly replicaId: ReplicaId;
  readonly role: Role;
  readonly term: number;
  readonly configuration: Configuration;
}

/** One follower's acknowledgements. */
interface Supporter {
  stamp: number;
  /** Its node speaks for it: it has registered as asleep (P4). */
  pair: PairAnswers | undefined;
}

export class Lease {
  private readonly live: Liveness;
  private readonly view: LeaseView;
  private readonly supporters = new Map<ReplicaId, Supporter>();
  /** Of which the acknowledgements are; none of another counts. */
  private term = 0;
  /** P3, P5: none for the rest of the term. */
  private isGivenUp = false;

  /** For which configuration the following was reckoned. */
  private reckonedFor: Configuration | undefined;
  private isLone = false;
  private monotonicEnd = NEVER;
  private timestampEnd = NEVER;
  /** Until when, on the monotonic clock, it surely covers the present. */
  private presentUntil = NEVER;

  /** P2: this replica counts itself as having acknowledged just now, so it must keep the same promise; until when, for
   * all ends that were ever reckoned, on the monotonic clock. */
  private ownPromiseEnd = NEVER;
  /** The greatest timestamp that was covered without anyone's promise. */
  private loneReach = 0;

  constructor(live: Liveness, view: LeaseView) {
    this.live = live;
    this.view = view;
  }

  /** This replica leads from now on. */
  begin(term: number): void {
    this.end();
    this.term = term;
    this.isGivenUp = false;
  }

  /** It leads no more. The lease holds from the core's stepping down already; this forgets what is of no more use. */
  end(): void {
    this.leaveAlone();
    this.supporters.clear();
    this.term = 0;
    this.forget();
  }

  /** P3: before TimeoutNow goes. None for the rest of the term, also if the transfer fails. */
  giveUp(): void {
    // A bug on purpose, for the simulator to find: P3 turned off.
    if (this.live.runtime.faults.sometimes('raft.keep-lease-through-transfer')) return;
    this.drop();
  }

  /** P5: a leader that proposes its own removal keeps no lease, whatever becomes of the change. */
  changeProposed(change: Change): void {
    const { configuration, replicaId } = this.view;
    const result = applyChange(configuration, change);
    if (result.kind === 'changed' && !result.configuration.voters.includes(replicaId)) this.drop();
  }

  /** An answer of this term repeated this stamp: its replica heard from here after it was taken, and promises. */
  acknowledged(replica: ReplicaId, term: number, stamp: number): void {
    if (term !== this.term) return;
    const supporter = this.supporter(replica);
    if (stamp > supporter.stamp) supporter.stamp = stamp;
  }

  /** The replica has registered as asleep: its node's acknowledgements are its own (P4). */
  attach(replica: ReplicaId): void {
    this.supporter(replica).pair = this.live.answers.get(nodeOf(replica));
  }

  /** What its node said for it until now stays true; what it says from now on does not count. */
  detach(replica: ReplicaId): void {
    const supporter = this.supporters.get(replica);
    if (supporter === undefined) return;
    supporter.stamp = latestStamp(supporter);
    supporter.pair = undefined;
  }

  /** Whether t may be served, assigned, prepared, confirmed or closed in this turn. */
  covers(t: Timestamp): boolean {
    if (!this.isRunning()) return false;
    if (this.isLone) return this.reachesAlone(t);
    if (this.isBeforeEnds(t)) return true;
    // The ends may be later meanwhile.
    this.reckon();
    return this.isBeforeEnds(t);
  }

  /** Whether it covers the present. What that is costs more to find out than all else here, so an answer holds for a
   * little while, during which now().latest can't reach the end (bench: point). */
  isHeld(): boolean {
    if (!this.isRunning()) return false;
    if (this.isLone) return true;
    const { time, clock } = this.live.runtime;
    const now = time.monotonicMicros();
    if (now < this.presentUntil) return true;
    const latest = clock.latest();
    // The clock that was just read may be suspended by that.
    if (!this.covers(latest)) return false;
    const left = Math.min(this.timestampEnd - latest, this.monotonicEnd - now);
    this.presentUntil = now + Math.min(left / 2, PRESENT_MICROS_MAX);
    return true;
  }

  /** P2: whether what this replica has itself served as a leader forbids it to help elect another now. */
  forbidsElections(): boolean {
    if (this.isRunning() && !this.isLone) this.reckon();
    const { time, clock } = this.live.runtime;
    return time.monotonicMicros() < this.ownPromiseEnd || clock.earliest() <= this.loneReach;
  }

  /** P25: until when it forbids them by what followers have promised, on the monotonic clock. */
  get promisedUntil(): number {
    if (this.isRunning() && !this.isLone) this.reckon();
    return this.ownPromiseEnd;
  }

  get replicaId(): ReplicaId {
    return this.view.replicaId;
  }

  /** Whether there is no other voter. */
  get isAlone(): boolean {
    const { replicaId, configuration } = this.view;
    const { voters, outgoing } = configuration;
    return isOnly(voters, replicaId) && (outgoing.length === 0 || isOnly(outgoing, replicaId));
  }

  /** What doesn't depend on t; brings what was reckoned up to the current configuration (P5). */
  private isRunning(): boolean {
    const { view } = this;
    if (this.isGivenUp || view.role !== 'leader' || view.term !== this.term) return false;
    if (this.live.runtime.clock.suspended !== undefined) return false; // P7
    if (view.configuration !== this.reckonedFor) this.reckon();
    return true;
  }

  private isBeforeEnds(t: Timestamp): boolean {
    return t < this.timestampEnd && this.live.runtime.time.monotonicMicros() < this.monotonicEnd;
  }

  private reckon(): void {
    const { live, view } = this;
    const { configuration, replicaId } = view;
    if (configuration !== this.reckonedFor) {
      this.leaveAlone();
      this.forget();
      this.reckonedFor = configuration;
      this.isLone = this.isAlone;
    }
    if (this.isLone) return;
    const { voters, outgoing } = configuration;
    // Who votes in the outgoing half alone is on its way out (P5).
    if (!voters.includes(replicaId)) return;
    const sending = live.stamps.at(committedIndex(voters, outgoing, this.stampOf()));
    if (sending === undefined) {
      this.monotonicEnd = NEVER;
      this.timestampEnd = NEVER;
      return;
    }
    const { monotonicMicros, earliest } = sending;
    this.monotonicEnd = monotonicMicros + live.leaderLeaseMicros;
    this.timestampEnd = earliest + live.leaderLeaseMicros;
    this.ownPromiseEnd = Math.max(this.ownPromiseEnd, monotonicMicros + live.timing.leaseMicros);
  }

  /** When each voter was last sent what it acknowledged. */
  private stampOf(): (replica: ReplicaId) => number {
    const { live, view, supporters } = this;
    // A bug on purpose, for the simulator to find: P4 turned off.
    const isAnyAnswerTaken = live.runtime.faults.sometimes('raft.node-ack-extends-lease');
    return (replica) => {
      if (replica === view.replicaId) return EVERYTHING;
      const supporter = supporters.get(replica);
      const stamp = supporter === undefined ? NO_STAMP : latestStamp(supporter);
      if (!isAnyAnswerTaken) return stamp;
      return Math.max(stamp, live.answers.get(nodeOf(replica))?.heardStamp ?? NO_STAMP);
    };
  }

  private reachesAlone(t: Timestamp): boolean {
    if (t <= this.loneReach) return true;
    if (t < this.live.runtime.clock.latest() + AHEAD_MICROS_MAX) {
      this.loneReach = t + ALONE_STEP_MICROS;
    }
    return true;
  }

  /** What was covered alone must have passed before this replica helps elect another: nobody else promised anything. */
  private leaveAlone(): void {
    if (this.isLone) this.loneReach = Math.max(this.loneReach, this.live.runtime.clock.latest());
  }

  private drop(): void {
    this.isGivenUp = true;
  }

  private forget(): void {
    this.reckonedFor = undefined;
    this.isLone = false;
    this.monotonicEnd = NEVER;
    this.timestampEnd = NEVER;
    this.presentUntil = NEVER;
  }

  private supporter(replica: ReplicaId): Supporter {
    let supporter = this.supporters.get(replica);
    if (supporter === undefined) {
      supporter = { stamp: NO_STAMP, pair: undefined };
      this.supporters.set(replica, supporter);
    }
    return supporter;
  }
}

function latestStamp({ stamp, pair }: Supporter): number {
  return pair === undefined || pair.answeredStamp < stamp ? stamp : pair.answeredStamp;
}

function isOnly(voters: readonly ReplicaId[], replica: ReplicaId): boolean {
  return voters.length === 1 && voters[0] === replica;
}

// A replica's promise not to help elect another leader (P2): for a lease from when it last heard from one, whatever its
// role becomes meanwhile; for a lease after its node has started, since what it promised before is forgotten; and for as
// long as it relied on its own promise as a leader.
//
// What a split gives birth to inherits what its parent's replica here promised (P25), to the leader's node: the replica
// of that node may be helped at once, since it is whom the promise protects.

import type { Lease } from './lease.ts';
import type { Liveness, PairHearing } from './liveness.ts';
import type { ReplicaId } from './types.ts';

export class ElectionPromise {
  private readonly live: Liveness;
  private readonly lease: Lease;
  /** On the monotonic clock. */
  private renewedAt = Number.NEGATIVE_INFINITY;
  /** Whose heartbeats renew it, while the replica is registered as asleep (P4). */
  private hearing: PairHearing | undefined;
  /** What was promised before this replica was born, but for the one whom it was promised. */
  private inheritedUntil = Number.NEGATIVE_INFINITY;
  private inheritedFor: ReplicaId = 0;

  constructor(live: Liveness, lease: Lease) {
    this.live = live;
    this.lease = lease;
  }

  /** The core accepted a message that only the leader of its term sends. Before it is answered. */
  renew(): void {
    this.renewedAt = this.live.runtime.time.monotonicMicros();
  }

  /** The replica has registered with its leader's node: from now on the node's heartbeats are the leader's. */
  attach(hearing: PairHearing): void {
    this.renew();
    this.hearing = hearing;
  }

  /** What was promised until now stays promised. */
  detach(): void {
    const heardAt = this.hearing?.heardAtMicros ?? this.renewedAt;
    if (heardAt > this.renewedAt) this.renewedAt = heardAt;
    this.hearing = undefined;
  }

  /** P25: the parent's promise is this one's too, and is to the replica `leader`; 0: it is to nobody who is known. */
  inherit(parent: ElectionPromise, leader: ReplicaId): void {
    // A bug on purpose, for the simulator to find: P25 turned off.
    if (this.live.runtime.faults.sometimes('raft.disinherit')) return;
    this.inheritedUntil = parent.endMicros;
    this.inheritedFor = leader;
  }

  /** This replica has been here before, without knowing who belongs to its group, and has promised. */
  goOn(before: ElectionPromise): void {
    before.detach();
    this.renewedAt = before.renewedAt;
  }

  /** Whether nothing stands in the way of campaigning, or of granting a vote or a pre-vote to another candidate. Not
   * asked for an election that the leader itself wants (P3). */
  mayElect(candidate: ReplicaId = this.lease.replicaId): boolean {
    const { live, lease } = this;
    const now = live.runtime.time.monotonicMicros();
    if (now < this.heardUntil) return false;
    if (now < this.inheritedUntil && candidate !== this.inheritedFor) return false;
    if (now < live.startedAtMicros + live.timing.leaseMicros && !lease.isAlone) return false;
    return !lease.forbidsElections();
  }

  private get heardUntil(): number {
    const heardAt = this.hearing?.heardAtMicros ?? Number.NEGATIVE_INFINITY;
    return Math.max(heardAt, this.renewedAt) + this.live.timing.leaseMicros;
  }

  /** When all that was promised until now has ended, on the monotonic clock. */
  private get endMicros(): number {
    return Math.max(this.heardUntil, this.inheritedUntil, this.lease.promisedUntil);
  }
}

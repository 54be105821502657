// A replica's promise not to help elect another leader (P2): for a lease from when it last heard from one, whatever its
// role becomes meanwhile; for a lease after its node has started, since what it promised before is forgotten; and for as
// long as it relied on its own promise as a leader.

import type { Lease } from './lease.ts';
import type { Liveness, PairHearing } from './liveness.ts';

export class ElectionPromise {
  private readonly live: Liveness;
  private readonly lease: Lease;
  /** On the monotonic clock. */
  private renewedAt = Number.NEGATIVE_INFINITY;
  /** Whose heartbeats renew it, while the replica is registered as asleep (P4). */
  private hearing: PairHearing | undefined;

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

  /** Whether nothing stands in the way of campaigning, or of granting a vote or a pre-vote. Not asked for an election
   * that the leader itself wants (P3). */
  mayElect(): boolean {
    const { live, lease, hearing } = this;
    const now = live.runtime.time.monotonicMicros();
    const { leaseMicros } = live.timing;
    if (now < this.renewedAt + leaseMicros) return false;
    if (hearing !== undefined && now < hearing.heardAtMicros + leaseMicros) return false;
    if (now < live.startedAtMicros + leaseMicros && !lease.isAlone) return false;
    return !lease.forbidsElections();
  }
}

// Liveness of pairs of nodes (P4). A group that is idle sleeps: its replicas neither tick nor send. Instead each node
// sends one heartbeat to each other node with which it shares groups; the answer renews the leases of all groups that
// sleep between the two, and the heartbeat itself the promises of their followers. An idle group costs nothing. Of two
// nodes the one with the smaller id sets the pace: the other's heartbeat leaves with its answer, so that idle nodes wake
// up less often; what it hears nothing for it sends by itself a tick later.
//
// Falling asleep: the leader's node asks the followers' nodes, which register the group if their replica follows in the
// same term with the same log, and say so in their next acknowledgement; until all have, the leader's own lease carries
// on, and a refusal or too long a wait wakes it. Waking: whoever needs the group to act calls wake() before anything
// else happens to it, above all before it votes or changes its term. Any end that wakes wakes the others.
//
// Everything between two nodes is void when either starts anew, or has not heard from the other for an election timeout.
// Frames may be lost, repeated and reordered. The exchange also measures round trips, and compares clocks (P12).

import { assert } from '../base/assert.ts';
import { type ClockVerdict, SkewGuard } from '../clock/skew-guard.ts';
import { MIN_TIMESTAMP, type Timestamp } from '../clock/timestamp.ts';
import type { Log, NodeId } from '../runtime/runtime.ts';
import { closable } from './closing.ts';
import type { Lease } from './lease.ts';
import type { Liveness, Registrant } from './liveness.ts';
import { PairFollower } from './pair-follower.ts';
import {
  decodePairFrame,
  encodePairFrame,
  type PairAcknowledgement,
  type PairFrame,
  type SleepOffer,
} from './pair-frames.ts';
import { type LeaderSleep, PairLeader } from './pair-leader.ts';
import { type GroupId, nodeOf, type ReplicaId } from './types.ts';

export type { SleepOffer } from './pair-frames.ts';

/** What pairs ask of the scheduler. All of it happens within tick() and receive(). */
export interface PairHost {
  /** The body of a frame; it may get lost. */
  send(node: NodeId, body: Uint8Array): void;
  /** Asks the follower of this group on this node to sleep. If it follows offer.leader in offer.term, has everything
   * committed up to offer.commit and nothing beyond, and has nothing to do, it stops ticking and answers who registers. It
   * may sleep already. */
  fallAsleep(offer: SleepOffer): Registrant | undefined;
  /** The group, asleep until now, must tick again. A leader sends heartbeats at once. */
  wake(group: GroupId): void;
  /** Nothing was heard from this node for an election timeout, at which these groups slept: they must tick again, and
   * have waited for an election timeout already. */
  onSuspect(node: NodeId, groups: readonly GroupId[]): void;
  /** P12: what this node's clock is worth has changed. */
  onClock(verdict: ClockVerdict): void;
}

export interface LeaderOffer extends SleepOffer {
  readonly lease: Lease;
  /** All members but the leader and those who are absent. */
  readonly followers: readonly ReplicaId[];
  /** Members on nodes that are silent: as soon as such a node is heard again, the group wakes to bring it up to date. */
  readonly absent: readonly ReplicaId[];
}

/** A node that was silent for so many election timeouts is absent: groups sleep without it. */
const ABSENT_AFTER = 8;

/** With more groups that are about to sleep, it is not asked whether each may close anything. */
const OFFERED_MAX = 64;

/** Of a pair's smoothed round trip, what a new one weighs. */
const ROUND_TRIP_WEIGHT = 1 / 8;

interface Peer {
  readonly leading: PairLeader;
  readonly following: PairFollower;
  /** How many groups have a member there. */
  shared: number;
  /** When it was last sent a heartbeat. */
  beatenAtTick: number;
  isSuspected: boolean;
  /** Ticks since anything was heard. */
  silentTicks: number;
  roundTripMicros: number | undefined;
}

export class Pairs {
  private readonly self: NodeId;
  private readonly live: Liveness;
  private readonly host: PairHost;
  private readonly log: Log;
  private readonly peers = new Map<NodeId, Peer>();
  private readonly skew: SkewGuard;
  private verdict: ClockVerdict['kind'] = 'alone';
  private ticks = 0;

  /** Groups that this node leads. */
  private readonly leading = new Map<GroupId, LeaderSleep>();
  /** Of these, those that some follower has not registered yet, oldest first. */
  private readonly offered = new Set<LeaderSleep>();
  /** Groups that follow. */
  private readonly following = new Map<GroupId, PairFollower>();

  constructor(self: NodeId, live: Liveness, host: PairHost, log: Log) {
    this.self = self;
    this.live = live;
    this.host = host;
    this.log = log;
    this.skew = new SkewGuard({ driftPerMillion: live.timing.driftPerMillion });
  }

  /** A group of this node has a member there: heartbeats flow while any has. */
  meet(node: NodeId): void {
    const peer = this.peer(node);
    if (peer.shared++ > 0) return;
    peer.leading.silentTicks = 0;
    peer.following.silentTicks = 0;
    peer.silentTicks = 0;
  }

  /** The member has gone, or the group. */
  part(node: NodeId): void {
    const peer = this.peer(node);
    assert(peer.shared > 0, `no group is shared with node ${node}`);
    peer.shared--;
    if (peer.shared === 0) this.skew.forget(node);
  }

  /** Once a tick of RaftTiming. */
  tick(): void {
    const { timing, runtime } = this.live;
    this.ticks++;
    const isBeat = this.ticks % timing.heartbeatTicks === 0;
    for (const [node, peer] of this.peers) {
      if (peer.shared === 0) continue;
      this.watch(node, peer);
      const { heartbeatTicks } = timing;
      const dueTicks = this.setsPace(node) ? heartbeatTicks : heartbeatTicks + 1;
      if (this.ticks - peer.beatenAtTick >= dueTicks) this.beat(node, peer);
    }
    this.withdrawOffers();
    if (isBeat) this.tellVerdict(this.skew.judge(runtime.time.wall()));
  }

  receive(from: NodeId, body: Uint8Array): void {
    let frame: PairFrame;
    try {
      frame = decodePairFrame(body);
    } catch (error) {
      this.log.warn('a pair heartbeat could not be read', { from, error: String(error) });
      return;
    }
    const peer = this.peer(from);
    if (frame.kind === 'heartbeat') {
      const answer = peer.following.receive(frame);
      if (answer !== undefined) this.host.send(from, encodePairFrame(answer));
      if (peer.shared > 0 && !this.setsPace(from)) this.beat(from, peer);
    } else {
      this.measure(from, peer, frame);
      if (peer.leading.receive(frame)) this.beat(from, peer);
    }
    peer.isSuspected = false;
    if (this.isAbsent(from)) this.rouseFor(from);
    peer.silentTicks = 0;
  }

  /** Whether nothing was heard from there for long: it is not waited for. */
  isAbsent(node: NodeId): boolean {
    const silentTicks = this.peers.get(node)?.silentTicks ?? 0;
    return silentTicks >= ABSENT_AFTER * this.live.timing.electionTicks;
  }

  /** The node is back: groups that fell asleep without it have something to tell it. */
  private rouseFor(node: NodeId): void {
    for (const sleep of [...this.leading.values()]) {
      if (!sleep.absent.some((replica) => nodeOf(replica) === node)) continue;
      this.endSleep(sleep);
      this.host.wake(sleep.offer.group);
    }
  }

  /** A leader that is idle wants to sleep. True: it sleeps from now on, until wake(). The configuration is not joint,
   * all followers but those who are absent have all of its log, and all of it is committed. */
  offerSleep(offer: LeaderOffer): boolean {
    const { group, term, leader, commit, lease, followers, absent } = offer;
    assert(!this.isAsleep(group), `group ${group} sleeps already`);
    if (!followers.every((replica) => this.canAsk(nodeOf(replica)))) return false;
    const nodes = new Set(followers.map(nodeOf));
    if (followers.length === 0 || nodes.size < followers.length) return false;
    const sleep: LeaderSleep = {
      offer: { group, term, leader, commit },
      lease,
      followers,
      absent,
      missing: followers.length,
      offeredAtTick: this.ticks,
    };
    this.leading.set(group, sleep);
    this.offered.add(sleep);
    for (const replica of followers) this.peer(nodeOf(replica)).leading.ask(sleep, replica);
    return true;
  }

  private canAsk(node: NodeId): boolean {
    const peer = this.peers.get(node);
    return peer !== undefined && peer.shared > 0 && !peer.isSuspected && peer.leading.isReady;
  }

  /** The group is about to act: to vote, to change its term, to send, to take a message or a proposal. Nothing when it
   * is awake. */
  wake(group: GroupId): void {
    const sleep = this.leading.get(group);
    if (sleep !== undefined) this.endSleep(sleep);
    this.leaveFollowing(group);
  }

  isAsleep(group: GroupId): boolean {
    return this.leading.has(group) || this.following.has(group);
  }

  /** Of heartbeats, smoothed. */
  roundTripMicros(node: NodeId): number | undefined {
    return this.peers.get(node)?.roundTripMicros;
  }

  /** Whether nothing was heard from there for an election timeout. */
  isSuspected(node: NodeId): boolean {
    return this.peers.get(node)?.isSuspected ?? false;
  }

  private peer(node: NodeId): Peer {
    const known = this.peers.get(node);
    if (known !== undefined) return known;
    const { runtime, answers } = this.live;
    const leading = new PairLeader(node, runtime, {
      onRegistered: (sleep, replica) => {
        sleep.lease.attach(replica);
        sleep.missing--;
        if (sleep.missing === 0) this.offered.delete(sleep);
      },
      onLost: (sleep) => {
        this.endSleep(sleep);
        this.host.wake(sleep.offer.group);
      },
    });
    const following = new PairFollower(node, runtime, {
      onOffer: (offer, pair) => this.follow(offer, pair),
      onWake: (group) => {
        this.following.delete(group);
        this.host.wake(group);
      },
    });
    const peer: Peer = {
      leading,
      following,
      shared: 0,
      beatenAtTick: Number.NEGATIVE_INFINITY,
      isSuspected: false,
      silentTicks: 0,
      roundTripMicros: undefined,
    };
    this.peers.set(node, peer);
    answers.set(node, leading);
    return peer;
  }

  /** Silence is counted in ticks, not in time: after a stall of this process, what arrived meanwhile is heard first. */
  private watch(node: NodeId, peer: Peer): void {
    const { leading, following } = peer;
    const { electionTicks } = this.live.timing;
    peer.silentTicks++;
    leading.silentTicks++;
    following.silentTicks++;
    if (leading.silentTicks % electionTicks === 0) leading.restart();
    if (following.silentTicks % electionTicks === 0) this.suspect(node);
  }

  private suspect(node: NodeId): void {
    const peer = this.peer(node);
    const groups = peer.following.restart();
    for (const group of groups) this.following.delete(group);
    if (peer.isSuspected && groups.length === 0) return;
    peer.isSuspected = true;
    this.host.onSuspect(node, groups);
  }

  private setsPace(node: NodeId): boolean {
    return this.self < node;
  }

  private beat(node: NodeId, peer: Peer): void {
    const { leading } = peer;
    peer.beatenAtTick = this.ticks;
    const stamp = this.live.stamps.takeFresh();
    const closed = leading.sleeping === 0 ? MIN_TIMESTAMP : this.closable();
    this.host.send(node, encodePairFrame(leading.heartbeat(stamp, closed)));
  }

  /** P23: what is closed for all groups that this node leads and that sleep. Each was registered by all whom it asked, a
   * majority, so its lease lasts as long as the shortest of what their nodes have acknowledged. */
  private closable(): Timestamp {
    const { live, offered } = this;
    const { clock, time } = live.runtime;
    let closed = closable(clock);
    if (closed === MIN_TIMESTAMP || offered.size > OFFERED_MAX) return MIN_TIMESTAMP;
    const now = time.monotonicMicros();
    for (const { leading } of this.peers.values()) {
      if (leading.sleeping === 0) continue;
      const sending = live.stamps.at(leading.answeredStamp);
      if (sending === undefined) return MIN_TIMESTAMP;
      if (now >= sending.monotonicMicros + live.leaderLeaseMicros) return MIN_TIMESTAMP;
      const end = sending.earliest + live.leaderLeaseMicros;
      if (closed >= end) closed = (end - 1) as Timestamp;
    }
    // Their leases are still their own.
    for (const { lease } of offered) if (!lease.covers(closed)) return MIN_TIMESTAMP;
    return closed;
  }

  /** The lease of a leader that waits for its followers runs on what they acknowledged before. */
  private withdrawOffers(): void {
    const patienceTicks = this.live.timing.electionTicks >> 1;
    for (const sleep of this.offered) {
      if (this.ticks - sleep.offeredAtTick <= patienceTicks) return;
      this.endSleep(sleep);
      this.host.wake(sleep.offer.group);
    }
  }

  private endSleep(sleep: LeaderSleep): void {
    const { offer, lease, followers } = sleep;
    this.leading.delete(offer.group);
    this.offered.delete(sleep);
    for (const replica of followers) {
      lease.detach(replica);
      this.peer(nodeOf(replica)).leading.dismiss(offer.group);
    }
  }

  private follow(offer: SleepOffer, pair: PairFollower): Registrant | undefined {
    // It may be registered by an earlier offer, here or with another node's.
    this.leaveFollowing(offer.group);
    if (this.leading.has(offer.group)) return undefined;
    const registrant = this.host.fallAsleep(offer);
    if (registrant !== undefined) this.following.set(offer.group, pair);
    return registrant;
  }

  private leaveFollowing(group: GroupId): void {
    const pair = this.following.get(group);
    if (pair === undefined) return;
    this.following.delete(group);
    pair.leave(group);
  }

  private measure(node: NodeId, peer: Peer, answer: PairAcknowledgement): void {
    const { stamps, runtime } = this.live;
    const sending = stamps.at(answer.stamp);
    if (sending === undefined) return;
    const receivedMicros = runtime.time.monotonicMicros();
    const { monotonicMicros: sentMicros } = sending;
    const { earliestMicros, latestMicros } = answer;
    this.skew.exchanged(node, { sentMicros, receivedMicros, earliestMicros, latestMicros });
    const sample = receivedMicros - sentMicros;
    peer.roundTripMicros ??= sample;
    peer.roundTripMicros += (sample - peer.roundTripMicros) * ROUND_TRIP_WEIGHT;
  }

  private tellVerdict(verdict: ClockVerdict): void {
    if (verdict.kind === this.verdict) return;
    this.verdict = verdict.kind;
    this.host.onClock(verdict);
  }
}

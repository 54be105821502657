// Each end of a pair alone, with what the other says written by hand.
import { describe, expect, it } from 'vitest';
import { MIN_TIMESTAMP, type Timestamp } from '../../src/clock/timestamp.ts';
import { Lease } from '../../src/raft/lease.ts';
import { PairFollower } from '../../src/raft/pair-follower.ts';
import {
  decodePairFrame,
  encodePairFrame,
  type PairAcknowledgement,
  type PairFrame,
  type PairHeartbeat,
} from '../../src/raft/pair-frames.ts';
import { type LeaderSleep, PairLeader } from '../../src/raft/pair-leader.ts';
import { ElectionPromise } from '../../src/raft/promise.ts';
import { FakeLife, viewOf } from './liveness-fixture.ts';

function leading(): {
  end: PairLeader;
  told: string[];
  ask: (group: number) => void;
  answer: (fields: Partial<PairAcknowledgement>) => boolean;
} {
  const { live } = new FakeLife();
  const told: string[] = [];
  const end: PairLeader = new PairLeader(2, live.runtime, {
    onRegistered: ({ offer }) => void told.push(`registered ${offer.group}`),
    onLost: ({ offer }) => void told.push(`lost ${offer.group} at ${end.answeredStamp}`),
  });
  const { leaderEpoch } = end.heartbeat(1, MIN_TIMESTAMP);
  const answer = (fields: Partial<PairAcknowledgement>): boolean =>
    end.receive({
      kind: 'acknowledgement',
      leaderEpoch,
      followerEpoch: 10,
      stamp: 100,
      earliestMicros: 0,
      latestMicros: 0,
      version: 0,
      done: 0,
      first: 1,
      changes: [],
      ...fields,
    });
  const ask = (group: number): void => {
    const sleep: LeaderSleep = {
      offer: { group, term: 5, leader: 1, commit: 7 },
      lease: new Lease(live, viewOf([1, 2])),
      followers: [2],
      absent: [],
      missing: 1,
      offeredAtTick: 0,
    };
    end.ask(sleep, 2);
  };
  answer({});
  return { end, told, ask, answer };
}

const registered = (group: number, request: number) =>
  ({ kind: 'registered', group, request }) as const;
const left = (group: number, request: number) => ({ kind: 'left', group, request }) as const;

describe('the end that leads', () => {
  it('lets no acknowledgement count whose version it does not know all of (P4)', () => {
    const { end, told, ask, answer } = leading();
    ask(1);
    ask(2);
    const isMore = answer({ stamp: 200, version: 2, done: 2, changes: [registered(1, 1)] });
    expect(end.answeredStamp).toBe(100);
    expect(end.heardStamp).toBe(200);
    expect(isMore).toBe(true);
    expect(end.heartbeat(1, MIN_TIMESTAMP).known).toBe(1);
    answer({ stamp: 300, version: 2, done: 2, first: 2, changes: [registered(2, 2)] });
    expect(end.answeredStamp).toBe(300);
    expect(told).toEqual(['registered 1', 'registered 2']);
  });

  it('takes no changes after a gap, and does not ask in circles', () => {
    const { end, told, ask, answer } = leading();
    ask(1);
    const fields = { stamp: 200, version: 3, done: 1, first: 3, changes: [registered(1, 1)] };
    answer(fields);
    expect(answer(fields)).toBe(false);
    expect(end.answeredStamp).toBe(100);
    expect(told).toEqual([]);
  });

  it('knows what has left before it counts the acknowledgement that says so', () => {
    const { end, told, ask, answer } = leading();
    ask(1);
    answer({ stamp: 200, version: 1, done: 1, changes: [registered(1, 1)] });
    answer({ stamp: 300, version: 2, done: 1, first: 2, changes: [left(1, 1)] });
    expect(told).toEqual(['registered 1', 'lost 1 at 200']);
    expect(end.answeredStamp).toBe(300);
  });

  it('does not take the end of an earlier sleep for that of a later one', () => {
    const { told, ask, end, answer } = leading();
    ask(1);
    end.dismiss(1);
    ask(1);
    answer({ version: 2, done: 2, changes: [registered(1, 1), left(1, 1)] });
    expect(told).toEqual([]);
    answer({ version: 3, done: 3, first: 3, changes: [registered(1, 3)] });
    expect(told).toEqual(['registered 1']);
  });

  it('repeats what was not confirmed, and nothing else', () => {
    const { ask, end, answer } = leading();
    ask(1);
    ask(2);
    expect(end.heartbeat(1, MIN_TIMESTAMP)).toMatchObject({
      first: 1,
      requests: [{ group: 1 }, { group: 2 }],
    });
    answer({ done: 1 });
    expect(end.heartbeat(1, MIN_TIMESTAMP)).toMatchObject({ first: 2, requests: [{ group: 2 }] });
  });

  it('hears only the follower’s latest epoch, which voids what was registered before', () => {
    const { told, ask, end, answer } = leading();
    ask(1);
    answer({ stamp: 200, version: 1, done: 1, changes: [registered(1, 1)] });
    answer({ followerEpoch: 11, stamp: 300 });
    expect(told).toEqual(['registered 1', 'lost 1 at 200']);
    expect(end.heartbeat(1, MIN_TIMESTAMP)).toMatchObject({
      followerEpoch: 11,
      known: 0,
      requests: [],
    });
    answer({ followerEpoch: 10, stamp: 400 });
    answer({ leaderEpoch: 1, followerEpoch: 12, stamp: 500 });
    expect(end.heardStamp).toBe(300);
  });
});

describe('the end that follows', () => {
  function following(): {
    end: PairFollower;
    life: FakeLife;
    promise: ElectionPromise;
    hear: (fields: Partial<PairHeartbeat>) => PairAcknowledgement | undefined;
    woken: number[];
  } {
    const life = new FakeLife();
    life.now = 5_000_000;
    const woken: number[] = [];
    const lease = new Lease(life.live, viewOf([1, 2], { role: 'follower' }));
    const promise = new ElectionPromise(life.live, lease);
    const end = new PairFollower(1, life.live.runtime, {
      onOffer: ({ term }) => (term === 5 ? promise : undefined),
      onWake: (group) => void woken.push(group),
    });
    const hear = (fields: Partial<PairHeartbeat>): PairAcknowledgement | undefined =>
      end.receive({
        kind: 'heartbeat',
        closed: MIN_TIMESTAMP,
        through: 0,
        leaderEpoch: 20,
        followerEpoch: 0,
        stamp: 100,
        known: 0,
        first: 1,
        requests: [],
        ...fields,
      });
    return { end, life, promise, hear, woken };
  }

  const sleep = (group: number, term = 5) =>
    ({ kind: 'sleep', group, term, leader: 1, commit: 7 }) as const;

  it('introduces itself, and does nothing that was asked of another epoch', () => {
    const { end, hear } = following();
    const answer = hear({ requests: [sleep(1)] });
    expect(answer).toMatchObject({ leaderEpoch: 20, stamp: 100, version: 0, done: 0, changes: [] });
    expect(answer?.followerEpoch).toBeGreaterThan(0);
    expect(end.sleeping).toBe(0);
  });

  it('does what is asked, once and in order, and says what came of it', () => {
    const { end, hear } = following();
    const followerEpoch = hear({})?.followerEpoch ?? 0;
    const requests = [sleep(1), sleep(2, 4), { kind: 'wake', group: 1 } as const, sleep(1)];
    const changes = [registered(1, 1), { kind: 'refused', group: 2, request: 2 }, left(1, 1)];
    expect(hear({ followerEpoch, requests: requests.slice(0, 3) })).toMatchObject({
      version: 3,
      done: 3,
      changes,
    });
    expect(hear({ followerEpoch, requests: requests.slice(0, 2) })).toMatchObject({ done: 3 });
    expect(hear({ followerEpoch, known: 2, requests })).toMatchObject({
      version: 4,
      done: 4,
      first: 3,
      changes: [left(1, 1), registered(1, 4)],
    });
    expect(end.sleeping).toBe(1);
    expect(hear({ followerEpoch, first: 9, requests: [sleep(3)] })).toMatchObject({ done: 4 });
  });

  it('keeps what was promised until a replica leaves, and not what is heard afterwards', () => {
    const { end, hear, life, promise } = following();
    const followerEpoch = hear({})?.followerEpoch ?? 0;
    hear({ followerEpoch, requests: [sleep(1)] });
    life.now += 400_000;
    hear({ followerEpoch });
    expect(end.leave(1)).toBe(true);
    expect(end.leave(1)).toBe(false);
    life.now += 499_999;
    expect(promise.mayElect()).toBe(false);
    hear({ followerEpoch });
    life.now++;
    expect(promise.mayElect()).toBe(true);
  });

  it('wakes everything when the leader’s end begins anew, and hears the old one no more', () => {
    const { end, hear, woken } = following();
    const followerEpoch = hear({})?.followerEpoch ?? 0;
    hear({ followerEpoch, requests: [sleep(1), sleep(2)] });
    const answer = hear({ leaderEpoch: 21, followerEpoch });
    expect(answer).toMatchObject({ leaderEpoch: 21, version: 0, done: 0 });
    expect(woken).toEqual([1, 2]);
    expect(end.sleeping).toBe(0);
    expect(hear({ leaderEpoch: 20, followerEpoch })).toBeUndefined();
  });

  it('has another epoch after it voided what it had', () => {
    const { end, hear } = following();
    const followerEpoch = hear({})?.followerEpoch ?? 0;
    hear({ followerEpoch, requests: [sleep(1)] });
    expect(end.restart()).toEqual([1]);
    const answer = hear({ followerEpoch, requests: [sleep(1)] });
    expect(answer?.followerEpoch).toBeGreaterThan(followerEpoch);
    expect(end.sleeping).toBe(0);
  });
});

describe('frames', () => {
  const envelope = { leaderEpoch: 2 ** 52 + 1, followerEpoch: 0, stamp: 2 ** 53 - 1 };
  const frames: PairFrame[] = [
    {
      ...envelope,
      kind: 'heartbeat',
      closed: (2 ** 52) as Timestamp,
      known: 300,
      through: 2 ** 33,
      first: 7,
      requests: [
        { kind: 'sleep', group: 1, term: 2 ** 40, leader: 65_537, commit: 2 ** 45 },
        { kind: 'wake', group: 200_000 },
      ],
    },
    {
      ...envelope,
      kind: 'acknowledgement',
      earliestMicros: 1_700_000_000_000_000.25,
      latestMicros: 1_700_000_000_000_100,
      version: 9,
      done: 8,
      first: 7,
      changes: [
        { kind: 'registered', group: 1, request: 5 },
        { kind: 'left', group: 2, request: 6 },
        { kind: 'refused', group: 3, request: 2 ** 33 },
      ],
    },
  ];

  it('come back as they were', () => {
    for (const frame of frames) expect(decodePairFrame(encodePairFrame(frame))).toEqual(frame);
  });

  it('are refused when they are cut anywhere', () => {
    for (const frame of frames) {
      const bytes = encodePairFrame(frame);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodePairFrame(bytes.subarray(0, length))).toThrow(RangeError);
      }
    }
  });
});

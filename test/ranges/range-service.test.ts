// Ranges of another node, over the simulated network: what is asked and answered, what waits for a slow reader, and what
// becomes of requests and locks when the stream between two nodes breaks.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { DbError } from '../../src/base/errors.ts';
import { timestamp } from '../../src/clock/timestamp.ts';
import type { RangeEndpoint, RangeTxn } from '../../src/ranges/endpoint.ts';
import { RangeGone } from '../../src/ranges/range-gone.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { RangeService } from '../../src/ranges/remote/range-service.ts';
import { RemoteRanges } from '../../src/ranges/remote/remote-range.ts';
import type { LockSession, RowScan, ScanBatch, ScanRequest } from '../../src/ranges/requests.ts';
import { ABSENT_RANGE } from '../../src/ranges/routing/absent-range.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { SimDisk } from '../../src/sim/disk.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { SimClock } from '../../src/sim/sim-clock.ts';
import { simRuntime } from '../../src/sim/sim-runtime.ts';
import { Life, World } from '../../src/sim/world.ts';

const SECOND = 1_000_000;
const HEAD = { range: 7, generation: 1 };
const T = timestamp(5);
const SESSION: LockSession = { range: 7, generation: 1, term: 2, session: 3 };
const LOCKING = { mode: 'exclusive', wait: 'block', timeoutMicros: 9 } as const;
const SCAN: ScanRequest = {
  span: { start: utf8('a'), end: undefined },
  reverse: false,
  program: undefined,
  parameters: undefined,
  limitRows: 0,
  batchBytes: 100,
};

function txn(n: number): RangeTxn {
  return { id: n.toString(16).padStart(32, '0'), age: timestamp(n), session: undefined };
}

class Pair {
  readonly world: World;
  readonly network: SimNetwork;
  readonly lives: readonly [Life, Life] = [new Life(1), new Life(2)];
  readonly gateway: Runtime;
  readonly server: Runtime;
  readonly service: RangeService;
  readonly remote: RemoteRanges;
  readonly released: string[] = [];
  readonly streams: Promise<void>[] = [];
  /** What the range on node 2 does. */
  range: Partial<RangeEndpoint> = {};

  constructor(seed = 1) {
    this.world = new World(seed);
    this.network = new SimNetwork(this.world);
    const [one, two] = this.lives.map((life) =>
      simRuntime({
        world: this.world,
        life,
        clock: new SimClock(this.world, `node ${life.node}`, 10),
        disk: new SimDisk(this.world, `disk ${life.node}`),
        network: this.network,
      }),
    ) as [Runtime, Runtime];
    this.gateway = one;
    this.server = two;
    const released = (id: string): void => void this.released.push(id);
    const find = (range: number): { readonly endpoint: RangeEndpoint } | undefined =>
      range === HEAD.range
        ? {
            endpoint: {
              ...ABSENT_RANGE,
              release: (_head, { id }) => released(id),
              ...this.range,
            },
          }
        : undefined;
    this.service = new RangeService({
      ranges: { lookup: find, holder: find },
      timers: two.timers,
      log: two.log,
      faults: two.faults,
    });
    two.network.onStream((from, purpose, stream) => {
      expect([from, purpose]).toEqual([1, 'ranges']);
      this.streams.push(this.service.serve(from, stream));
    });
    this.remote = new RemoteRanges(2, one);
  }

  async until<T>(promise: T | Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    Promise.resolve(promise).then(settle, settle);
    const limit = this.world.nowMicros + 60 * SECOND;
    if (!(await this.world.run(() => isSettled, limit))) throw new Error('it never ends');
    return promise;
  }

  async pass(micros: number): Promise<void> {
    await this.world.run(() => false, this.world.nowMicros + micros);
  }
}

function counted(batches: number, log: { read: number; closed: number }): RowScan {
  return {
    next: (): Promise<ScanBatch | undefined> => {
      if (log.read >= batches) return Promise.resolve(undefined);
      log.read++;
      return Promise.resolve({ rows: Uint8Array.of(log.read), rowCount: 1, lastKey: undefined });
    },
    close: () => {
      log.closed++;
    },
  };
}

describe('a range on another node', () => {
  it('answers reads, at once or later', async () => {
    const pair = new Pair();
    let answered = 0;
    pair.range = {
      readAt: (head, key, t, into) => {
        expect([head, key, t]).toEqual([HEAD, utf8('k'), T]);
        into.bytes = utf8('..value');
        into.offset = 2;
        into.length = 5;
        into.timestamp = timestamp(4);
        return answered++ === 0 ? true : Promise.resolve(true);
      },
      getAt: (_head, keys) => ({ kind: 'values', values: [...keys, undefined] }),
    };
    for (let i = 0; i < 2; i++) {
      const into = newRowSlice();
      expect(await pair.until(pair.remote.readAt(HEAD, utf8('k'), T, into))).toBe(true);
      expect(into).toEqual({ bytes: utf8('value'), offset: 0, length: 5, timestamp: 4 });
    }
    const got = await pair.until(pair.remote.getAt(HEAD, [utf8('a'), utf8('b')], T));
    expect(got).toEqual({ kind: 'values', values: [utf8('a'), utf8('b'), undefined] });
  });

  it('says so when it is not there', async () => {
    const pair = new Pair();
    const head = { range: 8, generation: 1 };
    const got = await pair.until(pair.remote.getAt(head, [utf8('a')], T));
    expect(got).toEqual({ kind: 'wrongRange', known: [] });
  });

  it('passes errors on', async () => {
    const pair = new Pair();
    pair.range = {
      getAt: () => {
        throw new DbError('22003', 'too far', { hint: 'Come closer.' });
      },
      approximateBytes: () => Promise.reject(new Error('a bug')),
    };
    await expect(pair.until(pair.remote.getAt(HEAD, [], T))).rejects.toMatchObject({
      code: '22003',
      message: 'too far',
      fields: { hint: 'Come closer.' },
    });
    const span = { start: utf8('a'), end: undefined };
    await expect(pair.until(pair.remote.approximateBytes(HEAD, span))).rejects.toMatchObject({
      code: 'XX000',
      message: 'a bug',
    });
  });

  it('gets all requests of a turn in few chunks, and answers each', async () => {
    const pair = new Pair();
    let chunks = 0;
    const { network } = pair.server;
    network.onStream((from, _purpose, stream) => {
      const counting = {
        ...stream,
        read: async () => {
          const chunk = await stream.read();
          chunks++;
          return chunk;
        },
      };
      void pair.service.serve(from, counting);
    });
    pair.range = { getAt: (_head, keys) => ({ kind: 'values', values: keys }) };
    const asked = Array.from({ length: 500 }, (_, n) => pair.remote.getAt(HEAD, [utf8(`${n}`)], T));
    const answers = await pair.until(Promise.all(asked));
    expect(answers.map((one) => (one.kind === 'values' ? one.values[0] : one.kind))).toEqual(
      Array.from({ length: 500 }, (_, n) => utf8(`${n}`)),
    );
    expect(chunks).toBeLessThan(5);
  });
});

describe('a scan on another node', () => {
  it('runs no further ahead of its reader than its credit', async () => {
    const pair = new Pair();
    const log = { read: 0, closed: 0 };
    pair.range = { scanAt: () => counted(50, log) };
    const scan = pair.remote.scanAt(HEAD, SCAN, T);
    await pair.pass(SECOND);
    expect(log.read).toBe(3);
    expect((await pair.until(scan.next()))?.rows).toEqual(Uint8Array.of(1));
    await pair.pass(SECOND);
    expect(log.read).toBe(4);
    let rows = 1;
    while ((await pair.until(scan.next())) !== undefined) rows++;
    expect(rows).toBe(50);
    expect(log.closed).toBe(1);
  });

  it('ends there when it is closed here', async () => {
    const pair = new Pair();
    const log = { read: 0, closed: 0 };
    pair.range = { scanAt: () => counted(50, log) };
    const scan = pair.remote.scanAt(HEAD, SCAN, T);
    await pair.until(scan.next());
    scan.close();
    await pair.pass(SECOND);
    expect(log.closed).toBe(1);
    expect(log.read).toBeLessThan(6);
    expect(await pair.until(scan.next())).toBeUndefined();
  });

  it('throws what it meets: a range that is gone, or an error', async () => {
    const pair = new Pair();
    const refusal = {
      kind: 'notLeader',
      leaderNode: 3,
      message: 'gone',
      known: undefined,
    } as const;
    const failing = (error: Error): RowScan => ({
      next: () => Promise.reject(error),
      close: () => undefined,
    });
    pair.range = { scanAt: () => failing(new RangeGone(refusal)) };
    await expect(pair.until(pair.remote.scanAt(HEAD, SCAN, T).next())).rejects.toMatchObject({
      name: 'RangeGone',
      refusal,
    });
    pair.range = { scanAt: () => failing(new DbError('40001', 'wounded')) };
    await expect(pair.until(pair.remote.scanAt(HEAD, SCAN, T).next())).rejects.toMatchObject({
      code: '40001',
    });
  });

  it('under locks answers its session first', async () => {
    const pair = new Pair();
    const log = { read: 0, closed: 0 };
    pair.range = {
      lockedScan: (_head, _txn, _locking, _scan) =>
        Promise.resolve({ kind: 'scan', session: SESSION, scan: counted(2, log) } as const),
    };
    const answer = await pair.until(pair.remote.lockedScan(HEAD, txn(1), LOCKING, SCAN));
    expect(answer).toMatchObject({ kind: 'scan', session: SESSION });
    if (answer.kind !== 'scan') return;
    expect((await pair.until(answer.scan.next()))?.rowCount).toBe(1);
    expect((await pair.until(answer.scan.next()))?.rowCount).toBe(1);
    expect(await pair.until(answer.scan.next())).toBeUndefined();
  });
});

describe('a stream that breaks', () => {
  it('says of reads that they may be asked again, and of commits that nobody knows', async () => {
    const pair = new Pair();
    pair.range = {
      getAt: () => new Promise(() => undefined),
      commit: () => new Promise(() => undefined),
      scanAt: () => ({ next: () => new Promise(() => undefined), close: () => undefined }),
    };
    const read = pair.remote.getAt(HEAD, [utf8('a')], T);
    const commit = pair.remote.commit(HEAD, txn(1), [], T);
    const next = pair.remote.scanAt(HEAD, SCAN, T).next();
    next.catch(() => undefined);
    await pair.pass(SECOND);
    pair.network.cut(1, 2);
    expect((await pair.until(read)).kind).toBe('notLeader');
    expect((await pair.until(commit)).kind).toBe('ambiguous');
    await expect(pair.until(next)).rejects.toBeInstanceOf(RangeGone);
    // Nothing was sent: it was not committed.
    expect((await pair.until(pair.remote.commit(HEAD, txn(2), [], T))).kind).toBe('notLeader');
    pair.network.heal();
    pair.range = { getAt: () => ({ kind: 'values', values: [] }) };
    // It was not there when it was asked last: who asks now finds out for those who ask next.
    expect((await pair.until(pair.remote.getAt(HEAD, [], T))).kind).toBe('notLeader');
    await pair.pass(SECOND);
    expect((await pair.until(pair.remote.getAt(HEAD, [], T))).kind).toBe('values');
  });

  it('is one on which nothing is heard; nobody waits for that node again before it answers', async () => {
    const pair = new Pair();
    pair.range = { getAt: () => ({ kind: 'values', values: [] }) };
    expect((await pair.until(pair.remote.getAt(HEAD, [], T))).kind).toBe('values');
    // As a paused process does, whose connections stay.
    pair.lives[1].pausedUntilMicros = pair.world.nowMicros + 10 * SECOND;
    const ask = async (): Promise<{ readonly kind: string; readonly micros: number }> => {
      const began = pair.world.nowMicros;
      const { kind } = await pair.until(pair.remote.getAt(HEAD, [], T));
      return { kind, micros: pair.world.nowMicros - began };
    };
    const first = await ask();
    expect(first.kind).toBe('notLeader');
    expect(first.micros).toBeGreaterThan(1 * SECOND);
    expect(first.micros).toBeLessThan(2.1 * SECOND);
    for (let i = 0; i < 5; i++) {
      expect(await ask()).toEqual({ kind: 'notLeader', micros: 0 });
      await pair.pass(SECOND);
    }
    await pair.pass(5 * SECOND);
    expect((await ask()).kind).toBe('notLeader');
    await pair.pass(SECOND);
    expect((await ask()).kind).toBe('values');
  });

  it('is not one on which a lock is waited for', async () => {
    const pair = new Pair();
    let grant: () => void = () => undefined;
    pair.range = {
      lockedGet: () =>
        new Promise((resolve) => {
          grant = () => resolve({ kind: 'rows', session: SESSION, rows: [] });
        }),
    };
    const locked = pair.remote.lockedGet(HEAD, txn(1), LOCKING, []);
    await pair.pass(30 * SECOND);
    expect(pair.released).toEqual([]);
    grant();
    expect((await pair.until(locked)).kind).toBe('rows');
  });
});

describe("a gateway's locks", () => {
  const granting: Partial<RangeEndpoint> = {
    lockedGet: () => ({ kind: 'rows', session: SESSION, rows: [] }),
    commit: () => Promise.resolve({ kind: 'committed', timestamp: T }),
  };

  it('last while it is heard from, and go with its stream', async () => {
    const pair = new Pair();
    pair.range = granting;
    await pair.until(pair.remote.lockedGet(HEAD, txn(1), LOCKING, []));
    await pair.pass(60 * SECOND);
    expect(pair.released).toEqual([]);
    expect(pair.service.remoteTransactions).toBe(1);
    pair.network.cut(1, 2);
    await pair.pass(SECOND);
    expect(pair.released).toEqual([txn(1).id]);
    expect(pair.service.remoteTransactions).toBe(0);
  });

  it('go when it is silent for three seconds', async () => {
    const pair = new Pair();
    pair.range = granting;
    await pair.until(pair.remote.lockedGet(HEAD, txn(1), LOCKING, []));
    // It stops, as a paused process does: nothing breaks.
    pair.lives[0].alive = false;
    await pair.pass(2 * SECOND);
    expect(pair.released).toEqual([]);
    await pair.pass(4 * SECOND);
    expect(pair.released).toEqual([txn(1).id]);
  });

  it('are its to let go of, and end with a commit; what is prepared hears when it is gone', async () => {
    const pair = new Pair();
    pair.range = {
      ...granting,
      twoPhase: {
        ...ABSENT_RANGE.twoPhase,
        prepare: () => Promise.resolve({ kind: 'prepared', at: T, until: T }),
      },
    };
    for (const n of [1, 2, 3, 4]) {
      await pair.until(pair.remote.lockedGet(HEAD, txn(n), LOCKING, []));
    }
    pair.remote.release(HEAD, txn(1));
    await pair.until(pair.remote.commit(HEAD, txn(2), [], T));
    const request = { txn: txn(3), writes: [], anchor: utf8('a'), deadline: T };
    await pair.until(pair.remote.twoPhase.prepare(HEAD, request));
    await pair.pass(SECOND);
    expect(pair.released).toEqual([txn(1).id]);
    expect(pair.service.remoteTransactions).toBe(2);
    pair.network.cut(1, 2);
    await pair.pass(SECOND);
    // Which ends with its coordinator's word all the same (P19).
    expect(pair.released).toEqual([txn(1).id, txn(3).id, txn(4).id]);
  });

  it('last through a commit of several ranges, one of which is prepared there', async () => {
    const pair = new Pair();
    pair.range = {
      ...granting,
      twoPhase: {
        ...ABSENT_RANGE.twoPhase,
        prepare: () => Promise.resolve({ kind: 'prepared', at: T, until: T }),
        confirm: () => Promise.resolve({ kind: 'confirmed', until: T }),
        resolve: () => Promise.resolve({ kind: 'resolved' }),
      },
    };
    await pair.until(pair.remote.lockedGet(HEAD, txn(1), LOCKING, []));
    const other = { range: HEAD.range, generation: 0 };
    const request = { txn: txn(1), writes: [], anchor: utf8('a'), deadline: T };
    await pair.until(pair.remote.twoPhase.prepare(other, request));
    await pair.until(pair.remote.twoPhase.confirm(HEAD, txn(1)));
    // Elsewhere it waits for locks.
    await pair.pass(60 * SECOND);
    expect(pair.released).toEqual([]);
    expect(pair.service.remoteTransactions).toBe(1);
    pair.remote.release(HEAD, txn(1));
    await pair.pass(SECOND);
    expect(pair.service.remoteTransactions).toBe(0);
  });

  it('of an earlier stream are gone before anything comes through the next', async () => {
    const pair = new Pair();
    const order: string[] = [];
    pair.range = {
      lockedGet: (_head, { id }) => {
        order.push(`lock ${Number(`0x${id}`)}`);
        return { kind: 'rows', session: SESSION, rows: [] };
      },
      release: (_head, { id }) => void order.push(`release ${Number(`0x${id}`)}`),
    };
    await pair.until(pair.remote.lockedGet(HEAD, txn(1), LOCKING, []));
    const again = new RemoteRanges(2, pair.gateway);
    await pair.until(again.lockedGet(HEAD, txn(2), LOCKING, []));
    expect(order).toEqual(['lock 1', 'release 1', 'lock 2']);
  });
});

describe('a stream that makes no sense', () => {
  it('is cut off', async () => {
    const pair = new Pair();
    for (const nonsense of [
      Uint8Array.of(1, 0, 0, 0, 0xff),
      // A beat before any greeting.
      Uint8Array.of(2, 0, 0, 0, 1, 0),
      // A greeting in a version of the future.
      Uint8Array.of(3, 0, 0, 0, 0, 0, 99),
    ]) {
      const stream = await pair.until(pair.gateway.network.openStream(2, 'ranges'));
      await pair.until(stream.write(nonsense));
      await expect(pair.until(stream.read())).rejects.toThrow();
    }
  });
});

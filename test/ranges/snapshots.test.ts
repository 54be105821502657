// Snapshots between two replicas over simulated streams: what is refused, what breaks, what is tried again.

import { describe, expect, it } from 'vitest';
import { timestamp } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { RecentTransactions } from '../../src/ranges/commit/recent-transactions.ts';
import { newState } from '../../src/ranges/range-state.ts';
import { Pace } from '../../src/ranges/snapshots/pace.ts';
import * as format from '../../src/ranges/snapshots/snapshot-format.ts';
import { SnapshotReceiver } from '../../src/ranges/snapshots/snapshot-receiver.ts';
import { SnapshotSender } from '../../src/ranges/snapshots/snapshot-sender.ts';
import { Turns } from '../../src/ranges/turns.ts';
import type { ByteStream, Network } from '../../src/runtime/runtime.ts';
import { SimNetwork } from '../../src/sim/network.ts';
import { Life } from '../../src/sim/world.ts';
import { EVERYWHERE, put, Rig } from './fixture.ts';

const CONFIGURATION = configurationOf([1, 2, 3]);

interface Pair {
  readonly from: Rig;
  readonly to: Rig;
  readonly network: SimNetwork;
  readonly receiver: SnapshotReceiver;
  /** Of messages from the sender, counted from 1: what becomes of each. */
  onMessage: (message: Uint8Array, number: number) => Uint8Array;
}

/** Two ranges in one world: node 1 sends, node 2 receives. */
async function pair(rows: number): Promise<Pair> {
  const from = await Rig.serving();
  for (let i = 0; i < rows; i++) await from.write(put(`key ${i}`, 'x'.repeat(100_000)));
  const to = new Rig({ world: from.world });
  await to.until(to.shard.opened);
  const network = new SimNetwork(from.world);
  const sender = new SnapshotSender({
    range: 7,
    shard: from.shard,
    timers: from.runtime.timers,
    log: from.runtime.log,
    turns: new Turns(4),
    pace: new Pace(from.runtime.time, from.runtime.timers, () => 1e9),
    origin: from.replica,
    load: { sent: () => undefined },
    mark: (index) => ({ index, term: 3, configuration: CONFIGURATION, configurationIndex: 0 }),
  });
  const self: Pair = { from, to, network, receiver: undefined as never, onMessage: (one) => one };
  const sending: Network = network.attach(new Life(1));
  sending.onStream((node, _purpose, stream) => {
    let messages = 0;
    const changed: ByteStream = {
      ...stream,
      write: (message) => stream.write(self.onMessage(message, ++messages)),
    };
    void sender.serve(node, changed);
  });
  const receiver = new SnapshotReceiver({
    range: 7,
    shard: to.shard,
    runtime: { ...to.runtime, network: network.attach(new Life(2)) },
    turns: new Turns(4),
    target: to.replica,
    leaderNode: () => 1,
    mayInstall: () => true,
  });
  return Object.assign(self, { receiver });
}

describe('a snapshot', () => {
  it('brings rows, times and transactions, and the replica goes on after it', async () => {
    const { from, to, receiver } = await pair(12);
    const txn = from.txn();
    const committed = await from.until(from.commit(txn, [put('last', 'one')]));
    const mark = await from.until(receiver.pull(1, 10));
    expect(mark).toEqual({
      index: 13,
      term: 3,
      configuration: CONFIGURATION,
      configurationIndex: 0,
    });
    expect(to.replica.appliedIndex).toBe(13);
    await to.until(to.replica.lead(4));
    expect(await to.readNow('key 11')).toBe('x'.repeat(100_000));
    expect(await to.readNow('last')).toBe('one');
    expect(to.replica.floor).toBeGreaterThanOrEqual(
      committed.kind === 'committed' ? committed.timestamp : Number.POSITIVE_INFINITY,
    );
    // P20
    // It does not know any more what the first took.
    expect(committed).toMatchObject(
      (await to.until(to.commit(txn, [put('last', 'two')]))) as object,
    );
    const opened = await to.until(to.shard.flush());
    expect(opened.find(({ range }) => range === 7)).toMatchObject({ appliedIndex: 13 });
  });

  it('is refused when it holds too little, and nothing has changed then', async () => {
    const { from, to, receiver } = await pair(2);
    await expect(from.until(receiver.pull(1, 3))).rejects.toThrow('not applied here yet');
    from.replica.break('it differs');
    await expect(from.until(receiver.pull(1, 2))).rejects.toThrow('it differs');
    expect(to.replica.isInstalling).toBe(false);
    await to.until(to.replica.lead(4));
    await to.write(put('own', '1'));
    expect(await to.readNow('own')).toBe('1');
  });

  it('is not taken from a sender that is out of reach', async () => {
    const { from, to, network, receiver } = await pair(2);
    network.cut(1, 2);
    await expect(from.until(receiver.pull(1, 2))).rejects.toThrow("can't be reached");
    expect(to.replica.isInstalling).toBe(false);
  });

  it.each([
    ['damaged before anything was dropped', 1],
    ['damaged in the middle', 4],
  ])('is noticed to be %s', async (_what, number) => {
    const own = await pair(12);
    let damaged = 0;
    own.onMessage = (message, at) => {
      if (at !== number || damaged > 0) return message;
      damaged++;
      const other = message.slice();
      other[other.length - 1] = (other[other.length - 1] as number) ^ 1;
      return other;
    };
    const pulled = own.from.until(own.receiver.pull(1, 12));
    if (number === 1) {
      await expect(pulled).rejects.toMatchObject({ code: 'XX001' });
      expect(own.to.replica.isInstalling).toBe(false);
    } else {
      expect((await pulled)?.index).toBe(12);
    }
    expect(damaged).toBe(1);
  });

  it('P31: that breaks off once the old state is gone is pulled again, until it is there', async () => {
    const own = await pair(12);
    const { world } = own.from;
    own.network.settings.delayMicrosMin = 5_000;
    own.network.settings.delayMicrosMax = 20_000;
    const pulled = own.receiver.pull(1, 12);
    for (let i = 0; i < 3; i++) {
      await world.run(() => own.to.replica.isInstalling, world.nowMicros + 1_000_000);
      own.network.cut(1, 2);
      await own.from.pass(2_000_000);
      expect(own.to.replica.isInstalling).toBe(true);
      own.network.heal();
    }
    await own.from.until(pulled);
    expect(own.receiver.received).toBe(1);
    await own.to.until(own.to.replica.lead(4));
    expect(await own.to.readNow('key 0')).toBe('x'.repeat(100_000));
  });

  it('that says less than was sent is no snapshot', async () => {
    const own = await pair(12);
    let isCut = false;
    own.onMessage = (message, at) => {
      if (at !== 3 || isCut) return message;
      expect(format.openSnapshotMessage(message).kind).toBe(format.SNAPSHOT_ROWS);
      isCut = true;
      return format.snapshotMessage(format.SNAPSHOT_END, Uint8Array.of(9, 0, 0, 0));
    };
    await own.from.until(own.receiver.pull(1, 12));
    expect(isCut).toBe(true);
    await own.to.until(own.to.replica.lead(4));
    for (let i = 0; i < 12; i++) expect((await own.to.readNow(`key ${i}`))?.length).toBe(100_000);
  });
});

describe('the head of a snapshot', () => {
  it('is read as it was written', () => {
    const head: format.SnapshotHead = {
      mark: { index: 5, term: 2, configuration: CONFIGURATION, configurationIndex: 3 },
      state: newState({
        ...EVERYWHERE,
        span: { start: Uint8Array.of(1), end: Uint8Array.of(2) },
      }),
      greatest: timestamp(77),
    };
    const message = format.snapshotMessage(format.SNAPSHOT_HEAD, format.encodeHead(head));
    const { kind, reader } = format.openSnapshotMessage(message);
    expect(kind).toBe(format.SNAPSHOT_HEAD);
    expect(format.decodeHead(reader)).toEqual(head);
  });

  it('of a newer version is refused with both versions named', () => {
    const head = format.encodeHead({
      mark: { index: 5, term: 2, configuration: CONFIGURATION, configurationIndex: 3 },
      state: newState(EVERYWHERE),
      greatest: timestamp(77),
    });
    head[0] = 9;
    const message = format.snapshotMessage(format.SNAPSHOT_HEAD, head);
    const { reader } = format.openSnapshotMessage(message);
    expect(() => format.decodeHead(reader)).toThrow('format version 9, this program knows version');
  });
});

describe('transaction ids on their way (P20)', () => {
  it('are remembered by who unpacks them, as long as by who packed them', () => {
    const sender = new RecentTransactions(1_000_000);
    const id = (n: number): Uint32Array => Uint32Array.of(9, 8, 7, n);
    const clockAt = (t: number) => ({ earliest: () => timestamp(t) });
    for (let n = 0; n < 25_000; n++) {
      sender.hasRoom(clockAt(n));
      sender.add(id(n), timestamp(n + 1), timestamp(1000 + n));
    }
    const receiver = new RecentTransactions(1_000_000);
    for (const packed of sender.pack()) receiver.unpack(packed);
    expect(receiver.size).toBe(sender.size);
    for (let n = 24_000; n < 25_000; n++) expect(receiver.find(id(n))).toBe(n + 1);
    // Until the last deadline has passed.
    receiver.hasRoom(clockAt(25_900));
    expect(receiver.find(id(24_999))).toBe(25_000);
  });
});

describe('turns', () => {
  it('come one at a time, in order, and the line has an end', async () => {
    const turns = new Turns(2);
    const taken: number[] = [];
    const first = await turns.take();
    const second = turns.take().then((done) => {
      taken.push(2);
      return done;
    });
    const third = turns.take().then((done) => {
      taken.push(3);
      return done;
    });
    await expect(turns.take()).rejects.toMatchObject({ code: '53300' });
    expect(taken).toEqual([]);
    first();
    (await second)();
    expect(taken).toEqual([2]);
    (await third)();
    (await turns.take())();
    expect(taken).toEqual([2, 3]);
  });
});

import { afterEach, describe, expect, test } from 'vitest';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { DEFAULT_SPLIT_LIMITS } from '../../src/node/load/split-queue-rules.ts';
import { chance, rowKey } from '../ranges/load/traffic.ts';
import { FakeCluster, manualSplit, ROW_BYTES } from './split-queue-fixture.ts';

let cluster: FakeCluster;

afterEach(() => cluster.stop());

function start(nodes = 3): FakeCluster {
  cluster = new FakeCluster(nodes);
  return cluster;
}

describe('splits by load', () => {
  test('a hot range is split within five seconds, into pieces that can be shared out evenly', async () => {
    const { ranges } = start();
    const below = chance(1);
    await cluster.run(5, 2000, () => cluster.read(below(1_000_000)));
    expect(ranges.length).toBeGreaterThan(3);
    await cluster.run(10, 2000, () => cluster.read(below(1_000_000)));
    const works = ranges.map(({ load }) => load.work);
    const total = works.reduce((sum, work) => sum + work, 0);
    expect(Math.max(...works)).toBeLessThan((0.25 * total) / 3);
    expect(ranges.length).toBeLessThanOrEqual(3 + 32);
  });

  test('a range that becomes busy stays where it is until it was divided, or can not be', async () => {
    start();
    const below = chance(8);
    const { queue } = cluster.node(1);
    expect(queue.isDividing(3)).toBe(false);
    // Half of what makes a node busy.
    await cluster.run(5, 500, () => cluster.read(below(1_000_000)));
    expect(cluster.ranges).toHaveLength(3);
    expect(queue.isDividing(3)).toBe(true);
    await cluster.run(10, 500, () => cluster.read(below(1_000_000)));
    expect(queue.isDividing(3)).toBe(false);
    await cluster.run(10, 2000, () => cluster.read(4711));
    expect(queue.isDividing(3)).toBe(false);
  });

  test('splits come to an end while the load stays', async () => {
    start();
    const below = chance(2);
    await cluster.run(20, 2000, () => cluster.read(below(1_000_000)));
    const { length } = cluster.ranges;
    await cluster.run(40, 2000, () => cluster.read(below(1_000_000)));
    expect(cluster.ranges.length).toBeLessThanOrEqual(length + 4);
  });

  test('load that is little beside what a node can do splits nothing', async () => {
    start();
    const below = chance(3);
    await cluster.run(20, 200, () => cluster.read(below(1_000_000)));
    expect(cluster.ranges).toHaveLength(3);
  });

  test('a node that is alone has nobody to share with', async () => {
    start(1);
    const below = chance(4);
    await cluster.run(10, 2000, () => cluster.read(below(1_000_000)));
    expect(cluster.ranges).toHaveLength(3);
  });

  test('one hot row is reported and never split; when it cools down the report goes', async () => {
    const { ranges } = start();
    await cluster.run(15, 2000, () => cluster.read(4711));
    expect(ranges).toHaveLength(3);
    const { queue } = cluster.node(1);
    expect(queue.hotRow(3)).toEqual({ key: rowKey(4711), share: 1 });
    expect(cluster.world.logged.filter((line) => line.startsWith('one row'))).toHaveLength(1);
    await cluster.run(15);
    expect(queue.hotRow(3)).toBeUndefined();
  });

  test('a growing key goes from node to node, each time ahead of the traffic', async () => {
    const { ranges, moves } = start();
    let next = 0;
    const requestsBy = new Map<number, number>();
    await cluster.run(60, 1000, () => {
      const { leader } = cluster.at(rowKey(next));
      requestsBy.set(leader.id, (requestsBy.get(leader.id) ?? 0) + 1);
      cluster.write(next++);
    });
    expect(ranges.length).toBeGreaterThan(6);
    expect(moves.length).toBeGreaterThan(3);
    const shares = [...requestsBy.values()];
    expect(shares).toHaveLength(3);
    expect(Math.max(...shares) / Math.min(...shares)).toBeLessThan(2.5);
  });

  test('a range that could not be split is left alone for a while', async () => {
    start();
    cluster.refusing = 'a snapshot is being sent';
    const below = chance(5);
    await cluster.run(12, 2000, () => cluster.read(below(1_000_000)));
    const failures = cluster.node(1).queue.counts.failures;
    expect(failures).toBeGreaterThanOrEqual(1);
    expect(failures).toBeLessThanOrEqual(2);
    cluster.refusing = undefined;
    await cluster.run(12, 2000, () => cluster.read(below(1_000_000)));
    expect(cluster.ranges.length).toBeGreaterThan(6);
  });
});

describe('splits by size', () => {
  test('a range that has grown too large is halved by its data until it fits', async () => {
    start(1);
    cluster.limits = { ...DEFAULT_SPLIT_LIMITS, maxBytes: 1000 * ROW_BYTES, merges: false };
    cluster.rows = Array.from({ length: 3500 }, (_, i) => rowKey(i * i));
    await cluster.run(5);
    expect(cluster.bounds()).toHaveLength(3);
    const sizes = await Promise.all(cluster.ranges.map((range) => range.approximateBytes()));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1000 * ROW_BYTES);
  });

  test('what is written is noticed', async () => {
    start(1);
    cluster.limits = { ...DEFAULT_SPLIT_LIMITS, maxBytes: 1000 * ROW_BYTES, merges: false };
    let next = 0;
    await cluster.run(10, 300, () => {
      cluster.rows.push(rowKey(next));
      cluster.write(next++, ROW_BYTES);
    });
    expect(cluster.bounds().length).toBeGreaterThanOrEqual(2);
  });
});

describe('merges', () => {
  const cooled = 400;

  test('small cold neighbours become one after the cool-down, not before', async () => {
    start();
    for (const id of [100, 200, 300]) await manualSplit(cluster, id);
    await cluster.run(290);
    expect(cluster.ranges).toHaveLength(6);
    await cluster.run(30);
    // What has just been merged rests again.
    expect(cluster.ranges.length).toBeLessThan(6);
    await cluster.run(3 * cooled);
    expect(cluster.ranges).toHaveLength(3);
  });

  test('neighbours that other nodes lead are asked about there', async () => {
    start();
    const right = await manualSplit(cluster, 100);
    await right.transferTo(2);
    await cluster.run(cooled);
    expect(cluster.ranges).toHaveLength(3);
  });

  test('a split by hand stays until its time is over', async () => {
    start();
    const until = (cluster.world.trueMicros + 1000 * 1e6) as Timestamp;
    await manualSplit(cluster, 100, until);
    await cluster.run(900);
    expect(cluster.ranges).toHaveLength(4);
    await cluster.run(300);
    expect(cluster.ranges).toHaveLength(3);
  });

  test('neither what is busy nor what is large is merged', async () => {
    start();
    await manualSplit(cluster, 100);
    const right = await manualSplit(cluster, 200);
    await right.transferTo(2);
    cluster.rows = Array.from({ length: 1000 }, (_, i) => rowKey(i));
    cluster.limits = { ...DEFAULT_SPLIT_LIMITS, maxBytes: 1000 * ROW_BYTES };
    await cluster.run(cooled, 200, () => cluster.read(250));
    // [200, end) has 800 rows; what lies before it is small and cold.
    expect(cluster.bounds()).toEqual([200]);
  });

  test('root, directory and data stay apart', async () => {
    start();
    await cluster.run(3 * cooled);
    expect(cluster.ranges).toHaveLength(3);
    expect(cluster.actions).toEqual([]);
  });
});

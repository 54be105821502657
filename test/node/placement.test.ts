// Placement settles, is even, and never takes a majority away: random clusters in virtual time. The model judges every
// change of replicas (placement-model.ts).

import { describe, expect, it } from 'vitest';
import { factorOf } from '../../src/node/placement/allocator-repair.ts';
import { firstSeeds } from '../support/depth.ts';
import { ModelCluster, ModelRange, SECOND } from './placement-model.ts';
import { build, load, requireEven, shapeOf } from './placement-shapes.ts';

const MIB = 1024 * 1024;

function random(seed: number, skew = 0.5): ModelCluster {
  const cluster = new ModelCluster(seed);
  build(cluster, shapeOf(cluster));
  load(cluster, 0.4, skew);
  return cluster;
}

/** `nodes` nodes, `ranges` ranges on the first three of them. */
function plain(nodes: number, ranges: number, seed = 1): ModelCluster {
  const cluster = new ModelCluster(seed);
  for (let node = 1; node <= nodes; node++) cluster.addNode(node);
  for (let i = 1; i <= ranges; i++) cluster.ranges.push(new ModelRange(i, [1, 2, 3], 10 * MIB));
  return cluster;
}

function requireReplicated(cluster: ModelCluster): void {
  const alive = [...cluster.nodes.values()].filter(({ isAlive }) => isAlive).length;
  for (const range of cluster.ranges) {
    const { voters, configuration } = range;
    const where = `range ${range.range} has ${JSON.stringify(configuration)}`;
    expect(voters.length, where).toBe(factorOf(3, alive));
    expect(configuration.learners, where).toEqual([]);
    for (const node of voters) expect(cluster.isAlive(node), where).toBe(true);
  }
}

describe('placement in virtual time', () => {
  it.each(firstSeeds(8))(
    'settles under a steady load, and is even then (seed %i)',
    async (seed) => {
      const cluster = random(seed);
      await cluster.run(240);
      expect(cluster.movesSince(160 * SECOND)).toEqual([]);
      expect(cluster.log).toEqual([]);
      requireEven(cluster);
      requireReplicated(cluster);
    },
  );

  it.each(firstSeeds(4))(
    'settles though what nodes learn of themselves varies all the time (seed %i)',
    async (seed) => {
      const cluster = plain(4, 40, seed);
      cluster.capacityNoise = 0.2;
      load(cluster, 0.4, 0.5);
      await cluster.run(240);
      expect(cluster.movesSince(160 * SECOND)).toEqual([]);
      requireEven(cluster);
    },
  );

  it.each(firstSeeds(4))(
    'settles when a few ranges have nearly all of the load (seed %i)',
    async (seed) => {
      const cluster = random(seed, 1.2);
      await cluster.run(240);
      expect(cluster.movesSince(160 * SECOND)).toEqual([]);
      requireEven(cluster);
    },
  );

  it.each(firstSeeds(4))(
    'follows a load that shifts, and settles when it stays (seed %i)',
    async (seed) => {
      const cluster = random(seed);
      for (let i = 0; i < 4; i++) {
        await cluster.run(30);
        load(cluster, 0.4, 0.5);
      }
      await cluster.run(240);
      expect(cluster.movesSince(200 * SECOND)).toEqual([]);
      requireEven(cluster);
    },
  );

  it('is even 30 s after a load came to one node, by leases alone', async () => {
    const cluster = plain(3, 24);
    for (const range of cluster.ranges) range.leader = 1;
    await cluster.run(20);
    for (const range of cluster.ranges) range.leader = 1;
    for (const range of cluster.ranges) range.load = SECOND / 40;
    const before = cluster.world.nowMicros;
    await cluster.run(30);
    requireEven(cluster);
    expect(cluster.movesSince(before).filter((move) => !move.includes('lease'))).toEqual([]);
  });

  it('leaves a lone hot range where it is', async () => {
    const cluster = plain(3, 1);
    (cluster.ranges[0] as ModelRange).load = 0.8 * SECOND;
    // What followers have to do with it is heard of a moment later than what the leader has.
    await cluster.run(5);
    await cluster.run(120);
    expect(cluster.movesSince(5 * SECOND)).toEqual([]);
  });

  it('uses a node that joins', async () => {
    const cluster = plain(3, 30);
    for (const range of cluster.ranges) range.load = SECOND / 50;
    await cluster.run(60);
    cluster.addNode(4);
    await cluster.run(60);
    requireEven(cluster);
    await cluster.run(120);
    expect(cluster.movesSince(180 * SECOND)).toEqual([]);
    const on4 = cluster.ranges.filter(({ voters }) => voters.includes(4)).length;
    expect(on4).toBeGreaterThan(15);
  });

  it('replicates what one node began with, once there are three', async () => {
    const cluster = new ModelCluster(7);
    cluster.addNode(1);
    for (let i = 1; i <= 5; i++) cluster.ranges.push(new ModelRange(i, [1], MIB));
    await cluster.run(20);
    cluster.addNode(2);
    await cluster.run(20);
    // Two voters would survive no failure, and one that fails would stop both.
    expect(cluster.movesSince(0)).toEqual([]);
    cluster.addNode(3);
    await cluster.run(60);
    requireReplicated(cluster);
  });

  it.each(firstSeeds(4))('replaces the replicas of a dead node (seed %i)', async (seed) => {
    const cluster = random(seed);
    cluster.addNode(20);
    cluster.settings.set('node.dead_after', 30 * SECOND);
    await cluster.run(60);
    const before = cluster.world.nowMicros;
    cluster.kill(1);
    await cluster.run(25);
    expect(cluster.movesSince(before).filter((move) => move.includes('dead'))).toEqual([]);
    await cluster.run(150);
    requireReplicated(cluster);
    for (const { voters } of cluster.ranges) expect(voters).not.toContain(1);
  });

  it('waits with three nodes of which one is dead: there is nobody to take its place', async () => {
    const cluster = plain(3, 6);
    cluster.settings.set('node.dead_after', 10 * SECOND);
    await cluster.run(5);
    cluster.kill(3);
    await cluster.run(60);
    for (const { voters } of cluster.ranges) expect(voters.length).toBe(3);
    cluster.addNode(4);
    await cluster.run(60);
    requireReplicated(cluster);
  });

  it.each(firstSeeds(4))('empties a node that is decommissioned (seed %i)', async (seed) => {
    const cluster = random(seed);
    cluster.addNode(20);
    await cluster.run(60);
    cluster.setState(1, 'decommissioning');
    await cluster.run(180);
    for (const { nodes, leader } of cluster.ranges) {
      expect(nodes).not.toContain(1);
      expect(leader).not.toBe(1);
    }
  });

  it('takes the leases of a node that drains, and gives them back when it stays', async () => {
    const cluster = plain(3, 30);
    for (const range of cluster.ranges) range.load = SECOND / 60;
    await cluster.run(60);
    const one = cluster.nodes.get(2) as { isDraining: boolean };
    one.isDraining = true;
    await cluster.run(20);
    expect(cluster.ranges.filter(({ leader }) => leader === 2)).toEqual([]);
    one.isDraining = false;
    await cluster.run(60);
    requireEven(cluster);
  });

  it('spreads replicas over places before all else', async () => {
    const cluster = new ModelCluster(3);
    for (let node = 1; node <= 6; node++) {
      cluster.addNode(node, { locality: `region=eu,zone=${'aaabbc'[node - 1]}` });
    }
    for (let i = 1; i <= 12; i++) cluster.ranges.push(new ModelRange(i, [1, 2, 3], 10 * MIB));
    await cluster.run(240);
    for (const { voters } of cluster.ranges) {
      const zones = voters.map((node) => cluster.nodes.get(node)?.locality);
      expect(new Set(zones).size).toBe(3);
    }
    expect(cluster.movesSince(160 * SECOND)).toEqual([]);
  });

  it('lowers and raises the factor', async () => {
    const cluster = plain(5, 10);
    cluster.settings.set('replication.factor', 5);
    await cluster.run(60);
    for (const { voters } of cluster.ranges) expect(voters.length).toBe(5);
    cluster.settings.set('replication.factor', 1);
    await cluster.run(60);
    for (const { voters } of cluster.ranges) expect(voters.length).toBe(1);
  });

  it('lives through kills, drains and shifts without losing a majority', async () => {
    for (const seed of firstSeeds(3)) {
      const cluster = random(seed + 100);
      cluster.addNode(20);
      cluster.settings.set('node.dead_after', 15 * SECOND);
      const victims = [...cluster.nodes.keys()].filter((node) => node <= 2);
      await cluster.run(20);
      for (const victim of victims) {
        load(cluster, 0.4, 0.8);
        (cluster.nodes.get(20) as { isDraining: boolean }).isDraining = victim === 1;
        await cluster.run(10);
        cluster.kill(victim);
        await cluster.run(90);
      }
      await cluster.run(60);
      const alive = [...cluster.nodes.values()].filter(({ isAlive }) => isAlive).length;
      if (alive >= 3) requireReplicated(cluster);
    }
  });
});

// Clients insert through SQL wherever it is served, while nodes die, are cut off, hand over and lose frames; a log that
// is cut early makes whoever returns pull a snapshot. What was acknowledged is there in the end, nothing else is, and
// all replicas hold the same.

import { expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';
import { moreSeeds } from '../support/depth.ts';

const SECOND = 1_000_000;
const CLIENTS = 3;
const FAULTS = 20;
/** Nothing happened, or nobody knows. */
const EXPECTED_CODES = new Set(['57P03', '40001', '40003']);

class Inserts {
  readonly acknowledged = new Set<number>();
  /** Those of which nobody could tell, and those whose node died over them. */
  readonly unknown = new Set<number>();
  isOver = false;
  private readonly cluster: Cluster;
  private readonly random: SeededRandom;
  private last = 0;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.random = cluster.world.random.fork('inserts');
  }

  async client(): Promise<void> {
    const { world, nodes } = this.cluster;
    while (!this.isOver) {
      const node = nodes.find(({ database }) => database?.status().isServing === true);
      if (node === undefined) await world.sleep(20_000);
      else await this.insert(node, ++this.last);
      await world.sleep(this.random.below(200_000));
    }
  }

  private async insert(node: ClusterNode, id: number): Promise<void> {
    const { life } = node;
    this.unknown.add(id);
    const text = `INSERT INTO t VALUES (${id}, repeat('x', 20000))`;
    let outcome: 'done' | DbError | undefined;
    const session = this.cluster.session(node);
    session.query(text).then(
      () => {
        outcome = 'done';
      },
      (error: DbError) => {
        outcome = error;
      },
    );
    while (outcome === undefined && life.alive) await this.cluster.world.sleep(5_000);
    if (outcome === 'done') {
      this.acknowledged.add(id);
      this.unknown.delete(id);
    } else if (outcome !== undefined) {
      if (!EXPECTED_CODES.has(outcome.code)) throw outcome;
      if (outcome.code !== '40003') this.unknown.delete(id);
    }
  }
}

async function harm(cluster: Cluster, random: SeededRandom): Promise<void> {
  const { network, nodes } = cluster;
  const node = nodes[random.below(nodes.length)] as ClusterNode;
  switch (random.below(4)) {
    case 0:
      cluster.crash(node, random.oneIn(2));
      await cluster.pass(random.below(4 * SECOND));
      await cluster.open(node);
      return;
    case 1:
      cluster.cut(node, nodes);
      await cluster.pass(random.below(3 * SECOND));
      network.heal();
      return;
    case 2: {
      const leader = nodes.find(({ database }) => database?.status().isServing === true);
      // It may fail: then another election comes.
      await cluster.until(
        leader?.open.transferLeadership(node.nodeId).catch(() => undefined) ?? Promise.resolve(),
      );
      return;
    }
    default:
      network.settings.loseOneIn = random.oneIn(2) ? 10 : 0;
  }
}

it.each(moreSeeds === undefined ? [101] : [101, 106])(
  'seed %i: nothing acknowledged is lost, nothing else appears',
  async (seed) => {
    const cluster = await Cluster.start({ seed, config: { entriesPerFlush: 10 } });
    const first = await cluster.leader();
    await cluster.query(cluster.session(first), 'CREATE TABLE t (id int PRIMARY KEY, v text)');
    const inserts = new Inserts(cluster);
    const clients = Promise.all(Array.from({ length: CLIENTS }, () => inserts.client()));
    clients.catch((error: unknown) => cluster.world.fail(error));
    const random = cluster.world.random.fork('faults');
    for (let i = 0; i < FAULTS; i++) {
      await cluster.pass(random.below(2 * SECOND));
      await harm(cluster, random);
    }
    cluster.network.settings.loseOneIn = 0;
    inserts.isOver = true;
    await cluster.until(clients);
    await cluster.settled();
    const leader = await cluster.leader();
    const { rows } = await cluster.query(cluster.session(leader), 'SELECT id FROM t');
    const found = new Set(rows.map((row) => row['id'] as number));
    expect([...inserts.acknowledged].filter((id) => !found.has(id))).toEqual([]);
    const { acknowledged, unknown } = inserts;
    expect([...found].filter((id) => !acknowledged.has(id) && !unknown.has(id))).toEqual([]);
    expect(acknowledged.size).toBeGreaterThan(100);
    expect(await cluster.until(leader.open.checkConsistency())).toMatchObject({
      kind: 'consistent',
      replicas: 3,
    });
    expect(cluster.nodes.flatMap(({ broken }) => broken)).toEqual([]);
    expect(cluster.log.some((line) => line.includes('installed a snapshot'))).toBe(true);
  },
);

// Statements about ranges on whole nodes in simulated time, asked of a node that leads nothing, and while one is away.

import { describe, expect, it } from 'vitest';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const SECOND = 1_000_000;

interface Rig {
  readonly cluster: Cluster;
  readonly leader: ClusterNode;
  /** Of a node that does not lead the table. */
  readonly session: EmbeddedSession;
}

async function start(): Promise<Rig> {
  const cluster = await Cluster.start({ nodes: 3 });
  const leader = await cluster.leader();
  const other = cluster.followersOf(leader)[0] as ClusterNode;
  await cluster.when(() => other.open.status().isServing, 'SQL on the other node');
  const session = cluster.session(other);
  await cluster.query(session, 'CREATE TABLE t (id int8 PRIMARY KEY, v text)');
  await cluster.query(session, "INSERT INTO t SELECT g, 'x' FROM generate_series(0, 99) g");
  return { cluster, leader, session };
}

async function shown({ cluster, session }: Rig, text: string): Promise<readonly unknown[][]> {
  const { rows } = await cluster.query(session, text);
  return rows.map((row) => Object.values(row as unknown as Record<string, unknown>));
}

async function starts(rig: Rig): Promise<readonly unknown[]> {
  return (await shown(rig, 'SHOW RANGES FROM TABLE t')).map((row) => row[1]);
}

describe('ranges by hand', () => {
  it('SPLIT AT makes each key the start of a range, and answers in the order asked', async () => {
    const rig = await start();
    const answers = await shown(rig, 'ALTER TABLE t SPLIT AT VALUES (10), (20), (50), (70), (90)');
    expect(answers.map(([key]) => key)).toEqual(['(10)', '(20)', '(50)', '(70)', '(90)']);
    expect(await starts(rig)).toEqual(['<start>', '(10)', '(20)', '(50)', '(70)', '(90)']);
    const { rows } = await rig.cluster.query(rig.session, 'SELECT sum(id) AS s FROM t');
    expect(rows).toMatchObject([{ s: '4950' }]);
  });

  it('SPLIT AT a second time changes nothing', async () => {
    const rig = await start();
    const first = await shown(rig, 'ALTER TABLE t SPLIT AT VALUES (50)');
    expect(await shown(rig, 'ALTER TABLE t SPLIT AT VALUES (50)')).toEqual(first);
    expect(await starts(rig)).toEqual(['<start>', '(50)']);
  });

  it('UNSPLIT of a key at which nothing starts is refused', async () => {
    const rig = await start();
    await shown(rig, 'ALTER TABLE t SPLIT AT VALUES (50)');
    expect(await shown(rig, 'ALTER TABLE t UNSPLIT AT VALUES (50)')).toHaveLength(1);
    const refused = rig.cluster.query(rig.session, 'ALTER TABLE t UNSPLIT AT VALUES (60)');
    await expect(refused).rejects.toMatchObject({ code: '22023' });
  });

  it('SCATTER gives leases to nodes by chance', async () => {
    const rig = await start();
    await shown(rig, "SET CLUSTER SETTING rebalance.enabled = 'off'");
    const keys = Array.from({ length: 12 }, (_, i) => `(${8 * i + 4})`);
    await shown(rig, `ALTER TABLE t SPLIT AT VALUES ${keys.join(', ')}`);
    // Who was not heard of yet is given nothing.
    await rig.cluster.pass(5 * SECOND);
    expect(await shown(rig, 'ALTER TABLE t SCATTER')).toHaveLength(13);
    await rig.cluster.pass(2 * SECOND);
    const leaders = (await shown(rig, 'SHOW RANGES FROM TABLE t')).map((row) => row[5]);
    expect(new Set(leaders).size).toBe(3);
  });

  it('SCATTER gives nothing to a node that is away, and does not wait for it', async () => {
    const rig = await start();
    await shown(rig, "SET CLUSTER SETTING rebalance.enabled = 'off'");
    const keys = Array.from({ length: 12 }, (_, i) => `(${8 * i + 4})`);
    await shown(rig, `ALTER TABLE t SPLIT AT VALUES ${keys.join(', ')}`);
    rig.cluster.crash(rig.leader);
    await rig.cluster.pass(10 * SECOND);
    const before = rig.cluster.world.nowMicros;
    const given = await shown(rig, 'ALTER TABLE t SCATTER');
    expect(rig.cluster.world.nowMicros - before).toBeLessThan(2 * SECOND);
    expect(given.map((row) => row[5])).not.toContain(rig.leader.nodeId);
  });

  it('SHOW RANGES tells of every range while a node is away', async () => {
    const rig = await start();
    await shown(rig, 'ALTER TABLE t SPLIT AT VALUES (25), (50), (75)');
    rig.cluster.crash(rig.leader);
    await rig.cluster.pass(5 * SECOND);
    const ranges = await shown(rig, 'SHOW RANGES FROM TABLE t');
    expect(ranges.map((row) => row[1])).toEqual(['<start>', '(25)', '(50)', '(75)']);
    expect(ranges.map((row) => row[5])).not.toContain(rig.leader.nodeId);
  });
});

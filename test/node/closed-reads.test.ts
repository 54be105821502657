// P23: what a follower answers at or below its safe time is what its leader would have answered, also where transactions
// span ranges, ranges are split and nodes die.

import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP, type Timestamp, timestamp } from '../../src/clock/timestamp.ts';
import type { RangeHost } from '../../src/node/ranges/range-host.ts';
import type { RangeHead } from '../../src/ranges/endpoint.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { encodeKeyDatum, keyPrefix } from '../../src/rows/key-codec.ts';
import { INT4 } from '../../src/rows/types.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { Life } from '../../src/sim/world.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';
import { firstSeeds } from '../support/depth.ts';

const SECOND = 1_000_000;
/** The first table's primary index. */
const TABLE = 100;
const ROWS = 40;

function rowKey(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.raw(keyPrefix(TABLE));
  encodeKeyDatum(writer, INT4, id, false, false);
  return writer.take();
}

function headOf({ descriptor }: RangeHost): RangeHead {
  return { range: descriptor.range, generation: descriptor.generation };
}

/** What the row's bytes are at t, as this replica says; undefined: it does not say. */
async function readOf(
  host: RangeHost,
  id: number,
  t: Timestamp,
): Promise<{ readonly row: string } | undefined> {
  const into = newRowSlice();
  const read = await host.replica.endpoint.readAt(headOf(host), rowKey(id), t, into);
  if (read !== true) return undefined;
  const { bytes, offset, length } = into;
  return {
    row: length < 0 ? 'none' : Buffer.from(bytes.subarray(offset, offset + length)).toString('hex'),
  };
}

async function serving(cluster: Cluster, id: number): Promise<RangeHost> {
  const find = (): RangeHost | undefined => {
    for (const { database } of cluster.nodes) {
      const host = database?.ranges.find(rowKey(id));
      if (host?.isServing === true) return host;
    }
    return undefined;
  };
  await cluster.when(() => find() !== undefined, 'a leader of the range');
  return find() as RangeHost;
}

async function splitAt(cluster: Cluster, id: number): Promise<void> {
  const host = await serving(cluster, id);
  await cluster.until(host.split({ at: rowKey(id), stickyUntil: MIN_TIMESTAMP }));
}

async function withTable(seed: number): Promise<Cluster> {
  const cluster = await Cluster.start({ seed });
  const session = cluster.session(await cluster.leader());
  await cluster.query(session, 'CREATE TABLE t (id int PRIMARY KEY, v int)');
  await cluster.query(session, `INSERT INTO t SELECT g, 0 FROM generate_series(0, ${ROWS - 1}) g`);
  return cluster;
}

interface Answered {
  readonly id: number;
  readonly t: Timestamp;
  readonly row: string;
  readonly node: number;
}

describe('a follower', () => {
  it('answers at its safe time, which follows the present, and refuses what is newer', async () => {
    const cluster = await withTable(1);
    const leader = await serving(cluster, 7);
    await cluster.query(cluster.session(await cluster.leader()), 'UPDATE t SET v = 5 WHERE id = 7');
    await cluster.pass(SECOND);
    for (const { database } of cluster.nodes) {
      const host = database?.ranges.find(rowKey(7));
      if (host === undefined || host === leader) continue;
      const { safeTime } = host.replica;
      expect(leader.replica.floor - safeTime).toBeLessThan(SECOND / 2);
      const t = safeTime;
      const mine = await cluster.until(readOf(host, 7, t));
      expect(mine).toEqual(await cluster.until(readOf(leader, 7, t)));
      const newer = timestamp(leader.replica.floor + 10 * SECOND);
      expect(await cluster.until(readOf(host, 7, newer))).toBeUndefined();
    }
  });

  it.each(firstSeeds(4))(
    'says what its leader says, whatever happens meanwhile (seed %i)',
    async (seed) => {
      const cluster = await withTable(seed);
      const random = new SeededRandom(seed);
      const answered: Answered[] = [];
      let isOver = false;
      const endOf = async (life: Life): Promise<void> => {
        while (life.alive) await cluster.world.sleep(100_000);
      };
      const writer = async (): Promise<void> => {
        while (!isOver) {
          const node = cluster.nodes.find(({ database }) => database?.status().isServing === true);
          const pause = cluster.world.sleep(10_000 + random.below(40_000));
          if (node !== undefined) {
            const { life } = node;
            const session = cluster.session(node);
            const [a, b] = [random.below(ROWS), random.below(ROWS)];
            // In two ranges, often.
            const update = session.query(`UPDATE t SET v = v + 1 WHERE id = ${a} OR id = ${b}`);
            await Promise.race([update.catch(() => undefined), endOf(life)]);
          }
          await pause;
        }
      };
      for (let i = 0; i < 3; i++) void writer();
      let down: ClusterNode | undefined;
      for (let step = 0; step < 120; step++) {
        await cluster.pass(random.below(100_000));
        if (step === 20) await splitAt(cluster, 20);
        if (step === 70) await splitAt(cluster, 30);
        if (step % 25 === 24) {
          if (down === undefined) {
            down = cluster.nodes[random.below(3)] as ClusterNode;
            cluster.crash(down, random.below(2) === 0);
          } else {
            await cluster.open(down);
            down = undefined;
          }
        }
        for (const node of cluster.nodes) {
          const id = random.below(ROWS);
          const host = node.database?.ranges.find(rowKey(id));
          if (host === undefined || host.isServing) continue;
          const { safeTime } = host.replica;
          if (safeTime === MIN_TIMESTAMP) continue;
          const t = timestamp(safeTime - random.below(300_000));
          void readOf(host, id, t).then(
            (read) => {
              if (read !== undefined) answered.push({ id, t, row: read.row, node: node.nodeId });
            },
            () => undefined,
          );
        }
      }
      isOver = true;
      if (down !== undefined) await cluster.open(down);
      // Not for writers: some were on nodes that died.
      await cluster.pass(2 * SECOND);
      for (const { id, t, row, node } of answered) {
        const leader = await serving(cluster, id);
        const truth = await cluster.until(readOf(leader, id, t));
        expect(truth, `row ${id} at ${t}, read on node ${node}`).toEqual({ row });
      }
      expect(answered.length).toBeGreaterThan(60);
      expect(new Set(answered.map(({ row }) => row)).size).toBeGreaterThan(5);
      for (const { broken } of cluster.nodes) if (broken[0] !== undefined) throw broken[0];
    },
  );
});

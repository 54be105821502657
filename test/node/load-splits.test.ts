// Whole nodes in simulated time under load: what they split, merge and report by themselves, and what SQL says of it.

import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/base/bytes.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import { newRowSlice } from '../../src/ranges/reads/row-slice.ts';
import { encodeKeyDatum, keyPrefix } from '../../src/rows/key-codec.ts';
import { INT8 } from '../../src/rows/types.ts';
import { chance } from '../ranges/load/traffic.ts';
import { Cluster, type ClusterNode } from './cluster-fixture.ts';

const SECOND = 1_000_000;
const STEP = 10_000;
const ROWS = 100;
const TABLE = 100;

function rowKey(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.raw(keyPrefix(TABLE));
  encodeKeyDatum(writer, INT8, id, false, false);
  return writer.take();
}

interface Rig {
  readonly cluster: Cluster;
  readonly leader: ClusterNode;
  readonly session: EmbeddedSession;
}

async function start(nodes: number): Promise<Rig> {
  const cluster = await Cluster.start({ nodes });
  const leader = await cluster.leader();
  const session = cluster.session(leader);
  await cluster.query(session, 'CREATE TABLE t (id int8 PRIMARY KEY, v text)');
  // Large rows, so that few reads are much work.
  await cluster.query(
    session,
    `INSERT INTO t SELECT g, repeat('x', 8000) FROM generate_series(0, ${ROWS - 1}) g`,
  );
  await cluster.query(session, "SET CLUSTER SETTING range.split_load = '1%'");
  return { cluster, leader, session };
}

/** Ten reads each 10 ms, until it is done; answers after how many microseconds. */
async function readUntil(
  { cluster, leader }: Rig,
  idOf: () => number,
  isDone: () => boolean,
  seconds: number,
): Promise<number> {
  const { ranges, clock } = leader.open.kv;
  const begun = cluster.world.nowMicros;
  while (!isDone() && cluster.world.nowMicros - begun < seconds * SECOND) {
    const reads = Array.from({ length: 10 }, async () =>
      ranges.readAt(rowKey(idOf()), clock.latest(), newRowSlice()),
    );
    await cluster.until(Promise.all(reads));
    await cluster.pass(STEP);
  }
  return cluster.world.nowMicros - begun;
}

async function shown({ cluster, session }: Rig, text: string): Promise<readonly unknown[][]> {
  const { rows } = await cluster.query(session, text);
  return rows.map((row) => Object.values(row as unknown as Record<string, unknown>));
}

function splits({ leader }: Rig): number {
  return leader.open.ranges.all().length - 3;
}

describe('a cluster under load', () => {
  it('splits a hot range within five seconds, and other nodes lead its pieces', async () => {
    const rig = await start(3);
    const below = chance(1);
    const anyRow = (): number => below(ROWS);
    const micros = await readUntil(rig, anyRow, () => splits(rig) > 0, 20);
    expect(micros).toBeLessThan(5 * SECOND);
    const leaders = (): Set<number> => {
      const found = new Set<number>();
      for (const { nodeId, database } of rig.cluster.nodes) {
        for (const host of database?.ranges.all() ?? []) {
          if (host.range >= 3 && host.isServing) found.add(nodeId);
        }
      }
      return found;
    };
    await readUntil(rig, anyRow, () => leaders().size === 3, 60);
    expect(leaders().size).toBe(3);
    const ranges = await shown(rig, 'SHOW RANGES FROM TABLE t');
    expect(ranges.length).toBeGreaterThan(3);
    // Every range is answered for: somebody leads it.
    expect(ranges.filter((row) => row[5] === null)).toEqual([]);
    const { rows } = await rig.cluster.query(rig.session, 'SELECT count(*) AS n FROM t');
    expect(rows).toMatchObject([{ n: ROWS }]);
  });

  it('reports a hot row with its key, and leaves its range whole', async () => {
    const rig = await start(3);
    await readUntil(
      rig,
      () => 42,
      () => false,
      12,
    );
    expect(splits(rig)).toBe(0);
    const [hottest] = await shown(rig, 'SHOW HOT RANGES');
    expect(hottest?.slice(-2)).toEqual(['t (42)', 1]);
  });
});

describe('a node that is alone', () => {
  it('splits by size, where half of the data lies', async () => {
    const rig = await start(1);
    await rig.cluster.query(rig.session, "SET CLUSTER SETTING range.bytes_max = '256KiB'");
    await rig.cluster.when(() => splits(rig) >= 3, 'pieces of 800 kB');
    await rig.cluster.pass(10 * SECOND);
    const ranges = await shown(rig, 'SHOW RANGES FROM TABLE t');
    for (const row of ranges) expect(Number(row[6])).toBeLessThanOrEqual(256 * 1024);
  });

  it('splits nothing for load', async () => {
    const rig = await start(1);
    const below = chance(2);
    await readUntil(
      rig,
      () => below(ROWS),
      () => false,
      8,
    );
    expect(splits(rig)).toBe(0);
  });
});

describe('small cold neighbours', () => {
  it('become one again, wherever they are led, but for those that were split by hand', async () => {
    const rig = await start(3);
    const { cluster, session } = rig;
    await cluster.query(session, 'ALTER TABLE t SPLIT AT VALUES (20), (40), (60), (80)');
    await cluster.query(session, 'ALTER TABLE t SCATTER');
    await cluster.query(session, "SET CLUSTER SETTING range.merge_after = '5s'");
    await cluster.pass(60 * SECOND);
    expect(splits(rig)).toBe(4);
    await cluster.query(session, 'ALTER TABLE t UNSPLIT AT VALUES (20), (40), (80)');
    await cluster.when(() => splits(rig) === 1, 'merges');
    const ranges = await shown(rig, 'SHOW RANGES FROM TABLE t');
    expect(ranges.map((row) => row[1])).toEqual(['<start>', '(60)']);
    const { rows } = await cluster.query(session, 'SELECT count(*) AS n FROM t');
    expect(rows).toMatchObject([{ n: ROWS }]);
  });

  it('are left alone while merging is off', async () => {
    const rig = await start(3);
    const { cluster, session } = rig;
    await cluster.query(session, "SET CLUSTER SETTING range.merge = 'off'");
    await cluster.query(session, "SET CLUSTER SETTING range.merge_after = '5s'");
    await cluster.query(session, 'ALTER TABLE t SPLIT AT VALUES (50)');
    await cluster.query(session, 'ALTER TABLE t UNSPLIT ALL');
    await cluster.pass(60 * SECOND);
    expect(splits(rig)).toBe(1);
  });
});

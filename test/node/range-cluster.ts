// A cluster with a table whose ranges are split and merged, for tests of whole nodes.

import { ByteWriter } from '../../src/base/bytes.ts';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { RangeHost } from '../../src/node/ranges/range-host.ts';
import { encodeKeyDatum, keyPrefix } from '../../src/rows/key-codec.ts';
import { INT4 } from '../../src/rows/types.ts';
import { Cluster, type ClusterNode, type ClusterOptions } from './cluster-fixture.ts';

/** The first table's primary index. */
const TABLE = 100;

/** Where the row with this id is. */
export function rowKey(id: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.raw(keyPrefix(TABLE));
  encodeKeyDatum(writer, INT4, id, false, false);
  return writer.take();
}

/** The replica that serves the key, once there is one. */
export async function serving(cluster: Cluster, key: Uint8Array): Promise<RangeHost> {
  const find = (): RangeHost | undefined => {
    for (const { database } of cluster.nodes) {
      const host = database?.ranges.find(key);
      if (host?.isServing === true) return host;
    }
    return undefined;
  };
  await cluster.when(() => find() !== undefined, 'a leader of the range');
  return find() as RangeHost;
}

export function nodeOf(cluster: Cluster, host: RangeHost): ClusterNode {
  const found = cluster.nodes.find(({ database }) => database?.ranges.get(host.range) === host);
  if (found === undefined) throw new Error('its node is down');
  return found;
}

export async function splitAt(cluster: Cluster, id: number): Promise<number> {
  const host = await serving(cluster, rowKey(id));
  return cluster.until(host.split({ at: rowKey(id), stickyUntil: MIN_TIMESTAMP }));
}

/** t (id int PRIMARY KEY, v int): ids 0 to 99, all with v = 0. */
export async function withTable(options: ClusterOptions = {}): Promise<{
  cluster: Cluster;
  leader: ClusterNode;
  session: EmbeddedSession;
}> {
  const cluster = await Cluster.start(options);
  const leader = await cluster.leader();
  const session = cluster.session(leader);
  await cluster.query(session, 'CREATE TABLE t (id int PRIMARY KEY, v int)');
  await cluster.query(session, 'INSERT INTO t SELECT g, 0 FROM generate_series(0, 99) g');
  return { cluster, leader, session };
}

export async function sum(cluster: Cluster, session: EmbeddedSession): Promise<unknown> {
  const { rows } = await cluster.query(session, 'SELECT count(*) AS n, sum(v) AS s FROM t');
  return rows[0];
}

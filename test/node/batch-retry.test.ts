// A statement that is all of a batch of the extended protocol is its own transaction: when that is aborted as it is
// committed, at Sync, the node tries it again, as it would have done while it ran.

import { expect, it } from 'vitest';
import type { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { ResultSink, Session } from '../../src/sql/api.ts';
import { Cluster } from './cluster-fixture.ts';

/** Runs a statement up to its Sync, and answers with its tag. */
async function execute(cluster: Cluster, session: Session, text: string): Promise<string> {
  let tag = '';
  const sink = {
    full: false,
    notice: () => undefined,
    complete: (said: string) => {
      tag = said;
    },
  } as unknown as ResultSink;
  const bound = {
    portal: '',
    statement: '',
    parameterFormats: [],
    parameters: [],
    resultFormats: [],
  };
  await cluster.until(Promise.resolve(session.parse('', text, [])));
  await cluster.until(Promise.resolve(session.bind(bound)));
  await cluster.until(Promise.resolve(session.execute('', 0, sink)));
  return tag;
}

interface Rig {
  readonly cluster: Cluster;
  readonly older: EmbeddedSession;
  readonly session: Session;
  /** What Sync throws; undefined: it is committed. */
  sync(): Promise<string | undefined>;
}

/** A transaction that is older than what `session` executes, and may wound it. */
async function rig(): Promise<Rig> {
  const cluster = await Cluster.start({ nodes: 1 });
  const node = cluster.nodes[0];
  if (node === undefined) throw new Error('there is no node');
  await cluster.when(() => node.open.status().isServing, 'SQL');
  const older = cluster.session(node);
  await cluster.query(older, 'CREATE TABLE t (id int PRIMARY KEY, v int)');
  await cluster.query(older, 'INSERT INTO t VALUES (1, 0), (2, 0)');
  await cluster.query(older, 'BEGIN');
  await cluster.query(older, 'UPDATE t SET v = 5 WHERE id = 2');
  const session = node.open.sql.openSession({
    user: 'root',
    database: 'defaultdb',
    parameters: {},
  });
  const sync = (): Promise<string | undefined> =>
    Promise.resolve(session.sync()).then(
      () => undefined,
      (error: unknown) => (error as DbError).code,
    );
  return { cluster, older, session, sync };
}

async function valueOfFirst({ cluster, older }: Rig): Promise<unknown> {
  const { rows } = await cluster.query(older, 'SELECT v FROM t WHERE id = 1');
  return rows[0]?.['v'];
}

it('a statement that was wounded before its Sync is tried again', async () => {
  const one = await rig();
  const { cluster, older, session } = one;
  expect(await execute(cluster, session, 'UPDATE t SET v = v + 1 WHERE id = 1')).toBe('UPDATE 1');
  await cluster.query(older, 'UPDATE t SET v = v + 10 WHERE id = 1');
  const synced = one.sync();
  await cluster.query(older, 'COMMIT');
  expect(await cluster.until(synced)).toBeUndefined();
  expect(await valueOfFirst(one)).toBe(11);
  expect(session.status).toBe('I');
});

it('it is not, and changes nothing, where its answer would be another one now', async () => {
  const one = await rig();
  const { cluster, older, session } = one;
  await execute(cluster, session, 'UPDATE t SET v = v + 1 WHERE id = 1 AND v = 0');
  await cluster.query(older, 'UPDATE t SET v = v + 10 WHERE id = 1');
  const synced = one.sync();
  await cluster.query(older, 'COMMIT');
  expect(await cluster.until(synced)).toBe('40001');
  expect(await valueOfFirst(one)).toBe(10);
});

it('two statements of a batch are not: their client has to', async () => {
  const one = await rig();
  const { cluster, older, session } = one;
  await execute(cluster, session, 'UPDATE t SET v = v + 1 WHERE id = 1');
  await execute(cluster, session, 'INSERT INTO t VALUES (3, 0)');
  await cluster.query(older, 'UPDATE t SET v = v + 10 WHERE id = 1');
  const synced = one.sync();
  await cluster.query(older, 'COMMIT');
  expect(await cluster.until(synced)).toBe('40001');
  expect(await valueOfFirst(one)).toBe(10);
});

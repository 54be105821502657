// P21: who is tried again keeps its age, so that a long transaction which others wound gets through in the end, wherever
// those run and whoever leads what it locks.

import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import type { EmbeddedSession } from '../../src/node/embedded.ts';
import type { Cluster, ClusterNode } from './cluster-fixture.ts';
import { splitAt, sum, withTable } from './range-cluster.ts';

/** Rows of both ranges, as far apart as can be. */
const ROWS = [1, 99, 20, 80, 40, 60, 30, 70];
const SHORT_SESSIONS = 12;
const HOLD_MICROS = 60_000;
const STEP_MICROS = 30_000;
const ATTEMPTS_MAX = 40;

interface Rig {
  readonly cluster: Cluster;
  pause(micros: number): Promise<void>;
  /** A session at one node after the other. */
  session(i: number): EmbeddedSession;
}

async function run(
  session: EmbeddedSession,
  rows: readonly number[],
  between: () => Promise<void>,
): Promise<boolean> {
  try {
    await session.query('BEGIN');
    for (const id of rows) {
      await session.query(`UPDATE t SET v = v + 1 WHERE id = ${id}`);
      await between();
    }
    await session.query('COMMIT');
    return true;
  } catch (error) {
    await session.query('ROLLBACK');
    if (!(error instanceof DbError) || error.code !== '40001') throw error;
    return false;
  }
}

/** Short transactions, one after the other, each of which holds one row for a while and then wants others. */
async function keepBusy(rig: Rig, i: number, isOver: () => boolean): Promise<number> {
  const session = rig.session(i);
  let done = 0;
  for (let turn = i; !isOver(); turn++) {
    const rows = [0, 3, 6].map((step) => ROWS[(turn + step) % ROWS.length] as number);
    while (!(await run(session, rows, () => rig.pause(HOLD_MICROS))));
    done++;
  }
  return done;
}

/** So many attempts it took; undefined: it was given up. */
async function longTransaction(rig: Rig, session: EmbeddedSession): Promise<number | undefined> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (await run(session, ROWS, () => rig.pause(STEP_MICROS))) return attempt;
  }
  return undefined;
}

async function rigged(): Promise<Rig> {
  const { cluster } = await withTable();
  await splitAt(cluster, 50);
  return {
    cluster,
    pause: (micros) => cluster.world.sleep(micros),
    session: (i) => cluster.session(cluster.nodes[i % cluster.nodes.length] as ClusterNode),
  };
}

/** Each time one that has begun earlier wants what the long one has locked. Answers which attempts committed. */
async function alwaysLater(
  rig: Rig,
  sessionOf: (attempt: number) => EmbeddedSession,
): Promise<number[]> {
  const { cluster } = rig;
  const committed: number[] = [];
  for (let attempt = 1; attempt <= 5; attempt++) {
    const [earlier, long] = [rig.session(attempt + 1), sessionOf(attempt)];
    await cluster.query(earlier, 'BEGIN');
    await cluster.query(earlier, 'UPDATE t SET v = v + 1 WHERE id = 99');
    await cluster.query(long, 'BEGIN');
    await cluster.query(long, 'UPDATE t SET v = v + 1 WHERE id = 1');
    const wanting = earlier.query('UPDATE t SET v = v + 1 WHERE id = 1');
    await cluster.pass(10_000);
    const ended = await cluster.query(long, 'COMMIT').catch(() => undefined);
    if (ended === undefined) await cluster.query(long, 'ROLLBACK');
    else committed.push(attempt);
    await cluster.until(wanting);
    await cluster.query(earlier, 'COMMIT');
  }
  return committed;
}

async function contended(): Promise<{
  readonly attempts: number | undefined;
  readonly isWhole: boolean;
}> {
  const rig = await rigged();
  const { cluster } = rig;
  let isOver = false;
  const busy = Array.from({ length: SHORT_SESSIONS }, (_, i) => keepBusy(rig, i, () => isOver));
  const long = rig.pause(HOLD_MICROS).then(() => longTransaction(rig, rig.session(1)));
  const attempts = await cluster.until(long);
  isOver = true;
  const done = await cluster.until(Promise.all(busy));
  const shorts = done.reduce((a, b) => a + b, 0);
  const { s } = (await sum(cluster, rig.session(0))) as { readonly s: number };
  const expected = 3 * shorts + (attempts === undefined ? 0 : ROWS.length);
  return { attempts, isWhole: Number(s) === expected };
}

describe('a long transaction among short ones (P21)', () => {
  it('commits after few attempts, wherever they run', async () => {
    const { attempts, isWhole } = await contended();
    expect(isWhole).toBe(true);
    expect(attempts).toBeGreaterThan(1);
    expect(attempts).toBeLessThanOrEqual(SHORT_SESSIONS + 2);
  }, 60_000);

  it('is aborted by one that began before it, and not by any that begins before it is tried again', async () => {
    const rig = await rigged();
    const own = rig.session(0);
    // Once it has committed, it is as young as any.
    expect(await alwaysLater(rig, () => own)).toEqual([2, 4]);
  });

  it('would be aborted each time if its age did not survive', async () => {
    const rig = await rigged();
    expect(await alwaysLater(rig, (attempt) => rig.session(attempt))).toEqual([]);
  });
});

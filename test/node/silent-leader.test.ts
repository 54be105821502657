// A leader that says nothing any more, and whose connections stay open: others lead within moments, and nobody goes on
// waiting for it.

import { expect, it } from 'vitest';
import { splitAt, withTable } from './range-cluster.ts';

const SECOND = 1_000_000;
const CLIENTS = 4;
/** An election, and what is waited for an answer that never comes. */
const OUTAGE_MAX = 2.5 * SECOND;

it.each([1, 2, 3])('keeps no client waiting for long: seed %i', async (seed) => {
  const { cluster, leader } = await withTable({ seed });
  const { world } = cluster;
  for (const id of [20, 40, 60, 80]) await splitAt(cluster, id);
  // Leases move on to all nodes.
  await cluster.pass(15 * SECOND);
  let isOver = false;
  let longest = 0;
  let updates = 0;
  const client = async (node: typeof leader, name: string): Promise<void> => {
    const session = cluster.session(node);
    const random = world.random.fork(name);
    for (let doneAt = world.nowMicros; !isOver; await world.sleep(random.below(20_000))) {
      const text = `UPDATE t SET v = v + 1 WHERE id = ${random.below(100)}`;
      const isDone = await session.query(text).then(
        () => true,
        () => false,
      );
      if (!isDone) continue;
      updates++;
      longest = Math.max(longest, world.nowMicros - doneAt);
      doneAt = world.nowMicros;
    }
  };
  const others = cluster.followersOf(leader);
  const running = others.flatMap((node) =>
    Array.from({ length: CLIENTS }, (_, i) => client(node, `client ${node.nodeId}.${i}`)),
  );
  await cluster.pass(2 * SECOND);
  leader.life.pausedUntilMicros = world.nowMicros + 10 * SECOND;
  await cluster.pass(6 * SECOND);
  expect(updates).toBeGreaterThan(100);
  isOver = true;
  await cluster.until(Promise.all(running));
  expect(longest).toBeGreaterThan(0.5 * SECOND);
  expect(longest).toBeLessThan(OUTAGE_MAX);
});

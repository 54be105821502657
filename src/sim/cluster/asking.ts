// Asking a simulated cluster of whole nodes as an operator would: one node or another, until one can answer.

import { DbError } from '../../base/errors.ts';
import type { SettingName } from '../../node/placement/settings.ts';
import type { SeededRandom } from '../random.ts';
import type { World } from '../world.ts';
import type { Cluster } from './cluster.ts';
import type { DatabaseNode } from './database-node.ts';

const AGAIN_MICROS = 50_000;

/** Undefined: there is no node, or it could not answer. */
export async function answerOf<T>(
  cluster: Cluster<DatabaseNode>,
  random: SeededRandom,
  ask: (node: DatabaseNode) => Promise<T>,
): Promise<T | undefined> {
  const { running } = cluster;
  const node = running[random.below(Math.max(1, running.length))];
  if (node === undefined) return undefined;
  try {
    return await ask(node);
  } catch (error) {
    if (error instanceof DbError) return undefined;
    throw error;
  }
}

export async function setSettings(
  world: World,
  cluster: Cluster<DatabaseNode>,
  random: SeededRandom,
  settings: readonly (readonly [SettingName, string])[],
): Promise<void> {
  for (const [name, value] of settings) {
    while (
      (await answerOf(cluster, random, async ({ database }) => {
        await database.placement.settings.set(name, value);
        return true;
      })) !== true
    ) {
      await world.sleep(AGAIN_MICROS);
    }
  }
}

/** `done`, while the world goes on. False: it takes longer. */
export async function doneWithin(
  world: World,
  done: Promise<unknown>,
  micros: number,
): Promise<boolean> {
  let isDone = false;
  done.then(
    () => {
      isDone = true;
    },
    (error: unknown) => world.fail(error),
  );
  await world.run(() => isDone, world.nowMicros + micros);
  return isDone;
}

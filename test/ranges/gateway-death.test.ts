// P19: the node that commits a transaction in several ranges dies, at each step of it. Whatever was prepared learns the
// outcome from the range that decides, nothing is half there, and nobody's locks stay.

import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.ts';
import { LOCK_EXCLUSIVE } from '../../src/txn/api.ts';
import { TwoPhaseRig } from './two-phase-rig.ts';

/** What a silent gateway's locks outlive it by, and a second for inquiries (docs/operations.md). */
const DECLARED_MICROS = 4_000_000;
const GATEWAY = 1;
const ALIVE = 3;

/** Of the messages of one kind: so many arrive, then the gateway dies. */
interface Death {
  readonly step: string;
  readonly at: 'prepare' | 'decide' | 'resolve';
  readonly arrive: number;
  readonly outcome: 'nothing' | 'all';
}

const DEATHS: readonly Death[] = [
  { step: 'before any prepare', at: 'prepare', arrive: 0, outcome: 'nothing' },
  { step: 'after one of two prepares', at: 'prepare', arrive: 1, outcome: 'nothing' },
  { step: 'after all prepares', at: 'decide', arrive: 0, outcome: 'nothing' },
  { step: 'after the decision, before any resolve', at: 'resolve', arrive: 0, outcome: 'all' },
  { step: 'after one of two resolves', at: 'resolve', arrive: 1, outcome: 'all' },
];

/** The range that decides is that with two of them: led by the gateway's own node, or by another. */
const HOMES = [
  { home: 'its own node', keys: ['a1', 'a2', 'b1', 'c1'] },
  { home: 'another node', keys: ['b1', 'b2', 'a1', 'c1'] },
];

/** What only the gateway says. */
const OWN = new Set(['prepare', 'decide', 'resolve', 'settled']);

async function dying(rig: TwoPhaseRig, keys: readonly string[], death: Death): Promise<void> {
  let arrived = 0;
  let isDead = false;
  rig.fate = (what) => {
    if (isDead) return OWN.has(what) ? 'lostBefore' : 'arrives';
    if (what !== death.at || arrived++ < death.arrive) return 'arrives';
    isDead = true;
    return 'lostBefore';
  };
  const transaction = rig.coordinator(GATEWAY).begin();
  await rig.until(transaction.getManyLocked(keys.map(utf8), LOCK_EXCLUSIVE));
  for (const key of keys) transaction.put(utf8(key), utf8('1'));
  // Nobody is left to hear of it.
  transaction.commit().catch(() => undefined);
  await rig.world.run(() => isDead, rig.world.nowMicros + 10_000_000);
  expect(isDead).toBe(true);
  // What has left arrives yet.
  await rig.pass(2_000);
  rig.crash(GATEWAY);
}

describe.each(HOMES)('a gateway that dies while $home decides (P19)', ({ keys }) => {
  it.each(DEATHS)('$step: $outcome of it happens, and its locks go', async (death) => {
    const rig = await TwoPhaseRig.serving();
    await dying(rig, keys, death);
    await rig.pass(DECLARED_MICROS);
    expect(rig.preparedCount).toBe(0);
    const found = await rig.read(...keys);
    expect(found).toEqual(keys.map(() => (death.outcome === 'all' ? '1' : undefined)));
    const next = rig.coordinator(ALIVE).begin();
    const nowait = { mode: 'exclusive', wait: 'nowait' } as const;
    await rig.until(next.getManyLocked(keys.map(utf8), nowait));
    next.rollback();
    await rig.pass(10_000);
    for (const { leading } of rig.ranges) expect(leading.stats().sessions).toBe(0);
  });
});

describe('where a participant never asks', () => {
  it('the death would show: the wait for an answer is what ends it', async () => {
    const rig = await TwoPhaseRig.serving();
    const [, death] = DEATHS as readonly [Death, Death];
    await dying(rig, ['a1', 'a2', 'b1', 'c1'], death);
    rig.fate = (what) => (what === 'inquire' || OWN.has(what) ? 'lostBefore' : 'arrives');
    await rig.pass(DECLARED_MICROS);
    expect(rig.preparedCount).toBeGreaterThan(0);
  });
});

// P18, P19 and P20 under faults.

import { describe, expect, it } from 'vitest';
import { runBank } from './two-phase-bank.ts';

describe('transfers between ranges under faults', () => {
  const seeds = Number(process.env['MERIDIAN_BANK_SEEDS'] ?? 12);

  it(`keep the sum, and are never half there (${seeds} seeds)`, { timeout: 600_000 }, async () => {
    const total = { committed: 0, aborted: 0, unknown: 0, reads: 0, leaderChanges: 0, crashes: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const report = await runBank({ seed, seconds: 8 }).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += report[name];
    }
    expect(total.committed).toBeGreaterThan(seeds * 20);
    expect(total.reads).toBeGreaterThan(seeds * 20);
    expect(total.leaderChanges).toBeGreaterThan(0);
    expect(total.crashes).toBeGreaterThan(0);
  });
});

import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import {
  DEFAULT_TIMING,
  heartbeatMicros,
  leaderLeaseMicros,
  requireSaneTiming,
} from '../../src/raft/timing.ts';

describe('timing', () => {
  it('has DESIGN.md’s defaults', () => {
    expect(heartbeatMicros(DEFAULT_TIMING)).toBe(100_000);
    expect(DEFAULT_TIMING.electionTicks * DEFAULT_TIMING.tickMicros).toBe(600_000);
    expect(DEFAULT_TIMING.leaseMicros).toBe(500_000);
  });

  it('lets the slowest leader count on what the fastest follower keeps, and not a microsecond more', () => {
    const drift = DEFAULT_TIMING.driftPerMillion / 1e6;
    const kept = DEFAULT_TIMING.leaseMicros / (1 + drift);
    const counted = leaderLeaseMicros(DEFAULT_TIMING) / (1 - drift);
    expect(counted).toBeLessThanOrEqual(kept);
    expect(kept - counted).toBeLessThan(2);
  });

  it('starts with a lease that outlasts twice the uncertainty and a heartbeat (P6)', () => {
    expect(() => requireSaneTiming(DEFAULT_TIMING, 199_999)).not.toThrow();
  });

  it('refuses to start without (P6), and says what to do', () => {
    const error = errorOf(() => requireSaneTiming(DEFAULT_TIMING, 200_000));
    expect(error.code).toBe('22023');
    expect(error.message).toBe(
      'the clock is too uncertain for leader leases of 500000 microseconds',
    );
    expect(error.fields.detail).toContain('uncertainty (200000)');
    expect(error.fields.hint).toContain('--clock');
  });

  it('refuses elections that a missing heartbeat begins', () => {
    const timing = { ...DEFAULT_TIMING, heartbeatTicks: 12 };
    expect(errorOf(() => requireSaneTiming(timing, 0)).message).toContain('election timeout');
  });
});

function errorOf(run: () => void): DbError {
  try {
    run();
  } catch (error) {
    if (error instanceof DbError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

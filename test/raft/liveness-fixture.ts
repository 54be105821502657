// One node's clocks under the hand of a test.
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { LeaseView } from '../../src/raft/lease.ts';
import { Liveness } from '../../src/raft/liveness.ts';
import { DEFAULT_TIMING, type RaftTiming } from '../../src/raft/timing.ts';
import { SeededRandom } from '../../src/sim/random.ts';

export const START = 1_700_000_000_000_000;

export class FakeLife {
  /** Since the start. */
  now = 0;
  /** Of the wall alone. */
  stepMicros = 0;
  uncertaintyMicros = 100;
  suspended: string | undefined;
  readonly bugs: Set<string> = new Set();
  readonly live: Liveness;

  constructor(seed = 1, timing: RaftTiming = DEFAULT_TIMING) {
    const suspended = (): string | undefined => this.suspended;
    const centre = (): number => START + this.now + this.stepMicros;
    this.live = new Liveness(
      {
        time: {
          monotonicMicros: () => this.now,
          wall: () => ({
            earliestMicros: centre() - this.uncertaintyMicros,
            latestMicros: centre() + this.uncertaintyMicros,
            monotonicMicros: this.now,
          }),
        },
        clock: {
          earliest: () => (centre() - this.uncertaintyMicros) as Timestamp,
          latest: () => (centre() + this.uncertaintyMicros) as Timestamp,
          covers: () => true,
          get suspended() {
            return suspended();
          },
        },
        random: new SeededRandom(seed),
        faults: { sometimes: (point) => this.bugs.has(point), reached: () => {} },
      },
      timing,
    );
  }
}

/** A replica as leases see it, to be changed by the test. */
export function viewOf(
  voters: readonly number[],
  fields: Partial<LeaseView> = {},
): { -readonly [K in keyof LeaseView]: LeaseView[K] } {
  const configuration = configurationOf(voters);
  return { replicaId: 1, role: 'leader', term: 5, configuration, ...fields };
}

/** `micros` after the start. */
export function at(micros: number): Timestamp {
  return (START + micros) as Timestamp;
}

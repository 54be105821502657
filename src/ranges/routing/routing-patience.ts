// How long a request is tried: ranges split, move and change leaders under it, and nodes die, which takes a moment. What
// was learned is used at once; who has learned nothing waits, each time for longer.

import type { Random, Runtime } from '../../runtime/runtime.ts';
import { pause } from '../within.ts';

export const PATIENCE_MICROS = 10_000_000;
/** Of what was learned: beyond so many in a row, those who are asked contradict each other. */
const AT_ONCE_MAX = 4;
const PAUSE_MICROS_MIN = 2_000;
const PAUSE_MICROS_MAX = 250_000;

export type PatienceRuntime = Pick<Runtime, 'time' | 'timers' | 'random' | 'faults'>;

export class Patience {
  private readonly runtime: PatienceRuntime;
  private readonly isStopped: () => boolean;
  private readonly endsAt: number;
  private pauseMicros = PAUSE_MICROS_MIN;
  private atOnce = 0;

  /** `isStopped`: the node goes, nobody can be helped any more. */
  constructor(runtime: PatienceRuntime, isStopped: () => boolean) {
    this.runtime = runtime;
    this.isStopped = isStopped;
    this.endsAt = runtime.time.monotonicMicros() + PATIENCE_MICROS;
  }

  /** False: it has been tried for long enough. */
  async again(hasLearned: boolean): Promise<boolean> {
    const left = this.endsAt - this.runtime.time.monotonicMicros();
    if (left <= 0 || this.isStopped()) return false;
    if (hasLearned && this.atOnce < AT_ONCE_MAX) {
      this.atOnce++;
      return true;
    }
    this.atOnce = 0;
    const micros = Math.min(this.pauseMicros, left);
    this.pauseMicros = Math.min(this.pauseMicros * 2, PAUSE_MICROS_MAX);
    await pause(this.runtime.timers, jittered(this.runtime.random, micros));
    return !this.isStopped();
  }
}

/** So that those who were refused together don't come back together. */
function jittered(random: Random, micros: number): number {
  return Math.ceil(micros / 2) + random.below(Math.max(1, Math.floor(micros / 2)));
}

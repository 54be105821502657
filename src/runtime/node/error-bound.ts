// How far this machine's clock may be from true time, by the source that --clock names.

import type { Log } from '../runtime.ts';
import { chronyd } from './chronyd.ts';
import type { ClockSource } from './clock-source.ts';
import { clockBound } from './clockbound.ts';
import { PolledBound } from './polled-bound.ts';
import type { ErrorBound } from './wall-clock.ts';

export function createErrorBound(source: ClockSource, log: Log): ErrorBound {
  switch (source.kind) {
    case 'system':
      return new KnownBound(0);
    case 'fixed':
      return new KnownBound(source.halfWidthMicros);
    case 'chrony':
      return new PolledBound(chronyd(source), log);
    case 'clockbound':
      return new PolledBound(clockBound(source.path), log);
  }
}

/** Somebody has said it, once for all. */
class KnownBound implements ErrorBound {
  readonly #micros: number;

  constructor(micros: number) {
    this.#micros = micros;
  }

  atMicros(): number {
    return this.#micros;
  }

  whyUnknown(): { readonly reason: string; readonly hint: string } {
    return { reason: `the clock may be ${this.#micros} microseconds off`, hint: '' };
  }

  async learn(): Promise<void> {}
}

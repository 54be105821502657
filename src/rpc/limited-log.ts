// Warnings about what goes on happening: each is said at once, then at most once a minute, with how often it was not.

import type { Log, LogFields, Time } from '../runtime/runtime.ts';

const QUIET_MICROS = 60_000_000;
/** Kinds of warning remembered; with more, the oldest is forgotten and may be said again. */
const KINDS_MAX = 1000;

interface Said {
  atMicros: number;
  unsaid: number;
}

export class LimitedLog {
  readonly #log: Log;
  readonly #time: Time;
  readonly #said = new Map<string, Said>();

  constructor(log: Log, time: Time) {
    this.#log = log;
    this.#time = time;
  }

  /** `kind` tells one warning from another. */
  warn(kind: string, message: string, fields: LogFields): void {
    const now = this.#time.monotonicMicros();
    const said = this.#said.get(kind);
    if (said !== undefined && now - said.atMicros < QUIET_MICROS) {
      said.unsaid += 1;
      return;
    }
    const more = said === undefined || said.unsaid === 0 ? {} : { timesSince: said.unsaid };
    this.#said.delete(kind);
    this.#said.set(kind, { atMicros: now, unsaid: 0 });
    if (this.#said.size > KINDS_MAX) {
      for (const oldest of this.#said.keys()) {
        this.#said.delete(oldest);
        break;
      }
    }
    this.#log.warn(message, { ...fields, ...more });
  }

  /** It is well again: the next warning of this kind is said at once. */
  forget(kind: string): void {
    this.#said.delete(kind);
  }
}

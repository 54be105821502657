// What now(), current_user, current_setting() and the like answer in one session.

import type { Random } from '../../runtime/runtime.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { SequenceValues, SessionValues } from '../exec/plan-api.ts';
import type { Settings } from '../settings/settings.ts';

export class LiveValues implements SessionValues {
  readonly currentUser: string;
  readonly sessionUser: string;
  readonly database: string;
  readonly backendPid: number;
  readonly version: string;
  readonly #clock: IntervalClock;
  readonly #random: Random;
  readonly #settings: Settings;
  readonly sequences: SequenceValues;
  #statementMicros = 0;
  #transactionMicros = 0;

  constructor(fields: {
    user: string;
    database: string;
    backendPid: number;
    version: string;
    clock: IntervalClock;
    random: Random;
    settings: Settings;
    sequences: SequenceValues;
  }) {
    this.currentUser = fields.user;
    this.sessionUser = fields.user;
    this.database = fields.database;
    this.backendPid = fields.backendPid;
    this.version = fields.version;
    this.#clock = fields.clock;
    this.#random = fields.random;
    this.#settings = fields.settings;
    this.sequences = fields.sequences;
  }

  /** The clock is read when a statement asks, not for every statement. */
  statementBegins(newTransaction: boolean): void {
    this.#statementMicros = 0;
    if (newTransaction) this.#transactionMicros = 0;
  }

  /** BEGIN fixes now() for the whole transaction. */
  transactionBegins(): void {
    this.#transactionMicros = this.#clock.latest();
  }

  get statementMicros(): number {
    if (this.#statementMicros === 0) this.#statementMicros = this.#clock.latest();
    return this.#statementMicros;
  }

  get transactionMicros(): number {
    if (this.#transactionMicros === 0) this.#transactionMicros = this.statementMicros;
    return this.#transactionMicros;
  }

  get searchPath(): readonly string[] {
    return this.#settings.searchPath();
  }

  clockMicros(): number {
    return this.#clock.latest();
  }

  zoneOffsetMinutes(micros: number): number {
    return this.#settings.zoneOffsetMinutes(micros);
  }

  setting(name: string): string | undefined {
    return this.#settings.get(name);
  }

  uint32(): number {
    return this.#random.uint32();
  }
}

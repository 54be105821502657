// What clients asked and were told, in the order of true time, for the checker of histories (checkers/history).

import type { EventKind, HistoryEvent } from '../checkers/history/events.ts';
import type { World } from '../world.ts';

interface Logged {
  readonly atMicros: number;
  /** Among what happens in the same microsecond. */
  readonly rank: number;
  readonly kind: EventKind;
  readonly process: string;
  readonly f: string;
  readonly value: unknown;
}

export class HistoryLog {
  readonly #world: World;
  readonly #events: Logged[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  add(process: string, kind: EventKind, f: string, value: unknown): void {
    this.#events.push({ atMicros: this.#world.nowMicros, rank: 0, kind, process, f, value });
  }

  /** Of a read of a moment in the past. It saw what had been answered by then, and nothing that was asked for later,
   * which is what a read sees that was asked and answered at that very moment. */
  addPast(process: string, atMicros: number, f: string, asked: unknown, answered: unknown): void {
    this.#events.push({ atMicros, rank: -1, kind: 'invoke', process, f, value: asked });
    this.#events.push({ atMicros, rank: 1, kind: 'ok', process, f, value: answered });
  }

  events(): HistoryEvent[] {
    // Sorting keeps the order of what is alike.
    return [...this.#events]
      .sort((a, b) => a.atMicros - b.atMicros || a.rank - b.rank)
      .map(({ kind, process, f, value }, number) => ({ number, kind, process, f, value }));
  }
}

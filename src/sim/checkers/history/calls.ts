// Questions and their answers: what one process asked, when, and what became of it.

import { badEvent, type HistoryEvent, type Scalar } from './events.ts';

/** `failed`: it surely did not happen. `unknown`: it may have happened at any time after it was asked for, or never. */
export type CallOutcome = 'done' | 'failed' | 'unknown';

export interface Call {
  readonly process: Scalar;
  readonly f: string;
  readonly outcome: CallOutcome;
  readonly asked: unknown;
  /** Of what is done. */
  readonly answered: unknown;
  /** Places in the order of all events; `completed` counts only of what is done. */
  readonly invoked: number;
  readonly completed: number;
  /** The events' numbers, for people. */
  readonly from: number;
  readonly to: number | undefined;
}

export const NEVER: number = Number.POSITIVE_INFINITY;

const OUTCOMES = { ok: 'done', fail: 'failed', info: 'unknown' } as const;

/** In the order in which they were asked. */
export function pairEvents(events: readonly HistoryEvent[]): Call[] {
  const calls: Call[] = [];
  /** What each process waits for: its place in `calls`. */
  const open = new Map<Scalar, number>();
  for (const [place, { number, kind, process, f, value }] of events.entries()) {
    const waiting = open.get(process);
    const call = waiting === undefined ? undefined : (calls[waiting] as Call);
    if (kind === 'invoke') {
      if (call !== undefined) {
        throw badEvent(number, `process ${process} still waits for the answer to ${call.from}`);
      }
      open.set(process, calls.length);
      calls.push(openCall(process, f, value, place, number));
      continue;
    }
    if (waiting === undefined || call === undefined) {
      throw badEvent(number, `process ${process} is answered what it has not asked`);
    }
    if (f !== call.f) throw badEvent(number, `it answers ${call.from} with f '${f}'`);
    open.delete(process);
    const outcome = OUTCOMES[kind];
    const isDone = outcome === 'done';
    calls[waiting] = {
      ...call,
      outcome,
      answered: isDone ? value : undefined,
      completed: isDone ? place : NEVER,
      to: number,
    };
  }
  return calls;
}

/** Of unknown outcome until it is answered. */
function openCall(process: Scalar, f: string, asked: unknown, place: number, from: number): Call {
  return {
    process,
    f,
    outcome: 'unknown',
    asked,
    answered: undefined,
    invoked: place,
    completed: NEVER,
    from,
    to: undefined,
  };
}

export function count(calls: readonly Call[], outcome: CallOutcome): number {
  return calls.reduce((sum, call) => sum + (call.outcome === outcome ? 1 : 0), 0);
}

/** "process 3, events 12 to 17" */
export function whereabouts({ process, from, to, outcome }: Call): string {
  const events = to === undefined ? `event ${from}, never answered` : `events ${from} to ${to}`;
  const doubt = outcome === 'unknown' && to !== undefined ? ', outcome unknown' : '';
  return `process ${process}, ${events}${doubt}${outcome === 'failed' ? ', failed' : ''}`;
}

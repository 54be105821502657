// Histories as Jepsen writes them, in JSON: what clients asked of a database and what they were told, in the order in
// which it happened. This file reads the text; calls.ts finds out which answer belongs to which question.
//
// This folder judges such histories (docs/simulation.md, "Histories"). Everything in it is a pure function of the text.

import { DbError } from '../../../base/errors.ts';

const KINDS = ['invoke', 'ok', 'fail', 'info'] as const;

/** `info`: nobody knows whether it happened, or ever will. */
export type EventKind = (typeof KINDS)[number];

/** What keys and values are. */
export type Scalar = number | string;

export interface HistoryEvent {
  /** What people find it by: its index, or its place in the file. */
  readonly number: number;
  readonly kind: EventKind;
  readonly process: Scalar;
  readonly f: string;
  readonly value: unknown;
}

/** The text is no history. */
export function badHistory(message: string): DbError {
  return new DbError('22023', message);
}

/** Of one event. */
export function badEvent(number: number, message: string): DbError {
  return badHistory(`event ${number}: ${message}`);
}

/** An array of events, or an event on each line. */
export function parseEvents(text: string): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  let last = -1;
  for (const [place, one] of jsonEvents(text).entries()) {
    const event = eventOf(one, place);
    if (event === undefined) continue;
    if (event.number <= last) throw badEvent(event.number, `its index follows ${last}`);
    last = event.number;
    events.push(event);
  }
  return events;
}

function jsonEvents(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? (parsed as readonly unknown[]) : [parsed];
  } catch {
    // Lines, or something is wrong with one of them: each is looked at by itself.
    return splitEvents(text).map((part, place) => {
      try {
        return JSON.parse(part) as unknown;
      } catch (error) {
        throw badEvent(place, `no JSON (${(error as Error).message})`);
      }
    });
  }
}

/** The texts of the events, good or bad. Only brackets and strings are understood. */
function splitEvents(text: string): string[] {
  const parts: string[] = [];
  const token = /"(?:\\.|[^"\\])*"?|[{}]/gs;
  let depth = 0;
  let start = text.search(/[^\s[]/);
  if (start === -1) return text.trim() === '' ? [] : [text];
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    if (found[0] === '{') depth += 1;
    if (found[0] !== '}') continue;
    depth -= 1;
    if (depth > 0) continue;
    parts.push(text.slice(start, token.lastIndex).replace(/^[\s,]+/, ''));
    start = token.lastIndex;
    depth = 0;
  }
  const rest = text.slice(start).replace(/^[\s,]+/, '');
  if (rest.trim() !== '' && rest.trim() !== ']') parts.push(rest);
  return parts;
}

/** Undefined: none of a client, but of what makes faults. */
function eventOf(one: unknown, place: number): HistoryEvent | undefined {
  if (typeof one !== 'object' || one === null || Array.isArray(one)) {
    throw badEvent(place, `an event is an object with type, process, f and value`);
  }
  const { type, process, f, value, index } = one as Record<string, unknown>;
  if (index !== undefined && (!Number.isSafeInteger(index) || (index as number) < 0)) {
    throw badEvent(place, `its index is no whole number`);
  }
  const number = (index as number | undefined) ?? place;
  if (process === 'nemesis') return undefined;
  if (!isScalar(process)) throw badEvent(number, 'it has no process');
  if (!KINDS.includes(type as EventKind)) {
    throw badEvent(number, `its type is none of ${KINDS.join(', ')}`);
  }
  if (typeof f !== 'string') throw badEvent(number, 'it has no f');
  return { number, kind: type as EventKind, process, f, value };
}

export function isScalar(value: unknown): value is Scalar {
  return typeof value === 'number' || typeof value === 'string';
}

// What transactions and snapshots saw, and a checker: replayed in the order of their timestamps, everything must have
// been seen as it was; and what was answered before something else began must have the lower timestamp (strict
// serializability, with the timestamps as the witness).
import type { Timestamp } from '../../src/clock/timestamp.ts';

export type Op =
  | { readonly kind: 'read'; readonly key: string; readonly saw: string | undefined }
  | {
      readonly kind: 'scan';
      readonly from: string;
      readonly to: string;
      readonly saw: readonly string[];
    }
  | { readonly kind: 'write'; readonly key: string; readonly value: string | undefined };

export interface Transcript {
  readonly kind: 'transaction' | 'snapshot';
  readonly timestamp: Timestamp;
  /** True time. */
  readonly beganMicros: number;
  readonly answeredMicros: number;
  readonly ops: readonly Op[];
}

/** What is wrong with the history; undefined when nothing is. */
export function check(history: readonly Transcript[]): string | undefined {
  return outOfTime(history) ?? outOfOrder(history);
}

function outOfTime(history: readonly Transcript[]): string | undefined {
  for (const { kind, timestamp, answeredMicros } of history) {
    if (kind === 'transaction' && answeredMicros <= timestamp) {
      return `a commit at ${timestamp} was answered at ${answeredMicros}: its time had not passed`;
    }
  }
  const byAnswer = [...history].sort((a, b) => a.answeredMicros - b.answeredMicros);
  const byBegin = [...history].sort((a, b) => a.beganMicros - b.beganMicros);
  let answered = 0;
  let greatest = 0;
  for (const next of byBegin) {
    for (; answered < byAnswer.length; answered++) {
      const before = byAnswer[answered] as Transcript;
      if (before.answeredMicros >= next.beganMicros) break;
      if (before.kind === 'transaction') greatest = Math.max(greatest, before.timestamp);
    }
    if (next.timestamp < greatest) {
      return `what began at ${next.beganMicros} got ${next.timestamp}, below ${greatest}, which was answered before`;
    }
  }
  return undefined;
}

function outOfOrder(history: readonly Transcript[]): string | undefined {
  // A snapshot at a commit's timestamp sees that commit.
  const ordered = [...history].sort(
    (a, b) => a.timestamp - b.timestamp || (a.kind === 'transaction' ? -1 : 1),
  );
  let state = new Map<string, string>();
  for (const { kind, timestamp, ops } of ordered) {
    const own = new Map(state);
    for (const op of ops) {
      switch (op.kind) {
        case 'read':
          if (own.get(op.key) !== op.saw) {
            return `${kind} at ${timestamp} read ${op.key}: ${op.saw} in place of ${own.get(op.key)}`;
          }
          break;
        case 'scan': {
          const there = rowsWithin(own, op.from, op.to);
          if (there.join() !== op.saw.join()) {
            return `${kind} at ${timestamp} scanned [${op.from}, ${op.to}): ${op.saw.join()} in place of ${there.join()}`;
          }
          break;
        }
        case 'write':
          if (op.value === undefined) own.delete(op.key);
          else own.set(op.key, op.value);
          break;
      }
    }
    state = own;
  }
  return undefined;
}

function rowsWithin(state: ReadonlyMap<string, string>, from: string, to: string): string[] {
  return [...state]
    .filter(([key]) => key >= from && key < to)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
}

// Histories in a line for each transaction: `p0 0-4: append x 1, r y [2 3]` was asked for by process 0 at 0 and answered
// at 4; `0-?` nobody knows what became of it, `0-x` it failed. Of a register `r x 1`, `r x nil`, `w x 1`.

import {
  checkHistory,
  type HistoryReport,
  holdsTo,
} from '../../src/sim/checkers/history/check-history.ts';
import { MODELS } from '../../src/sim/checkers/history/models.ts';

interface Line {
  readonly process: number;
  readonly invoked: number;
  readonly completed: number;
  readonly outcome: 'ok' | 'fail' | 'info';
  readonly value: unknown;
  readonly f: string;
}

export function historyText(...lines: readonly string[]): string {
  return jsonOf(lines.map(parse));
}

export function judge(...lines: readonly string[]): HistoryReport {
  return checkHistory(historyText(...lines));
}

export function namesOf({ anomalies }: HistoryReport): string[] {
  return anomalies.map(({ name }) => name).sort();
}

/** The strongest model that it holds to. */
export function strongestOf(report: HistoryReport): string {
  return MODELS.find((model) => holdsTo(report, model)) ?? 'none';
}

function parse(line: string): Line {
  const [, process, invoked, end, text] = /^p(\d+) (\d+)-(\d+|\?|x): (.*)$/.exec(line) ?? [];
  const isDone = end !== '?' && end !== 'x';
  return {
    process: Number(process),
    invoked: Number(invoked),
    // What is never answered, or not what happened, is told at the end.
    completed: isDone ? Number(end) : 1_000_000 + Number(invoked),
    outcome: isDone ? 'ok' : end === 'x' ? 'fail' : 'info',
    ...operationsOf(text ?? ''),
  };
}

function operationsOf(text: string): { f: string; value: unknown } {
  if (text.startsWith('add ')) return { f: 'add', value: Number(text.slice(4)) };
  if (text.startsWith('read ')) return { f: 'read', value: JSON.parse(text.slice(5)) as unknown };
  const parts = [...text.matchAll(/(append|w|r) (\w+) (\[[^\]]*\]|\w+)/g)];
  return {
    f: 'txn',
    value: parts.map(([, f, key, of]) => [f, key, valueOf(of as string)]),
  };
}

function valueOf(text: string): unknown {
  if (text === 'nil') return null;
  if (!text.startsWith('[')) return Number(text);
  return text.slice(1, -1).split(' ').filter(Boolean).map(Number);
}

function jsonOf(lines: readonly Line[]): string {
  const events = lines.flatMap(({ process, invoked, completed, outcome, value, f }) => [
    { at: invoked, event: { type: 'invoke', process, f, value: asked(f, value) } },
    {
      at: completed,
      event: { type: outcome, process, f, value: outcome === 'ok' ? value : asked(f, value) },
    },
  ]);
  return JSON.stringify(events.sort((a, b) => a.at - b.at).map(({ event }) => event));
}

function asked(f: string, value: unknown): unknown {
  if (f === 'read') return null;
  if (f !== 'txn') return value;
  return (value as unknown[][]).map(([one, key, of]) => [one, key, one === 'r' ? null : of]);
}

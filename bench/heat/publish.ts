// Writes the report, and says the numbers as every benchmark does.

import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Case, progress, report } from '../lib/report.ts';
import { heatReport } from './html.ts';
import type { PhaseResult } from './run-phase.ts';

const DIRECTORY = 'bench-reports';

export function writeReport(
  benchmark: string,
  results: readonly PhaseResult[],
  head: { readonly title: string; readonly subtitle: string },
): void {
  mkdirSync(DIRECTORY, { recursive: true });
  const path = resolve(DIRECTORY, `${benchmark}.html`);
  writeFileSync(path, heatReport({ ...head, phases: results.map(({ phase }) => phase) }));
  progress(`report: ${path}`);
  report(benchmark, 'before', results.flatMap(casesOf));
}

function casesOf(result: PhaseResult): Case[] {
  const { phase, firstSplit, balanced } = result;
  const cases: Case[] = [];
  const add = (name: string, unit: string, value: number | undefined, peer?: number): void => {
    cases.push({
      name: `${phase.name}: ${name}`,
      unit,
      ours: value === undefined ? [] : [value],
      peer: peer === undefined ? [] : [peer],
      ...(unit === '/s' ? {} : { smallerIsBetter: true }),
    });
  };
  add('time to the first split', 's', firstSplit);
  add('time to balance', 's', balanced);
  add('requests', '/s', result.after, result.before);
  add('p99 from the first split on', 'ms', result.p99During);
  add('bytes moved', 'B', result.movedBytes);
  add('attempts that failed', '', result.clients.failed);
  return cases;
}

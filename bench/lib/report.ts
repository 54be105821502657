// What a benchmark says: a table for people, and as its last line one JSON object for programs.

import { cpus, release, totalmem } from 'node:os';

export interface Case {
  readonly name: string;
  readonly unit: string;
  readonly ours: readonly number[];
  /** Empty where there is no peer. */
  readonly peer: readonly number[];
  /** Smaller is better (latency, bytes): the ratio is turned round, so that above 1 always means that we are better. */
  readonly smallerIsBetter?: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** `share` of the values are below it. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(4);
}

export function ratioOf(one: Case): number | undefined {
  if (one.peer.length === 0) return undefined;
  const ratio = median(one.ours) / median(one.peer);
  return one.smallerIsBetter === true ? 1 / ratio : ratio;
}

export function machine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${process.platform} ${release()}`,
    node: process.version,
  };
}

export function report(benchmark: string, peerName: string, cases: readonly Case[]): void {
  const rows = cases.map((one) => {
    const ratio = ratioOf(one);
    return [
      one.name,
      `${shown(median(one.ours))} ${one.unit}`,
      one.peer.length === 0 ? '-' : `${shown(median(one.peer))} ${one.unit}`,
      ratio === undefined ? '-' : `${ratio.toFixed(2)} x`,
      one.ours.map(shown).join(' '),
      one.peer.map(shown).join(' '),
    ];
  });
  const header = ['case', 'ours', peerName, 'ratio', 'our runs', `${peerName} runs`];
  const widths = header.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd();
  process.stdout.write(`${line(header)}\n${line(widths.map((w) => '-'.repeat(w)))}\n`);
  for (const row of rows) process.stdout.write(`${line(row)}\n`);
  const json = {
    benchmark,
    peer: peerName,
    cases: cases.map((one) => ({
      name: one.name,
      unit: one.unit,
      ours: median(one.ours),
      peer: one.peer.length === 0 ? null : median(one.peer),
      ratio: ratioOf(one) ?? null,
      runs: one.ours.length,
    })),
    machine: machine(),
  };
  process.stdout.write(`${JSON.stringify(json)}\n`);
}

export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

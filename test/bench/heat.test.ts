import { describe, expect, test } from 'vitest';
import { heatReport } from '../../bench/heat/html.ts';
import { heatStep } from '../../bench/heat/panels.ts';
import {
  balancedSince,
  firstSplit,
  type HeatRange,
  type HeatSecond,
  marksBetween,
} from '../../bench/heat/recording.ts';
import { type StallEvent, stallFigures } from '../../bench/heat/stalls.ts';
import { chosenPhases } from '../../bench/lib/options.ts';
import { syntheticPhase } from './synthetic.ts';

function range(
  id: number,
  start: number,
  end: number,
  leader = 1,
  replicas = [1, 2, 3],
): HeatRange {
  return { range: id, start, end, requests: 1, leader, replicas };
}

describe('what changed between two moments', () => {
  const kinds = (before: HeatRange[], after: HeatRange[]): string[] =>
    marksBetween({ at: 1, ranges: before }, { at: 2, ranges: after }).map(
      ({ kind, position }) => `${kind} ${position}`,
    );

  test('nothing', () => {
    expect(kinds([range(1, 0, 1)], [range(1, 0, 1)])).toEqual([]);
  });

  test('a split, whose right half was led by another node at once', () => {
    expect(kinds([range(1, 0, 1)], [range(1, 0, 0.5), range(2, 0.5, 1)])).toEqual(['split 0.5']);
    expect(kinds([range(1, 0, 1)], [range(1, 0, 0.5), range(2, 0.5, 1, 3)])).toEqual([
      'split 0.5',
      'lease 0.75',
    ]);
  });

  test('a merge, a lease and a replica that moved', () => {
    expect(kinds([range(1, 0, 0.5), range(2, 0.5, 1)], [range(1, 0, 1)])).toEqual(['merge 0.5']);
    expect(kinds([range(1, 0, 1)], [range(1, 0, 1, 2)])).toEqual(['lease 0.5']);
    expect(kinds([range(1, 0, 1)], [range(1, 0, 1, 1, [1, 2, 4])])).toEqual(['replica 0.5']);
  });

  test('a range of which the table had a part, and now has none, was split', () => {
    expect(kinds([range(3, 0, 1)], [range(4, 0, 1)])).toEqual(['split 0']);
  });

  test('a leader that is not known for a moment has not moved', () => {
    expect(kinds([range(1, 0, 1)], [range(1, 0, 1, 0)])).toEqual([]);
  });
});

test('balance is reached when it holds, not when lines cross', () => {
  const second = (at: number, ...each: number[]): HeatSecond => ({
    at,
    completed: 0,
    p99Millis: 0,
    byNode: new Map(each.map((value, i) => [i + 1, value])),
  });
  const series = [
    second(0, 90, 0),
    second(1, 50, 50),
    second(2, 90, 10),
    second(3, 55, 45),
    second(4, 45, 55),
  ];
  expect(balancedSince(series, [1, 2], 0.2, 2)).toBe(3);
  expect(balancedSince(series, [1, 2], 0.2, 3)).toBeUndefined();
  expect(balancedSince([second(0, 0, 0)], [1, 2], 0.2, 1)).toBeUndefined();
});

test('steps of the scale go from nothing to the busiest', () => {
  expect([0, 1, 250, 1000].map((requests) => heatStep(requests, 1000))).toEqual([0, 0, 5, 9]);
  expect(heatStep(1, 0)).toBe(0);
});

describe('the report', () => {
  const phase = syntheticPhase();
  const html = heatReport({ title: 'A <b> & "c"', subtitle: 'one phase', phases: [phase] });

  test('needs nothing from elsewhere, and runs nothing', () => {
    expect(html).not.toMatch(/<script|<link|<img|https?:|url\(/);
  });

  test('shows what happened: bounds, marks, moments, goals', () => {
    expect(firstSplit(phase.marks)).toBe(2.5);
    const splits = phase.marks.filter(({ kind }) => kind === 'split').length;
    expect(html.match(/class="mark split"/g)).toHaveLength(splits + 1);
    expect(html).toContain('node 4 is added');
    expect(html).toContain('✗ within 30 s');
    expect(html).toContain('A &#60;b&#62; &#38; &#34;c&#34;');
  });

  test('has no numbers that are none', () => {
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  test('an empty recording is a report, too', () => {
    const empty = { ...phase, samples: [], marks: [], series: [], figures: [], moments: [] };
    const page = heatReport({ title: 'x', subtitle: 'y', phases: [empty] });
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('what clients notice of a split', () => {
  const timed = (millis: (at: number) => number): { seconds: never[] } => {
    const all = Array.from({ length: 2000 }, (_, i) => [10 * i, millis(10 * i)] as const);
    return { seconds: [{ timed: all } as never] };
  };
  const events: StallEvent[] = [
    { kind: 'split', from: 5000, to: 5020 },
    { kind: 'split', from: 9000, to: 9030 },
  ];
  const shown = (millis: (at: number) => number): string[] =>
    stallFigures(timed(millis), events).map(({ value, isReached }) => `${value} ${isReached}`);

  test('is nothing where latencies are what they were', () => {
    expect(shown(() => 5)).toEqual(['5.0 ms true', 'none false']);
  });

  test('is what began around it and took longer', () => {
    expect(shown((at) => (at >= 5000 && at < 5100 ? 40 : 5))).toEqual([
      '40.0 ms false',
      'none false',
    ]);
    expect(shown((at) => (at >= 5400 && at < 8600 ? 40 : 5))).toEqual([
      '5.0 ms true',
      'none false',
    ]);
  });
});

test('phases are chosen by words of their names', () => {
  const phases = [{ name: 'Evenly busy' }, { name: 'One hot row' }, { name: 'A hot spot' }];
  const chosen = (only: string | undefined): string[] =>
    chosenPhases(phases, { short: false, only }).map(({ name }) => name);
  expect(chosen(undefined)).toHaveLength(3);
  expect(chosen('one,evenly')).toEqual(['Evenly busy', 'One hot row']);
  expect(() => chosen('cold')).toThrow('no phase is called "cold"');
});

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

// A run as it might have been: one busy range that is split and shared out, from a seed.

import {
  type HeatPhase,
  type HeatRange,
  type HeatSample,
  type HeatSecond,
  marksBetween,
} from '../../bench/heat/recording.ts';

export function syntheticPhase(): HeatPhase {
  const seconds = 60;
  const samples: HeatSample[] = [];
  let ranges: HeatRange[] = [range(3, 0, 1, 1)];
  let next = 40;
  for (let at = 0; at <= seconds; at += 0.5) {
    if (at === 2.5 || at === 3 || at === 3.5 || at === 4) {
      ranges = ranges.flatMap((one) => {
        const middle = one.start + (one.end - one.start) * (0.42 + 0.03 * (next % 5));
        return [{ ...one, end: middle }, range(next++, middle, one.end, one.leader)];
      });
    }
    if (at >= 6 && at < 16) {
      const i = Math.floor((at - 6) * 2) % ranges.length;
      ranges = ranges.map((one, k) => (k === i ? { ...one, leader: (i % 3) + 1 } : one));
    }
    if (at === 40)
      ranges = ranges.map((one, k) => (k === 2 ? { ...one, replicas: [1, 2, 4] } : one));
    if (at === 52) {
      const [first, second, ...rest] = ranges as [HeatRange, HeatRange, ...HeatRange[]];
      ranges = [{ ...first, end: second.end }, ...rest];
    }
    const warm = Math.min(1, at / 4);
    samples.push({
      at,
      ranges: ranges.map((one) => ({
        ...one,
        requests: warm * 9000 * (one.end - one.start) * (1 + 0.15 * Math.sin(at + one.range)),
      })),
    });
  }
  const marks = samples.flatMap((sample, i) =>
    i === 0 ? [] : marksBetween(samples[i - 1] as HeatSample, sample),
  );
  const series: HeatSecond[] = [];
  for (let at = 0; at < seconds; at++) {
    const byNode = new Map<number, number>();
    for (const one of samples[at * 2]?.ranges ?? []) {
      byNode.set(one.leader, (byNode.get(one.leader) ?? 0) + one.requests);
    }
    const completed = [...byNode.values()].reduce((sum, value) => sum + value, 0);
    series.push({
      at,
      completed,
      p99Millis: 9 + 6 * Math.exp(-at / 8) + (at === 3 ? 9 : 0),
      byNode,
    });
  }
  return {
    name: 'Uniform reads of a fresh table',
    story:
      'Rows of a new table are read at random, all equally often, by 24 clients spread over three nodes.',
    seconds,
    samples,
    marks,
    moments: [
      { at: 0, text: 'the clients begin' },
      { at: 40, text: 'node 4 is added' },
    ],
    series,
    figures: [
      { label: 'first split', value: '2.5 s', goal: 'within 5 s', isReached: true },
      { label: 'even to 20% on all nodes', value: '34 s', goal: 'within 30 s', isReached: false },
      { label: 'throughput before → after', value: '4.1k → 9.0k/s' },
      { label: 'p99 while it moved', value: '18 ms' },
      { label: 'moved by splits', value: '0 bytes' },
    ],
    ticks: [0, 0.25, 0.5, 0.75, 1].map((position) => ({
      position,
      label: String(position * 1_000_000),
    })),
    nodes: [1, 2, 3, 4],
  };
}

function range(id: number, start: number, end: number, leader: number): HeatRange {
  return { range: id, start, end, requests: 0, leader, replicas: [1, 2, 3] };
}

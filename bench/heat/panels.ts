// The pictures of one phase, one below the other over the same seconds: how busy each part of the table was, which node
// led it, how much each node led, and what the clients saw.

import type { HeatMark, HeatPhase, HeatRange, HeatSample } from './recording.ts';
import {
  escaped,
  LEFT,
  line,
  Plot,
  PLOT_WIDTH,
  px,
  rect,
  roundTicks,
  shortNumber,
  WIDTH,
} from './picture.ts';

export const HEAT_STEPS = 10;
const MAP_HEIGHT = 210;
const LINE_HEIGHT = 110;
const GAP = 58;
const FIRST_TOP = 52;

/** Loads differ by orders of magnitude: the root keeps small ones visible. */
export function heatStep(requests: number, most: number): number {
  if (most <= 0 || requests <= 0) return 0;
  return Math.min(HEAT_STEPS - 1, Math.floor(Math.sqrt(requests / most) * HEAT_STEPS));
}

export function busiest(phase: HeatPhase): number {
  let most = 0;
  for (const { ranges } of phase.samples) {
    for (const { requests } of ranges) most = Math.max(most, requests);
  }
  return most;
}

export function nodeClass(node: number): string {
  return node === 0 ? 'nobody' : `node-${((node - 1) % 6) + 1}`;
}

export function phasePicture(phase: HeatPhase): string {
  const { seconds } = phase;
  let top = FIRST_TOP;
  const place = (height: number): Plot => {
    const plot = new Plot(seconds, top, height);
    top += height + GAP;
    return plot;
  };
  const heat = place(MAP_HEIGHT);
  const leaders = place(MAP_HEIGHT);
  const shares = place(LINE_HEIGHT);
  const completed = place(LINE_HEIGHT);
  const latency = place(LINE_HEIGHT);
  const most = busiest(phase);
  const height = top - GAP + 34;
  const parts = [
    heat.title('How busy each part of the table is: requests a second in each range'),
    heatCells(phase, heat, (range) => `h${heatStep(range.requests, most)}`),
    boundaries(phase, heat),
    marks(phase, heat, ['split', 'merge']),
    keyAxis(phase, heat),
    leaders.title('Which node leads it'),
    heatCells(phase, leaders, (range) => nodeClass(range.leader)),
    boundaries(phase, leaders),
    marks(phase, leaders, ['lease', 'replica']),
    keyAxis(phase, leaders),
    shares.title('Requests a second in ranges that each node leads'),
    nodeLines(phase, shares),
    completed.title('Requests a second that the clients completed'),
    valueLine(phase, completed, (second) => second.completed, 'throughput'),
    latency.title('99th percentile of their latency, in milliseconds'),
    valueLine(phase, latency, (second) => second.p99Millis, 'latency'),
    ...[heat, leaders, shares, completed, latency].map((plot) => plot.timeAxis()),
    moments(phase, heat.top, latency.bottom, heat),
  ];
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(phase.name)}">${parts.join('\n')}</svg>`;
}

/** Neighbouring moments in which a range looks the same become one rectangle. */
function heatCells(phase: HeatPhase, plot: Plot, classOf: (range: HeatRange) => string): string {
  const { samples, seconds } = phase;
  const cells: string[] = [];
  interface Run {
    readonly from: number;
    readonly range: HeatRange;
    readonly className: string;
  }
  let runs = new Map<number, Run>();
  const close = (run: Run, to: number): void => {
    const { range, className, from } = run;
    const [x, y] = [plot.x(from), plot.y(range.end)];
    const hint = `range ${range.range}, node ${range.leader === 0 ? '?' : range.leader} leads, ${shortNumber(range.requests)} requests/s, ${shortNumber(from)} to ${shortNumber(to)} s`;
    cells.push(rect(x, y, plot.x(to) - x + 0.3, plot.y(range.start) - y, className, hint));
  };
  samples.forEach((sample: HeatSample, i) => {
    const from = i === 0 ? Math.min(sample.at, 0) : sample.at;
    const next = new Map<number, Run>();
    for (const range of sample.ranges) {
      const run = runs.get(range.range);
      const className = classOf(range);
      const goesOn =
        run !== undefined &&
        run.className === className &&
        run.range.start === range.start &&
        run.range.end === range.end;
      if (goesOn) {
        runs.delete(range.range);
        next.set(range.range, run);
      } else next.set(range.range, { from, range, className });
    }
    for (const run of runs.values()) close(run, from);
    runs = next;
  });
  for (const run of runs.values()) close(run, seconds);
  return cells.join('');
}

/** Hairlines where ranges meet. */
function boundaries(phase: HeatPhase, plot: Plot): string {
  const paths: string[] = [];
  const open = new Map<number, number>();
  const close = (position: number, from: number, to: number): void => {
    const y = px(plot.y(position));
    paths.push(`M${px(plot.x(from))} ${y}H${px(plot.x(to))}`);
  };
  for (const { at, ranges } of phase.samples) {
    const here = new Set(
      ranges.map(({ start }) => start).filter((start) => start > 0 && start < 1),
    );
    for (const [position, from] of open) {
      if (here.has(position)) continue;
      close(position, from, at);
      open.delete(position);
    }
    for (const position of here) if (!open.has(position)) open.set(position, at);
  }
  for (const [position, from] of open) close(position, from, phase.seconds);
  return `<path class="boundary" d="${paths.join('')}"/>`;
}

function marks(phase: HeatPhase, plot: Plot, kinds: readonly HeatMark['kind'][]): string {
  return phase.marks
    .filter(({ kind, at }) => kinds.includes(kind) && at >= 0 && at <= phase.seconds)
    .map(({ kind, at, position, text }) =>
      markAt(kind, plot.x(at), plot.y(position), `${shortNumber(at)} s, ${text}`),
    )
    .join('');
}

/** Each kind has a shape of its own: colours are taken. */
export function markAt(kind: HeatMark['kind'], x: number, y: number, hint: string): string {
  const shapes = {
    split: `M${px(x)} ${px(y - 5)}l5 5l-5 5l-5 -5z`,
    merge: `M${px(x - 4)} ${px(y)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
    lease: `M${px(x)} ${px(y - 5)}l5 9h-10z`,
    replica: `M${px(x - 4)} ${px(y - 4)}h8v8h-8z`,
  };
  return `<path class="mark ${kind}" d="${shapes[kind]}"><title>${escaped(hint)}</title></path>`;
}

function keyAxis(phase: HeatPhase, plot: Plot): string {
  const labels = phase.ticks.map(({ position, label }) => plot.yLabel(position, label, false));
  const x = 16;
  const y = plot.top + plot.height / 2;
  const name = `<text class="axis-name middle" transform="rotate(-90 ${x} ${px(y)})" x="${x}" y="${px(y)}">key of the row</text>`;
  return `${plot.frame()}${labels.join('')}${name}`;
}

function valueAxis(plot: Plot, most: number): string {
  const ticks = roundTicks(most, 4).map((tick) =>
    plot.yLabel(most > 0 ? tick / most : 0, shortNumber(tick), true),
  );
  return ticks.join('');
}

function nodeLines(phase: HeatPhase, plot: Plot): string {
  const { series, nodes } = phase;
  const valueOf = (i: number, node: number): number => series[i]?.byNode.get(node) ?? 0;
  let most = 0;
  series.forEach((_, i) => {
    for (const node of nodes) most = Math.max(most, valueOf(i, node));
  });
  most *= 1.05;
  const lines = nodes.map((node) =>
    line(
      series.map(({ at }, i) => [plot.x(at), plot.y(most > 0 ? valueOf(i, node) / most : 0)]),
      `series ${nodeClass(node)}`,
    ),
  );
  return valueAxis(plot, most) + lines.join('');
}

function valueLine(
  phase: HeatPhase,
  plot: Plot,
  valueOf: (second: HeatPhase['series'][number]) => number,
  className: string,
): string {
  const values = phase.series.map(valueOf);
  const most = Math.max(0, ...values.filter(Number.isFinite)) * 1.05;
  const points = phase.series.map(
    ({ at }, i) => [plot.x(at), plot.y(most > 0 ? (values[i] ?? 0) / most : 0)] as const,
  );
  return valueAxis(plot, most) + line(points, `series ${className}`);
}

/** What was done from outside, through all pictures. Labels that would overlap go up a row. */
function moments(phase: HeatPhase, top: number, bottom: number, plot: Plot): string {
  let lastEnd = Number.NEGATIVE_INFINITY;
  let row = 0;
  return phase.moments
    .map(({ at, text }) => {
      const x = plot.x(at);
      const isLate = x > LEFT + PLOT_WIDTH * 0.8;
      row = x < lastEnd ? (row + 1) % 2 : 0;
      lastEnd = x + text.length * 6.5;
      const y = top - 26 - row * 13;
      return `<line class="moment" x1="${px(x)}" x2="${px(x)}" y1="${px(top)}" y2="${px(bottom)}"/><text class="moment-label ${isLate ? 'end' : ''}" x="${px(isLate ? x - 4 : x + 4)}" y="${px(y)}">${escaped(text)}</text>`;
    })
    .join('');
}

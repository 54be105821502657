// What a run leaves behind for its report: where the ranges of a table were, who led them and how busy they were, moment
// by moment; what the clients saw; and what happened. Times are seconds since the load began. Keys are positions from 0
// to 1 along the table, so that a report need not know what they mean.

export interface HeatRange {
  readonly range: number;
  /** Positions of its bounds. */
  readonly start: number;
  readonly end: number;
  /** A second. */
  readonly requests: number;
  /** 0: nobody that is known. */
  readonly leader: number;
  /** Sorted. */
  readonly replicas: readonly number[];
}

export interface HeatSample {
  readonly at: number;
  /** In key order. */
  readonly ranges: readonly HeatRange[];
}

export type HeatMarkKind = 'split' | 'merge' | 'lease' | 'replica';

/** Something that the database did by itself. */
export interface HeatMark {
  readonly kind: HeatMarkKind;
  readonly at: number;
  readonly position: number;
  readonly text: string;
}

/** Something that was done to it: a line through all pictures. */
export interface HeatMoment {
  readonly at: number;
  readonly text: string;
}

/** What the clients saw in one second. */
export interface HeatSecond {
  readonly at: number;
  readonly completed: number;
  readonly p99Millis: number;
  /** Requests that each node led, by node; estimated from the ranges' rates. */
  readonly byNode: ReadonlyMap<number, number>;
}

export interface HeatFigure {
  readonly label: string;
  readonly value: string;
  /** What it should reach, in words. */
  readonly goal?: string;
  readonly isReached?: boolean;
}

export interface HeatTick {
  readonly position: number;
  readonly label: string;
}

export interface HeatPhase {
  readonly name: string;
  /** What was done, in a sentence or two. */
  readonly story: string;
  readonly seconds: number;
  readonly samples: readonly HeatSample[];
  readonly marks: readonly HeatMark[];
  readonly moments: readonly HeatMoment[];
  readonly series: readonly HeatSecond[];
  readonly figures: readonly HeatFigure[];
  /** Of the axis of keys. */
  readonly ticks: readonly HeatTick[];
  readonly nodes: readonly number[];
}

export interface HeatRecording {
  readonly title: string;
  readonly subtitle: string;
  readonly phases: readonly HeatPhase[];
}

/** What changed between two samples. Ids tell a split from what was there; positions tell where. */
export function marksBetween(before: HeatSample, after: HeatSample): HeatMark[] {
  const { at } = after;
  const marks: HeatMark[] = [];
  const old = new Map(before.ranges.map((range) => [range.range, range]));
  const now = new Map(after.ranges.map((range) => [range.range, range]));
  for (const range of after.ranges) {
    const same = old.get(range.range);
    const middle = (range.start + range.end) / 2;
    if (same === undefined) {
      const text = `split: range ${range.range} begins`;
      marks.push({ kind: 'split', at, position: range.start, text });
      const parent = before.ranges.find((one) => one.start <= range.start && range.start < one.end);
      // Made and given away between two looks.
      if (parent !== undefined) marks.push(...leaseMoved(at, middle, range, parent.leader));
      continue;
    }
    marks.push(...leaseMoved(at, middle, range, same.leader));
    if (same.replicas.join() !== range.replicas.join()) {
      const text = `replicas of range ${range.range}: ${same.replicas.join(', ')} → ${range.replicas.join(', ')}`;
      marks.push({ kind: 'replica', at, position: middle, text });
    }
  }
  for (const range of before.ranges) {
    if (now.has(range.range)) continue;
    // What lies before the table has kept the id: its part in the table was split off.
    if (after.ranges.some(({ start }) => start === range.start)) continue;
    const text = `merge: range ${range.range} is part of the one before it`;
    marks.push({ kind: 'merge', at, position: range.start, text });
  }
  return marks;
}

function leaseMoved(at: number, position: number, to: HeatRange, from: number): HeatMark[] {
  if (from === to.leader || from === 0 || to.leader === 0) return [];
  const text = `range ${to.range}: led by node ${to.leader}, no longer by node ${from}`;
  return [{ kind: 'lease', at, position, text }];
}

/** Seconds until the first split; undefined: there was none. */
export function firstSplit(marks: readonly HeatMark[]): number | undefined {
  return marks.find(({ kind }) => kind === 'split')?.at;
}

/** From when on the nodes shared the requests evenly: each within `tolerance` of the mean, in the sum of the `holds`
 * seconds that follow. Not before second `from`. Undefined: never. */
export function balancedSince(
  series: readonly HeatSecond[],
  nodes: readonly number[],
  tolerance: number,
  holds: number,
  from = 0,
): number | undefined {
  for (let i = 0; i + holds <= series.length; i++) {
    if ((series[i]?.at ?? 0) < from) continue;
    const sums = nodes.map((node) => {
      let sum = 0;
      for (let k = i; k < i + holds; k++) sum += series[k]?.byNode.get(node) ?? 0;
      return sum;
    });
    const mean = sums.reduce((all, sum) => all + sum, 0) / nodes.length;
    if (mean > 0 && sums.every((sum) => Math.abs(sum - mean) <= tolerance * mean)) {
      return series[i]?.at;
    }
  }
  return undefined;
}

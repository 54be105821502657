// Whether clients notice that a range is split, or that two become one: the latencies of requests that began around each
// of them, against those of requests that began in the same time before. Asked at a fixed and modest rate, since a busy
// machine would show only its own queue; and what should have begun meanwhile counts from when it should have.

import type { HeatFigure } from './recording.ts';
import type { ClientLoad } from './clients.ts';
import type { RunningPhase } from './run-phase.ts';
import { counterAt } from './watch.ts';

/** Around each event, and as long before that. */
const BEFORE_MILLIS = 50;
const AFTER_MILLIS = 250;
const GOAL_MILLIS = 20;
const LOOK_MILLIS = 25;

/** When something was done, in milliseconds of this machine's time: not before `from`, done by `to`. */
export interface StallEvent {
  readonly kind: 'split' | 'merge';
  readonly from: number;
  readonly to: number;
}

export function clockMillis(): number {
  return performance.timeOrigin + performance.now();
}

/** So long does it take. */
export function secondsFor(splits: number): number {
  return 8 + 3 * splits;
}

/** Each of a few splits, by hand, a moment after the other; then they may be merged. */
export function splitsAndMerges(
  table: string,
  rows: number,
  splits: number,
  events: StallEvent[],
): (phase: RunningPhase) => Promise<void> {
  return async ({ cluster, mark, until, sql }) => {
    const merges = new MergeWatch(cluster.nodes.map(({ http }) => http));
    // Merges need ranges that are cold, of which none is while it is asked at all; and leases should stay.
    await sql('SET CLUSTER SETTING range.split_load = 1');
    await sql('SET CLUSTER SETTING rebalance.enabled = off');
    await sql("SET CLUSTER SETTING range.merge_after = '1s'");
    await until(4);
    mark('splits by hand, one a second');
    for (let i = 1; i <= splits; i++) {
      await until(4 + i);
      const from = clockMillis();
      await sql(`ALTER TABLE ${table} SPLIT AT VALUES (${Math.floor((i * rows) / (splits + 1))})`);
      events.push({ kind: 'split', from, to: clockMillis() });
    }
    await until(6 + splits);
    mark('what was split may be merged');
    merges.start();
    await sql(`ALTER TABLE ${table} UNSPLIT ALL`);
    await until(6 + 3 * splits);
    events.push(...(await merges.stop()));
    // What balance does then is not of this phase.
    await until(secondsFor(splits));
    for (const setting of ['range.split_load', 'rebalance.enabled', 'range.merge_after']) {
      await sql(`RESET CLUSTER SETTING ${setting}`);
    }
  };
}

/** Merges are the nodes' own doing: what they count tells when. */
class MergeWatch {
  private readonly addresses: readonly string[];
  private readonly events: StallEvent[] = [];
  private isStopped = false;
  private looking: Promise<void> = Promise.resolve();

  constructor(addresses: readonly string[]) {
    this.addresses = addresses;
  }

  start(): void {
    this.looking = this.look();
  }

  async stop(): Promise<readonly StallEvent[]> {
    this.isStopped = true;
    await this.looking;
    return this.events;
  }

  private async look(): Promise<void> {
    let before: { readonly count: number; readonly at: number } | undefined;
    while (!this.isStopped) {
      const at = clockMillis();
      const counts = await Promise.all(
        this.addresses.map((http) => counterAt(http, 'meridian_merges_total')),
      );
      const count = counts.reduce<number>((sum, one) => sum + (one ?? 0), 0);
      if (before !== undefined && count > before.count) {
        this.events.push({ kind: 'merge', from: before.at, to: clockMillis() });
      }
      before = { count, at };
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
    }
  }
}

/** Latencies of what began around the events, and before. */
export function stallFigures(
  { seconds }: Pick<ClientLoad, 'seconds'>,
  events: readonly StallEvent[],
): readonly HeatFigure[] {
  const timed = seconds.flatMap((one) => one.timed);
  return (['split', 'merge'] as const).flatMap((kind): HeatFigure[] => {
    const during: number[] = [];
    const before: number[] = [];
    const these = events.filter((one) => one.kind === kind);
    for (const { from, to } of these) {
      const begin = from - BEFORE_MILLIS;
      const end = to + AFTER_MILLIS;
      for (const [at, millis] of timed) {
        if (at >= begin && at < end) during.push(millis);
        else if (at >= begin - (end - begin) && at < begin) before.push(millis);
      }
    }
    const [p99, usual] = [percentile(during, 0.99), percentile(before, 0.99)];
    const longest = Math.max(0, ...during);
    return [
      {
        label: `p99 around ${these.length} ${kind}s; just before each ${usual.toFixed(1)} ms. The longest of ${during.length} requests: ${longest.toFixed(0)} ms`,
        value: these.length === 0 ? 'none' : `${p99.toFixed(1)} ms`,
        goal: `at most ${GOAL_MILLIS} ms more than before`,
        isReached: these.length > 0 && p99 - usual <= GOAL_MILLIS,
      },
    ];
  });
}

function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

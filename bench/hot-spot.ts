// What three nodes do by themselves with a table that is suddenly busy: evenly, by Zipf's law, with a growing key, in one
// row, and in a spot that moves. Writes hot-spot.html.

import { writeReport } from './heat/publish.ts';
import {
  BALANCE_GOAL,
  EVEN_SECONDS,
  EVEN_TOLERANCE,
  FIRST_SPLIT_GOAL,
  type PhasePlan,
  type PhaseResult,
  runPhase,
  warmUp,
  within,
} from './heat/run-phase.ts';
import { balancedSince, type HeatFigure } from './heat/recording.ts';
import { secondsFor, splitsAndMerges, type StallEvent, stallFigures } from './heat/stalls.ts';
import { startCluster } from './lib/cluster.ts';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import { workDirectory } from './lib/processes.ts';

const CONNECTIONS = 24;
/** A second: a small part of what the nodes can do. */
const STALL_REQUESTS = 300;
const WARM_SECONDS = 10;

function plans(short: boolean): readonly PhasePlan[] {
  const seconds = short ? 6 : 60;
  const rows = short ? 5000 : 100_000;
  const moves = short ? { every: 3, seconds: 6 } : { every: 30, seconds: 120 };
  const common = {
    rows,
    seconds,
    connections: CONNECTIONS,
    writeShare: 0.1,
    isDivisible: true,
    restSeconds: short ? 0 : 10,
  };
  return [
    {
      ...common,
      name: 'Evenly busy',
      story:
        'Rows of a new table are read at random, all equally often, one request in ten being an update. The table begins as part of one range, so one node has all the work.',
      table: 'uniform',
      keys: { kind: 'uniform' },
    },
    {
      ...common,
      name: 'Some rows far busier than others (Zipf)',
      story:
        'The same, but row 0 is asked for twice as often as row 1, three times as often as row 2, and so on. Ranges become narrow where the work is, so these pictures show keys on a logarithmic scale.',
      table: 'zipf',
      keyScale: 'logarithmic',
      keys: { kind: 'zipf' },
    },
    {
      ...common,
      name: 'A growing key',
      story:
        'Only inserts, each with the next id: all work is at the end of the table, wherever it was cut before. The range is split ahead of the inserts, and the empty part given to another node before they get there.',
      table: 'growing',
      rows: short ? 1000 : 10_000,
      keys: { kind: 'growing' },
      // At no time is it: the work is on one node after the other.
      isDivisible: false,
      judge: (result) => [
        within('first split', result.firstSplit, FIRST_SPLIT_GOAL),
        busiestSeconds(result),
      ],
    },
    {
      ...common,
      name: 'One hot row',
      story:
        'All clients want the same row. No split can help, so none should be made: the row is reported by SHOW HOT RANGES instead.',
      table: 'one_row',
      seconds: short ? 4 : 30,
      keys: { kind: 'one', id: Math.floor(rows / 2) },
      isDivisible: false,
      judge: ({ phase }) => {
        const splits = phase.marks.filter(({ kind }) => kind === 'split').length;
        return [
          {
            label: 'splits',
            value: String(splits),
            goal: 'none that divides the row from itself: at most 2, around it',
            isReached: splits <= 2,
          },
        ];
      },
    },
    {
      ...common,
      name: 'A hot spot that moves',
      story: `A tenth of the table is busy, and every ${moves.every} s another tenth instead.`,
      table: 'moving',
      seconds: moves.seconds,
      keys: { kind: 'window', share: 0.1, everySeconds: moves.every },
      meanwhile: async ({ mark, until }) => {
        for (let at = moves.every; at < moves.seconds; at += moves.every) {
          await until(at);
          mark('the hot spot moves');
        }
      },
      judge: (result) => evenAgain(result, moves),
    },
    stalls(short),
  ];
}

/** Not a hot spot, but what a client notices when ranges are split and merged. */
function stalls(short: boolean): PhasePlan {
  const splits = short ? 3 : 20;
  const rows = short ? 2000 : 20_000;
  const events: StallEvent[] = [];
  return {
    name: 'Splits and merges that nobody should notice',
    story: `Rows are read at random, ${STALL_REQUESTS} requests a second in all, one in ten being an update. The table is split by hand once a second, and then the nodes merge what was split. Nothing else moves.`,
    table: 'calm',
    rows,
    seconds: secondsFor(splits),
    connections: CONNECTIONS,
    perSecond: STALL_REQUESTS,
    keys: { kind: 'uniform' },
    writeShare: 0.1,
    isDivisible: false,
    restSeconds: short ? 0 : 5,
    meanwhile: splitsAndMerges('calm', rows, splits, events),
    judge: ({ clients }) => stallFigures(clients, events),
  };
}

/** After each move, the seconds until the nodes were even. */
function evenAgain(
  { phase }: PhaseResult,
  moves: { readonly every: number; readonly seconds: number },
): readonly HeatFigure[] {
  const figures: HeatFigure[] = [];
  for (let from = moves.every; from < moves.seconds; from += moves.every) {
    const series = phase.series.filter(({ at }) => at < from + moves.every);
    const at = balancedSince(series, phase.nodes, EVEN_TOLERANCE, EVEN_SECONDS, from);
    const label = `even again after the move at ${from} s`;
    figures.push(within(label, at === undefined ? undefined : at - from, BALANCE_GOAL));
  }
  return figures;
}

/** Of each node: the mean of its three busiest seconds in the last half minute or so, compared. */
function busiestSeconds({ phase }: PhaseResult): HeatFigure {
  const late = phase.series.filter(({ at }) => at >= phase.seconds / 2);
  const tops = phase.nodes.map((node) => {
    const rates = late.map(({ byNode }) => byNode.get(node) ?? 0).sort((a, b) => b - a);
    return rates.slice(0, 3).reduce((sum, rate) => sum + rate, 0) / 3;
  });
  const ratio = Math.max(...tops) / Math.max(1, Math.min(...tops));
  return {
    label: 'busiest seconds of the nodes, apart by',
    value: `${ratio.toFixed(1)} ×`,
    goal: 'at most 2 ×, in the second half',
    isReached: ratio <= 2,
  };
}

export async function hotSpot(options: BenchOptions): Promise<void> {
  const cluster = await startCluster(workDirectory());
  const results: PhaseResult[] = [];
  try {
    await warmUp(cluster, options.short ? 1 : WARM_SECONDS);
    for (const plan of chosenPhases(plans(options.short), options)) {
      results.push(await runPhase(cluster, plan));
    }
  } finally {
    await cluster.stop();
  }
  writeReport('hot-spot', results, {
    title: 'Hot spots: how a busy table spreads over three nodes',
    subtitle: `Three nodes on one machine, ${CONNECTIONS} SQL connections spread over them, each asking again as soon as it has its answer.`,
  });
}

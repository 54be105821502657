// What the nodes do by themselves under load when one is added, and when one is lost. Writes split-rebalance.html.

import { writeReport } from './heat/publish.ts';
import { type PhasePlan, type PhaseResult, runPhase, warmUp, within } from './heat/run-phase.ts';
import type { HeatFigure } from './heat/recording.ts';
import { type ClusterNode, startCluster } from './lib/cluster.ts';
import { type BenchOptions, chosenPhases } from './lib/options.ts';
import { workDirectory } from './lib/processes.ts';
import { progress } from './lib/report.ts';

const CONNECTIONS = 24;
const WARM_SECONDS = 10;
const ADDED = 4;
const LOST = 3;
/** Failover: the lease of who is lost ends, an election, and a wait for clocks. */
const SILENCE_GOAL = 5;
const RECOVERED_SHARE = 0.7;

function plans(short: boolean): readonly PhasePlan[] {
  const changeAt = short ? 3 : 30;
  const common = {
    rows: short ? 5000 : 100_000,
    seconds: short ? 10 : 90,
    restSeconds: short ? 0 : 10,
    connections: CONNECTIONS,
    writeShare: 0.1,
    keys: { kind: 'uniform' },
    isDivisible: true,
  } as const;
  return [
    {
      ...common,
      name: 'A node is added under load',
      story: `Three nodes share an evenly busy table. After ${changeAt} s a fourth joins: copies of ranges are sent to it, then it leads its share of them.`,
      table: 'grown',
      even: { from: changeAt, among: [1, 2, 3, 4] },
      meanwhile: async ({ cluster, mark, until, watchAlso }) => {
        await until(changeAt);
        mark(`node ${ADDED} is started`);
        watchAlso(await cluster.add());
      },
    },
    {
      ...common,
      name: 'A node is lost under load',
      story: `The nodes share an evenly busy table. After ${changeAt} s one of them is killed (kill -9) and does not come back: the others lead its ranges after an election each, and its clients go to other nodes.`,
      table: 'lost',
      even: { from: changeAt, among: [1, 2, 4] },
      meanwhile: async ({ cluster, mark, until }) => {
        await until(changeAt);
        mark(`node ${LOST} is killed`);
        await (cluster.nodes[LOST - 1] as ClusterNode).kill();
      },
      judge: (result) => lossFigures(result, changeAt),
    },
  ];
}

function lossFigures({ clients }: PhaseResult, lostAt: number): readonly HeatFigure[] {
  const before = clients.completedPerSecond(Math.max(1, lostAt - 10), lostAt);
  const back = clients.seconds.find(
    ({ from, to, completed }) =>
      from > lostAt && completed >= RECOVERED_SHARE * before * (to - from),
  );
  const silence = clients.longestSilence(lostAt);
  return [
    {
      label: 'longest without any answer',
      value: silence === 0 ? 'under 1 s' : `${silence.toFixed(1)} s`,
      goal: `at most ${SILENCE_GOAL} s`,
      isReached: silence <= SILENCE_GOAL,
    },
    within('back to 70% of the throughput', back && back.from - lostAt, 30),
  ];
}

export async function splitRebalance(options: BenchOptions): Promise<void> {
  const cluster = await startCluster(workDirectory());
  const results: PhaseResult[] = [];
  try {
    await warmUp(cluster, options.short ? 1 : WARM_SECONDS);
    for (const plan of chosenPhases(plans(options.short), options)) {
      results.push(await runPhase(cluster, plan));
    }
  } catch (error) {
    for (const node of cluster.nodes) progress(`--- node ${node.id}\n${node.told}`);
    throw error;
  } finally {
    await cluster.stop();
  }
  writeReport('split-rebalance', results, {
    title: 'Rebalancing: a node comes, a node goes, the clients stay',
    subtitle: `Nodes on one machine, ${CONNECTIONS} SQL connections spread over them, each asking again as soon as it has its answer.`,
  });
}

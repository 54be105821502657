// `npm run bench -- NAME [--short] [--only WORD,...]`: finds the benchmark and runs it. --short shows that it runs, not how fast.

import { commitWait } from './commit-wait.ts';
import { contention } from './contention.ts';
import { failover } from './failover.ts';
import { hotSpot } from './hot-spot.ts';
import { idleGroups } from './idle-groups.ts';
import type { BenchOptions } from './lib/options.ts';
import { manyRanges } from './many-ranges.ts';
import { micro } from './micro.ts';
import { point } from './point.ts';
import { put } from './put.ts';
import { readOnly } from './read-only.ts';
import { shardScan } from './shard-scan.ts';
import { rangeScan } from './range-scan.ts';
import { snapshot } from './snapshot.ts';
import { splitRebalance } from './split-rebalance.ts';
import { tpcb } from './tpcb.ts';
import { twoPhaseCommit } from './two-phase-commit.ts';

const BENCHMARKS: Readonly<
  Record<string, { readonly summary: string; run(options: BenchOptions): Promise<void> }>
> = {
  point: { summary: 'SELECT and INSERT of single rows, against PostgreSQL 15', run: point },
  tpcb: { summary: 'TPC-B with pgbench, against PostgreSQL 15', run: tpcb },
  'two-phase-commit': {
    summary: 'a commit in 1 to 200 ranges of three nodes',
    run: twoPhaseCommit,
  },
  contention: {
    summary: 'clients on the same few rows, against PostgreSQL 15 at serializable',
    run: contention,
  },
  'commit-wait': { summary: 'what the uncertainty of clocks costs a commit', run: commitWait },
  'read-only': { summary: 'strong, stale and follower reads on three nodes', run: readOnly },
  put: { summary: 'puts to three replicas over gRPC, against three members of etcd', run: put },
  failover: { summary: 'time without writes after kill -9 of the leader', run: failover },
  'hot-spot': { summary: 'a busy table that splits and spreads over three nodes', run: hotSpot },
  'split-rebalance': { summary: 'a node added and a node lost under load', run: splitRebalance },
  'range-scan': {
    summary: '1M rows over 1, 50, 500 ranges, against PostgreSQL 15',
    run: rangeScan,
  },
  'idle-groups': { summary: 'what 10,000 sleeping groups cost three nodes', run: idleGroups },
  'many-ranges': { summary: 'what 2,000 real ranges cost three nodes', run: manyRanges },
  snapshot: { summary: 'a follower that pulls 1 GB while clients write', run: snapshot },
  'shard-scan': { summary: 'scans of one shard, in nanoseconds a row', run: shardScan },
  micro: { summary: 'the pieces of the hot paths, in nanoseconds', run: micro },
};

const USAGE = `npm run bench -- NAME [--short] [--only WORD,...]

${Object.entries(BENCHMARKS)
  .map(([name, { summary }]) => `  ${name.padEnd(17)} ${summary}`)
  .join('\n')}
  all             each of them

--short shows that it runs, not how fast. --only WORD,... runs the phases whose names have one of
the words.
`;

async function main(args: readonly string[]): Promise<number> {
  const short = args.includes('--short');
  const onlyAt = args.indexOf('--only');
  const only = onlyAt < 0 ? undefined : args[onlyAt + 1];
  const names = args.filter(
    (arg, i) => arg !== '--short' && (onlyAt < 0 || (i !== onlyAt && i !== onlyAt + 1)),
  );
  const [name] = names;
  if (name === '--help' || name === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  const chosen =
    name === 'all'
      ? Object.values(BENCHMARKS)
      : name !== undefined && Object.hasOwn(BENCHMARKS, name)
        ? [BENCHMARKS[name]]
        : [];
  if (names.length !== 1 || chosen.length === 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  for (const benchmark of chosen) await benchmark?.run({ short, only });
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  },
);

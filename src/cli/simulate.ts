// `meridian simulate`: runs seeds in simulated time and says how to run a failing one again.

import { KNOWN_BUGS } from '../sim/known-bugs.ts';
import { runNode } from '../sim/node-run.ts';
import { SimulationFailure } from '../sim/violation.ts';
import { type CommandSpec, EXIT_DONE, EXIT_FAILED, parseOptions, UsageError } from './usage.ts';

const SPEC: CommandSpec = {
  name: 'meridian simulate [database]',
  summary:
    'a node with SQL clients in simulated time, with crashes and bad disks; one seed is one run, always the same',
  options: {
    seed: { value: 'N', help: 'the first seed (default: a fresh one, printed)' },
    seeds: { value: 'COUNT', help: 'how many seeds, one after another (default 1)' },
    seconds: { value: 'S', help: 'simulated seconds for each seed (default 60)' },
    shards: { value: 'N', help: 'storage shards (default 1)' },
    bug: {
      value: 'NAME',
      multiple: true,
      help: 'switch a known bug on; may be repeated',
    },
    verbose: { value: undefined, short: 'v', help: "print the node's log" },
  },
  notes: `Known bugs, which seeds must find (ranges.skip-commit-wait shows to a second clock only):
${[...KNOWN_BUGS].map(([name, what]) => `  ${name.padEnd(32)} ${what}`).join('\n')}`,
};

export async function simulate(args: readonly string[]): Promise<number> {
  const [what, ...rest] = args;
  if (what !== undefined && !what.startsWith('-') && what !== 'database') {
    throw new UsageError(`there is no simulation '${what}' yet; there is 'database'`);
  }
  const options = parseOptions(SPEC, what === 'database' ? rest : args);
  const first = options.whole('seed', 0, 0xffffffff) ?? Math.floor(Math.random() * 0x100000000);
  const count = options.whole('seeds', 1, 1_000_000) ?? 1;
  const seconds = options.whole('seconds', 1, 100_000) ?? 60;
  const shards = options.whole('shards', 1, 16) ?? 1;
  const bugs = new Set(options.texts('bug'));
  for (const bug of bugs) {
    if (!KNOWN_BUGS.has(bug)) throw new UsageError(`there is no known bug '${bug}'`);
  }
  const totals = { operations: 0, acknowledged: 0, crashes: 0 };
  const faults = new Set<string>();
  const started = performance.now();
  for (let seed = first; seed < first + count; seed++) {
    try {
      const report = await runNode({
        seed,
        seconds,
        bugs,
        shards,
        ...(options.flag('verbose')
          ? {
              onLog: (_node: number, level: string, message: string) =>
                void process.stderr.write(`${level} ${message}\n`),
            }
          : {}),
      });
      totals.operations += report.operations;
      totals.acknowledged += report.acknowledged;
      totals.crashes += report.crashes;
      for (const fault of report.faults) faults.add(fault);
      process.stdout.write(
        `seed ${seed}: ${report.operations} operations, ${report.acknowledged} writes acknowledged, ${report.crashes} crashes, ${report.simulatedSeconds} simulated s, ${report.events} events, errors ${JSON.stringify(report.errors)}, trace ${report.traceHash}\n`,
      );
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      const bugOptions = [...bugs].map((bug) => ` --bug ${bug}`).join('');
      process.stdout.write(
        `FAILED ${error.message}\nagain: meridian simulate --seed ${seed} --seconds ${seconds} --shards ${shards}${bugOptions}\n`,
      );
      return EXIT_FAILED;
    }
  }
  const real = (performance.now() - started) / 1000;
  process.stdout.write(
    `${count} seeds: ${totals.operations} operations, ${totals.acknowledged} acknowledged, ${totals.crashes} crashes, faults: ${[...faults].sort().join(', ')}; ${((count * seconds) / real).toFixed(1)} simulated seconds a second\n`,
  );
  return EXIT_DONE;
}

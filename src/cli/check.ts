// `meridian check`: judges histories of transactions, and shows what contradicts the model that they should hold to.

import { readFileSync } from 'node:fs';
import { DbError } from '../base/errors.ts';
import {
  checkHistory,
  type HistoryReport,
  holdsTo,
  type Workload,
  WORKLOADS,
} from '../sim/checkers/history/check-history.ts';
import { type Model, MODELS, tellAnomaly } from '../sim/checkers/history/models.ts';
import {
  type CommandSpec,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  type ParsedOptions,
  parseOptions,
  UsageError,
} from './usage.ts';

const STDIN = '-';
const TOTAL_MAX = Number.MAX_SAFE_INTEGER;

const CHECK: CommandSpec = {
  name: 'meridian check',
  summary: 'judge histories of transactions, as Jepsen writes them in JSON',
  argument: { name: 'FILE...', help: `histories; '${STDIN}' reads standard input`, isMany: true },
  options: {
    model: { value: 'NAME', help: `what must hold: ${MODELS.join(', ')} (default ${MODELS[0]})` },
    workload: {
      value: 'NAME',
      help: `what was done: ${WORKLOADS.join(', ')} (default: told by the history)`,
    },
    total: {
      value: 'N',
      help: 'what all accounts of a bank add up to (default: what the first read says)',
    },
  },
  notes: `A history is an array of events, or one on each line:
  {"type": "invoke", "process": 0, "f": "txn", "value": [["append", "x", 1], ["r", "y", null]]}
  {"type": "ok", "process": 0, "f": "txn", "value": [["append", "x", 1], ["r", "y", [3, 5]]]}
Types are invoke, ok, fail and info (nobody knows whether it happened); an index is optional.
  append     [["append", key, element], ["r", key, list]]: elements are unique for each key
  rw         [["w", key, value], ["r", key, value or null]]: values are unique for each key
  bank       ["transfer", from, to, amount]; ["read"], answered by {account: balance}
  long-fork  [["w", key, 1]]; reads of several keys
  set        f add with an element; f read, answered by the list of all

Exit codes: 0 all hold to the model, 1 one does not, 2 one is no history.`,
};

export async function check(args: readonly string[]): Promise<number> {
  const options = parseOptions(CHECK, args);
  const model = choice(options, 'model', MODELS) ?? MODELS[0];
  const workload = choice(options, 'workload', WORKLOADS);
  const total = options.whole('total', 0, TOTAL_MAX);
  let worst = EXIT_DONE;
  for (const file of options.arguments) {
    worst = Math.max(worst, await checkFile(file, model, workload, total));
  }
  return worst;
}

async function checkFile(
  file: string,
  model: Model,
  workload: Workload | undefined,
  total: number | undefined,
): Promise<number> {
  const name = file === STDIN ? 'standard input' : file;
  try {
    const report = checkHistory(await textOf(file), { workload, total });
    const isValid = holdsTo(report, model);
    process.stdout.write(tellReport(name, report, model, isValid));
    return isValid ? EXIT_DONE : EXIT_FAILED;
  } catch (error) {
    if (!(error instanceof DbError)) throw error;
    process.stderr.write(`meridian: ${name}: ${error.message}\n`);
    return EXIT_USAGE;
  }
}

async function textOf(file: string): Promise<string> {
  try {
    if (file !== STDIN) return readFileSync(file, 'utf8');
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  } catch (error) {
    throw new DbError('58030', (error as Error).message);
  }
}

function choice<Name extends string>(
  options: ParsedOptions,
  option: string,
  names: readonly Name[],
): Name | undefined {
  const text = options.text(option);
  if (text === undefined) return undefined;
  const name = names.find((one) => one === text);
  if (name === undefined) {
    throw new UsageError(`--${option} takes ${names.join(', ')}, not '${text}'`);
  }
  return name;
}

function tellReport(file: string, report: HistoryReport, model: Model, isValid: boolean): string {
  const { workload, asked, acknowledged, refused, unknown, anomalies } = report;
  const models = MODELS.map((one) => `${one} ${holdsTo(report, one) ? 'yes' : 'no'}`).join(', ');
  return [
    `${file}: ${workload}, ${asked} transactions: ${acknowledged} acknowledged, ${refused} failed, ${unknown} of unknown outcome`,
    `${isValid ? 'VALID' : 'NOT VALID'} as ${model} (${models})`,
    ...anomalies.flatMap(tellAnomaly),
    '',
  ].join('\n');
}

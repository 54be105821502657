// What must be true when all has been healed: the replicas are equal, to the node's own check and to whoever reads at
// each of them; every write that was acknowledged is there; and what clients were told fits one order.

import { checkRegisters, formatViolation } from '../../src/sim/checkers/register.ts';
import type { RegisterHistory } from '../../src/sim/checkers/register-history.ts';
import { type Clients, LEDGER_PREFIX, pause, REGISTER_PREFIX } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { Violations } from './violations.ts';
import type { Watcher } from './watcher.ts';

const PATIENCE_MILLIS = 60_000;
const CALL_MILLIS = 30_000;
const AGAIN_MILLIS = 200;
const SHOWN_MAX = 5;

export interface Evidence {
  readonly fleet: Fleet;
  readonly watcher: Watcher;
  readonly clients: Clients;
  readonly history: RegisterHistory;
  readonly violations: Violations;
}

/** While the run goes on, too: a violation in what is known so far stays one. */
export function checkHistory({ history, violations }: Evidence): void {
  const found = checkRegisters(history.operations);
  if (found !== undefined) violations.add(formatViolation(found));
}

/** Of a cluster in which everything runs and nobody writes any more. */
export async function checkEnd(evidence: Evidence): Promise<void> {
  const { fleet, watcher, clients, violations } = evidence;
  await within('the replicas did not apply the same', evidence, () => areLevel(fleet));
  let answer = 'nobody leads';
  await within('the replicas could not be compared', evidence, async () => {
    if (watcher.leader === undefined) return false;
    const verdict = await fleet.channel(watcher.leader).check(CALL_MILLIS);
    answer = JSON.stringify(verdict);
    if (verdict.kind === 'different') violations.add(`the replicas differ: ${answer}`);
    return (
      verdict.kind !== 'undecided' && (verdict.kind !== 'consistent' || verdict.replicas === 3)
    );
  });
  await within('the registers could not be read', evidence, async () => {
    if (watcher.leader === undefined) return false;
    await clients.readAll(watcher.leader);
    return true;
  });
  const scans: Scanned[] = [];
  for (const node of fleet.ids) {
    await within(`node ${node} could not be made to lead, and read`, evidence, async () => {
      await makeLead(evidence, node);
      scans.push({ node, pairs: await readEverything(fleet, node) });
      return true;
    });
  }
  compare(scans, violations);
  for (const scan of scans) checkLedger(scan, clients, violations);
  checkHistory(evidence);
}

interface Scanned {
  readonly node: number;
  readonly pairs: ReadonlyMap<string, string>;
}

async function readEverything(fleet: Fleet, node: number): Promise<ReadonlyMap<string, string>> {
  const channel = fleet.channel(node);
  const parts = [
    await channel.scan(REGISTER_PREFIX, CALL_MILLIS),
    await channel.scan(LEDGER_PREFIX, CALL_MILLIS),
  ];
  return new Map(parts.flatMap((part) => [...part]));
}

/** Tries until it is so, for at most a minute. */
async function within(
  what: string,
  { violations }: Evidence,
  attempt: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + PATIENCE_MILLIS;
  let last = '';
  while (performance.now() < end && !violations.isFatal) {
    try {
      if (await attempt()) return;
    } catch (error) {
      last = `: ${String(error)}`;
    }
    await pause(AGAIN_MILLIS);
  }
  violations.add(`${what}${last}`);
}

async function areLevel(fleet: Fleet): Promise<boolean> {
  const all = await Promise.all(fleet.ids.map((id) => fleet.channel(id).status(CALL_MILLIS)));
  const ranges = all.map(({ ranges: [range] }) => range);
  const applied = new Set(ranges.map((range) => range?.appliedIndex));
  const last = new Set(ranges.map((range) => range?.lastIndex));
  return applied.size === 1 && last.size === 1 && [...applied][0] === [...last][0];
}

async function makeLead({ fleet, watcher }: Evidence, node: number): Promise<void> {
  const status = await fleet.channel(node).status(CALL_MILLIS);
  if (status.ranges[0]?.role === 'leader') return;
  await fleet.channel(watcher.leader ?? node).transfer(node, CALL_MILLIS);
}

function compare([first, ...others]: readonly Scanned[], violations: Violations): void {
  if (first === undefined) return;
  for (const other of others) {
    const keys = new Set([...first.pairs.keys(), ...other.pairs.keys()]);
    const different = [...keys].filter((key) => first.pairs.get(key) !== other.pairs.get(key));
    if (different.length === 0) continue;
    const shown = different.slice(0, SHOWN_MAX).map((key) => {
      const [one, another] = [first.pairs.get(key), other.pairs.get(key)];
      return `${key}: ${one ?? 'nothing'} and ${another ?? 'nothing'}`;
    });
    violations.add(
      `nodes ${first.node} and ${other.node} differ in ${different.length} keys: ${shown.join('; ')}`,
    );
  }
}

function checkLedger({ node, pairs }: Scanned, { ledger }: Clients, violations: Violations): void {
  const wrong: string[] = [];
  for (const [key, { value, outcome }] of ledger) {
    const found = pairs.get(key);
    if (found === undefined && outcome !== 'done') continue;
    if (found === value && outcome !== 'failed') continue;
    wrong.push(`${key} has ${found ?? 'nothing'}; its write of ${value} was ${outcome}`);
  }
  for (const key of pairs.keys()) {
    if (key.startsWith(LEDGER_PREFIX) && !ledger.has(key)) wrong.push(`nobody wrote ${key}`);
  }
  if (wrong.length === 0) return;
  violations.add(
    `${wrong.length} writes are not as they were answered, at node ${node}: ${wrong.slice(0, SHOWN_MAX).join('; ')}`,
  );
}

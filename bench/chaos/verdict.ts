// What must be true when all has been healed: SHOW RANGES covers the keyspace, without gaps, and every range has all its
// replicas; the replicas are equal, to the nodes' own check and to whoever reads at each of them; every write that was
// acknowledged is there, and every balance is what its transfers say; and what clients were told fits one order.

import { checkRegisters, formatViolation } from '../../src/sim/checkers/register.ts';
import type { RegisterHistory } from '../../src/sim/checkers/register-history.ts';
import { type Clients, LEDGER_PREFIX, pause, REGISTER_PREFIX } from './clients.ts';
import { type Fleet, NODES } from './fleet.ts';
import type { SqlClients } from './sql-clients.ts';
import { SqlConnection, type SqlRow } from './sql-connection.ts';
import { accountsAreWrong, ledgerIsWrong, sqlLedgerIsWrong } from './sql-verdict.ts';
import type { Violations } from './violations.ts';
import type { Watcher } from './watcher.ts';

const PATIENCE_MILLIS = 120_000;
const CALL_MILLIS = 30_000;
const AGAIN_MILLIS = 200;
const SHOWN_MAX = 5;

export interface Evidence {
  readonly fleet: Fleet;
  readonly watcher: Watcher;
  readonly clients: Clients;
  readonly sqlClients: SqlClients;
  readonly history: RegisterHistory;
  readonly violations: Violations;
}

/** What was looked at in the end. */
export interface EndFigures {
  ranges: number;
  replicas: number;
  rows: number;
}

/** While the run goes on, too: a violation in what is known so far stays one. */
export function checkHistory({ history, violations }: Evidence): void {
  const found = checkRegisters(history.operations);
  if (found !== undefined) violations.add(formatViolation(found));
}

/** Of a cluster in which everything runs and nobody writes any more. */
export async function checkEnd(
  evidence: Evidence,
  say: (line: string) => void,
): Promise<EndFigures> {
  const { fleet, violations } = evidence;
  const figures: EndFigures = { ranges: 0, replicas: 0, rows: 0 };
  // From here on what divides, unites or moves would be in the way of who compares.
  for (const name of ['range.merge', 'rebalance.enabled', 'range.split_by_load']) {
    await within(`${name} could not be turned off`, evidence, async () => {
      await withSql(evidence, 0, (sql) => sql.query(`SET CLUSTER SETTING ${name} = 'off'`));
      return undefined;
    });
  }
  let ranges: readonly number[] = [];
  const cover = async (): Promise<string | undefined> => {
    const rows = await withSql(evidence, 0, (sql) => sql.query('SHOW RANGES'));
    ranges = rows.map((row) => Number(row['range_id']));
    return coverageIsWrong(rows);
  };
  await within('the ranges do not cover the keyspace with all their replicas', evidence, cover);
  say(`${ranges.length} ranges cover the keyspace, each with ${NODES} replicas and a leader`);
  // Of the ranges as they are by then: a merge that had begun before may end now.
  await within('the replicas did not apply the same', evidence, async () => {
    return (await cover()) ?? (await unlevel(fleet, ranges));
  });
  for (const range of ranges) {
    await within(`the replicas of range ${range} could not be compared`, evidence, async () => {
      const leader = await leaderOf(fleet, range);
      if (leader === undefined) return 'nobody leads it';
      const verdict = await fleet.channel(leader).check(range, CALL_MILLIS);
      if (verdict.kind === 'different') {
        violations.add(`the replicas of range ${range} differ: ${JSON.stringify(verdict)}`);
      }
      if (verdict.kind !== 'consistent' || verdict.replicas !== NODES)
        return JSON.stringify(verdict);
      figures.ranges += 1;
      figures.replicas += verdict.replicas;
      figures.rows += verdict.rows;
      return undefined;
    });
  }
  say(`${figures.replicas} replicas of ${figures.ranges} ranges were compared by their checksums`);
  await readEnd(evidence, ranges);
  checkHistory(evidence);
  return figures;
}

async function readEnd(evidence: Evidence, ranges: readonly number[]): Promise<void> {
  const { fleet, clients, sqlClients, violations } = evidence;
  await within('the registers could not be read', evidence, async () => {
    await clients.readAll(fleet.ids[0] as number);
    await withSql(evidence, 0, (sql) => sqlClients.readAll(sql));
    return undefined;
  });
  const scans: Scanned[] = [];
  for (const [place, node] of fleet.ids.entries()) {
    await within(`node ${node} could not be made to lead all, and read`, evidence, async () => {
      const missing = await makeLead(fleet, node, ranges);
      if (missing !== undefined) return missing;
      const pairs = await readPairs(fleet, node);
      const rows = await withSql(evidence, place, readRows);
      scans.push({ node, pairs, rows });
      return undefined;
    });
  }
  compare(scans, violations);
  for (const { node, pairs, rows } of scans) {
    const wrong = [
      ...ledgerIsWrong(pairs, clients.ledger),
      ...sqlLedgerIsWrong(rows.ledger, sqlClients.ledger),
      ...accountsAreWrong(rows.accounts, rows.transfers, sqlClients.transfers),
    ];
    if (wrong.length === 0) continue;
    violations.add(
      `${wrong.length} writes are not as they were answered, at node ${node}: ${wrong.slice(0, SHOWN_MAX).join('; ')}`,
    );
  }
}

interface TableRows {
  readonly ledger: readonly SqlRow[];
  readonly accounts: readonly SqlRow[];
  readonly transfers: readonly SqlRow[];
}

interface Scanned {
  readonly node: number;
  readonly pairs: ReadonlyMap<string, string>;
  readonly rows: TableRows;
}

async function readPairs(fleet: Fleet, node: number): Promise<ReadonlyMap<string, string>> {
  const channel = fleet.channel(node);
  const parts = [
    await channel.scan(REGISTER_PREFIX, CALL_MILLIS),
    await channel.scan(LEDGER_PREFIX, CALL_MILLIS),
  ];
  return new Map(parts.flatMap((part) => [...part]));
}

async function readRows(sql: SqlConnection): Promise<TableRows> {
  return {
    ledger: await sql.query('SELECT id, v FROM chaos_ledger WHERE id >= 0'),
    accounts: await sql.query('SELECT id, balance FROM chaos_account'),
    transfers: await sql.query('SELECT id, source, target, amount FROM chaos_transfer'),
  };
}

async function withSql<T>(
  { fleet }: Evidence,
  place: number,
  run: (sql: SqlConnection) => Promise<T>,
): Promise<T> {
  const node = fleet.ids[place] as number;
  const sql = await SqlConnection.open(node, fleet.url(node), CALL_MILLIS);
  try {
    return await run(sql);
  } finally {
    sql.destroy();
  }
}

/** Tries until nothing is said to be missing, for a bounded time. */
async function within(
  what: string,
  { violations }: Evidence,
  attempt: () => Promise<string | undefined>,
): Promise<void> {
  const end = performance.now() + PATIENCE_MILLIS;
  let last: string | undefined = '';
  while (performance.now() < end && !violations.isFatal) {
    try {
      last = await attempt();
      if (last === undefined) return;
    } catch (error) {
      last = String(error);
    }
    await pause(AGAIN_MILLIS);
  }
  violations.add(`${what}: ${last}`);
}

function coverageIsWrong(rows: readonly SqlRow[]): string | undefined {
  let at = '<min>';
  for (const row of rows) {
    const {
      range_id: range,
      start_key: start,
      end_key: end,
      replicas,
      learners,
      leaseholder,
    } = row;
    if (start !== at) return `range ${String(range)} begins at ${String(start)}, not at ${at}`;
    at = String(end);
    const voters = String(replicas).split(',').length;
    if (voters !== NODES || learners !== '')
      return `range ${String(range)} is on ${String(replicas)}`;
    if (leaseholder === null) return `nobody leads range ${String(range)}`;
  }
  return at === '<max>' ? undefined : `nothing is known beyond ${at}`;
}

async function statuses(
  fleet: Fleet,
): Promise<
  readonly (readonly [number, Awaited<ReturnType<ReturnType<Fleet['channel']>['status']>>])[]
> {
  return await Promise.all(
    fleet.ids.map(async (id) => [id, await fleet.channel(id).status(CALL_MILLIS)] as const),
  );
}

/** What is not as far as its leader, or should not be there any more. */
async function unlevel(fleet: Fleet, ranges: readonly number[]): Promise<string | undefined> {
  const all = await statuses(fleet);
  for (const [node, { ranges: held }] of all) {
    const stray = held.find(({ range }) => !ranges.includes(range));
    if (stray !== undefined)
      return `node ${node} has a replica of range ${stray.range}, which is gone`;
  }
  for (const range of ranges) {
    const replicas = all.flatMap(([, { ranges: held }]) =>
      held.filter((one) => one.range === range),
    );
    const places = new Set(
      replicas.flatMap(({ appliedIndex, lastIndex }) => [appliedIndex, lastIndex]),
    );
    if (replicas.length === NODES && places.size === 1) continue;
    return `range ${range} is at ${[...places].join(', ')} on ${replicas.length} nodes`;
  }
  return undefined;
}

async function leaderOf(fleet: Fleet, range: number): Promise<number | undefined> {
  const leads = (await statuses(fleet)).find(([, { ranges }]) =>
    ranges.some((one) => one.range === range && one.role === 'leader' && one.isLeaseHeld),
  );
  return leads?.[0];
}

/** What is missing until the node leads everything. */
async function makeLead(
  fleet: Fleet,
  node: number,
  ranges: readonly number[],
): Promise<string | undefined> {
  const ledBy = (status: { ranges: readonly { range: number; role: string }[] }): number[] =>
    status.ranges.flatMap(({ range, role }) => (role === 'leader' ? [range] : []));
  const own = ledBy(await fleet.channel(node).status(CALL_MILLIS));
  const missing = ranges.filter((range) => !own.includes(range));
  if (missing.length === 0) return undefined;
  await Promise.all(
    fleet.ids
      .filter((id) => id !== node)
      .map((id) =>
        fleet
          .channel(id)
          .transfer(node, CALL_MILLIS)
          .catch(() => {}),
      ),
  );
  return `it does not lead ranges ${missing.join(', ')}`;
}

function compare([first, ...others]: readonly Scanned[], violations: Violations): void {
  if (first === undefined) return;
  for (const other of others) {
    const keys = new Set([...first.pairs.keys(), ...other.pairs.keys()]);
    const different = [...keys].filter((key) => first.pairs.get(key) !== other.pairs.get(key));
    const shown = different.slice(0, SHOWN_MAX).map((key) => {
      const [one, another] = [first.pairs.get(key), other.pairs.get(key)];
      return `${key}: ${one ?? 'nothing'} and ${another ?? 'nothing'}`;
    });
    if (different.length > 0) {
      violations.add(
        `nodes ${first.node} and ${other.node} differ in ${different.length} keys: ${shown.join('; ')}`,
      );
    }
    if (JSON.stringify(first.rows) !== JSON.stringify(other.rows)) {
      violations.add(`nodes ${first.node} and ${other.node} differ in the rows of tables`);
    }
  }
}

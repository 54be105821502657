// SQL clients at all nodes of a cluster: transactions whose history is judged in the end, tables that come and go, and an
// operator who divides tables and changes them under way.

import { DbError } from '../../base/errors.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { encodeKeyDatum, keyPrefix } from '../../rows/key-codec.ts';
import { INT4 } from '../../rows/types.ts';
import { checkEvents, holdsTo } from '../checkers/history/check-history.ts';
import { tellAnomaly } from '../checkers/history/models.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { DatabaseNode } from '../cluster/database-node.ts';
import type { Probe, Work, WorkCounts } from '../cluster/work.ts';
import type { SeededRandom } from '../random.ts';
import { demand, Violation } from '../violation.ts';
import type { World } from '../world.ts';
import { Tables } from '../workloads/tables.ts';
import { isExpectedOfWrites } from '../workloads/workload.ts';
import { Append } from './append.ts';
import { BankTransactions } from './bank.ts';
import { LongFork } from './forks.ts';
import { HistoryLog } from './history-log.ts';
import { Operator } from './operator.ts';
import { type HistoryWorkload, NotCommitted, type Question } from './question.ts';
import { RegisterTransactions } from './registers.ts';
import { SetOfElements } from './set.ts';
import { SqlClient } from './sql-client.ts';
import type { SqlPlan, SqlWorkload } from './sql-plan.ts';

const AGAIN_MICROS = 100_000;
/** Tables get numbers from the catalog's first on, in the order in which they are made. */
const FIRST_INDEX_ID = 100;
const TABLES = 10;
const SPLIT_KEY_MAX = 100;

/** What may come of a statement while things go wrong. Any other error is a defect. */
const EXPECTED: ReadonlySet<string> = new Set([
  '08006',
  '22023', // a time that is in the future of the node's clock
  '40001',
  '40003',
  '53000',
  '53100',
  '55000', // the past of a table that was changed since
  '55P03',
  '57P01',
  '57P03',
  '58030',
  '72000', // a past that is not kept any more
  'P0001', // the client changed its mind
]);
/** After these nobody knows whether it committed. */
const UNKNOWN: ReadonlySet<string> = new Set(['08006', '40003']);

const MAKE: Readonly<Record<Exclude<SqlWorkload, 'tables'>, () => HistoryWorkload>> = {
  append: () => new Append(),
  rw: () => new RegisterTransactions(),
  bank: () => new BankTransactions(),
  'long-fork': () => new LongFork(),
  set: () => new SetOfElements(),
};

interface Judged {
  readonly workload: HistoryWorkload;
  readonly log: HistoryLog;
}

export class SqlWork implements Work {
  readonly #world: World;
  readonly #cluster: Cluster<DatabaseNode>;
  readonly #random: SeededRandom;
  readonly #plan: SqlPlan;
  readonly #note: (kind: string) => void;
  readonly #judged: readonly Judged[];
  readonly #tables: Tables | undefined;
  readonly #counts = { operations: 0, acknowledged: 0, unknown: 0 };
  /** When all was set up. */
  #openedMicros: number | undefined;
  #isOver = false;
  #busy = 0;
  #processes = 0;
  #probed = 0;

  constructor(
    world: World,
    cluster: Cluster<DatabaseNode>,
    note: (kind: string) => void,
    plan: SqlPlan,
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = world.random.fork('sql');
    this.#plan = plan;
    this.#note = note;
    this.#judged = plan.workloads.flatMap((name) =>
      name === 'tables' ? [] : [{ workload: MAKE[name](), log: new HistoryLog(world) }],
    );
    this.#tables = plan.workloads.includes('tables') ? new Tables() : undefined;
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  get counts(): WorkCounts {
    return this.#counts;
  }

  async open(): Promise<void> {
    const sql = this.#client();
    await this.#insist(() =>
      sql.query('CREATE TABLE IF NOT EXISTS probes (node int PRIMARY KEY, n int NOT NULL)'),
    );
    for (const { workload } of this.#judged) await this.#insist(() => workload.setUp(sql));
    sql.leave();
    this.#openedMicros = this.#world.nowMicros;
    for (let i = 0; this.#judged.length > 0 && i < this.#plan.clients; i++) {
      this.#start((client) => this.#ask(client));
    }
    const { tableClients, operators } = this.#plan;
    for (let i = 0; this.#tables !== undefined && i < tableClients; i++) {
      const tables = this.#tables;
      this.#start(({ sql: own }) =>
        this.#random.oneIn(3)
          ? tables.read(own)
          : tables.write(own, i, this.#random).then(() => this.#note('schema changed')),
      );
    }
    const names = this.#judged.flatMap(({ workload }) => workload.tables);
    if (names.length === 0) return;
    const operator = new Operator(this.#random, names, this.#note);
    for (let i = 0; i < operators; i++) this.#start(({ sql: own }) => operator.act(own));
  }

  probes(): readonly Probe[] {
    if (this.#openedMicros === undefined) return [];
    return this.#cluster.seats.map(({ machine: { node } }) => {
      const sql = new SqlClient(this.#cluster, this.#random, node);
      const ask = async (): Promise<boolean> => {
        const isDone = await this.#once(() =>
          sql.query('INSERT INTO probes VALUES ($1, $2) ON CONFLICT (node) DO UPDATE SET n = $2', [
            node,
            this.#probed++,
          ]),
        );
        if (isDone) sql.leave();
        return isDone;
      };
      return { name: `SQL at node ${node}`, ask };
    });
  }

  stop(): void {
    this.#isOver = true;
  }

  someKey(random: SeededRandom): Uint8Array {
    const writer = new ByteWriter(16);
    writer.raw(keyPrefix(FIRST_INDEX_ID + random.below(TABLES)));
    if (!random.oneIn(4)) encodeKeyDatum(writer, INT4, random.below(SPLIT_KEY_MAX), false, false);
    return writer.take();
  }

  async check(): Promise<void> {
    const sql = this.#client();
    for (const { workload, log } of this.#judged) {
      await this.#insist(async () => {
        const question = workload.last();
        if (question === undefined) return;
        const outcome = await this.#put(sql, `last ${this.#processes++}`, log, question);
        if (outcome !== 'ok') throw new DbError('57P03', 'not yet');
      });
    }
    if (this.#tables !== undefined) {
      const tables = this.#tables;
      await this.#insist(() => tables.verify(sql));
    }
    sql.leave();
    for (const one of this.#judged) judge(one);
  }

  #client(): SqlClient {
    return new SqlClient(this.#cluster, this.#random);
  }

  /** A client that does one thing after another. */
  #start(step: (client: Client) => Promise<void>): void {
    const client: Client = { sql: this.#client(), process: this.#newProcess() };
    const run = async (): Promise<void> => {
      this.#busy += 1;
      while (!this.#isOver) {
        await this.#once(() => step(client));
        // Now and then somebody else comes, to another node.
        if (this.#random.oneIn(12)) client.sql.leave();
        if (!this.#random.oneIn(4)) {
          await this.#world.sleep(this.#random.below(this.#plan.pauseMicrosMax));
        }
      }
      client.sql.leave();
      this.#busy -= 1;
    };
    run().catch((error: unknown) => this.#world.fail(error));
  }

  #newProcess(): string {
    return `c${this.#processes++}`;
  }

  async #ask(client: Client): Promise<void> {
    const { workload, log } = this.#judged[this.#random.below(this.#judged.length)] as Judged;
    const { trueMicros, nowMicros } = this.#world;
    const pastMicros = nowMicros - (this.#openedMicros as number);
    const question = workload.next(this.#random, { trueMicros, pastMicros });
    const outcome = await this.#put(client.sql, client.process, log, question);
    this.#counts.operations += 1;
    this.#note(`${workload.name} ${outcome}`);
    if (outcome === 'ok') this.#counts.acknowledged += 1;
    if (outcome !== 'info') return;
    this.#counts.unknown += 1;
    client.process = this.#newProcess();
  }

  /** Asks, and writes down what came of it. */
  async #put(
    sql: SqlClient,
    process: string,
    log: HistoryLog,
    question: Question,
  ): Promise<'ok' | 'fail' | 'info'> {
    const { f, value, agoMicros } = question;
    const at = this.#world.nowMicros;
    const isPast = agoMicros !== undefined;
    if (!isPast) log.add(process, 'invoke', f, value);
    try {
      const answer = await question.run(sql);
      this.#world.trace.number(this.#counts.operations);
      if (isPast) {
        log.addPast(`${process} at ${at}`, at - agoMicros, f, value, answer);
      } else log.add(process, 'ok', f, answer);
      return 'ok';
    } catch (error) {
      const outcome = outcomeOf(error);
      if (!isPast) log.add(process, outcome, f, value);
      return outcome;
    }
  }

  /** Whether it did not fail as requests may. */
  async #once(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      if (!isExpectedOfWrites(error)) throw error;
      this.#note(`failed with ${error.code}`);
      return false;
    }
  }

  async #insist(run: () => Promise<unknown>): Promise<void> {
    while (!(await this.#once(run))) await this.#world.sleep(AGAIN_MICROS);
  }
}

interface Client {
  readonly sql: SqlClient;
  /** As the history names it: who does not know what became of its last question is somebody else from then on. */
  process: string;
}

function outcomeOf(error: unknown): 'fail' | 'info' {
  const cause = error instanceof NotCommitted ? error.cause : error;
  if (!(cause instanceof DbError)) throw error;
  if (!EXPECTED.has(cause.code)) {
    throw new Violation(`a client was told ${cause.code} ${cause.message}`);
  }
  return error instanceof NotCommitted || !UNKNOWN.has(cause.code) ? 'fail' : 'info';
}

function judge({ workload, log }: Judged): void {
  const { name, total } = workload;
  const events = log.events();
  if (events.length === 0) return;
  const report = checkEvents(events, { workload: name, ...(total === undefined ? {} : { total }) });
  const isValid = holdsTo(report, 'strict-serializable');
  demand(
    isValid,
    `the history of ${name} is not strictly serializable:\n${report.anomalies.flatMap(tellAnomaly).join('\n')}`,
  );
}

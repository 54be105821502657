// The clients' process: so many connections, spread over the nodes, each asking again as soon as it has its answer. Told
// by messages what to ask for; says every second what was completed. A connection that breaks is made again, to the next
// node that answers.

import pg from 'pg';
import { chanceOf, type IdPicker, idPicker, Latencies, type Workload } from './workloads.ts';

export type ToClients =
  | {
      readonly kind: 'run';
      readonly urls: readonly string[];
      readonly connections: number;
      readonly workload: Workload;
    }
  | { readonly kind: 'stop' };

/** Said once, as the first requests are sent; then FromClients, each second. */
export const BEGAN = 'began';

export interface FromClients {
  /** Seconds since they began: of the time that this tells of. A busy process is late with what it says. */
  readonly from: number;
  readonly to: number;
  readonly completed: number;
  readonly failed: number;
  readonly latencies: readonly (readonly [number, number])[];
  /** At a fixed rate: when each should have begun, in milliseconds of this machine's time, and how many later it had its
   * answer. */
  readonly timed: readonly (readonly [number, number])[];
  /** Of growing keys: the greatest that was acknowledged. */
  readonly greatestId: number;
  readonly lastError: string | undefined;
}

const RETRY_MILLIS = 50;
const FILLER = 'x'.repeat(100);

class Clients {
  private readonly urls: readonly string[];
  private readonly workload: Workload;
  private readonly pick: IdPicker;
  private readonly chance = chanceOf(1);
  private readonly latencies = new Latencies();
  private readonly started = performance.now();
  private readonly loops: Promise<void>[] = [];
  private readonly timed: (readonly [number, number])[] = [];
  private readonly timer: NodeJS.Timeout;
  private completed = 0;
  private failed = 0;
  private greatestId = 0;
  private lastError: string | undefined;
  private toldUntil = 0;
  private isStopped = false;

  constructor(urls: readonly string[], connections: number, workload: Workload) {
    this.urls = urls;
    this.workload = workload;
    this.pick = idPicker(workload, this.chance);
    for (let i = 0; i < connections; i++) this.loops.push(this.loop(i, connections));
    this.timer = setInterval(() => this.report(), 1000);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await Promise.all(this.loops);
  }

  private async loop(first: number, connections: number): Promise<void> {
    let client: pg.Client | undefined;
    let node = first % this.urls.length;
    const { perSecond } = this.workload;
    const everyMillis = perSecond === undefined ? 0 : (1000 * connections) / perSecond;
    let due = performance.now() + (everyMillis * first) / connections;
    while (!this.isStopped) {
      if (perSecond !== undefined) {
        await pause(due - performance.now());
        if (this.isStopped) break;
      }
      const id = this.pick(this.seconds);
      const isWrite =
        this.workload.keys.kind === 'growing' || this.chance() < this.workload.writeShare;
      // What waits for the one before it is late by that.
      const begun = perSecond === undefined ? performance.now() : due;
      due += everyMillis;
      for (;;) {
        try {
          client ??= await connect(this.urls[node] as string);
          await client.query(this.statement(id, isWrite));
          break;
        } catch (error) {
          this.failed++;
          this.lastError = String(error);
          // The row is there: an answer was lost.
          if (isCode(error, '23505')) break;
          if (this.isStopped) break;
          if (client === undefined || !isAnswered(error)) {
            void client?.end().catch(() => undefined);
            client = undefined;
            node = (node + 1) % this.urls.length;
            await pause(RETRY_MILLIS);
          }
        }
      }
      const millis = performance.now() - begun;
      this.latencies.add(millis);
      if (perSecond !== undefined) this.timed.push([performance.timeOrigin + begun, millis]);
      this.completed++;
      if (id > this.greatestId) this.greatestId = id;
    }
    await client?.end().catch(() => undefined);
  }

  private get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  private statement(id: number, isWrite: boolean): pg.QueryConfig {
    const { table, keys } = this.workload;
    if (keys.kind === 'growing') {
      return {
        name: 'insert',
        text: `INSERT INTO ${table} (id, value, filler) VALUES ($1, 0, '${FILLER}')`,
        values: [id],
      };
    }
    return isWrite
      ? {
          name: 'write',
          text: `UPDATE ${table} SET value = value + 1 WHERE id = $1`,
          values: [id],
        }
      : { name: 'read', text: `SELECT value, filler FROM ${table} WHERE id = $1`, values: [id] };
  }

  private report(): void {
    const now = this.seconds;
    const said: FromClients = {
      from: this.toldUntil,
      to: now,
      completed: this.completed,
      failed: this.failed,
      latencies: this.latencies.packed(),
      timed: this.timed.splice(0),
      greatestId: this.greatestId,
      lastError: this.lastError,
    };
    this.toldUntil = now;
    this.completed = 0;
    this.failed = 0;
    this.lastError = undefined;
    this.latencies.clear();
    process.send?.(said);
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  // What breaks while nothing is asked shows with the next question.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** The server has answered with an error: the connection is as good as before, unless it says that it does not serve. */
function isAnswered(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('57');
}

function isCode(error: unknown, code: string): boolean {
  return (error as { readonly code?: unknown }).code === code;
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, millis)));
}

let clients: Clients | undefined;

process.on('message', (message: ToClients) => {
  if (message.kind === 'run') {
    clients = new Clients(message.urls, message.connections, message.workload);
    process.send?.(BEGAN);
    return;
  }
  void (clients?.stop() ?? Promise.resolve()).finally(() => process.exit(0));
});
process.on('disconnect', () => process.exit(0));

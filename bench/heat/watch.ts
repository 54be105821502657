// Watches a table's ranges from outside, as an operator would: SHOW RANGES twice a second, and each node's counters.

import pg from 'pg';
import type { HeatRange, HeatSample } from './recording.ts';

const LOOK_MILLIS = 500;
const GAUGES_SHOWN_EVERY = 5;
const COUNTER = 'meridian_range_requests_total';
const CAPACITY = 'meridian_work_capacity';
const LEAD_LOAD = 'meridian_lead_load';
const FOLLOW_LOAD = 'meridian_follow_load';

export interface WatchedNode {
  readonly id: number;
  readonly sql: string;
  readonly http: string;
}

interface RangeRow {
  readonly range_id: string;
  readonly start_key: string;
  readonly end_key: string;
  readonly replicas: string;
  readonly leaseholder: number | null;
  readonly bytes: string | null;
  readonly qps: number | null;
}

/** The integer that a key begins with: '(42)' is 42. Undefined: '<start>' or '<end>'. */
export function keyNumber(text: string): number | undefined {
  const found = /^\((-?\d+)/.exec(text);
  return found === null ? undefined : Number(found[1]);
}

export class Watch {
  /** performance.now() of second 0. */
  private readonly started: number;
  private readonly table: string;
  private nodes: readonly WatchedNode[];
  private client: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  /** Ids in place of positions, until it is known how far the table goes. */
  readonly looks: { readonly at: number; readonly rows: readonly RangeRow[] }[] = [];
  /** Of each node, what its counter said when. */
  readonly counters: { readonly at: number; readonly byNode: ReadonlyMap<number, number> }[] = [];
  private readonly gauges: {
    readonly at: number;
    readonly byNode: ReadonlyMap<number, ReadonlyMap<string, number>>;
  }[] = [];
  private isStopped = false;

  constructor(table: string, nodes: readonly WatchedNode[], started: number) {
    this.table = table;
    this.nodes = nodes;
    this.started = started;
    void this.loop();
  }

  /** One has come. */
  watchAlso(node: WatchedNode): void {
    if (this.nodes.every(({ id }) => id !== node.id)) this.nodes = [...this.nodes, node];
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.looking;
    await this.client?.end().catch(() => undefined);
  }

  get nodeIds(): readonly number[] {
    return this.nodes.map(({ id }) => id);
  }

  samples(positionOf: (id: number) => number): HeatSample[] {
    const position = (id: number | undefined, otherwise: number): number =>
      id === undefined ? otherwise : Math.max(0, Math.min(1, positionOf(Math.max(0, id))));
    return this.looks.map(({ at, rows }) => ({
      at,
      ranges: rows.map(
        (row): HeatRange => ({
          range: Number(row.range_id),
          start: position(keyNumber(row.start_key), 0),
          end: position(keyNumber(row.end_key), 1),
          requests: row.qps ?? 0,
          leader: row.leaseholder ?? 0,
          replicas: (row.replicas.match(/\d+/g) ?? []).map(Number).sort((a, b) => a - b),
        }),
      ),
    }));
  }

  /** Requests a second that each node led between the second and the next. */
  ratesByNode(second: number): ReadonlyMap<number, number> {
    const rates = new Map<number, number>();
    const before = this.counters.findLast(({ at }) => at <= second) ?? this.counters[0];
    const after = this.counters.find(({ at }) => at >= second + 1) ?? this.counters.at(-1);
    if (before === undefined || after === undefined || after.at <= before.at) return rates;
    for (const [node, count] of after.byNode) {
      const earlier = before.byNode.get(node);
      // One that was started again counts from 0.
      if (earlier === undefined || count < earlier) continue;
      rates.set(node, (count - earlier) / (after.at - before.at));
    }
    return rates;
  }

  /** Now and then: of each node, what it believes that it can do, and how much of that it does. */
  whatNodesCanDo(): string[] {
    const shown: string[] = [];
    let next = 0;
    for (const { at, byNode } of this.gauges) {
      if (at < next) continue;
      next = at + GAUGES_SHOWN_EVERY;
      const nodes = [...byNode].map(([id, values]) => {
        const of = (name: string): number => values.get(name) ?? Number.NaN;
        const busy = of(LEAD_LOAD) + of(FOLLOW_LOAD);
        return `node ${id} ${Math.round(100 * busy)}% of ${Math.round(of(CAPACITY) / 1000)} ms/s`;
      });
      shown.push(`${at.toFixed(0)} s: ${nodes.join(', ')}`);
    }
    return shown;
  }

  private async loop(): Promise<void> {
    while (!this.isStopped) {
      this.looking = Promise.all([this.lookAtRanges(), this.lookAtCounters()]).then(
        () => undefined,
      );
      await this.looking;
      await new Promise((resolve) => {
        this.timer = setTimeout(resolve, LOOK_MILLIS);
      });
    }
  }

  private get now(): number {
    return (performance.now() - this.started) / 1000;
  }

  private async lookAtRanges(): Promise<void> {
    try {
      this.client ??= await this.connect();
      const result = await this.client.query<RangeRow>(`SHOW RANGES FROM TABLE ${this.table}`);
      this.looks.push({ at: this.now, rows: result.rows });
    } catch {
      // The node that was asked is away: another one is asked at the next look.
      void this.client?.end().catch(() => undefined);
      this.client = undefined;
      this.nodes = [...this.nodes.slice(1), ...this.nodes.slice(0, 1)];
    }
  }

  private async connect(): Promise<pg.Client> {
    const [node] = this.nodes;
    const client = new pg.Client({
      connectionString: `postgres://root@${(node as WatchedNode).sql}/defaultdb`,
      connectionTimeoutMillis: 1000,
      query_timeout: 3000,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  private async lookAtCounters(): Promise<void> {
    const found = await Promise.all(
      this.nodes.map(async ({ id, http }) => [id, await figuresOf(http)] as const),
    );
    const byNode = new Map<number, number>();
    const gauges = new Map<number, ReadonlyMap<string, number>>();
    for (const [id, figures] of found) {
      const value = figures?.get(COUNTER);
      if (figures === undefined || value === undefined) continue;
      byNode.set(id, value);
      gauges.set(id, figures);
    }
    const at = this.now;
    this.counters.push({ at, byNode });
    this.gauges.push({ at, byNode: gauges });
  }
}

/** What a node says of itself, by name; undefined: it does not answer. */
async function figuresOf(http: string): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const answer = await fetch(`http://${http}/metrics`, { signal: AbortSignal.timeout(1000) });
    const lines = (await answer.text()).split('\n').filter((one) => /^\w+ /.test(one));
    return new Map(
      lines.map((one) => [one.slice(0, one.indexOf(' ')), Number(one.slice(one.indexOf(' ') + 1))]),
    );
  } catch {
    return undefined;
  }
}

/** Undefined: it does not answer. */
export async function counterAt(http: string, name: string): Promise<number | undefined> {
  return (await figuresOf(http))?.get(name);
}

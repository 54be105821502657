// Readers and schema changes on all nodes while links are cut, processes die and stand still, and the home moves. What
// must hold: whoever reads under its lease reads with what is committed at that moment.

import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import type { TableDescriptor } from '../../src/sql/catalog/descriptor.ts';
import { decodeDescriptor } from '../../src/sql/catalog/encoding.ts';
import { DESCRIPTOR_SPAN } from '../../src/sql/catalog/keys.ts';
import { type FakeSession, name } from '../sql/fakes/sessions.ts';
import type { SeededRandom } from '../../src/sim/random.ts';
import { moreSeeds } from '../support/depth.ts';
import { SchemaCluster, type SchemaNode, SECOND } from './schema-fixture.ts';

const SECONDS = 60;
const TABLES = ['t', 'u'];
const READERS = 4;
const WRITERS = 3;

interface Totals {
  reads: number;
  changes: number;
  refused: number;
  faults: number;
}

class Chaos {
  readonly cluster: SchemaCluster;
  readonly random: SeededRandom;
  readonly totals: Totals = { reads: 0, changes: 0, refused: 0, faults: 0 };
  /** By name: what is committed now. */
  readonly committed = new Map<string, TableDescriptor>();
  isOver = false;

  constructor(cluster: SchemaCluster) {
    this.cluster = cluster;
    this.random = cluster.world.random.fork('chaos');
    cluster.onCommit = (_, txn) => {
      for (const { key, value } of txn.buffer.values()) {
        if (value === undefined || compareBytes(key, DESCRIPTOR_SPAN.start) < 0) continue;
        if (compareBytes(key, DESCRIPTOR_SPAN.end) >= 0) continue;
        const table = decodeDescriptor(value);
        this.committed.set(table.name, table);
      }
    };
  }

  sleep(micros: number, node?: SchemaNode): Promise<void> {
    return this.cluster.world.sleep(1 + this.random.below(micros), node?.life);
  }

  anyNode(): SchemaNode | undefined {
    const nodes = this.cluster.all();
    return nodes[this.random.below(Math.max(1, nodes.length))];
  }

  /** Uses a table for a while, and looks again and again whether that is right. */
  async read(): Promise<void> {
    while (!this.isOver) {
      await this.sleep(50_000);
      const node = this.anyNode();
      if (node === undefined || !this.isAwake(node) || !node.isServing) continue;
      const session = node.session();
      const table = find(session, TABLES[this.random.below(TABLES.length)] as string);
      if (table === undefined) continue;
      session.view.use(table);
      const ceased = node.turns.length;
      const looks = this.random.below(20) === 0 ? 100 : 1 + this.random.below(10);
      for (let look = 0; look < looks; look++) {
        // In one turn: under the lease, and with nothing aborted since it began.
        if (!node.isServing || node.turns.length !== ceased) break;
        this.totals.reads++;
        const { version } = this.committed.get(table.name) as TableDescriptor;
        if (version !== table.version) {
          const message = `node ${node.id} reads "${table.name}" as version ${table.version}; ${version} is committed`;
          this.cluster.world.fail(new Error(message));
          return;
        }
        await this.sleep(60_000, node);
      }
      session.view.releaseAll();
    }
  }

  async change(): Promise<void> {
    while (!this.isOver) {
      await this.sleep(400_000);
      const node = this.anyNode();
      if (node === undefined || !this.isAwake(node) || !node.isServing) continue;
      const session = node.session();
      const table = TABLES[this.random.below(TABLES.length)] as string;
      // A process that dies never answers.
      await Promise.race([
        this.cluster.world.sleep(40 * SECOND),
        session.run(`TRUNCATE ${table}`).then(
          () => {
            this.totals.changes++;
          },
          () => {
            this.totals.refused++;
          },
        ),
      ]);
    }
  }

  async break(): Promise<void> {
    const { cluster, random } = this;
    while (!this.isOver) {
      await this.sleep(4 * SECOND);
      if (this.isOver) return;
      this.totals.faults++;
      const id = 1 + random.below(3);
      const isUp = cluster.all().some((node) => node.id === id);
      switch (random.below(5)) {
        case 0:
          cluster.cut(id);
          await this.sleep(6 * SECOND);
          cluster.network.heal();
          break;
        case 1:
          if (!isUp) break;
          cluster.crash(id);
          await this.sleep(4 * SECOND);
          cluster.open(id);
          break;
        case 2:
          if (isUp) cluster.node(id).life.pausedUntilMicros = this.later(6 * SECOND);
          break;
        default:
          break;
      }
      if (!this.isOver && random.below(2) === 0) await this.moveHome();
    }
  }

  async moveHome(): Promise<void> {
    const heir = this.anyNode();
    if (heir === undefined || !this.isAwake(heir)) return;
    await this.cluster.leadLater(heir.id, this.random.below(3) === 0);
  }

  private isAwake(node: SchemaNode): boolean {
    return node.life.pausedUntilMicros <= this.cluster.world.nowMicros;
  }

  private later(micros: number): number {
    return this.cluster.world.nowMicros + this.random.below(micros);
  }
}

function find(session: FakeSession, table: string): TableDescriptor | undefined {
  try {
    return session.view.find(name(table));
  } catch {
    // It is being changed.
    return undefined;
  }
}

async function run(seed: number): Promise<Totals> {
  const cluster = await SchemaCluster.start(seed);
  const chaos = new Chaos(cluster);
  for (const table of TABLES) {
    await cluster.until(cluster.node(1).session().run(`CREATE TABLE ${table} (a int)`));
  }
  const work = [
    ...Array.from({ length: READERS }, () => chaos.read()),
    ...Array.from({ length: WRITERS }, () => chaos.change()),
    chaos.break(),
  ];
  for (const one of work) one.catch((error: unknown) => cluster.world.fail(error));
  await cluster.pass(SECONDS * SECOND);
  chaos.isOver = true;
  await cluster.pass(45 * SECOND);
  cluster.network.heal();
  for (const id of [1, 2, 3]) if (!cluster.all().some((node) => node.id === id)) cluster.open(id);
  if (cluster.leader === undefined) await cluster.lead(1);
  await cluster.allServe();
  await cluster.pass(5 * SECOND);
  // Nothing is stuck, and all know the same.
  for (const node of cluster.all()) {
    for (const table of TABLES) {
      expect(node.session().view.find(name(table))).toEqual(chaos.committed.get(table));
      await cluster.until(node.session().run(`TRUNCATE ${table}`));
    }
  }
  return chaos.totals;
}

describe('schema leases under faults', () => {
  it('never let anybody read with what is not true any more', async () => {
    const sum: Totals = { reads: 0, changes: 0, refused: 0, faults: 0 };
    const first = Number(process.env['MERIDIAN_SEED'] ?? 1);
    const seeds = moreSeeds ?? 4;
    for (let seed = first; seed < first + seeds; seed++) {
      const totals = await run(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
      for (const key of Object.keys(sum) as (keyof Totals)[]) sum[key] += totals[key];
    }
    // Otherwise it shows nothing.
    expect(sum.reads).toBeGreaterThan(seeds * 500);
    expect(sum.changes).toBeGreaterThan(seeds * 20);
    expect(sum.faults).toBeGreaterThan(seeds * 5);
  });
});

// Runs all workloads at once against a node, life after life, and keeps the totals.

import { utf8 } from '../../base/bytes.ts';
import { EmbeddedSession } from '../../node/embedded.ts';
import type { SqlServer } from '../../sql/api.ts';
import type { SeededRandom } from '../random.ts';
import type { Life, World } from '../world.ts';
import { Ledger } from './ledger.ts';
import { Registers } from './registers.ts';
import { Tables } from './tables.ts';
import { isExpectedOfReads, isExpectedOfWrites, type Workload } from './workload.ts';

const WRITERS = 4;
const READERS = 2;
const PAUSE_MICROS_MAX = 300_000;

export class WorkloadDriver {
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #ledger: Workload = new Ledger();
  readonly #registers: Workload = new Registers(WRITERS);
  readonly #tables: Workload = new Tables();
  readonly #all: readonly Workload[] = [this.#ledger, this.#registers, this.#tables];
  #isSetUp = false;
  operations = 0;
  acknowledged = 0;
  /** How many operations ended with each error. */
  readonly errors: Map<string, number> = new Map();
  /** Writes that are under way in this life. */
  writing = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('workload');
  }

  /** Clients of one life: they end with it. */
  start(sql: SqlServer, life: Life): void {
    this.writing = 0;
    for (let i = 0; i < WRITERS; i++)
      this.#client(sql, life, (session) => this.#write(session, i, life));
    for (let i = 0; i < READERS; i++) this.#client(sql, life, (session) => this.#read(session));
  }

  #client(sql: SqlServer, life: Life, once: (session: EmbeddedSession) => Promise<void>): void {
    const run = async (): Promise<void> => {
      let session = new EmbeddedSession(sql);
      while (life.alive) {
        this.operations += 1;
        await once(session);
        // Now and then somebody else comes.
        if (this.#random.oneIn(10)) {
          await session.close();
          session = new EmbeddedSession(sql);
        }
        // In bursts, as well as alone.
        if (!this.#random.oneIn(4))
          await this.#world.sleep(this.#random.below(PAUSE_MICROS_MAX), life);
      }
    };
    run().catch((error: unknown) => {
      if (life.alive) this.#world.fail(error);
    });
  }

  async #write(session: EmbeddedSession, client: number, life: Life): Promise<void> {
    const kind = this.#random.below(10);
    const workload = kind < 5 ? this.#ledger : kind < 9 ? this.#registers : this.#tables;
    this.writing += 1;
    try {
      await workload.write(session, client, this.#random);
      this.acknowledged += 1;
      this.#world.trace.number(this.acknowledged);
    } catch (error) {
      if (!isExpectedOfWrites(error)) throw error;
      this.#note(error.code);
    } finally {
      if (life.alive) this.writing -= 1;
    }
  }

  async #read(session: EmbeddedSession): Promise<void> {
    const kind = this.#random.below(10);
    const workload = kind < 5 ? this.#ledger : kind < 9 ? this.#registers : this.#tables;
    try {
      await workload.read(session, this.#random);
    } catch (error) {
      if (!isExpectedOfReads(error)) throw error;
      this.#note(error.code);
    }
  }

  #note(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    this.#world.trace.bytes(utf8(code));
  }

  /** After a restart, before anyone else comes; throws Violation. */
  async check(sql: SqlServer, life: Life): Promise<void> {
    const session = new EmbeddedSession(sql);
    for (const workload of this.#all) {
      for (;;) {
        try {
          await (this.#isSetUp ? workload.verify(session) : workload.setUp(session));
          break;
        } catch (error) {
          // The clock may have been distrusted just now.
          if (!isExpectedOfReads(error)) throw error;
          this.#note(error.code);
          await this.#world.sleep(100_000, life);
        }
      }
    }
    this.#isSetUp = true;
    await session.close();
  }
}

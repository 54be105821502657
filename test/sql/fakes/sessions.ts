// A catalog over the fake store, and sessions that run DDL and COPY in transactions as the real session does.
import { type Maybe, whenReady } from '../../../src/base/maybe.ts';
import type { Timestamp } from '../../../src/clock/timestamp.ts';
import { SeededRandom } from '../../../src/sim/random.ts';
import { linkLocally } from '../../../src/sql/catalog/local-link.ts';
import { SchemaHome } from '../../../src/sql/catalog/schema-home.ts';
import type { CatalogView, Catalog } from '../../../src/sql/catalog/api.ts';
import { createCatalog } from '../../../src/sql/catalog/catalog.ts';
import type { ClusterAdmin } from '../../../src/sql/cluster-admin.ts';
import type { CopyIn } from '../../../src/sql/api.ts';
import { startCopyFrom } from '../../../src/sql/copy/copy-from.ts';
import { type DdlStatement, runDdl } from '../../../src/sql/ddl/ddl.ts';
import type { SessionValues } from '../../../src/sql/exec/plan-api.ts';
import type { CopyStatement, Name } from '../../../src/sql/parse/ast.ts';
import { parseStatements } from '../../../src/sql/parse/postgres.ts';
import { initParser } from '../../../src/sql/parse/grammar.ts';
import type { Transactions } from '../../../src/txn/api.ts';
import { NO_SEQUENCES } from './no-sequences.ts';
import { FakeTimers } from './timers.ts';
import { FakeStore, type FakeTransaction } from './transactions.ts';

export class FakeDatabase {
  readonly store: FakeStore;
  readonly timers: FakeTimers = new FakeTimers();
  readonly catalog: Catalog;
  readonly served: Promise<void>;
  cluster: ClusterAdmin = {};
  readonly logged: string[] = [];

  private constructor(store: FakeStore) {
    this.store = store;
    const note = (message: string): void => void this.logged.push(message);
    const log = { info: note, warn: note, error: note };
    const random = new SeededRandom(1).fork('schema');
    const parts = { transactions: store, timers: this.timers, time: this.timers, random, log };
    const onFailure = (error: unknown): void => note(String(error));
    const home = new SchemaHome({ ...parts, leads: () => true, onFailure });
    let serve: () => void = () => {};
    this.served = new Promise((resolve) => {
      serve = resolve;
    });
    this.catalog = createCatalog({
      ...parts,
      node: 1,
      homes: { open: async (incarnation, events) => linkLocally(home, 1, incarnation, events) },
      clock: {
        earliest: () => this.timers.nowMicros as Timestamp,
        latest: () => this.timers.nowMicros as Timestamp,
        suspended: undefined,
      },
      onServing: () => serve(),
      onCeased: () => note('the lease has ended'),
      onFailure,
    });
    this.catalog.schema.start();
  }

  /** Over what a crash left, when a store is given. */
  static async open(store: FakeStore = new FakeStore()): Promise<FakeDatabase> {
    await initParser();
    const database = new FakeDatabase(store);
    await database.served;
    return database;
  }

  session(): FakeSession {
    return new FakeSession(this);
  }
}

const values: SessionValues = {
  currentUser: 'root',
  sessionUser: 'root',
  database: 'defaultdb',
  searchPath: ['public'],
  backendPid: 1,
  transactionMicros: 1_700_000_000_000_000,
  statementMicros: 1_700_000_000_000_000,
  clockMicros: () => 1_700_000_000_000_000,
  zoneOffsetMinutes: () => 0,
  version: 'test',
  setting: () => undefined,
  uint32: () => 7,
  sequences: NO_SEQUENCES,
};

export interface SessionHost {
  readonly store: Omit<Transactions, 'begin'> & { begin(): FakeTransaction };
  readonly catalog: Catalog;
  readonly cluster?: ClusterAdmin;
}

export class FakeSession {
  readonly values: SessionValues = values;
  readonly view: CatalogView;
  readonly notices: string[] = [];
  readonly #database: SessionHost;
  #txn: FakeTransaction | undefined;
  #explicit = false;
  #after: { committed: () => void; rolledBack: () => void }[] = [];

  constructor(database: SessionHost) {
    this.#database = database;
    this.view = database.catalog.view(() => ['public']);
  }

  get txn(): FakeTransaction {
    this.#txn ??= this.#database.store.begin();
    return this.#txn;
  }

  begin(): void {
    this.#explicit = true;
  }

  async commit(): Promise<void> {
    this.view.beforeCommit();
    await this.txn.commit();
    await this.#end(true);
  }

  rollback(): void {
    this.txn.rollback();
    void this.#end(false);
  }

  #end(committed: boolean): Maybe<void> {
    let known: Maybe<void> = undefined;
    const work = this.#after;
    this.#after = [];
    this.#txn = undefined;
    this.#explicit = false;
    if (work.length > 0) {
      if (committed) known = this.view.committed();
      else this.view.abandoned(false);
    }
    this.view.releaseAll();
    return whenReady(known, () => {
      for (const one of work) (committed ? one.committed : one.rolledBack)();
    });
  }

  /** Runs one statement and, outside a block, commits it. */
  async run(text: string): Promise<string> {
    const [parsed] = parseStatements(text);
    return await this.#settle(() =>
      runDdl(parsed?.statement as DdlStatement, {
        ...this.#context(),
        searchPath: () => ['public'],
        notice: (severity, code, message) => {
          this.notices.push(`${severity} ${code} ${message}`);
        },
      }),
    );
  }

  copyFrom(text: string): CopyIn {
    const [parsed] = parseStatements(text);
    return startCopyFrom(parsed?.statement as CopyStatement, this.#context());
  }

  /** The whole data in chunks. */
  async copy(text: string, chunks: readonly Uint8Array[]): Promise<string> {
    return await this.#settle(async () => {
      const copy = this.copyFrom(text);
      for (const chunk of chunks) await copy.data(chunk);
      return await copy.done();
    });
  }

  async #settle(run: () => Promise<string>): Promise<string> {
    try {
      const tag = await run();
      if (!this.#explicit) await this.commit();
      return tag;
    } catch (error) {
      if (!this.#explicit) this.rollback();
      throw error;
    }
  }

  #context() {
    const { store, catalog } = this.#database;
    return {
      txn: this.txn,
      catalog: this.view,
      transactions: store,
      session: values,
      nextRowId: () => catalog.nextRowId(),
      clearIndex: (id: number) => catalog.clearIndex(id),
      schemaChanged: (committed: () => void, rolledBack: () => void) => {
        this.#after.push({ committed, rolledBack });
      },
      checkCancelled: () => {},
      cluster: this.#database.cluster ?? {},
      log: { info: () => {}, warn: () => {}, error: () => {} },
    };
  }
}

export function name(table: string): Name {
  return { schema: undefined, name: table, at: -1 };
}

// Whatever a crash does to unsynced bytes, the log reopens to a prefix of what was appended that contains all that
// was synced: entries, votes, who belongs to a group, logs that begin anew after snapshots, replicas that were removed.
// The model is the list of appended records; every recovered state must be that of one of its prefixes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { GroupIdentity, GroupLog } from '../../src/raft/log/group-log.ts';
import type { RaftLog } from '../../src/raft/log/log.ts';
import type { LogPosition } from '../../src/raft/terms.ts';
import type { Entry, HardState } from '../../src/raft/types.ts';
import { CrashDisk, settle, testRuntime, type TestRuntime } from './crash-files.ts';
import { createLogGroup, entry, openLog, readAll } from './log-fixture.ts';

const GROUPS = [1, 2, 3];

type Step =
  | { readonly kind: 'append'; readonly group: number; readonly sizes: readonly number[] }
  /** A new leader's entries from `back` below the last one on. */
  | { readonly kind: 'replace'; readonly group: number; readonly back: number }
  | { readonly kind: 'hardState'; readonly group: number }
  | { readonly kind: 'truncate'; readonly group: number; readonly keep: number }
  | { readonly kind: 'identity'; readonly group: number }
  /** A snapshot so far beyond the last entry, or with `back`, at a position of the log, perhaps of another term there. */
  | { readonly kind: 'reset'; readonly group: number; readonly by: number }
  /** The replica goes, and another comes. */
  | { readonly kind: 'remove'; readonly group: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'crash'; readonly seed: number }
  /** The process alone dies, and power goes once it runs again. */
  | { readonly kind: 'kill'; readonly seed: number }
  | { readonly kind: 'restart' };

const group = fc.constantFrom(...GROUPS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      group,
      sizes: fc.array(fc.oneof(fc.nat(80), fc.nat(1500)), { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), group, back: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('hardState' as const), group }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), group, keep: fc.nat(4) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('identity' as const), group }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('reset' as const),
      group,
      by: fc.integer({ min: -3, max: 10 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), group }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

interface GroupModel {
  readonly replica: number;
  readonly configurationIndex: number;
  /** The log begins after this position. */
  readonly start: LogPosition;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

/** One appended record. */
type Appended = { readonly group: number } & (
  | { readonly entry: Entry }
  | { readonly hardState: HardState }
  | { readonly configurationIndex: number }
  | { readonly reset: LogPosition; readonly configurationIndex: number }
  | { readonly removed: true }
  | { readonly created: number }
);

const NOBODY: GroupModel = {
  replica: 0,
  configurationIndex: 0,
  start: { index: 0, term: 0 },
  entries: [],
  hardState: { term: 0, vote: 0, commit: 0 },
};

type Model = Map<number, GroupModel>;

function emptyModel(): Model {
  return new Map(GROUPS.map((id) => [id, { ...NOBODY, replica: 1 }]));
}

function adopt(model: Model, appended: Appended): void {
  const state = model.get(appended.group) as GroupModel;
  model.set(appended.group, after(state, appended));
}

function after(state: GroupModel, appended: Appended): GroupModel {
  const { start, entries } = state;
  if ('entry' in appended) {
    const { entry: added } = appended;
    return { ...state, entries: [...entries.slice(0, added.index - 1 - start.index), added] };
  }
  if ('hardState' in appended) return { ...state, hardState: appended.hardState };
  if ('removed' in appended) return NOBODY;
  if ('created' in appended) return { ...NOBODY, replica: appended.created };
  const { configurationIndex } = appended;
  if (!('reset' in appended)) return { ...state, configurationIndex };
  const { index, term } = appended.reset;
  const isHere = termOf(state, index) === term;
  return {
    ...state,
    configurationIndex,
    start: appended.reset,
    entries: isHere ? entries.slice(index - start.index) : [],
  };
}

function termOf({ start, entries }: GroupModel, index: number): number | undefined {
  return index === start.index ? start.term : entries[index - 1 - start.index]?.term;
}

function lastOf({ start, entries }: GroupModel): number {
  return start.index + entries.length;
}

function identityOf(replicaId: number, configurationIndex: number): GroupIdentity {
  return { replicaId, configuration: configurationOf([replicaId]), configurationIndex };
}

function generator(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % bound;
  };
}

class Run {
  readonly runtime: TestRuntime = testRuntime(new CrashDisk());
  private log!: RaftLog;
  private history: Appended[] = [];
  private synced = 0;
  /** Up to where each replica's log was truncated. */
  private readonly truncated = new Map<string, number>();
  private term = 1;

  async start(): Promise<void> {
    this.log = await openLog(this.runtime);
    for (const id of GROUPS) createLogGroup(this.log, id);
    await this.log.sync();
  }

  async carryOut(next: Step): Promise<void> {
    switch (next.kind) {
      case 'append':
        return this.append(next.group, this.lastIndex(next.group) + 1, next.sizes);
      case 'replace': {
        const first = Math.max(
          this.lastIndex(next.group) - next.back,
          this.truncatedTo(next.group) + 1,
          this.model(next.group).start.index + 1,
        );
        this.term++;
        return this.append(next.group, first, [10, 10]);
      }
      case 'hardState': {
        const hardState = { term: ++this.term, vote: 1, commit: 0 };
        this.log.appendHardState(this.groupLog(next.group), hardState);
        this.history.push({ group: next.group, hardState });
        return;
      }
      case 'truncate': {
        // Only what was synced can have been applied (P29).
        await this.sync();
        const index = this.lastIndex(next.group) - next.keep;
        if (index <= this.truncatedTo(next.group)) return;
        this.truncated.set(this.replicaKey(next.group), index);
        this.log.truncate(this.groupLog(next.group), index);
        return;
      }
      case 'identity': {
        const { replica, configurationIndex } = this.model(next.group);
        this.log.appendIdentity(
          this.groupLog(next.group),
          identityOf(replica, configurationIndex + 1),
        );
        this.history.push({ group: next.group, configurationIndex: configurationIndex + 1 });
        return;
      }
      case 'reset':
        return this.reset(next.group, next.by);
      case 'remove':
        return this.remove(next.group);
      case 'sync':
        return this.sync();
      case 'settle':
        void this.log.sync();
        return settle();
      case 'crash':
        return this.crash(generator(next.seed), false);
      case 'kill':
        return this.crash(generator(next.seed), true);
      case 'restart':
        await this.log.close();
        this.synced = this.history.length;
        this.log = await openLog(this.runtime);
        return this.check();
    }
  }

  private append(id: number, first: number, sizes: readonly number[]): void {
    const added = sizes.map((size, i) => entry(first + i, this.term, size));
    this.log.appendEntries(this.groupLog(id), added);
    for (const one of added) this.history.push({ group: id, entry: one });
  }

  private reset(id: number, by: number): void {
    const state = this.model(id);
    const index = lastOf(state) + by;
    if (index <= this.truncatedTo(id) || index <= state.start.index) return;
    // Half of the time what the log has is what the snapshot replaces.
    const term = index % 2 === 0 ? (termOf(state, index) ?? ++this.term) : ++this.term;
    const { replica, configurationIndex } = state;
    const identity = identityOf(replica, configurationIndex + 1);
    this.log.reset(this.groupLog(id), { index, term }, identity);
    this.history.push({
      group: id,
      reset: { index, term },
      configurationIndex: configurationIndex + 1,
    });
  }

  private remove(id: number): void {
    const { replica } = this.model(id);
    this.log.remove(this.groupLog(id), false);
    this.history.push({ group: id, removed: true });
    this.log.create(id, identityOf(replica + 1, 0));
    this.history.push({ group: id, created: replica + 1 });
  }

  private async sync(): Promise<void> {
    const count = this.history.length;
    await this.log.sync();
    this.synced = count;
  }

  private async crash(random: (bound: number) => number, isKill: boolean): Promise<void> {
    // Somewhere in the middle of a write, perhaps of a rotation or a removal.
    void this.log.sync();
    for (let i = random(12); i > 0; i--) await Promise.resolve();
    if (isKill) this.runtime.disk.kill();
    else this.runtime.disk.crash(random);
    this.log = await openLog(this.runtime);
    await this.check();
    // What survived is durable now: losing power (again) changes nothing.
    this.runtime.disk.crash(random);
    this.log = await openLog(this.runtime);
    await this.check();
  }

  /** The recovered log is that of a prefix with everything synced; the history goes on from there. */
  private async check(): Promise<void> {
    const recovered: Model = new Map();
    for (const id of GROUPS) recovered.set(id, await this.recovered(id));
    const found = textOf(this.visible(recovered));
    const model = emptyModel();
    for (const appended of this.history.slice(0, this.synced)) adopt(model, appended);
    for (let length = this.synced; ; length++) {
      if (textOf(this.visible(model)) === found) {
        this.history = this.history.slice(0, length);
        this.synced = length;
        break;
      }
      const next = this.history[length];
      expect(next, 'what was recovered is no prefix of what was appended').toBeDefined();
      adopt(model, next as Appended);
    }
    // A removed replica stays removed, whatever came after it (P32); its successor may still have to be made.
    for (const id of GROUPS) {
      const { replica } = this.model(id);
      if (replica === 0) this.recreate(id);
      else expect(this.log.removedReplica(id)).toBe(replica - 1);
    }
  }

  private recreate(id: number): void {
    const replica = this.log.removedReplica(id) + 1;
    expect(() => this.log.create(id, identityOf(replica - 1, 0))).toThrow('P32');
    this.log.create(id, identityOf(replica, 0));
    this.history.push({ group: id, created: replica });
  }

  private async recovered(id: number): Promise<GroupModel> {
    const log = this.log.group(id);
    if (log?.identity === undefined || log.terms === undefined) return NOBODY;
    const { replicaId, configurationIndex } = log.identity;
    return {
      replica: replicaId,
      configurationIndex,
      start: log.terms.compacted,
      entries: await readAll(this.log, log),
      hardState: log.hardState,
    };
  }

  /** Without what the log was allowed to forget, and may not have. */
  private visible(model: Model): Model {
    return new Map(
      [...model].map(([id, state]) => {
        const truncated = this.truncated.get(`${id}/${state.replica}`) ?? 0;
        if (truncated <= state.start.index || truncated > lastOf(state)) return [id, state];
        const start = { index: truncated, term: termOf(state, truncated) as number };
        return [
          id,
          { ...state, start, entries: state.entries.slice(truncated - state.start.index) },
        ];
      }),
    );
  }

  private model(id: number): GroupModel {
    const model = emptyModel();
    for (const appended of this.history) adopt(model, appended);
    return model.get(id) as GroupModel;
  }

  private replicaKey(id: number): string {
    return `${id}/${this.model(id).replica}`;
  }

  private truncatedTo(id: number): number {
    return this.truncated.get(this.replicaKey(id)) ?? 0;
  }

  private lastIndex(id: number): number {
    return lastOf(this.model(id));
  }

  private groupLog(id: number): GroupLog {
    const log = this.log.group(id);
    if (log === undefined) throw new Error(`group ${id} is gone`);
    return log;
  }
}

function textOf(model: Model): string {
  return JSON.stringify([...model], bytesAsText);
}

function bytesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.join(',') : value;
}

it('reopens to a prefix with everything that was synced, after any crash (P29, P34)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const run = new Run();
      await run.start();
      for (const next of steps) await run.carryOut(next);
      await run.carryOut({ kind: 'crash', seed: steps.length });
    }),
    { numRuns: 300 },
  );
});

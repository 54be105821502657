// Whatever a crash does to unsynced bytes, the log reopens to a prefix of what was appended that contains all that
// was synced. The model is the list of appended records; every recovered state must be that of one of its prefixes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { GroupLog } from '../../src/raft/log/group-log.ts';
import type { RaftLog } from '../../src/raft/log/log.ts';
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
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('crash' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), seed: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

interface GroupModel {
  /** entries[i] has index i + 1. */
  entries: Entry[];
  hardState: HardState;
}

/** One appended record. */
type Appended =
  | { readonly group: number; readonly entry: Entry }
  | { readonly group: number; readonly hardState: HardState };

function emptyModel(): Map<number, GroupModel> {
  const none = { term: 0, vote: 0, commit: 0 };
  return new Map(GROUPS.map((id) => [id, { entries: [], hardState: none }]));
}

function adopt(model: Map<number, GroupModel>, appended: Appended): void {
  const state = model.get(appended.group) as GroupModel;
  if ('entry' in appended) {
    state.entries = [...state.entries.slice(0, appended.entry.index - 1), appended.entry];
  } else {
    state.hardState = appended.hardState;
  }
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
  /** Up to where each group's log was truncated. */
  private readonly truncated = new Map<number, number>(GROUPS.map((id) => [id, 0]));
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
          (this.truncated.get(next.group) as number) + 1,
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
        if (index <= (this.truncated.get(next.group) as number)) return;
        this.truncated.set(next.group, index);
        this.log.truncate(this.groupLog(next.group), index);
        return;
      }
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
    const recovered = new Map<number, GroupModel>();
    for (const id of GROUPS) {
      const log = this.groupLog(id);
      const truncated = this.truncated.get(id) as number;
      expect(log.firstIndex).toBeLessThanOrEqual(truncated + 1);
      expect(log.lastIndex).toBeGreaterThanOrEqual(truncated);
      recovered.set(id, {
        entries: await readAll(this.log, log, truncated + 1),
        hardState: log.hardState,
      });
    }
    const found = JSON.stringify([...recovered.values()], bytesAsText);
    const model = emptyModel();
    for (const appended of this.history.slice(0, this.synced)) adopt(model, appended);
    for (let length = this.synced; ; length++) {
      if (JSON.stringify(this.visible(model), bytesAsText) === found) {
        this.history = this.history.slice(0, length);
        this.synced = length;
        return;
      }
      const next = this.history[length];
      expect(next, 'what was recovered is no prefix of what was appended').toBeDefined();
      adopt(model, next as Appended);
    }
  }

  private visible(model: Map<number, GroupModel>): GroupModel[] {
    return [...model].map(([id, { entries, hardState }]) => ({
      entries: entries.slice(this.truncated.get(id) as number),
      hardState,
    }));
  }

  private lastIndex(id: number): number {
    const model = emptyModel();
    for (const appended of this.history) adopt(model, appended);
    return (model.get(id) as GroupModel).entries.length;
  }

  private groupLog(id: number): GroupLog {
    const log = this.log.group(id);
    if (log === undefined) throw new Error(`group ${id} is gone`);
    return log;
  }
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

// Rounds over the log: who is answered when, what shares a sync, what a restart and a failing disk do.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_BYTES, equalBytes } from '../../src/base/bytes.ts';
import type { DbError } from '../../src/base/errors.ts';
import { createIntervalClock } from '../../src/clock/clock.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { GroupOptions, Leadership, RaftGroup } from '../../src/raft/group.ts';
import { PAYLOAD_BYTES_MAX } from '../../src/raft/log/record.ts';
import type { ProposeAnswer } from '../../src/raft/proposals.ts';
import {
  DEFAULT_SCHEDULER_OPTIONS,
  RaftScheduler,
  type SchedulerOptions,
} from '../../src/raft/scheduler.ts';
import type { Entry } from '../../src/raft/types.ts';
import type { WallReading } from '../../src/runtime/runtime.ts';
import { CrashDisk, settle, testRuntime, type TestRuntime } from './crash-files.ts';
import { smallOptions } from './log-fixture.ts';

const options: SchedulerOptions = {
  ...DEFAULT_SCHEDULER_OPTIONS,
  log: { segmentBytes: 32 * 1024, cacheBytes: 2048, writeBytesMax: 16 * 1024, keptSegments: 100 },
  deliveryBytesMax: 1024,
};

/** A state machine that remembers what it was given. */
class Machine {
  readonly options: GroupOptions;
  readonly entries: Entry[] = [];
  readonly leaderships: Leadership[] = [];
  readonly events: string[] = [];

  constructor(groupId = 1, appliedIndex = 0, hold?: () => Promise<void> | undefined) {
    this.options = {
      groupId,
      replicaId: 1,
      configuration: configurationOf([1]),
      appliedIndex,
      onCommitted: (entries) => {
        for (const entry of entries) {
          this.entries.push(entry);
          this.events.push(`committed ${entry.index}`);
        }
        return hold?.();
      },
      onLeadership: (leadership) => {
        this.leaderships.push(leadership);
        this.events.push(leadership.kind);
      },
    };
  }

  get numbers(): number[] {
    return this.entries.filter(({ data }) => data.length > 0).map(({ data }) => numberOf(data));
  }
}

function bytesOf(number: number, size = 4): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

interface Running {
  readonly scheduler: RaftScheduler;
  readonly machine: Machine;
  readonly group: RaftGroup;
}

async function start(
  runtime: TestRuntime,
  machine: Machine = new Machine(),
  schedulerOptions: SchedulerOptions = options,
): Promise<Running> {
  const scheduler = await RaftScheduler.open(runtime, 'raft', schedulerOptions);
  const group = scheduler.createGroup(machine.options);
  await settle();
  return { scheduler, machine, group };
}

/** Synced writes hang until the answer is called. */
function holdSyncs(runtime: TestRuntime): () => void {
  let release = (): void => {};
  runtime.disk.gate = new Promise((resolve) => {
    release = resolve;
  });
  return () => {
    runtime.disk.gate = undefined;
    release();
  };
}

describe('the scheduler', () => {
  it('leads alone, and answers a proposal after its entry was handed on (P13)', async () => {
    const { scheduler, machine, group } = await start(testRuntime());
    expect(machine.leaderships).toEqual([{ kind: 'leading', term: 1 }]);
    const answer = await scheduler.propose(group, bytesOf(7));
    machine.events.push('answered');
    expect(answer).toEqual({ kind: 'committed', index: 2, term: 1 });
    expect(machine.events).toEqual(['committed 1', 'leading', 'committed 2', 'answered']);
    expect(machine.numbers).toEqual([7]);
  });

  it('answers nothing, and hands on nothing, before the sync (P29)', async () => {
    const runtime = testRuntime();
    const { scheduler, machine, group } = await start(runtime);
    const release = holdSyncs(runtime);
    const answers: ProposeAnswer[] = [];
    void scheduler.propose(group, bytesOf(1)).then((answer) => answers.push(answer));
    await settle();
    expect([answers.length, machine.numbers]).toEqual([0, []]);
    release();
    await settle();
    expect([answers.length, machine.numbers]).toEqual([1, [1]]);
  });

  it('lets one sync serve all proposals of a turn, and another all that came meanwhile', async () => {
    const runtime = testRuntime();
    const { scheduler, machine, group } = await start(runtime);
    const before = scheduler.syncs;
    const waits: Promise<ProposeAnswer>[] = [];
    for (let i = 0; i < 16; i++) waits.push(scheduler.propose(group, bytesOf(i)));
    const release = holdSyncs(runtime);
    await settle();
    for (let i = 16; i < 64; i++) {
      waits.push(scheduler.propose(group, bytesOf(i)));
      await Promise.resolve();
    }
    await settle();
    release();
    const answers = await Promise.all(waits);
    expect(answers.every(({ kind }) => kind === 'committed')).toBe(true);
    expect(scheduler.syncs - before).toBe(2);
    expect(machine.numbers).toEqual([...Array(64).keys()]);
  });

  it('keeps 16 clients that wait for their answers in one write each round', async () => {
    const { scheduler, group } = await start(testRuntime());
    const before = scheduler.syncs;
    await Promise.all(
      [...Array(16).keys()].map(async (client) => {
        for (let i = 0; i < 50; i++) await scheduler.propose(group, bytesOf(client * 50 + i));
      }),
    );
    expect(scheduler.syncs - before).toBe(50);
  });

  it('writes for many groups at once', async () => {
    const runtime = testRuntime();
    const scheduler = await RaftScheduler.open(runtime, 'raft');
    const machines = [...Array(100).keys()].map((i) => new Machine(i + 1));
    const groups = machines.map((machine) => scheduler.createGroup(machine.options));
    await settle();
    // The votes together, and the first entries together.
    expect(scheduler.syncs).toBe(2);
    const answers = await Promise.all(
      groups.map((group, i) => scheduler.propose(group, bytesOf(i))),
    );
    expect(answers.every(({ kind }) => kind === 'committed')).toBe(true);
    expect(scheduler.syncs).toBe(3);
    expect(machines.map((machine) => machine.numbers)).toEqual(machines.map((_, i) => [i]));
  });

  it('asks for a good enough clock when it starts, and breaks nothing when that gets worse (P6)', async () => {
    const runtime = testRuntime();
    let halfMicros = 1_000;
    const wall = (): WallReading => ({
      earliestMicros: 1e15 - halfMicros,
      latestMicros: 1e15 + halfMicros,
      monotonicMicros: 0,
    });
    const time = { ...runtime.time, wall };
    const clock = createIntervalClock({ ...runtime, time });
    const open = (directory: string): Promise<RaftScheduler> =>
      RaftScheduler.open({ ...runtime, time, clock, files: runtime.files }, directory, options);
    const withAnother = (groupId: number): GroupOptions => ({
      ...new Machine(groupId).options,
      configuration: configurationOf([1, 2]),
    });
    const running = await open('raft');
    running.createGroup(withAnother(1));
    halfMicros = 500_000;
    running.createGroup(withAnother(2));

    const starting = await open('other');
    starting.createGroup(new Machine(1).options);
    expect(() => starting.createGroup(withAnother(2))).toThrow('too uncertain for leader leases');
    await Promise.all([running.close(), starting.close()]);
  });

  it('hands on after a restart what the state machine has not applied, and nothing else', async () => {
    const runtime = testRuntime();
    const first = await start(runtime);
    for (let i = 0; i < 40; i++) await first.scheduler.propose(first.group, bytesOf(i, 100));
    await first.scheduler.close();
    // Index 1 is the first leader's own entry.
    const second = await start(runtime, new Machine(1, 11));
    expect(second.machine.entries.map(({ index }) => index)).toEqual(
      [...Array(31).keys()].map((i) => 12 + i),
    );
    expect(second.machine.numbers).toEqual([...Array(30).keys()].map((i) => 10 + i));
    // Told to lead only after all of that.
    expect(second.machine.events.at(-1)).toBe('leading');
    expect(second.machine.leaderships).toEqual([{ kind: 'leading', term: 2 }]);
    const answer = await second.scheduler.propose(second.group, bytesOf(99));
    expect(answer).toEqual({ kind: 'committed', index: 43, term: 2 });
  });

  it('waits for a state machine that asks for it', async () => {
    const releases: (() => void)[] = [];
    const hold = (): Promise<void> => new Promise((resolve) => releases.push(resolve));
    const { scheduler, machine, group } = await start(testRuntime(), new Machine(1, 0, hold));
    const answers: number[] = [];
    for (let i = 0; i < 3; i++) {
      void scheduler.propose(group, bytesOf(i)).then(() => answers.push(i));
      await settle();
    }
    expect([machine.numbers, answers]).toEqual([[], []]);
    releases.shift()?.();
    await settle();
    // Answered at commit, not when it is applied.
    expect([machine.numbers, answers]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    void scheduler.propose(group, bytesOf(3)).then(() => answers.push(3));
    await settle();
    expect(answers).toEqual([0, 1, 2]);
    releases.shift()?.();
    await settle();
    expect(answers).toEqual([0, 1, 2, 3]);
  });
});

describe('bounds', () => {
  it('refuse proposals beyond a number and beyond bytes, and take them again later', async () => {
    const runtime = testRuntime();
    const tight = { ...options, groupProposalsMax: 3, proposalBytesMax: 1000 };
    const { scheduler, group } = await start(runtime, new Machine(), tight);
    const release = holdSyncs(runtime);
    const small = [1, 2, 3, 4].map((i) => scheduler.propose(group, bytesOf(i)));
    expect(await small[3]).toEqual({
      kind: 'busy',
      message: 'too many writes wait for the log',
    });
    release();
    expect((await Promise.all(small)).map(({ kind }) => kind)).toEqual([
      'committed',
      'committed',
      'committed',
      'busy',
    ]);
    const large = [5, 6, 7].map((i) => scheduler.propose(group, bytesOf(i, 500)));
    expect((await Promise.all(large)).map(({ kind }) => kind)).toEqual([
      'committed',
      'committed',
      'busy',
    ]);
    // Alone, one may be larger than the bound.
    expect((await scheduler.propose(group, bytesOf(8, 2000))).kind).toBe('committed');
  });

  it('refuse what no record can hold, and what is proposed to no leader', async () => {
    const runtime = testRuntime();
    const { scheduler, group } = await start(runtime);
    const huge = await scheduler.propose(group, new Uint8Array(PAYLOAD_BYTES_MAX + 1));
    expect(huge.kind).toBe('tooLarge');
    const fresh = scheduler.createGroup(new Machine(2).options);
    expect(await scheduler.propose(fresh, bytesOf(1))).toEqual({ kind: 'notLeader', leader: 0 });
  });

  it('take a command larger than a segment', async () => {
    const { scheduler, machine, group } = await start(testRuntime());
    const data = new Uint8Array(100_000).fill(9);
    expect((await scheduler.propose(group, data)).kind).toBe('committed');
    expect(equalBytes(machine.entries.at(-1)?.data ?? EMPTY_BYTES, data)).toBe(true);
  });
});

describe('a disk', () => {
  it('that fails stops everything at once: outcomes are unknown, the node is told (P35)', async () => {
    const runtime = testRuntime();
    const { scheduler, machine, group } = await start(runtime);
    const failures: string[] = [];
    scheduler.onFailure((error) => failures.push(error.message));
    runtime.disk.failNext('writeSynced', 'io');
    const answers = await Promise.all([
      scheduler.propose(group, bytesOf(1)),
      scheduler.propose(group, bytesOf(2)),
    ]);
    expect(answers.map(({ kind }) => kind)).toEqual(['unknown', 'unknown']);
    expect((await scheduler.propose(group, bytesOf(3))).kind).toBe('unknown');
    await settle();
    expect(failures).toHaveLength(1);
    expect(machine.numbers).toEqual([]);
    await scheduler.close();
  });

  it('that is full refuses proposals while there is room to end in order, and recovers', async () => {
    const runtime = testRuntime();
    const segmentBytes = 256 * 1024;
    const roomy = { ...options, log: { ...options.log, segmentBytes } };
    const { scheduler, machine, group } = await start(runtime, new Machine(), roomy);
    runtime.disk.capacityBytes = 2 * segmentBytes;
    const failures: Error[] = [];
    scheduler.onFailure((error) => failures.push(error));
    let count = 0;
    let answer: ProposeAnswer;
    do {
      answer = await scheduler.propose(group, bytesOf(count++, 4000));
      await settle();
    } while (answer.kind === 'committed' && count < 1000);
    expect(answer).toEqual({ kind: 'diskFull', message: 'no space is left for the log' });
    expect((await scheduler.propose(group, bytesOf(0, 2 * segmentBytes))).kind).toBe('diskFull');
    // The state machine makes its state durable; the log gives space back.
    scheduler.truncate(group, group.delivered);
    await settle();
    runtime.timers.fire();
    await settle();
    expect((await scheduler.propose(group, bytesOf(count))).kind).toBe('committed');
    expect(failures).toEqual([]);
    expect(machine.numbers.length).toBe(count);
  });

  it('keeps what the state machine has not made durable (P30)', async () => {
    const runtime = testRuntime();
    const small = { ...options, log: smallOptions };
    const { scheduler, group } = await start(runtime, new Machine(), small);
    for (let i = 0; i < 60; i++) await scheduler.propose(group, bytesOf(i, 60));
    expect(() => scheduler.truncate(group, group.delivered + 1)).toThrow('truncating to');
    scheduler.truncate(group, 30);
    await settle();
    expect(runtime.disk.namesIn('raft').length).toBeGreaterThan(2);
    expect(runtime.disk.namesIn('raft')).not.toContain('raft-0000000001.log');
    runtime.disk.crash(() => 0);
    const again = await start(runtime, new Machine(1, 30), small);
    expect(again.machine.entries[0]?.index).toBe(31);
    expect(again.machine.numbers).toEqual([...Array(31).keys()].map((i) => 29 + i));
  });

  it('whose log and store are of different times is refused', async () => {
    const runtime = testRuntime();
    const { scheduler, group } = await start(runtime, new Machine(), {
      ...options,
      log: smallOptions,
    });
    for (let i = 0; i < 60; i++) await scheduler.propose(group, bytesOf(i, 60));
    scheduler.truncate(group, 40);
    await settle();
    await scheduler.close();
    for (const appliedIndex of [10, 70]) {
      const error: unknown = await start(runtime, new Machine(1, appliedIndex)).catch(
        (reason: unknown) => reason,
      );
      expect((error as DbError).code).toBe('XX001');
      expect((error as DbError).message).toContain(`applied its log up to ${appliedIndex}`);
    }
  });
});

/** Runs clients against a node that loses power again and again; whether an acknowledged write was ever lost. */
async function losesAcknowledged(bug: boolean, seeds: readonly number[]): Promise<boolean> {
  const runtime = testRuntime(new CrashDisk(), new Set(bug ? ['raft.ack-before-sync'] : []));
  const acknowledged = new Set<number>();
  let next = 1;
  for (const seed of seeds) {
    const started = start(runtime, new Machine(), { ...options, log: smallOptions });
    // A hole in the log of a node that acknowledged too early is noticed at the start.
    const begun = bug ? await started.catch(() => undefined) : await started;
    if (begun === undefined) return true;
    const { scheduler, machine, group } = begun;
    if ([...acknowledged].some((number) => !machine.numbers.includes(number))) return true;
    // Order survives, and nothing is there twice.
    expect(machine.numbers).toEqual([...new Set(machine.numbers)].sort((a, b) => a - b));
    // Half of the time power goes while the write is on its way.
    if (seed % 2 === 1) runtime.disk.gate = new Promise(() => {});
    for (let i = seed % 7; i >= 0; i--) {
      const number = next++;
      void scheduler.propose(group, bytesOf(number, 4 + (seed % 90))).then((answer) => {
        if (answer.kind === 'committed') acknowledged.add(number);
      });
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (let i = seed % 11; i > 0; i--) await Promise.resolve();
    let state = seed;
    runtime.disk.crash((bound) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % bound;
    });
  }
  return false;
}

describe('power loss', () => {
  it('loses no acknowledged proposal (P29)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 2, maxLength: 12 }), async (seeds) => {
        expect(await losesAcknowledged(false, seeds)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('does lose some when proposals are acknowledged before the sync: the test can fail', async () => {
    const seeds = [...Array(40).keys()].map((i) => i * 7919 + 3);
    expect(await losesAcknowledged(true, seeds)).toBe(true);
    expect(await losesAcknowledged(false, seeds)).toBe(false);
  });
});

// A cluster of cores under everything that a network, disks and operators do to it, as a function of a seed: loss,
// duplication, reordering, partitions, crashes that lose what was not synced, snapshots, compaction, membership changes,
// transfers, reads. Raft's invariants are looked at from outside after every step; in the end the cluster must recover.

import { assert } from '../../src/base/assert.ts';
import { utf8 } from '../../src/base/bytes.ts';
import {
  type ChangeStep,
  type Configuration,
  configurationOf,
  isJoint,
  membersOf,
} from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/messages.ts';
import type { CoreTuning } from '../../src/raft/tuning.ts';
import type { ReplicaId } from '../../src/raft/types.ts';
import { type LogView, RaftInvariants } from '../../src/sim/checkers/raft-invariants.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { Member, type MemberBug, MemoryLog } from './member.ts';

const GROUP = 1;
const MEMBERS_MAX = 9;
const QUEUE_MAX = 400;
const PROPOSER = 1;

const tuning: CoreTuning = {
  heartbeatTicks: 2,
  electionTicks: 6,
  appendBytesMax: 200,
  inflightMessagesMax: 4,
  inflightBytesMax: 1000,
  uncommittedBytesMax: 2000,
};

/** How often each thing happens, at least and at most: every seed draws its own weather. */
const WEIGHTS = {
  carry: [300, 500],
  ready: [100, 200],
  sync: [50, 200],
  tick: [30, 100],
  propose: [20, 80],
  crash: [0, 8],
  divide: [0, 4],
  heal: [10, 30],
  compact: [0, 20],
  pull: [10, 30],
  change: [2, 20],
  transfer: [0, 4],
  read: [5, 20],
  report: [0, 10],
} as const;

const SPLIT_WEIGHTS = { ...WEIGHTS, birth: [2, 20] } as const;

type Action = keyof typeof SPLIT_WEIGHTS;

/** One seed in three has storms: little gets done, and nearly nothing stays in memory. */
const STORM_CRASHES = 40;

export interface ChaosOptions {
  readonly seed: number;
  readonly voters: number;
  readonly learners: number;
  readonly steps: number;
  /** A split brings the group about: its first members are born one after the other, whatever happens meanwhile. */
  readonly isSplit?: boolean;
  readonly bug?: MemberBug;
}

/** What happened, so that a test can show that it tried something. */
export interface ChaosCounts {
  elections: number;
  committed: number;
  changes: number;
  joint: number;
  snapshots: number;
  crashes: number;
  transfers: number;
  reads: number;
  births: number;
  /** Of replicas that had moved on to a later term before. */
  lateBirths: number;
}

export class Chaos {
  readonly counts: ChaosCounts = {
    elections: 0,
    committed: 0,
    changes: 0,
    joint: 0,
    snapshots: 0,
    crashes: 0,
    transfers: 0,
    reads: 0,
    births: 0,
    lateBirths: 0,
  };
  private readonly random: SeededRandom;
  private readonly members: Member[] = [];
  private readonly invariants = new RaftInvariants();
  private readonly bug: MemberBug | undefined;
  private queue: Message[] = [];
  /** On different sides, messages are lost. */
  private sides = new Map<ReplicaId, number>();
  /** The leadership that was seen last of each member. */
  private readonly ledTerm = new Map<ReplicaId, number>();
  /** What was committed when a read was asked, by asker and context. */
  private readonly reads = new Map<string, number>();
  private proposed = 0;
  private asked = 0;
  private readonly steps: number;
  /** With which a split gives birth to those whom it names. */
  private readonly bornWith: Configuration | undefined;
  private isFirstBirth = true;
  private readonly weights: readonly (readonly [Action, number])[];

  constructor(options: ChaosOptions) {
    this.random = new SeededRandom(options.seed);
    const isStorm = this.random.below(3) === 0;
    this.weights = Object.entries(options.isSplit === true ? SPLIT_WEIGHTS : WEIGHTS).map(
      ([action, [least, most]]) => [
        action as Action,
        least +
          this.random.below(most - least + 1) +
          (isStorm && action === 'crash' ? STORM_CRASHES : 0),
      ],
    );
    this.bug = options.bug;
    this.steps = options.steps;
    const ids = Array.from({ length: options.voters + options.learners }, (_, i) => i + 1);
    const configuration = configurationOf(ids.slice(0, options.voters), ids.slice(options.voters));
    for (const id of ids) {
      const log = new MemoryLog();
      if (options.isSplit !== true) log.configuration = configuration;
      this.add(id, log);
    }
    this.bornWith = options.isSplit === true ? configuration : undefined;
  }

  private add(id: ReplicaId, log: MemoryLog): void {
    const member = new Member(id, log, 0, {
      tuning,
      random: (bound) => this.random.below(bound),
      send: (message) => this.queue.push(message),
      onApplied: (entries) => {
        this.invariants.onCommitted(GROUP, id, this.find(id).core.term, entries);
      },
      ...(this.bug === undefined ? {} : { bug: this.bug }),
    });
    member.core.mayElect = true;
    this.members.push(member);
  }

  private find(id: ReplicaId): Member {
    const member = this.members.find((one) => one.id === id);
    assert(member !== undefined, `no member ${id}`);
    return member;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }

  /** Throws when an invariant is broken, or the cluster does not recover. */
  run(): ChaosCounts {
    for (let step = 0; step < this.steps; step++) {
      this.act();
      this.look();
      if (step % 50 === 0) this.invariants.checkLogs(GROUP, this.members.map(viewOf));
    }
    this.recover();
    this.counts.elections = this.invariants.elections;
    this.counts.committed = this.invariants.committedIndex(GROUP);
    return this.counts;
  }

  private isAwaitingBirth({ id, isUnborn }: Member): boolean {
    return isUnborn && this.bornWith !== undefined && membersOf(this.bornWith).includes(id);
  }

  /** Replica 1's node has proposed the split, and its process goes on until it crashes. */
  private bear(member: Member): void {
    if (!this.isAwaitingBirth(member)) return;
    const isFirst = member.id === PROPOSER && this.isFirstBirth;
    if (member.id === PROPOSER) this.isFirstBirth = false;
    this.counts.births++;
    if (member.core.term > 1) this.counts.lateBirths++;
    member.bear(this.bornWith as Configuration, PROPOSER, isFirst);
    member.core.mayElect = true;
  }

  /** Anything, but often what makes it go on. Each seed has its own weather. */
  private act(): void {
    const member = this.pick(this.members);
    switch (this.chance()) {
      case 'carry':
        return this.carry();
      case 'ready':
        member.ready();
        return;
      case 'sync':
        member.sync();
        return;
      case 'tick':
        return member.core.tick();
      case 'propose':
        return this.propose();
      case 'crash':
        return this.crash(member);
      case 'divide':
        return this.divide();
      case 'heal':
        return this.sides.clear();
      case 'compact':
        return this.compact(member);
      case 'pull':
        return this.pull(member);
      case 'change':
        return this.change();
      case 'transfer':
        return this.transfer();
      case 'read':
        return this.read(member);
      case 'report':
        return this.report();
      case 'birth':
        return this.bear(member);
    }
  }

  private chance(): Action {
    let dice = this.random.below(this.weights.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [action, weight] of this.weights) {
      dice -= weight;
      if (dice < 0) return action;
    }
    return 'carry';
  }

  private carry(): void {
    if (this.queue.length === 0) return;
    // Mostly in order, as streams are.
    const place = this.random.below(3) > 0 ? 0 : this.random.below(Math.min(this.queue.length, 10));
    const message = this.queue[place] as Message;
    const isTwice = this.random.below(30) === 0;
    if (!isTwice) this.queue.splice(place, 1);
    if (this.queue.length > QUEUE_MAX) this.queue.splice(0, QUEUE_MAX / 2);
    if (this.random.below(40) > 0) this.deliver(message);
  }

  private deliver(message: Message): void {
    const sideOf = (id: ReplicaId): number => this.sides.get(id) ?? 0;
    if (sideOf(message.from) !== sideOf(message.to)) return;
    this.find(message.to).core.step(message);
  }

  private leaders(): readonly Member[] {
    return this.members.filter(({ core }) => core.role === 'leader');
  }

  private propose(): void {
    for (const { core } of this.leaders()) core.propose(utf8(`${++this.proposed}`));
  }

  private crash(member: Member): void {
    this.counts.crashes++;
    if (member.id === PROPOSER) this.isFirstBirth = false;
    member.crash(this.random.below(member.unsyncedRecords + 1));
    member.core.mayElect = true;
    for (const key of this.reads.keys()) {
      if (key.startsWith(`${member.id}/`)) this.reads.delete(key);
    }
  }

  private divide(): void {
    for (const { id } of this.members) this.sides.set(id, this.random.below(2));
  }

  private compact(member: Member): void {
    if (this.random.below(2) === 0) member.flush();
    else member.compact();
  }

  private pull(member: Member): void {
    const { pull } = member;
    if (pull === undefined) return;
    const source = this.find(pull.from);
    // P26: while its parent is here, unsplit, it waits.
    const isEarly = this.isAwaitingBirth(member);
    if (isEarly || this.random.below(4) === 0 || source.position.index < pull.index) {
      member.pull = undefined;
      member.core.snapshotFailed();
      return;
    }
    this.counts.snapshots++;
    member.install(source.snapshot());
  }

  private change(): void {
    const leaders = this.leaders();
    if (leaders.length === 0) return;
    const { core } = this.pick(leaders);
    if (isJoint(core.configuration)) {
      core.proposeChange({ kind: 'leaveJoint' });
      return;
    }
    const isSimple = this.random.below(2) === 0;
    const steps = Array.from({ length: isSimple ? 1 : 1 + this.random.below(3) }, () =>
      this.step(),
    );
    const result = core.proposeChange(
      isSimple
        ? { kind: 'simple', steps }
        : { kind: 'enterJoint', autoLeave: this.random.below(2) === 0, steps },
    );
    if (result.kind !== 'proposed') return;
    this.counts.changes++;
    if (!isSimple) this.counts.joint++;
  }

  private step(): ChangeStep {
    const isNew = this.members.length < MEMBERS_MAX && this.random.below(3) === 0;
    if (isNew) this.add(this.members.length + 1, new MemoryLog());
    const { id: replica } = isNew ? (this.members.at(-1) as Member) : this.pick(this.members);
    const kind = isNew
      ? 'addLearner'
      : this.pick(['addVoter', 'addVoter', 'addLearner', 'remove'] as const);
    return { kind, replica };
  }

  private transfer(): void {
    for (const { core } of this.leaders()) {
      if (core.transferLeadership(this.pick(this.members).id)) this.counts.transfers++;
    }
  }

  private read(member: Member): void {
    const context = ++this.asked;
    const committed = this.invariants.committedIndex(GROUP);
    if (member.core.readIndex(context)) this.reads.set(`${member.id}/${context}`, committed);
  }

  private report(): void {
    for (const { core } of this.leaders()) {
      const { id } = this.pick(this.members);
      if (this.random.below(2) === 0) core.reportUnreachable(id);
      else core.reportSnapshot(id, this.random.below(2) === 0);
    }
  }

  /** Who has begun to lead, and which reads may go on. */
  private look(): void {
    for (const member of this.members) {
      const { id, core } = member;
      if (core.role === 'leader' && this.ledTerm.get(id) !== core.term) {
        this.ledTerm.set(id, core.term);
        this.invariants.onLeader(GROUP, core.term, viewOf(member));
      }
      for (const { context, index } of member.readStates.splice(0)) {
        const asked = this.reads.get(`${id}/${context}`);
        if (asked === undefined || index === 0) continue;
        this.counts.reads++;
        assert(
          index >= asked,
          `read index: ${id} may read at ${index}, and ${asked} was committed when it asked`,
        );
      }
    }
  }

  /** Without faults a leader must be found, and everybody get what it commits. */
  private recover(): void {
    this.sides.clear();
    for (const member of this.members) this.bear(member);
    for (let round = 0; round < 300; round++) {
      for (const member of this.members) {
        member.core.tick();
        while (member.ready() !== undefined || member.sync());
      }
      for (const message of this.queue.splice(0)) this.deliver(message);
      for (const member of this.members) {
        if (member.pull !== undefined) {
          const source = this.find(member.pull.from);
          if (source.position.index >= member.pull.index) member.install(source.snapshot());
        }
      }
      this.look();
      if (round % 20 === 0) this.propose();
      if (round > 100 && this.isWell()) return;
    }
    const states = this.members.map(
      ({ id, core }) => `${id}: ${core.role} ${core.term} ${core.committedIndex}/${core.lastIndex}`,
    );
    assert(false, `the cluster does not recover: ${states.join(', ')}`);
  }

  private isWell(): boolean {
    const leaders = this.leaders();
    const [leader] = leaders;
    if (leader === undefined || leaders.length > 1) return false;
    const { core } = leader;
    const members = [...core.configuration.voters, ...core.configuration.learners];
    return (
      core.isQuiescent() && members.every((id) => this.find(id).position.index === core.lastIndex)
    );
  }
}

function viewOf({ id, log }: Member): LogView {
  return { replica: id, lastIndex: log.lastIndex, termAt: (index) => log.termAt(index) };
}

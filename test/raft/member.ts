// A replica without a node: a core, a log in memory whose tail may be unsynced, a state machine that is a list. What a
// scheduler does in rounds is done here step by step, so that tests choose what happens between the steps.

import { assert } from '../../src/base/assert.ts';
import { type Configuration, EMPTY_CONFIGURATION } from '../../src/raft/configuration.ts';
import { BIRTH, birthMark } from '../../src/raft/birth.ts';
import { RaftCore } from '../../src/raft/core.ts';
import type { Message, OutgoingMessage } from '../../src/raft/messages.ts';
import type { ReadState, Ready, SnapshotMark } from '../../src/raft/ready.ts';
import { type LogPosition, LogTerms } from '../../src/raft/terms.ts';
import type { CoreTuning } from '../../src/raft/tuning.ts';
import {
  type Entry,
  type HardState,
  type IndexRange,
  NO_HARD_STATE,
  type ReplicaId,
} from '../../src/raft/types.ts';

type LogRecord =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'hardState'; readonly hardState: HardState }
  | {
      readonly kind: 'identity';
      readonly configuration: Configuration;
      readonly index: number;
      readonly term: number;
    }
  | { readonly kind: 'reset'; readonly mark: SnapshotMark }
  | { readonly kind: 'compact'; readonly index: number };

/** The log as its records make it. */
export class MemoryLog {
  start: LogPosition = { index: 0, term: 0 };
  entries: Entry[] = [];
  hardState: HardState = NO_HARD_STATE;
  configuration: Configuration = EMPTY_CONFIGURATION;
  configurationIndex = 0;
  configurationTerm = 0;

  get lastIndex(): number {
    return this.start.index + this.entries.length;
  }

  at(index: number): Entry {
    const entry = this.entries[index - this.start.index - 1];
    assert(entry !== undefined, `no entry ${index} in (${this.start.index}, ${this.lastIndex}]`);
    return entry;
  }

  termAt(index: number): number | undefined {
    if (index === this.start.index) return this.start.term;
    return this.entries[index - this.start.index - 1]?.term;
  }

  write(record: LogRecord): void {
    switch (record.kind) {
      case 'entry': {
        const { index } = record.entry;
        assert(index > this.start.index && index <= this.lastIndex + 1, `a gap before ${index}`);
        this.entries.length = index - this.start.index - 1;
        this.entries.push(record.entry);
        return;
      }
      case 'hardState':
        this.hardState = record.hardState;
        return;
      case 'identity':
        this.configuration = record.configuration;
        this.configurationIndex = record.index;
        this.configurationTerm = record.term;
        return;
      case 'compact':
        this.compactTo(record.index);
        return;
      case 'reset': {
        const { mark } = record;
        if (this.termAt(mark.index) !== mark.term) {
          this.start = { index: mark.index, term: mark.term };
          this.entries = [];
        } else this.compactTo(mark.index);
        if (mark.configurationIndex >= this.configurationIndex) {
          this.configuration = mark.configuration;
          this.configurationIndex = mark.configurationIndex;
          this.configurationTerm = 0;
        }
      }
    }
  }

  compactTo(index: number): void {
    if (index <= this.start.index) return;
    const term = this.termAt(index);
    assert(term !== undefined, `compacting to ${index}, last ${this.lastIndex}`);
    this.entries = this.entries.slice(index - this.start.index);
    this.start = { index, term };
  }

  terms(): LogTerms {
    const terms = new LogTerms(this.start);
    for (const { term, data } of this.entries) terms.append(term, data.length);
    return terms;
  }

  copy(): MemoryLog {
    return Object.assign(new MemoryLog(), this, { entries: [...this.entries] });
  }
}

/** A state machine's state and the position that it stands for. */
export interface MachineState {
  readonly applied: readonly Entry[];
  readonly position: LogPosition;
}

interface Write {
  readonly ready: Ready;
  readonly records: readonly LogRecord[];
  /** Of a core that is no more: nothing is said, and nobody is told. */
  readonly isForgotten?: boolean;
}

export interface MemberOptions {
  readonly tuning: CoreTuning;
  random(bound: number): number;
  /** A message leaves, with the bytes of its entries. */
  send(message: Message): void;
  /** Entries reached the state machine. */
  onApplied?(entries: readonly Entry[]): void;
  /** Known bugs, to show that tests find them. */
  readonly bug?: MemberBug;
}

export type MemberBug =
  | 'ackBeforeSync'
  | 'forgetVote'
  | 'countUnsynced'
  /** Entries before the term and the configuration that they rely on. */
  | 'entriesFirst'
  /** Who is born again after a crash leads its first term once more. */
  | 'leadAgain'
  /** P26 turned off: birth forgets the term and the vote. */
  | 'overwriteTerm';

export class Member {
  readonly id: ReplicaId;
  private readonly options: MemberOptions;
  core: RaftCore;
  /** With what is not synced yet. */
  log: MemoryLog;
  /** What a crash leaves. */
  private disk: MemoryLog;
  private writes: Write[] = [];
  /** Compactions and a snapshot's reset of the log, to be written with the next Ready. */
  private unwritten: LogRecord[] = [];
  /** The state machine. It is durable up to `flushed`; a crash leaves it there. */
  applied: Entry[] = [];
  position: LogPosition;
  private flushed: MachineState;
  /** What the state machine says of the last snapshot that was installed in it. */
  private installed: SnapshotMark | undefined;
  /** What Ready asked to be pulled. */
  pull: { readonly from: ReplicaId; readonly index: number } | undefined;
  readStates: ReadState[] = [];

  constructor(id: ReplicaId, log: MemoryLog, appliedIndex: number, options: MemberOptions) {
    this.id = id;
    this.options = options;
    this.log = log;
    this.disk = log.copy();
    this.applied = log.entries.slice(0, appliedIndex - log.start.index);
    this.position = { index: appliedIndex, term: log.termAt(appliedIndex) ?? 0 };
    this.flushed = this.machine();
    this.core = this.start();
  }

  private start(leadsFromBirth = false): RaftCore {
    const { log } = this;
    return new RaftCore({
      replicaId: this.id,
      configuration: log.configuration,
      configurationIndex: log.configurationIndex,
      configurationTerm: log.configurationTerm,
      hardState: log.hardState,
      terms: log.terms(),
      changes: log.entries.filter(
        ({ kind, index }) => kind === 'change' && index > log.configurationIndex,
      ),
      appliedIndex: this.position.index,
      random: (bound) => this.options.random(bound),
      tuning: this.options.tuning,
      leadsFromBirth,
    });
  }

  /** Whether a split may still give birth to it. */
  get isUnborn(): boolean {
    return this.log.configuration.voters.length === 0;
  }

  /** A split that `proposer` has proposed. As the scheduler does it: what the core had not written is forgotten, and what
   * this writes is not synced yet. `isFirst`: this process is the one that has proposed it. */
  bear(configuration: Configuration, proposer: ReplicaId, isFirst: boolean): void {
    const { bug } = this.options;
    const isNew = this.log.hardState.term === 0;
    this.writes = this.writes.map((write) => ({ ...write, isForgotten: true }));
    this.pull = undefined;
    this.record({ kind: 'reset', mark: birthMark(configuration) });
    if (isNew || bug === 'overwriteTerm') {
      const hardState = { term: BIRTH.term, vote: proposer, commit: BIRTH.index };
      this.record({ kind: 'hardState', hardState });
    }
    this.position = BIRTH;
    this.installed = birthMark(configuration);
    const leads = proposer === this.id && (isFirst || bug === 'leadAgain');
    this.core = this.start(isNew && leads);
  }

  private machine(): MachineState {
    return { applied: [...this.applied], position: this.position };
  }

  /** Takes a Ready, sends what may leave at once, and begins its write. */
  ready(): Ready | undefined {
    const ready = this.core.ready();
    if (ready === undefined) return undefined;
    const records: LogRecord[] = this.unwritten;
    this.unwritten = [];
    const before = records.length;
    const { configuration, hardState } = ready;
    const entries = ready.entries.map((entry) => ({ kind: 'entry', entry }) as const);
    if (this.options.bug === 'entriesFirst') records.push(...entries);
    if (hardState !== undefined) records.push({ kind: 'hardState', hardState });
    if (configuration !== undefined) records.push({ kind: 'identity', ...configuration });
    if (this.options.bug !== 'entriesFirst') records.push(...entries);
    // What did not come from the Ready was written to it when it happened.
    for (const record of records.slice(before)) this.log.write(record);
    this.writes.push({ ready, records });
    this.send(ready.messages);
    if (this.options.bug === 'ackBeforeSync') this.send(ready.messagesAfterSync);
    if (this.options.bug === 'countUnsynced') this.core.advance(ready);
    this.apply(ready.committed);
    if (ready.snapshot !== undefined) this.pull = ready.snapshot;
    this.readStates.push(...ready.readStates);
    return ready;
  }

  /** The oldest write is synced. False: there is none. */
  sync(): boolean {
    const write = this.writes.shift();
    if (write === undefined) return false;
    for (const record of write.records) this.disk.write(record);
    if (write.isForgotten === true) return true;
    if (this.options.bug !== 'ackBeforeSync') this.send(write.ready.messagesAfterSync);
    if (this.options.bug !== 'countUnsynced') this.core.advance(write.ready);
    this.apply(this.core.takeCommitted());
    return true;
  }

  /** Loses the process, all writes but the first `kept` records of what was not synced, and what the state machine has
   * not flushed. */
  crash(kept = 0): void {
    const unsynced = [...this.writes.flatMap(({ records }) => records), ...this.unwritten];
    for (const record of unsynced.slice(0, kept)) this.disk.write(record);
    this.writes = [];
    this.unwritten = [];
    this.pull = undefined;
    this.readStates = [];
    this.log = this.disk.copy();
    if (this.options.bug === 'forgetVote') {
      this.log.hardState = { ...this.log.hardState, vote: 0 };
    }
    this.applied = [...this.flushed.applied];
    this.position = this.flushed.position;
    // P31: a snapshot was in the state machine before the log began at it.
    const { installed } = this;
    if (installed !== undefined && installed.index === this.position.index) {
      this.log.write({ kind: 'reset', mark: installed });
      this.disk = this.log.copy();
    }
    // Born: what applies the split once more brings the state.
    if (this.log.start.index > this.position.index) this.position = this.log.start;
    this.core = this.start();
  }

  get unsyncedRecords(): number {
    return this.writes.reduce((sum, { records }) => sum + records.length, this.unwritten.length);
  }

  /** Makes the state machine durable. */
  flush(): void {
    this.flushed = this.machine();
  }

  /** P30: forgets the log up to what is durable. */
  compact(index: number = this.position.index): void {
    if (index > this.flushed.position.index) this.flush();
    this.core.compacted(index);
    this.record({ kind: 'compact', index });
  }

  /** Takes effect now, and is written with the next Ready. */
  private record(record: LogRecord): void {
    this.log.write(record);
    this.unwritten.push(record);
  }

  private mark(): SnapshotMark {
    const { configuration, configurationIndex } = this.core;
    return { ...this.position, configuration, configurationIndex };
  }

  /** What another member may pull. */
  snapshot(): { readonly state: MachineState; readonly mark: SnapshotMark } {
    return { state: this.machine(), mark: this.mark() };
  }

  /** What was pulled is durable in the state machine; the log's new beginning goes with the next Ready. */
  install({ state, mark }: ReturnType<Member['snapshot']>): void {
    this.pull = undefined;
    this.applied = [...state.applied];
    this.position = state.position;
    this.flush();
    this.installed = mark;
    this.record({ kind: 'reset', mark });
    this.core.snapshotInstalled(mark);
  }

  private apply(range: IndexRange | undefined): void {
    if (range === undefined) return;
    assert(range.first === this.position.index + 1, `${range.first} is applied after a gap`);
    const entries: Entry[] = [];
    for (let index = range.first; index <= range.last; index++) entries.push(this.log.at(index));
    assert(
      this.options.bug === 'countUnsynced' || range.last <= this.disk.lastIndex,
      `P29: entry ${range.last} is applied before its sync`,
    );
    this.applied.push(...entries);
    this.position = { index: range.last, term: (entries.at(-1) as Entry).term };
    this.options.onApplied?.(entries);
  }

  private send(messages: readonly OutgoingMessage[]): void {
    for (const message of messages) this.options.send(this.filled(message));
  }

  private filled(message: OutgoingMessage): Message {
    if (message.kind !== 'append') return message;
    const { range, ...fields } = message;
    const entries: Entry[] = [];
    if (range !== undefined) {
      for (let index = range.first; index <= range.last; index++) entries.push(this.log.at(index));
    }
    return { ...fields, entries };
  }
}

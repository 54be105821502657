// One core by itself, whose messages come from a test and go to it: for rules that are about one replica.

import { utf8 } from '../../src/base/bytes.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { RaftCore } from '../../src/raft/core.ts';
import type { IncomingAppend, Message, MessageKind } from '../../src/raft/messages.ts';
import type { CoreTuning } from '../../src/raft/tuning.ts';
import type { Entry, ReplicaId } from '../../src/raft/types.ts';
import { Member, MemoryLog } from './member.ts';

export const TUNING: CoreTuning = {
  heartbeatTicks: 2,
  electionTicks: 10,
  appendBytesMax: 1000,
  inflightMessagesMax: 8,
  inflightBytesMax: 10_000,
  uncommittedBytesMax: 10_000,
};

export interface OneOptions {
  readonly term?: number;
  readonly vote?: ReplicaId;
  readonly commit?: number;
  /** Terms of the log's entries, all synced. */
  readonly log?: readonly number[];
  readonly voters?: readonly ReplicaId[];
  readonly learners?: readonly ReplicaId[];
  readonly tuning?: Partial<CoreTuning>;
  /** Added to the election timeout. */
  readonly patience?: number;
}

/** Distributes over the kinds, as Omit does not. */
type Body<M> = M extends Message ? Omit<M, 'to'> : never;

export function entry(term: number, index: number, text = `${term}.${index}`): Entry {
  return { index, term, kind: 'command', data: utf8(text) };
}

/** Replica 1. */
export class One {
  readonly member: Member;
  private sent: Message[] = [];

  constructor(options: OneOptions = {}) {
    const { term = 0, vote = 0, commit = 0, voters = [1, 2, 3], learners = [] } = options;
    const log = new MemoryLog();
    log.configuration = configurationOf(voters, learners);
    log.hardState = { term, vote, commit };
    log.entries = (options.log ?? []).map((entryTerm, i) => entry(entryTerm, i + 1));
    this.member = new Member(1, log, 0, {
      tuning: { ...TUNING, ...options.tuning },
      random: () => options.patience ?? 0,
      send: (message) => this.sent.push(message),
    });
    this.core.mayElect = true;
  }

  get core(): RaftCore {
    return this.member.core;
  }

  get applied(): readonly number[] {
    return this.member.applied.map(({ index }) => index);
  }

  get terms(): readonly number[] {
    return this.member.log.entries.map(({ term }) => term);
  }

  step(message: Body<Message>): this {
    this.core.step({ ...message, to: 1 } as Message);
    return this;
  }

  tick(ticks: number): this {
    for (let i = 0; i < ticks; i++) this.core.tick();
    return this;
  }

  /** Everything is written and synced. What was said meanwhile. */
  settle(): readonly Message[] {
    while (this.member.ready() !== undefined || this.member.sync());
    return this.take();
  }

  /** What has left, without anything being synced. */
  take(): readonly Message[] {
    return this.sent.splice(0);
  }

  /** As settle(), of one kind. */
  said<K extends MessageKind>(kind: K): readonly Extract<Message, { kind: K }>[] {
    return this.settle().filter((message): message is Extract<Message, { kind: K }> => {
      return message.kind === kind;
    });
  }

  /** Elected by replica 2; what that took is forgotten. */
  elect(): this {
    this.core.campaign();
    this.settle();
    if (this.core.role === 'preCandidate') this.grant('preVoteAnswer', 2, this.core.term + 1);
    this.settle();
    if (this.core.role === 'candidate') this.grant('voteAnswer', 2, this.core.term);
    this.settle();
    return this;
  }

  grant(kind: 'preVoteAnswer' | 'voteAnswer', from: ReplicaId, term: number): this {
    return this.step({ kind, from, term, granted: true, commit: 0, commitTerm: 0 });
  }

  /** `from` has everything up to `index`. */
  acknowledge(from: ReplicaId, index: number = this.core.lastIndex): this {
    const { term } = this.core;
    const nowhere = { hintIndex: 0, hintTerm: 0, stamp: 0 };
    return this.step({ kind: 'appendAnswer', from, term, index, rejected: false, ...nowhere });
  }

  heartbeatAnswers(from: ReplicaId, readContext = 0): this {
    const { term } = this.core;
    return this.step({ kind: 'heartbeatAnswer', from, term, readContext, stamp: 0 });
  }

  /** An append of replica 2. */
  append(
    term: number,
    position: readonly [index: number, term: number],
    more: Partial<IncomingAppend> = {},
  ): this {
    const [previousIndex, previousTerm] = position;
    const fields = { previousIndex, previousTerm, commit: 0, entries: [], stamp: 0 };
    return this.step({ kind: 'append', from: 2, term, ...fields, ...more });
  }

  heartbeat(term: number, commit = 0): this {
    return this.step({ kind: 'heartbeat', from: 2, term, commit, readContext: 0, stamp: 7 });
  }

  /** Replica 2 asks for a vote, with a log that ends so. */
  askVote(
    term: number,
    [lastIndex, lastTerm]: readonly [index: number, term: number],
    more: { kind?: 'vote' | 'preVote'; from?: ReplicaId; isTransfer?: boolean } = {},
  ): this {
    const usual = { kind: 'vote', from: 2, isTransfer: false, commit: 0, commitTerm: 0 } as const;
    return this.step({ ...usual, term, lastIndex, lastTerm, ...more });
  }
}

/** A leader whose first entry is committed. */
export function leader(options: OneOptions = {}): One {
  const one = new One(options).elect().acknowledge(2);
  one.settle();
  return one;
}

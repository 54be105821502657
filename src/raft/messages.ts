// What replicas of one group say to each other: the vocabulary of the Raft thesis, in etcd's words. A message that
// leaves names entries by their indexes; the scheduler puts their bytes in (frames.ts), so that one that arrives has
// them.

import type { Entry, IndexRange, ReplicaId } from './types.ts';

interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** The sender's; of a pre-vote the term that it would campaign in. */
  readonly term: number;
}

/** What the sender knows to be committed; who has that entry learns it. A candidate that did not know that its group has
 * left a joint configuration could else wait for ever for the vote of a member that has gone. */
interface CommitNews extends Envelope {
  readonly commit: number;
  readonly commitTerm: number;
}

/** Asks for a vote (paper, section 5.2), or whether one would be granted (thesis, section 9.6). */
export interface VoteRequest extends CommitNews {
  readonly kind: 'preVote' | 'vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader has asked for this election itself (TimeoutNow): promises to it don't stand in the way (P3). */
  readonly isTransfer: boolean;
}

export interface VoteAnswer extends CommitNews {
  readonly kind: 'preVoteAnswer' | 'voteAnswer';
  readonly granted: boolean;
}

interface AppendFields extends Envelope {
  readonly kind: 'append';
  /** Position before the first entry: what the follower must have. */
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly commit: number;
  /** When it was sent, as the leader's stamps.ts counts; the answer repeats it, and the lease is reckoned from it (P1).
   * Filled in when it is sent. */
  stamp: number;
}

export interface OutgoingAppend extends AppendFields {
  /** Undefined: none, the message probes, or tells the commit index. */
  readonly range: IndexRange | undefined;
}

export interface IncomingAppend extends AppendFields {
  readonly entries: readonly Entry[];
}

export interface AppendAnswer extends Envelope {
  readonly kind: 'appendAnswer';
  /** Accepted: everything up to here is synced at the follower (P29). Rejected: previousIndex of what was rejected. */
  readonly index: number;
  readonly rejected: boolean;
  /** Of a rejection: a position at or below which the logs may agree, as the follower guesses it. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly stamp: number;
}

export interface Heartbeat extends Envelope {
  readonly kind: 'heartbeat';
  /** At most what the follower is known to have. */
  readonly commit: number;
  /** Of the newest read index that waits for a confirmation; 0: none (thesis, section 6.4). */
  readonly readContext: number;
  stamp: number;
}

export interface HeartbeatAnswer extends Envelope {
  readonly kind: 'heartbeatAnswer';
  readonly readContext: number;
  readonly stamp: number;
}

/** The follower lacks entries that the leader's log no longer has: it is to pull a snapshot from the sender's node. */
export interface SnapshotOffer extends Envelope {
  readonly kind: 'snapshot';
  /** The least that the snapshot will hold. */
  readonly index: number;
  readonly indexTerm: number;
  stamp: number;
}

/** The follower is asked to campaign at once (thesis, section 3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: 'timeoutNow';
}

/** A follower asks the leader for a read index (thesis, section 6.4). */
export interface ReadIndexRequest extends Envelope {
  readonly kind: 'readIndex';
  readonly context: number;
}

export interface ReadIndexAnswer extends Envelope {
  readonly kind: 'readIndexAnswer';
  readonly context: number;
  /** 0: refused, the leader is none or has committed nothing of its term yet. */
  readonly index: number;
}

/** Whoever hears of no leader and has no vote to ask others for asks whether it still belongs to the group. */
export interface Inquiry extends Envelope {
  readonly kind: 'inquiry';
}

/** The receiver was a member of the group and is none any more. */
export interface RemovalNotice extends Envelope {
  readonly kind: 'removed';
}

type EitherWay =
  | VoteRequest
  | VoteAnswer
  | AppendAnswer
  | Heartbeat
  | HeartbeatAnswer
  | SnapshotOffer
  | TimeoutNow
  | ReadIndexRequest
  | ReadIndexAnswer
  | Inquiry
  | RemovalNotice;

export type OutgoingMessage = EitherWay | OutgoingAppend;
export type Message = EitherWay | IncomingAppend;
export type MessageKind = Message['kind'];

/** Whether only the leader of message.term sends it: then it renews the receiver's promise (P1, P2). */
export function isFromLeader(message: Message): boolean {
  return message.kind === 'append' || message.kind === 'heartbeat' || message.kind === 'snapshot';
}

export function isAboutVotes(message: Message): message is VoteRequest | VoteAnswer {
  const { kind } = message;
  return kind === 'preVote' || kind === 'vote' || kind === 'preVoteAnswer' || kind === 'voteAnswer';
}

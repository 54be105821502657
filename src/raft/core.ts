// The Raft protocol of one replica of one group, as a state machine: inputs are method calls, the output is one Ready.
// No clock, no timer, no I/O, nothing asynchronous; the scheduler carries out what Ready asks for and reports it with
// advance(). The core knows the indexes and terms of its log, not the bytes: those it hands out once.
//
// stable <= last; handed out <= min(committed, stable)

import { assert } from '../base/assert.ts';
import { unsupported } from '../base/errors.ts';
import { encodeChange } from './codec.ts';
import type { Message } from './messages.ts';
import type { ProgressView } from './progress.ts';
import {
  applyChange,
  type Change,
  type Configuration,
  formatConfiguration,
  membersOf,
} from './configuration.ts';
import { committedIndex, voteResult } from './quorum.ts';
import type { Ready, SnapshotMark } from './ready.ts';
import type { LogTerms } from './terms.ts';
import type {
  Entry,
  EntryKind,
  HardState,
  IndexRange,
  ReplicaId,
  Role,
  SoftState,
} from './types.ts';

/** Ticks are the driver's; bytes are those of entries, each with a little for what frames it (terms.ts). */
export interface CoreTuning {
  readonly heartbeatTicks: number;
  /** A follower campaigns after n to 2n - 1 ticks without a leader, by chance. */
  readonly electionTicks: number;
  /** Of one append; a single entry may be larger. */
  readonly appendBytesMax: number;
  /** To one follower, not yet acknowledged. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Beyond it a leader takes no proposals until some have committed; one alone may be larger. */
  readonly uncommittedBytesMax: number;
}

export const DEFAULT_TUNING: CoreTuning = {
  heartbeatTicks: 2,
  electionTicks: 12,
  appendBytesMax: 512 * 1024,
  inflightMessagesMax: 256,
  inflightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 64 * 1024 * 1024,
};

export interface CoreOptions {
  readonly replicaId: ReplicaId;
  readonly configuration: Configuration;
  /** Of the change entry that made the configuration; 0: the group began with it. May be beyond the log's end. */
  readonly configurationIndex: number;
  readonly hardState: HardState;
  /** What the log holds, all of it synced. The core keeps it. */
  readonly terms: LogTerms;
  /** The log's entries of kind 'change' after configurationIndex, in order: committed or not, they may still take
   * effect, and the core reads no bytes of old entries. */
  readonly changes: readonly Entry[];
  /** What the state machine holds: committed, and not to be handed out again. */
  readonly appliedIndex: number;
  /** Uniform in [0, bound). */
  random(bound: number): number;
  readonly tuning: CoreTuning;
}

export type ChangeProposal =
  /** P5: whoever proposes that this replica, the leader, votes no more drops its lease. See also isLeaving. */
  | { readonly kind: 'proposed'; readonly index: number; readonly removesLeader: boolean }
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'refused'; readonly reason: string };

/** `busy`: too much waits for its commit. `transferring`: the leader has asked another to lead. */
export type ProposalRefusal = 'notLeader' | 'transferring' | 'busy';

const NOTHING: readonly Entry[] = [];
const NO_BYTES = new Uint8Array(0);

export class RaftCore {
  readonly replicaId: ReplicaId;
  /** Set by the driver before tick() and step(): no promise to a leader stands in the way (P2). While false this
   * replica neither campaigns nor grants votes or pre-votes, but for transfers; the only voter does not ask. */
  mayElect = false;
  private members: Configuration;
  private membersIndex: number;
  private currentRole: Role = 'follower';
  private currentLeader: ReplicaId = 0;
  private currentTerm: number;
  private vote: ReplicaId;
  private commit: number;
  private readonly terms: LogTerms;

  /** Everything up to here is synced in this replica's own log. */
  private stableIndex: number;
  private handedIndex: number;
  /** Appended, not yet given out by ready(). */
  private fresh: Entry[] = [];
  private hardStateChanged = false;
  private softStateChanged = false;

  private readonly votes = new Map<ReplicaId, boolean>();
  /** A membership change takes effect when it commits, and there is one at a time (thesis, section 4.1). */
  private pendingChange: { readonly index: number; readonly next: Configuration } | undefined;

  constructor(options: CoreOptions) {
    const { configuration, hardState, terms, appliedIndex, replicaId } = options;
    assert(replicaId > 0, 'replica ids begin at 1');
    const compacted = terms.compacted.index;
    assert(
      compacted <= appliedIndex && appliedIndex <= terms.lastIndex,
      `applied ${appliedIndex} outside the log (${compacted}, ${terms.lastIndex}]`,
    );
    this.replicaId = replicaId;
    requireLone(configuration, replicaId);
    this.members = configuration;
    this.membersIndex = options.configurationIndex;
    this.terms = terms;
    this.currentTerm = hardState.term;
    this.vote = hardState.vote;
    this.commit = Math.max(appliedIndex, Math.min(hardState.commit, terms.lastIndex));
    this.stableIndex = terms.lastIndex;
    this.handedIndex = appliedIndex;
    assert(terms.lastTerm <= this.currentTerm, 'an entry of a term that was never entered');
    // P2: the only voter breaks no promise to anyone, so it need not wait.
    this.becomeCandidate();
  }

  get role(): Role {
    return this.currentRole;
  }

  get leader(): ReplicaId {
    return this.currentLeader;
  }

  get term(): number {
    return this.currentTerm;
  }

  get committedIndex(): number {
    return this.commit;
  }

  get lastIndex(): number {
    return this.terms.lastIndex;
  }

  get configuration(): Configuration {
    return this.members;
  }

  /** Of the change that made the configuration. */
  get configurationIndex(): number {
    return this.membersIndex;
  }

  /** As leader: an appended or committed change makes this replica vote no more; it must hold no lease (P5). */
  get isLeaving(): boolean {
    return false;
  }

  /** As leader: every member has the whole log, all of it is committed, and nothing is under way. */
  get isQuiescent(): boolean {
    return this.currentRole === 'leader' && this.commit === this.terms.lastIndex;
  }

  /** What the leader knows of another member; undefined when it is none, or this replica does not lead. */
  progressOf(replica: ReplicaId): ProgressView | undefined {
    throw unsupported(`replica ${replica}`);
  }

  /** One tick of the driver's clock, while the group is awake. */
  tick(): void {}

  /** A message arrived; foreign ones and those of old terms are dropped. */
  step(message: Message): void {
    throw unsupported(`a message from replica ${message.from}`);
  }

  /** Asks the others for their pre-votes now, if a promise does not forbid it; the only voter campaigns at once. */
  campaign(): void {
    this.becomeCandidate();
  }

  /** As leader, after the driver kept P3: asks `to` to lead once it has the whole log. No proposal is taken meanwhile.
   * After an election timeout without success this replica steps down: it holds no lease in that term any more. */
  transferLeadership(to: ReplicaId): void {
    throw unsupported(`a transfer to replica ${to}`);
  }

  /** Asks up to where the state machine must have applied for a read to see everything that was committed when it was
   * asked (thesis, section 6.4). Answered through Ready.readStates, or never when leadership changes meanwhile. False:
   * no leader is known, or it has committed nothing of its term yet, or too many reads wait. */
  readIndex(context: number): boolean {
    throw unsupported(`read ${context}`);
  }

  /** The pair's heartbeat spoke for the leader of this sleeping group: the election timer starts anew. */
  heardFromLeader(): void {}

  /** As leader: a pair's acknowledgement from the node of that replica counts for check-quorum. */
  heardFrom(replica: ReplicaId): void {
    throw unsupported(`replica ${replica}`);
  }

  /** The snapshot that Ready.snapshot asked for is in the state machine, durably (P31), and the log was reset to it if
   * it did not hold (mark.index, mark.term); that reset is written no later than the next Ready. */
  snapshotInstalled(mark: SnapshotMark): void {
    throw unsupported(`a snapshot at ${mark.index}`);
  }

  /** It could not be had; the leader offers again. */
  snapshotFailed(): void {}

  /** As leader: what was sent to that replica is lost, perhaps. */
  reportUnreachable(replica: ReplicaId): void {
    throw unsupported(`replica ${replica}`);
  }

  /** As leader: a snapshot has left for that replica, or could not. */
  reportSnapshot(replica: ReplicaId, ok: boolean): void {
    throw unsupported(`replica ${replica} ${ok}`);
  }

  /** The driver's log has forgotten everything at and below `index`, which was applied. */
  compacted(index: number): void {
    this.terms.compactTo(index);
  }

  /** Why propose() would not take so many bytes now; undefined: it would. */
  refusal(bytes: number): ProposalRefusal | undefined {
    void bytes;
    return this.currentRole === 'leader' ? undefined : 'notLeader';
  }

  /** Appends a command. Its index; undefined when it is not taken: refusal() says why. */
  propose(data: Uint8Array): number | undefined {
    if (this.currentRole !== 'leader') return undefined;
    return this.append('command', data);
  }

  proposeChange(change: Change): ChangeProposal {
    if (this.currentRole !== 'leader') return { kind: 'notLeader' };
    if (this.pendingChange !== undefined) {
      return { kind: 'refused', reason: 'another membership change is under way' };
    }
    const result = applyChange(this.members, change);
    if (result.kind === 'refused') return result;
    requireLone(result.configuration, this.replicaId);
    const index = this.append('change', encodeChange(change));
    this.pendingChange = { index, next: result.configuration };
    return { kind: 'proposed', index, removesLeader: false };
  }

  /** Whether ready() has anything to say. */
  get hasReady(): boolean {
    return (
      this.fresh.length > 0 ||
      this.hardStateChanged ||
      this.softStateChanged ||
      Math.min(this.commit, this.stableIndex) > this.handedIndex
    );
  }

  /** What is to be done now; undefined when there is nothing. Each thing is handed out once. */
  ready(): Ready | undefined {
    if (!this.hasReady) return undefined;
    const committed = this.takeCommitted();
    const entries = this.fresh.length === 0 ? NOTHING : this.fresh;
    if (entries !== NOTHING) this.fresh = [];
    const hardState = this.hardStateChanged ? this.hardState() : undefined;
    const softState = this.softStateChanged ? this.softState() : undefined;
    this.hardStateChanged = false;
    this.softStateChanged = false;
    return {
      softState,
      hardState,
      entries,
      committed,
      messages: [],
      messagesAfterSync: [],
      readStates: [],
      snapshot: undefined,
      configuration: undefined,
    };
  }

  /** The committed part of what ready() would answer: for applying at once what a sync has just committed, while more
   * proposals gather for the next ready(). */
  takeCommitted(): IndexRange | undefined {
    // P29: never apply what is not synced here, even if a majority elsewhere has it.
    const last = Math.min(this.commit, this.stableIndex);
    if (last <= this.handedIndex) return undefined;
    const range = { first: this.handedIndex + 1, last };
    this.handedIndex = last;
    return range;
  }

  /** All that `done` asked to write is synced. Readies are reported in the order in which they were taken. */
  advance(done: Ready): void {
    const { hardState, entries } = done;
    if (entries.length > 0) {
      const last = entries[entries.length - 1] as Entry;
      // Entries that a newer leader has replaced since don't count.
      if (this.terms.termAt(last.index) === last.term) {
        assert(last.index > this.stableIndex, `synced ${last.index} after ${this.stableIndex}`);
        this.stableIndex = last.index;
        if (this.currentRole === 'leader') this.maybeCommit();
      }
    }
    // P29: a vote, also a candidate's own, counts once it is synced.
    if (
      hardState !== undefined &&
      this.currentRole === 'candidate' &&
      hardState.term === this.currentTerm
    ) {
      this.countVote(this.replicaId, true);
    }
  }

  private becomeCandidate(): void {
    this.currentRole = 'candidate';
    this.currentLeader = 0;
    this.currentTerm++;
    this.vote = this.replicaId;
    this.votes.clear();
    this.hardStateChanged = true;
    this.softStateChanged = true;
  }

  private countVote(from: ReplicaId, granted: boolean): void {
    this.votes.set(from, granted);
    const { voters, outgoing } = this.members;
    if (voteResult(voters, outgoing, (voter) => this.votes.get(voter)) === 'won') this.lead();
  }

  private lead(): void {
    assert(this.currentRole === 'candidate', 'only a candidate becomes leader');
    this.currentRole = 'leader';
    this.currentLeader = this.replicaId;
    this.softStateChanged = true;
    // An entry of the own term, by which entries of earlier terms commit (Raft paper, sections 5.4.2 and 8).
    this.append('command', NO_BYTES);
  }

  private append(kind: EntryKind, data: Uint8Array): number {
    this.terms.append(this.currentTerm);
    const index = this.terms.lastIndex;
    this.fresh.push({ index, term: this.currentTerm, kind, data });
    return index;
  }

  private maybeCommit(): void {
    const { voters, outgoing } = this.members;
    const index = committedIndex(voters, outgoing, this.acknowledged);
    // A leader commits by counting only entries of its own term (Raft paper, section 5.4.2).
    if (index <= this.commit || this.terms.termAt(index) !== this.currentTerm) return;
    this.commit = index;
    const change = this.pendingChange;
    if (change !== undefined && change.index <= index) {
      this.members = change.next;
      this.membersIndex = change.index;
      this.pendingChange = undefined;
    }
  }

  private readonly acknowledged = (replica: ReplicaId): number =>
    replica === this.replicaId ? this.stableIndex : 0;

  private hardState(): HardState {
    return { term: this.currentTerm, vote: this.vote, commit: this.commit };
  }

  private softState(): SoftState {
    return { role: this.currentRole, leader: this.currentLeader };
  }
}

function requireLone(configuration: Configuration, replicaId: ReplicaId): void {
  const members = membersOf(configuration);
  if (members.length !== 1 || members[0] !== replicaId) {
    throw unsupported(
      `a Raft group of more than this node (${formatConfiguration(configuration)})`,
    );
  }
}

// How a range changes: what its leader proposes, and what every replica makes of the entry once it is committed. The
// leader lets nothing in where the change takes effect, from the turn in which it proposes until the entry is applied
// (P13), so that no check at that time can come too late. One change at a time.

import { compareBytes } from '../base/bytes.ts';
import type { Timestamp } from '../clock/timestamp.ts';
import {
  applyChange,
  type Configuration,
  configurationOf,
  isJoint,
  membersOf,
} from '../raft/configuration.ts';
import { birthMark } from '../raft/birth.ts';
import { decodeChange } from '../raft/codec.ts';
import type { LogPosition } from '../raft/terms.ts';
import { incarnationOf, nodeOf, replicaIdOn } from '../raft/types.ts';
import type { NodeId } from '../runtime/runtime.ts';
import { STATE_RECORD } from '../storage/range-records.ts';
import type { RangeId } from '../storage/shard.ts';
import type { Bounds } from './bounds.ts';
import {
  type ChangeCommand,
  decodeChangeCommand,
  encodeChangeCommand,
  type SplitCommand,
} from './change-commands.ts';
import { holdsKey, type RangeDescriptor, splitAt } from './descriptor.ts';
import type { Elsewhere } from './endpoint.ts';
import { whyNotSplit } from './layout.ts';
import { encodeState, type RangeState } from './range-state.ts';
import { RECENT_PREFIX, RecordSteps } from './record-steps.ts';
import type { ProposalOutcome, Proposer } from './replica-parts.ts';

export type ChangeOutcome =
  /** Applied here: what the range is now. */
  | { readonly kind: 'changed'; readonly descriptor: RangeDescriptor }
  /** Surely not done. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'unknown'; readonly message: string }
  | Elsewhere;

export interface SplitRequest {
  /** The first key of the right half. */
  readonly at: Uint8Array;
  readonly right: RangeId;
  readonly stickyUntil: Timestamp;
}

/** What is born on every replica by a split (P25). */
export interface SplitBirth {
  readonly state: RangeState;
  /** Its other records, but for the ids of transactions, which are the parent's. */
  readonly records: ReadonlyMap<string, Uint8Array>;
  /** The split's, in the log of what it divides. */
  readonly entry: LogPosition;
  /** The node that proposed it. */
  readonly proposer: NodeId;
}

/** The replica whose range changes. */
export interface ChangingReplica {
  /** Why this replica may propose nothing now; undefined: it leads. */
  whyNotLeading(): string | undefined;
  /** Nothing was served or assigned above it. */
  highest(): Timestamp;
  /** P18, P25: what is prepared and decided at or after `at` goes to the right half. The steps move its records; answers
   * them by name. */
  divideRecords(
    right: RangeId,
    at: Uint8Array,
    steps: RecordSteps,
  ): ReadonlyMap<string, Uint8Array>;
  /** P26: whether this node is to have the right half's first replica. */
  mayBear(right: RangeDescriptor): boolean;
  /** The range is the left half; the shard has been given what makes it so. */
  wasSplit(birth: SplitBirth): void;
}

type Push = (steps: RecordSteps | undefined) => void;

interface Proposed {
  readonly generation: number;
  readonly done: (outcome: ChangeOutcome) => void;
}

export class RangeChanges {
  private readonly nodeId: NodeId;
  private readonly bounds: Bounds;
  private readonly gate: { readonly leaderNode: number | undefined };
  private readonly proposer: Proposer;
  private readonly replica: ChangingReplica;
  private proposed: Proposed | undefined = undefined;

  constructor(
    nodeId: NodeId,
    bounds: Bounds,
    gate: { readonly leaderNode: number | undefined },
    proposer: Proposer,
    replica: ChangingReplica,
  ) {
    this.nodeId = nodeId;
    this.bounds = bounds;
    this.gate = gate;
    this.proposer = proposer;
    this.replica = replica;
  }

  split({ at, right, stickyUntil }: SplitRequest): Promise<ChangeOutcome> {
    const { bounds } = this;
    const { descriptor } = bounds;
    if (!holdsKey(descriptor, at)) {
      return Promise.resolve(bounds.wrong({ start: at, end: undefined }));
    }
    const refusal =
      whyNotSplit(descriptor) ??
      (compareBytes(at, descriptor.span.start) === 0 ? 'the range begins there' : undefined);
    if (refusal !== undefined) return Promise.resolve({ kind: 'refused', message: refusal });
    return this.propose(at, (generation, floor) => ({
      kind: 'split',
      floor,
      generation,
      at,
      right,
      stickyUntil,
      closed: bounds.state.closed,
      proposer: this.nodeId,
    }));
  }

  /** Until then no merge takes the range's start away. */
  stick(stickyUntil: Timestamp): Promise<ChangeOutcome> {
    return this.propose(undefined, (generation, floor) => ({
      kind: 'stick',
      floor,
      generation,
      stickyUntil,
    }));
  }

  /** Of a change of members, which the log has carried out already. */
  membersChanged(data: Uint8Array): Uint8Array | undefined {
    const { state } = this.bounds;
    const { descriptor } = state;
    const result = applyChange(descriptor.configuration, decodeChange(data));
    if (result.kind === 'refused') return undefined;
    const { configuration } = result;
    const newest = Math.max(0, ...membersOf(configuration).map(incarnationOf));
    const nextIncarnation = Math.max(descriptor.nextIncarnation, newest + 1);
    const generation = descriptor.generation + 1;
    const steps = new RecordSteps();
    this.become(
      { ...state, descriptor: { ...descriptor, configuration, generation, nextIncarnation } },
      steps,
    );
    return steps.command();
  }

  /** `push` gives the shard what it is to make of the entry; undefined: nothing comes of it. */
  apply(entry: LogPosition, data: Uint8Array, push: Push): void {
    const command = decodeChangeCommand(data);
    const { descriptor } = this.bounds;
    const { proposed } = this;
    const isOurs = proposed !== undefined && proposed.generation === command.generation;
    if (isOurs) this.proposed = undefined;
    if (descriptor.generation !== command.generation) {
      push(undefined);
      if (isOurs) this.over(proposed, { kind: 'refused', message: 'the range has changed' });
      return;
    }
    this.carryOut(command, entry, push);
    if (isOurs) this.over(proposed, { kind: 'changed', descriptor: this.bounds.descriptor });
  }

  /** Why no other change may be proposed now. */
  whyBusy(): string | undefined {
    const { bounds } = this;
    const isBusy = this.proposed !== undefined || bounds.isBarred;
    return isBusy || isJoint(bounds.descriptor.configuration)
      ? 'the range is changing already'
      : undefined;
  }

  /** This replica leads no more: others will carry out what was proposed, or not. */
  lose(): void {
    const { proposed } = this;
    if (proposed === undefined) return;
    this.proposed = undefined;
    this.over(proposed, { kind: 'unknown', message: 'leadership was lost before it was decided' });
  }

  private carryOut(command: ChangeCommand, entry: LogPosition, push: Push): void {
    const { state } = this.bounds;
    const { descriptor } = state;
    switch (command.kind) {
      case 'split': {
        const { left, right } = halves(descriptor, command);
        const spanGeneration = left.generation;
        const steps = new RecordSteps(this.replica.mayBear(right) ? undefined : right.range);
        const birth: SplitBirth = {
          state: {
            descriptor: right,
            mark: birthMark(right.configuration),
            spanGeneration,
            floor: command.floor,
            closed: command.closed,
            gcThreshold: state.gcThreshold,
            frozen: undefined,
          },
          records: this.replica.divideRecords(right.range, command.at, steps),
          entry,
          proposer: command.proposer,
        };
        steps.copy(descriptor.range, RECENT_PREFIX, right.range);
        steps.put(right.range, STATE_RECORD, encodeState(birth.state));
        steps.applied(right.range, birthMark(right.configuration).index);
        this.become({ ...state, descriptor: left, spanGeneration }, steps);
        push(steps);
        this.replica.wasSplit(birth);
        return;
      }
      case 'stick': {
        const { stickyUntil } = command;
        const steps = new RecordSteps();
        const generation = descriptor.generation + 1;
        this.become({ ...state, descriptor: { ...descriptor, stickyUntil, generation } }, steps);
        push(steps);
      }
    }
  }

  private become(state: RangeState, steps: RecordSteps): void {
    steps.put(state.descriptor.range, STATE_RECORD, encodeState(state));
    this.bounds.change(state);
  }

  /** `from`: nothing is admitted from that key on until it is applied. In one turn: from the last check on nothing is
   * served or assigned there above the floor that the entry carries (P13). */
  private propose(
    from: Uint8Array | undefined,
    command: (generation: number, floor: Timestamp) => ChangeCommand,
  ): Promise<ChangeOutcome> {
    const { bounds, replica } = this;
    const reason = replica.whyNotLeading();
    if (reason !== undefined) return Promise.resolve(bounds.notLeader(this.gate, reason));
    const busy = this.whyBusy();
    if (busy !== undefined) return Promise.resolve({ kind: 'refused', message: busy });
    const { generation } = bounds.descriptor;
    return new Promise((done) => {
      const proposed: Proposed = { generation, done };
      this.proposed = proposed;
      if (from !== undefined) bounds.bar(from);
      const data = encodeChangeCommand(command(generation, replica.highest()));
      this.proposer.submit(data, (outcome) => this.told(proposed, outcome));
    });
  }

  private told(proposed: Proposed, outcome: ProposalOutcome): void {
    // It may still commit: what it bars stays barred until the log tells, or leadership ends.
    if (outcome.kind === 'committed' || outcome.kind === 'unknown') return;
    if (this.proposed !== proposed) return;
    this.proposed = undefined;
    this.over(proposed, { kind: 'refused', message: outcome.message });
  }

  private over(proposed: Proposed, outcome: ChangeOutcome): void {
    this.bounds.lift();
    proposed.done(outcome);
  }
}

function halves(
  whole: RangeDescriptor,
  { at, right, stickyUntil }: SplitCommand,
): { readonly left: RangeDescriptor; readonly right: RangeDescriptor } {
  const configuration = firstConfiguration(whole.configuration);
  return splitAt(whole, at, { range: right, configuration, stickyUntil });
}

/** The same nodes, each with the first replica of a new range (P32). */
function firstConfiguration({ voters, learners }: Configuration): Configuration {
  const first = (replica: number): number => replicaIdOn(nodeOf(replica), 0);
  return configurationOf(voters.map(first), learners.map(first));
}

// How a range changes: what its leader proposes, and what every replica makes of the entry once it is committed. The
// leader lets nothing in where the change takes effect, from the turn in which it proposes until the entry is applied
// (P13), so that no check at that time can come too late. One change at a time.

import { assert } from '../base/assert.ts';
import { compareBytes, EMPTY_BYTES, equalBytes } from '../base/bytes.ts';
import { laterOf, type Timestamp } from '../clock/timestamp.ts';
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
  type MergeCommand,
  type SplitCommand,
} from './change-commands.ts';
import { holdsKey, type RangeDescriptor, splitAt } from './descriptor.ts';
import type { Elsewhere } from './endpoint.ts';
import type { Absorption, SplitBirth } from './handed-over.ts';
import { whyNotSplit } from './layout.ts';
import { encodeState, type Freeze, type RangeState } from './range-state.ts';
import { MERGED_PREFIX, RECENT_PREFIX, RecordSteps } from './record-steps.ts';
import type { ProposalOutcome, Proposer } from './replica-parts.ts';
import type { Span } from './requests.ts';

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

/** The replica whose range changes. */
export interface ChangingReplica {
  /** Why this replica may propose nothing now; undefined: it leads. */
  whyNotLeading(): string | undefined;
  /** Nothing was served or assigned above it. */
  highest(): Timestamp;
  /** P16: until then locks were promised to stay. */
  promised(): Timestamp;
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
  /** P27: the range to the right, which every replica has frozen by then. */
  takeRight(right: RangeId, generation: number): Absorption;
  /** What was recorded of transactions there comes here. */
  uniteRecords(records: ReadonlyMap<string, Uint8Array>, steps: RecordSteps): void;
  /** The range has grown; the shard has been given what makes it so. */
  wasMerged(right: Absorption, floor: Timestamp): void;
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
  private isReserved = false;
  /** Ranges that this one has taken over, for good. */
  private readonly absorbed = new Set<RangeId>();

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
    return this.propose('split', at, (generation, floor) => ({
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
    return this.propose('stick', undefined, (generation, floor) => ({
      kind: 'stick',
      floor,
      generation,
      stickyUntil,
    }));
  }

  /** P27. `byGeneration`: of the range to the left, which is to take this one over. */
  freeze(by: RangeId, byGeneration: number): Promise<ChangeOutcome> {
    return this.propose('freeze', this.bounds.span.start, (generation, floor) => ({
      kind: 'freeze',
      // If another leads where it goes on, no lock goes there.
      floor: laterOf(floor, this.replica.promised()),
      generation,
      by,
      byGeneration,
    }));
  }

  /** P27: only once the left range has decided that it won't be. */
  thaw(): Promise<ChangeOutcome> {
    const { frozen } = this.bounds.state;
    if (frozen === undefined) {
      return Promise.resolve({ kind: 'changed', descriptor: this.bounds.descriptor });
    }
    return this.propose('thaw', undefined, (generation, floor) => ({
      kind: 'thaw',
      floor,
      generation,
    }));
  }

  /** Between reserve() and release(), once every replica of the right range has its freeze durably. */
  absorb(right: RangeState): Promise<ChangeOutcome> {
    const { frozen, descriptor } = right;
    assert(frozen !== undefined, 'P27: a range is frozen before it is taken over');
    if (frozen.generation !== this.bounds.descriptor.generation) {
      return Promise.resolve({ kind: 'refused', message: 'the range has changed' });
    }
    return this.propose('merge', undefined, (generation, floor) => ({
      kind: 'merge',
      floor: laterOf(floor, frozen.floor),
      generation,
      right: descriptor.range,
      rightGeneration: descriptor.generation,
    }));
  }

  /** P27: it has taken that range over, so that nobody may thaw it any more. */
  hasAbsorbed(range: RangeId): boolean {
    return this.absorbed.has(range);
  }

  /** From the shard's records. */
  restore(records: ReadonlyMap<string, Uint8Array>): void {
    this.absorbed.clear();
    for (const name of records.keys()) {
      if (name.startsWith(MERGED_PREFIX)) {
        this.absorbed.add(Number(name.slice(MERGED_PREFIX.length)));
      }
    }
  }

  /** Nothing else is proposed until release(). */
  reserve(): void {
    this.isReserved = true;
  }

  release(): void {
    this.isReserved = false;
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
    const { configuration } = bounds.descriptor;
    const isBusy =
      this.proposed !== undefined || this.isReserved || bounds.isBarred || isJoint(configuration);
    return isBusy ? 'the range is changing already' : undefined;
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
        return;
      }
      case 'freeze': {
        const { by, byGeneration, floor } = command;
        this.freezeTo({ by, generation: byGeneration, floor }, push);
        return;
      }
      case 'thaw':
        this.freezeTo(undefined, push);
        return;
      case 'merge':
        this.merge(command, push);
    }
  }

  private freezeTo(frozen: Freeze | undefined, push: Push): void {
    const { state } = this.bounds;
    const generation = state.descriptor.generation + 1;
    const steps = new RecordSteps();
    this.become({ ...state, descriptor: { ...state.descriptor, generation }, frozen }, steps);
    push(steps);
  }

  /** P27: in one atomic step of the shard, which has both. */
  private merge({ right, rightGeneration, floor }: MergeCommand, push: Push): void {
    const { state } = this.bounds;
    const { descriptor } = state;
    const absorbed = this.replica.takeRight(right, rightGeneration);
    const { state: other } = absorbed;
    const { end } = descriptor.span;
    const isNext = end !== undefined && equalBytes(end, other.descriptor.span.start);
    assert(isNext, `P27: range ${right} is not the next one after range ${descriptor.range}`);
    const generation = Math.max(descriptor.generation, rightGeneration) + 1;
    const span: Span = { start: descriptor.span.start, end: other.descriptor.span.end };
    const steps = new RecordSteps();
    steps.copy(right, RECENT_PREFIX, descriptor.range);
    this.replica.uniteRecords(absorbed.records, steps);
    steps.forget(right);
    steps.put(descriptor.range, MERGED_PREFIX + right, EMPTY_BYTES);
    this.absorbed.add(right);
    this.become(
      {
        ...state,
        descriptor: { ...descriptor, span, generation },
        spanGeneration: generation,
        floor: laterOf(state.floor, floor),
        closed: state.closed < other.closed ? state.closed : other.closed,
        gcThreshold: laterOf(state.gcThreshold, other.gcThreshold),
      },
      steps,
    );
    push(steps);
    this.replica.wasMerged(absorbed, floor);
  }

  private become(state: RangeState, steps: RecordSteps): void {
    steps.put(state.descriptor.range, STATE_RECORD, encodeState(state));
    this.bounds.change(state);
  }

  /** `from`: nothing is admitted from that key on until it is applied. In one turn: from the last check on nothing is
   * served or assigned there above the floor that the entry carries (P13). */
  private propose(
    kind: ChangeCommand['kind'],
    from: Uint8Array | undefined,
    commandOf: (generation: number, floor: Timestamp) => ChangeCommand,
  ): Promise<ChangeOutcome> {
    const { bounds, replica } = this;
    const reason = replica.whyNotLeading();
    if (reason !== undefined) return Promise.resolve(bounds.notLeader(this.gate, reason));
    const busy = this.whyBusy();
    if (busy !== undefined && !this.isNextStep(kind)) {
      return Promise.resolve({ kind: 'refused', message: busy });
    }
    const { generation } = bounds.descriptor;
    return new Promise((done) => {
      const proposed: Proposed = { generation, done };
      this.proposed = proposed;
      if (from !== undefined) bounds.bar(from);
      const data = encodeChangeCommand(commandOf(generation, replica.highest()));
      this.proposer.submit(data, (outcome) => this.told(proposed, outcome));
    });
  }

  /** Of a merge: what was begun is what makes the range busy. */
  private isNextStep(kind: ChangeCommand['kind']): boolean {
    if (this.proposed !== undefined) return false;
    if (kind === 'thaw') return this.bounds.state.frozen !== undefined;
    return kind === 'merge' && this.isReserved && !this.bounds.isBarred;
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

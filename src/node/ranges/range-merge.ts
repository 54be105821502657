// Merging a range with the one to its right (P27). The left range's leader drives it, and leads both for as long as it
// takes:
//
//   every node says that both are there and whole, and makes durable what it has, so that little is left to be done
//     while nothing is served;
//   the right range is frozen, by an entry of its own log: it serves nothing any more, whoever leads it;
//   every node makes sure that its replica has that durably: from then on the right range's log is not needed;
//   the left range takes it over, by an entry of its log, on every replica in one atomic step.
//
// Whoever leads the right range and finds it frozen for long asks the left one's leader what became of that: only the
// left range's log decides. One that has changed since can't carry a merge out any more, so that the freeze may go; one
// that did carry it out knows that for good, however it came to its state. Of one that was itself taken over since, what
// lies there now tells by its generation.

import { ByteReader, ByteWriter, equalBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { isJoint } from '../../raft/configuration.ts';
import { nodesOf, type RangeDescriptor } from '../../ranges/descriptor.ts';
import { mayMergeAt } from '../../ranges/layout.ts';
import type { ChangeOutcome } from '../../ranges/range-changes.ts';
import type { Freeze } from '../../ranges/range-state.ts';
import { pause, within } from '../../ranges/within.ts';
import type { ByteStream, NodeId, Runtime } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { Streams } from '../streams.ts';
import type { RangeHost } from './range-host.ts';

const PURPOSE = 'merge';
const ANSWER_MICROS = 10_000_000;
/** While nothing is served: then the freeze is taken back. */
const FROZEN_ANSWER_MICROS = 1_000_000;
const LOOK_MICROS = 5_000;
/** While nothing is served. */
const APPLIED_LOOK_MICROS = 1_000;
/** For the right range to be led here. */
const LEADING_MICROS_MAX = 3_000_000;
/** After this long a freeze is looked into. */
const FROZEN_LOOK_MICROS = 2_000_000;

/** Asks the leader of `right` to let this node lead it. */
const LEAD = 1;
/** Whether the replica of `right` there is whole, beside that of `left`, and has applied its log up to `number`, durably;
 * FROZEN: and is frozen by then. */
const READY = 4;
const FROZEN = 2;
/** Asks the leader of `left` to decide against taking `right` over, which it was asked at generation `number`. */
const UNDO = 3;

interface Question {
  readonly kind: number;
  readonly left: RangeId;
  readonly right: RangeId;
  readonly number: number;
}

export interface MergeParts {
  readonly nodeId: NodeId;
  readonly runtime: Pick<Runtime, 'network' | 'timers' | 'log'>;
  readonly streams: Streams;
  readonly get: (range: RangeId) => RangeHost | undefined;
  readonly oncePublished: (host: RangeHost) => Promise<boolean>;
  readonly find: (key: Uint8Array) => RangeHost | undefined;
  /** Of the ranges before that key, as far as is known here, or elsewhere. */
  readonly before: (start: Uint8Array) => Promise<readonly RangeDescriptor[]>;
}

export class RangeMerges {
  private readonly parts: MergeParts;
  /** Left ranges that are being merged from here. */
  private readonly running = new Set<RangeId>();
  /** Frozen ranges that are looked after. */
  private readonly watched = new Set<RangeId>();
  private isStopped = false;

  constructor(parts: MergeParts) {
    this.parts = parts;
    parts.streams.registerAll(PURPOSE, (from, stream) => this.serve(from, stream));
  }

  stop(): void {
    this.isStopped = true;
  }

  /** Of the left range's leader. Resolves when both are one. */
  async merge(left: RangeHost): Promise<void> {
    const right = this.rightOf(left);
    if (this.running.has(left.range)) throw refused(left.range, 'it is being merged already');
    // A frozen one among others: nobody could tell the next what became of its freeze.
    const busy = left.replica.changes.whyBusy();
    if (busy !== undefined) throw refused(left.range, busy);
    this.running.add(left.range);
    left.replica.changes.reserve();
    try {
      await this.leadBoth(left, right);
      await this.carryOut(left, right);
    } finally {
      left.replica.changes.release();
      this.running.delete(left.range);
    }
  }

  /** What a range is has changed, or who leads it. */
  changed(host: RangeHost): void {
    const { frozen } = host.replica.rangeState;
    if (frozen === undefined || !host.isServing || this.watched.has(host.range)) return;
    this.watched.add(host.range);
    this.parts.runtime.timers.after(FROZEN_LOOK_MICROS, () => {
      this.watched.delete(host.range);
      if (!this.isStopped) void this.lookInto(host);
    });
  }

  private rightOf(left: RangeHost): RangeHost {
    const { end } = left.descriptor.span;
    if (end === undefined) throw refused(left.range, 'it is the last one');
    if (!mayMergeAt(end)) throw refused(left.range, 'what follows is of another kind');
    const right = this.parts.find(end);
    if (right === undefined) throw refused(left.range, 'the next one has no replica here');
    const reason = whyNot(left.descriptor, right.descriptor);
    if (reason !== undefined) throw refused(left.range, reason);
    if (right.shard !== left.shard) throw refused(left.range, 'both are in different stores');
    return right;
  }

  private async leadBoth(left: RangeHost, right: RangeHost): Promise<void> {
    const { timers } = this.parts.runtime;
    const leader = right.leaderElsewhere;
    if (!right.isServing && leader !== undefined) {
      await this.ask(leader, { kind: LEAD, left: left.range, right: right.range, number: 0 });
    }
    for (let waited = 0; !right.isServing; waited += LOOK_MICROS) {
      if (waited > LEADING_MICROS_MAX) throw refused(left.range, 'the next one is led elsewhere');
      await pause(timers, LOOK_MICROS);
    }
  }

  private async carryOut(left: RangeHost, right: RangeHost): Promise<void> {
    for (const host of [left, right]) {
      // P28: whoever looks for the right one must come to hear of the left one.
      if (await this.parts.oncePublished(host)) continue;
      throw refused(left.range, `the directory does not know range ${host.range} as it is`);
    }
    await this.askAll(right, left.range, READY, ANSWER_MICROS);
    // It may have been divided meanwhile.
    if (this.rightOf(left) !== right) throw refused(left.range, 'it has changed');
    const { generation } = left.descriptor;
    demand(await right.replica.changes.freeze(left.range, generation), right.range);
    right.tellCommits();
    try {
      // Its outcome is told where it is prepared.
      if (right.replica.twoPhase.preparedCount > 0) {
        throw refused(left.range, 'the next one has transactions that are prepared');
      }
      await this.askAll(right, left.range, FROZEN, FROZEN_ANSWER_MICROS);
      const reason = whyNot(left.descriptor, right.descriptor);
      if (reason !== undefined) throw refused(left.range, reason);
      demand(await left.replica.changes.absorb(right.replica.rangeState), left.range);
    } catch (error) {
      // If it can't be thawed now, whoever leads it then does it.
      await this.undo(left, right, generation).catch(() => undefined);
      throw error;
    }
  }

  /** Of every replica. */
  private async askAll(
    right: RangeHost,
    left: RangeId,
    kind: number,
    micros: number,
  ): Promise<void> {
    const number = right.group.delivered;
    const question = { kind, left, right: right.range, number };
    await Promise.all(nodesOf(right.descriptor).map((node) => this.ask(node, question, micros)));
  }

  private async undo(left: RangeHost, right: RangeHost, generation: number): Promise<void> {
    left.replica.changes.release();
    if (!right.isKnown) return;
    if (await this.decideAgainst(left, right.range, generation)) await right.replica.changes.thaw();
  }

  /** Of the left range's leader: whether it won't take the other over any more. */
  private async decideAgainst(
    left: RangeHost,
    right: RangeId,
    generation: number,
  ): Promise<boolean> {
    if (left.replica.changes.hasAbsorbed(right)) return false;
    if (left.descriptor.generation > generation) return true;
    const { stickyUntil } = left.descriptor;
    const outcome = await left.replica.changes.stick(stickyUntil);
    return outcome.kind === 'changed';
  }

  private async lookInto(host: RangeHost): Promise<void> {
    const { frozen } = host.replica.rangeState;
    if (frozen === undefined || !host.isServing || this.parts.get(host.range) !== host) return;
    const { runtime, get, nodeId } = this.parts;
    const { by, generation } = frozen;
    const left = get(by);
    const leader = left?.isServing === true ? nodeId : left?.leaderElsewhere;
    try {
      if (!(await this.wasPassedOver(host, frozen))) {
        if (leader === undefined) throw new Error(`nobody leads range ${by}`);
        await this.ask(leader, { kind: UNDO, left: by, right: host.range, number: generation });
      }
      await host.replica.changes.thaw();
    } catch (error) {
      const fields = { range: host.range, left: by, error: String(error) };
      runtime.log.warn('a range stays frozen for now', fields);
    }
    this.changed(host);
  }

  /** Whether what lies to the left, by whatever name, is of a later generation than could take the range over, and ends
   * where it begins: the one that was to do it has become another's since, or has been divided. */
  private async wasPassedOver(
    { descriptor }: RangeHost,
    { by, generation }: Freeze,
  ): Promise<boolean> {
    const { start } = descriptor.span;
    const known = await this.parts.before(start);
    return known.some(
      ({ range, span, generation: later }) =>
        // The one itself has to be asked: it may have taken the range over, and been divided there again.
        range !== by && later > generation && span.end !== undefined && equalBytes(span.end, start),
    );
  }

  /** Rejects with a DbError. */
  private async ask(node: NodeId, question: Question, micros = ANSWER_MICROS): Promise<void> {
    try {
      if (node === this.parts.nodeId) await this.answer(node, question);
      else await this.askThere(node, question, micros);
    } catch (error) {
      if (error instanceof DbError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw refused(question.left, `node ${node}: ${reason}`);
    }
  }

  private async askThere(node: NodeId, question: Question, micros: number): Promise<void> {
    const { timers, network } = this.parts.runtime;
    const opening = network.openStream(node, `${PURPOSE}/${question.right}`);
    const stream = await within(timers, micros, `node ${node}`, opening);
    try {
      await stream.write(encodeQuestion(question));
      const answer = await within(timers, micros, `node ${node}`, stream.read());
      stream.end();
      const refusal = answer === undefined ? 'it does not answer' : new ByteReader(answer).text();
      if (refusal !== '') throw new Error(refusal);
    } catch (error) {
      stream.abort();
      throw error;
    }
  }

  private async serve(from: NodeId, stream: ByteStream): Promise<void> {
    const message = await stream.read();
    if (message === undefined) return;
    let refusal = '';
    try {
      await this.answer(from, decodeQuestion(message));
    } catch (error) {
      refusal = error instanceof Error ? error.message : String(error);
    }
    const writer = new ByteWriter(64);
    writer.text(refusal);
    await stream.write(writer.take());
    stream.end();
  }

  /** Rejects when it is not so, or can't be done. */
  private async answer(from: NodeId, { kind, left, right, number }: Question): Promise<void> {
    const { get } = this.parts;
    if (kind === UNDO) {
      const host = get(left);
      if (host?.isServing !== true) throw new Error(`range ${left} is led elsewhere`);
      if (this.running.has(left)) throw new Error(`range ${left} is being merged`);
      if (await this.decideAgainst(host, right, number)) return;
      throw new Error(`range ${left} has not decided`);
    }
    const host = get(right);
    if (host === undefined) throw new Error(`range ${right} is not there`);
    if (kind === LEAD) {
      await host.transferTo(from);
      return;
    }
    await this.onceApplied(host, number);
    const isFrozen = host.replica.rangeState.frozen?.by === left;
    if (kind === FROZEN && !isFrozen) throw new Error('it is not frozen');
    // What differs from the others must not become a part of what does not.
    const { whyBroken } = host.replica;
    if (whyBroken !== undefined) throw new Error(whyBroken);
    if (get(left)?.shard !== host.shard) throw new Error('both are in different stores');
    await host.shard.flush();
  }

  private async onceApplied(host: RangeHost, index: number): Promise<void> {
    const { runtime } = this.parts;
    for (let waited = 0; host.appliedIndex < index; waited += APPLIED_LOOK_MICROS) {
      if (waited > ANSWER_MICROS) throw new Error('it has not come so far');
      host.replica.flushApplies();
      await pause(runtime.timers, APPLIED_LOOK_MICROS);
    }
  }
}

function whyNot(left: RangeDescriptor, right: RangeDescriptor): string | undefined {
  const nodes = (descriptor: RangeDescriptor): string => {
    const { voters, learners } = descriptor.configuration;
    const sorted = [...nodesOf(descriptor)].sort((a, b) => a - b);
    return `${voters.length} ${learners.length} ${sorted.join(' ')}`;
  };
  if (nodes(left) !== nodes(right)) return 'both have replicas on different nodes';
  if (isJoint(left.configuration) || isJoint(right.configuration)) return 'replicas are changing';
  return left.configuration.learners.length > 0 ? 'replicas are coming' : undefined;
}

function demand(outcome: ChangeOutcome, range: RangeId): void {
  if (outcome.kind === 'changed') return;
  throw refused(range, 'message' in outcome ? outcome.message : outcome.kind);
}

function refused(range: RangeId, reason: string): DbError {
  return new DbError('55000', `range ${range} can't be merged with the next one: ${reason}`);
}

function encodeQuestion({ kind, left, right, number }: Question): Uint8Array {
  const writer = new ByteWriter(32);
  writer.u8(kind);
  writer.u32(left);
  writer.u32(right);
  writer.u53(number);
  return writer.take();
}

function decodeQuestion(message: Uint8Array): Question {
  const reader = new ByteReader(message);
  return { kind: reader.u8(), left: reader.u32(), right: reader.u32(), number: reader.u53() };
}

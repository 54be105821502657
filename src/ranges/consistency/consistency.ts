// Whether the replicas of a range hold the same. The leader logs a command that makes each of them sum up what it holds
// at one timestamp (replica-sums.ts), asks all for their sums, and tells those that differ from most. Such a replica
// stops serving for good, looks for the first key in which it differs, and says so. It stays a member of its group: its
// log is right, what was made of it is not.

import { toHex } from '../../base/bytes.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import { PackedRowReader } from '../../rows/packed-rows.ts';
import type { ByteStream, NodeId, Runtime } from '../../runtime/runtime.ts';
import type { RangeId, Shard } from '../../storage/shard.ts';
import type { Span } from '../api.ts';
import { within } from '../within.ts';
import * as format from './consistency-format.ts';
import { type Sum, type Verdict, verdictOf } from './consistency-verdict.ts';
import { firstDifference } from './first-difference.ts';
import type { ReplicaSum, ReplicaSums } from './replica-sums.ts';

/** For one answer: it may take a scan of everything, behind a log that is not applied yet. */
const ANSWER_MICROS = 120_000_000;
const KEY_DIGITS_MAX = 128;

/** The replica here. */
export interface CheckedReplica {
  readonly sums: ReplicaSums;
  flushApplies(): void;
  /** P24: throws when what was there at t is not kept any more. */
  demandKept(t: Timestamp): void;
  proposeChecksum(id: number): Promise<Timestamp>;
  break(reason: string): void;
}

export interface ConsistencyParts {
  readonly range: RangeId;
  readonly span: Span;
  readonly nodeId: NodeId;
  readonly shard: Shard;
  readonly runtime: Pick<Runtime, 'network' | 'timers' | 'log'>;
  readonly clock: IntervalClock;
  readonly replica: CheckedReplica;
  /** All nodes with a replica, this one included. */
  members(): readonly NodeId[];
}

export class Consistency {
  private readonly parts: ConsistencyParts;
  private running: Promise<Verdict & { readonly sums: readonly Sum[] }> | undefined = undefined;

  constructor(parts: ConsistencyParts) {
    this.parts = parts;
  }

  /** Of the leader; one at a time. Rejects when it can't be asked for now. */
  check(): Promise<Verdict & { readonly sums: readonly Sum[] }> {
    this.running ??= this.compare().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /** Answers another node's questions. Never rejects. */
  async serve(from: NodeId, stream: ByteStream): Promise<void> {
    try {
      for (;;) {
        const question = await stream.read();
        if (question === undefined) break;
        await stream.write(await this.answer(question));
      }
      stream.end();
    } catch (error) {
      const { log } = this.parts.runtime;
      log.warn('a comparison of replicas was cut off', { from, error: String(error) });
      stream.abort();
    }
  }

  private async compare(): Promise<Verdict & { readonly sums: readonly Sum[] }> {
    const { nodeId, replica, range, clock, runtime } = this.parts;
    const id = clock.latest();
    const members = this.parts.members();
    const at = await replica.proposeChecksum(id);
    const nodes = [nodeId, ...members.filter((node) => node !== nodeId)];
    const answers = await Promise.all(nodes.map((node) => this.sumOf(node, id)));
    const sums: Sum[] = [];
    answers.forEach((answer, i) => {
      if (answer?.kind === 'done') sums.push({ node: nodes[i] as NodeId, sum: answer.sum });
    });
    // Without its own it knows nothing.
    const verdict = verdictOf(answers[0]?.kind === 'done' ? sums : [], members.length);
    if (verdict.kind === 'different') {
      const { right } = verdict;
      runtime.log.error('replicas of a range differ', {
        range,
        nodes: verdict.nodes.join(', '),
        right,
      });
      await Promise.all(verdict.nodes.map((node) => this.tell(node, at, right)));
    }
    return { ...verdict, sums };
  }

  private async sumOf(node: NodeId, id: number): Promise<ReplicaSum | undefined> {
    const { runtime, nodeId, replica, range } = this.parts;
    try {
      if (node === nodeId) {
        return await within(runtime.timers, ANSWER_MICROS, 'the sum', replica.sums.wait(id));
      }
      return format.readSum(await this.ask(node, format.askSum(id)));
    } catch (error) {
      runtime.log.warn('a replica did not say what it holds', {
        range,
        node,
        error: String(error),
      });
      return undefined;
    }
  }

  private async tell(node: NodeId, at: Timestamp, right: NodeId): Promise<void> {
    if (node === this.parts.nodeId) {
      this.differs(at, right);
      return;
    }
    try {
      const answer = await this.ask(node, format.tellDifferent(at, right));
      format.expect(answer, format.ANSWER_TOLD);
    } catch (error) {
      const { log } = this.parts.runtime;
      log.error('a replica that differs could not be told', { node, error: String(error) });
    }
  }

  private async answer(question: Uint8Array): Promise<Uint8Array> {
    const kind = question[0] as number;
    const reader = format.expect(question, kind);
    switch (kind) {
      case format.ASK_SUM:
        return format.answerSum(await this.parts.replica.sums.wait(reader.u53()));
      case format.ASK_SPAN: {
        const { span, at } = format.readAskedSpan(reader);
        return format.answerSpan(await this.summarize(span, at));
      }
      case format.TELL_DIFFERENT: {
        const at = reader.u53() as Timestamp;
        this.differs(at, reader.u32());
        return format.answerTold();
      }
      default:
        throw new Error(`question ${kind} is not known`);
    }
  }

  /** Stops serving in this turn; the key is found later. */
  private differs(at: Timestamp, right: NodeId): void {
    const { replica, runtime, range, nodeId } = this.parts;
    const reason = `the replica of range ${range} on node ${nodeId} holds other rows than most do`;
    replica.break(`${reason} (XX001)`);
    this.findDifference(at, right).then(
      (key) => {
        const where =
          key === undefined ? 'the difference is gone by now' : `the first is ${keyText(key)}`;
        replica.break(`${reason}: ${where} (XX001)`);
        runtime.log.error(reason, {
          key: key === undefined ? '' : toHex(key),
          comparedWith: right,
          hint: 'Stop this node and replace its data directory.',
        });
      },
      (error: unknown) => runtime.log.error(reason, { comparedWith: right, error: String(error) }),
    );
  }

  private async findDifference(at: Timestamp, right: NodeId): Promise<Uint8Array | undefined> {
    const { runtime, range, span } = this.parts;
    const stream = await runtime.network.openStream(right, format.purposeOfChecksums(range));
    try {
      const there = async (part: Span, t: Timestamp): Promise<format.SpanSummary> =>
        format.readSpanSummary(await this.exchange(stream, format.askSpan(part, t)));
      const key = await firstDifference(span, at, (part, t) => this.summarize(part, t), there);
      stream.end();
      return key;
    } catch (error) {
      stream.abort();
      throw error;
    }
  }

  private async summarize(span: Span, at: Timestamp): Promise<format.SpanSummary> {
    const { shard, replica } = this.parts;
    replica.flushApplies();
    const [sum, first, last] = await Promise.all([
      shard.checksum(span, at),
      edgeKey(shard, span, at, false),
      edgeKey(shard, span, at, true),
    ]);
    replica.demandKept(at);
    return { sum, first, last };
  }

  private async ask(node: NodeId, question: Uint8Array): Promise<Uint8Array> {
    const { network, timers } = this.parts.runtime;
    const purpose = format.purposeOfChecksums(this.parts.range);
    const opening = network.openStream(node, purpose);
    const stream = await within(timers, ANSWER_MICROS, `node ${node}`, opening);
    try {
      const answer = await this.exchange(stream, question);
      stream.end();
      return answer;
    } catch (error) {
      stream.abort();
      throw error;
    }
  }

  private async exchange(stream: ByteStream, question: Uint8Array): Promise<Uint8Array> {
    const { timers } = this.parts.runtime;
    await within(timers, ANSWER_MICROS, 'a question', stream.write(question));
    const answer = await within(timers, ANSWER_MICROS, 'an answer', stream.read());
    if (answer === undefined) throw new Error('the stream ended before its answer');
    return answer;
  }
}

async function edgeKey(
  shard: Shard,
  span: Span,
  at: Timestamp,
  reverse: boolean,
): Promise<Uint8Array | undefined> {
  const scan = shard.scan({
    span,
    at,
    reverse,
    program: undefined,
    parameters: undefined,
    limitRows: 1,
    batchBytes: 1,
  });
  try {
    for (let batch = await scan.next(); batch !== undefined; batch = await scan.next()) {
      const reader = new PackedRowReader(batch.rows);
      if (reader.next()) return reader.key();
    }
    return undefined;
  } finally {
    scan.close();
  }
}

function keyText(key: Uint8Array): string {
  const digits = toHex(key);
  return digits.length > KEY_DIGITS_MAX ? `${digits.slice(0, KEY_DIGITS_MAX)}…` : digits;
}

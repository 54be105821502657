// Pulls a range's state from the leader's node and installs it (P31): the shard marks the range before anything of it
// goes, and takes the mark away when everything is durable. Until the mark is set a failure leaves all as it was, and the
// leader will offer again. From then on there is no state to go back to, whatever the log holds by now: it is tried again
// here, until it succeeds or the node ends; a restart finds the mark and begins without a state.

import { compareBytes, fromUtf8 } from '../../base/bytes.ts';
import { laterOf } from '../../clock/timestamp.ts';
import type { SnapshotMark } from '../../raft/ready.ts';
import type { ByteStream, NodeId, Runtime } from '../../runtime/runtime.ts';
import type { AppliedRange, RangeId, Shard } from '../../storage/shard.ts';
import { encodeState, isKnown, type RangeState } from '../range-state.ts';
import type { Span } from '../requests.ts';
import type { Turns } from '../turns.ts';
import { pause, within } from '../within.ts';
import * as format from './snapshot-format.ts';
import { SNAPSHOT_IDLE_MICROS } from './snapshot-sender.ts';

const RETRY_MICROS_MIN = 200_000;
const RETRY_MICROS_MAX = 5_000_000;

/** The replica whose state is replaced. */
export interface SnapshotTarget {
  readonly appliedIndex: number;
  beginInstall(): Promise<void>;
  unpackTransactions(packed: Uint8Array): void;
  /** What its state is until then. */
  readonly rangeState: RangeState;
  installed(applied: AppliedRange, state: RangeState): void;
}

export interface SnapshotReceiverParts {
  readonly range: RangeId;
  readonly shard: Shard;
  readonly runtime: Pick<Runtime, 'network' | 'timers' | 'log'>;
  /** Of the node. */
  readonly turns: Turns;
  readonly target: SnapshotTarget;
  /** The node of the range's leader, as far as is known. */
  leaderNode(): NodeId | undefined;
  /** P26: whether the state may be put here now: nobody else here has keys of its range. */
  mayInstall(state: RangeState): boolean;
}

export const SNAPSHOTS = 'snapshot';

export function snapshotPurpose(range: RangeId): string {
  return `${SNAPSHOTS}/${range}`;
}

export class SnapshotReceiver {
  private readonly parts: SnapshotReceiverParts;
  /** The old state is gone. */
  private hasBegun = false;
  private isStopped = false;
  received = 0;

  constructor(parts: SnapshotReceiverParts) {
    this.parts = parts;
  }

  /** Resolves with what was installed. Rejects: nothing has changed. Undefined: the same, and nothing is wrong. */
  async pull(from: NodeId, least: number): Promise<SnapshotMark | undefined> {
    const { range, turns, runtime } = this.parts;
    const { timers, log } = runtime;
    const done = await turns.take();
    try {
      let node = from;
      let micros = RETRY_MICROS_MIN;
      for (;;) {
        try {
          return await this.attempt(node, least);
        } catch (error) {
          log.warn('a snapshot was not received', { range, from: node, error: String(error) });
          if (!this.hasBegun || this.isStopped) throw error;
        }
        await pause(timers, micros);
        micros = Math.min(micros * 2, RETRY_MICROS_MAX);
        node = this.parts.leaderNode() ?? node;
      }
    } finally {
      done();
    }
  }

  /** The node stops: there is no other attempt. */
  stop(): void {
    this.isStopped = true;
  }

  private async attempt(from: NodeId, least: number): Promise<SnapshotMark | undefined> {
    const { range, runtime } = this.parts;
    const opening = runtime.network.openStream(from, snapshotPurpose(range));
    // One that opens too late must not stay open.
    let isGivenUp = false;
    opening.then(
      (late) => {
        if (isGivenUp) late.abort();
      },
      () => undefined,
    );
    let stream: ByteStream;
    try {
      stream = await this.within('opening a stream', opening);
    } catch (error) {
      isGivenUp = true;
      throw error;
    }
    try {
      await this.within('asking for a snapshot', stream.write(format.snapshotRequest(least)));
      const head = await this.head(stream, least);
      if (!this.parts.mayInstall(head.state)) {
        stream.abort();
        return undefined;
      }
      await this.install(from, stream, head);
      stream.end();
      return head.mark;
    } catch (error) {
      stream.abort();
      throw error;
    }
  }

  private async head(stream: ByteStream, least: number): Promise<format.SnapshotHead> {
    const { kind, reader } = await this.next(stream);
    if (kind !== format.SNAPSHOT_HEAD) throw new Error(`message ${kind} in place of a head`);
    const head = format.decodeHead(reader);
    const { index } = head.mark;
    if (index < least || (!this.hasBegun && index <= this.parts.target.appliedIndex)) {
      throw new Error(`the snapshot ends at entry ${index} already`);
    }
    return head;
  }

  private async install(
    from: NodeId,
    stream: ByteStream,
    head: format.SnapshotHead,
  ): Promise<void> {
    const { range, shard, target, runtime } = this.parts;
    const { index } = head.mark;
    runtime.log.info('installing a snapshot', { range, from, index });
    this.hasBegun = true;
    await target.beginInstall();
    await shard.beginInstall(range, hull(target.rangeState, head.state));
    let messages = 0;
    for (;;) {
      const { kind, reader } = await this.next(stream);
      if (kind === format.SNAPSHOT_END) {
        const sent = reader.u32();
        if (sent !== messages) throw new Error(`${sent} messages were sent, ${messages} came`);
        break;
      }
      messages++;
      if (kind === format.SNAPSHOT_TRANSACTIONS) {
        target.unpackTransactions(reader.raw(reader.remaining));
      } else if (kind === format.SNAPSHOT_ROWS) {
        await shard.installChunk(range, await this.message(stream));
      } else throw new Error(`message ${kind} within a snapshot`);
    }
    const floor = laterOf(head.state.floor, head.greatest);
    const state: RangeState = { ...head.state, mark: head.mark, floor };
    const applied = await shard.finishInstall(range, index, encodeState(state));
    this.hasBegun = false;
    this.received++;
    target.installed(applied, state);
    runtime.log.info('installed a snapshot', { range, from, index });
  }

  private async message(stream: ByteStream): Promise<Uint8Array> {
    const message = await this.within('the sender of a snapshot', stream.read());
    if (message === undefined) throw new Error('the stream ended before the snapshot did');
    if (this.isStopped) throw new Error('the node is stopping');
    return message;
  }

  private async next(stream: ByteStream): Promise<format.SnapshotMessage> {
    const opened = format.openSnapshotMessage(await this.message(stream));
    if (opened.kind === format.SNAPSHOT_REFUSED) {
      throw new Error(`refused: ${fromUtf8(opened.reader.raw(opened.reader.remaining))}`);
    }
    return opened;
  }

  private within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(this.parts.runtime.timers, SNAPSHOT_IDLE_MICROS, what, promise);
  }
}

/** What is cleared before: all that the range held here or will hold, which both begin at the same key. What another range
 * took of it by a split that this replica has not seen comes to that range by a snapshot of its own. */
function hull(before: RangeState, after: RangeState): Span {
  const { span } = after.descriptor;
  if (!isKnown(before) || span.end === undefined) return span;
  const { end } = before.descriptor.span;
  const isLonger = end === undefined || compareBytes(end, span.end) > 0;
  return isLonger ? { start: span.start, end } : span;
}

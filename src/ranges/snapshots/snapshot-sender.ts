// Gives a range's state to replicas that lack too much of the log: rows at one applied index, and what a new leader must
// know of the past (P1, P20). The receiver opens the stream, so that its reading sets the pace, up to the node's own;
// nothing is held in memory but a few chunks.

import { utf8 } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { SnapshotMark } from '../../raft/ready.ts';
import type { ByteStream, Log, NodeId, Timers } from '../../runtime/runtime.ts';
import { STATE_RECORD } from '../../storage/range-records.ts';
import type { RangeId, Shard } from '../../storage/shard.ts';
import { decodeState, type RangeState } from '../range-state.ts';
import type { Turns } from '../turns.ts';
import { within } from '../within.ts';
import type { Pace } from './pace.ts';
import * as format from './snapshot-format.ts';

/** Smaller ones would be more hand-overs between threads, larger ones would hold the event loop up. */
const CHUNK_BYTES = 256 * 1024;
const NO_PAYLOAD = new Uint8Array(0);
const RECEIVER = 'the receiver of a snapshot';
/** Without a step of the receiver. */
export const SNAPSHOT_IDLE_MICROS = 30_000_000;

/** The replica that is read. */
export interface SnapshotOrigin {
  /** Why it has nothing to give now. */
  whyNotSending(): string | undefined;
  flushApplies(): void;
  /** As of all that was committed. */
  readonly rangeState: RangeState;
  readonly greatest: Timestamp;
  packTransactions(): readonly Uint8Array[];
}

export interface SnapshotSenderParts {
  readonly range: RangeId;
  readonly shard: Shard;
  readonly timers: Timers;
  readonly log: Log;
  /** Of the node. */
  readonly turns: Turns;
  /** Of the node. */
  readonly pace: Pace;
  readonly origin: SnapshotOrigin;
  readonly load: { sent(bytes: number): void };
  /** RaftScheduler.snapshotMark. */
  mark(appliedIndex: number): SnapshotMark;
}

export class SnapshotSender {
  private readonly parts: SnapshotSenderParts;
  sent = 0;

  constructor(parts: SnapshotSenderParts) {
    this.parts = parts;
  }

  /** Of a stream that another node opened. Never rejects. */
  async serve(to: NodeId, stream: ByteStream): Promise<void> {
    const { log, range } = this.parts;
    const progress = { hasBegun: false };
    try {
      const least = await this.request(stream);
      const done = await this.parts.turns.take();
      try {
        await this.send(to, stream, least, progress);
      } finally {
        done();
      }
    } catch (error) {
      log.warn('a snapshot was not sent', { range, to, error: String(error) });
      if (progress.hasBegun) {
        stream.abort();
        return;
      }
      const text = format.snapshotMessage(
        format.SNAPSHOT_REFUSED,
        utf8(error instanceof Error ? error.message : String(error)),
      );
      stream.write(text).catch(() => undefined);
    }
    stream.end();
  }

  private async request(stream: ByteStream): Promise<number> {
    const message = await this.within('the request for a snapshot', stream.read());
    if (message === undefined) throw new Error('the stream ended before its request');
    const { kind, reader } = format.openSnapshotMessage(message);
    if (kind !== format.SNAPSHOT_REQUEST) throw new Error(`message ${kind} is no request`);
    return format.readSnapshotRequest(reader);
  }

  private async send(
    to: NodeId,
    stream: ByteStream,
    least: number,
    progress: { hasBegun: boolean },
  ): Promise<void> {
    const { range, shard, log, origin } = this.parts;
    const reason = origin.whyNotSending();
    if (reason !== undefined) throw new Error(reason);
    origin.flushApplies();
    const { rangeState } = origin;
    const { span, generation } = rangeState.descriptor;
    const snapshot = shard.readSnapshot(range, span, CHUNK_BYTES);
    try {
      const { appliedIndex: index, records } = await snapshot.taken;
      const record = records.get(STATE_RECORD);
      // A range that nothing has changed yet has no record.
      const state = record === undefined ? rangeState : decodeState(record);
      if (state.descriptor.generation !== generation) throw new Error('the range is changing');
      if (index < least) throw new Error(`entry ${least} is not applied here yet`);
      const mark = this.parts.mark(index);
      // Both may know of more than the snapshot has: all of it is true.
      const { greatest } = origin;
      const head = format.encodeHead({ mark, state, greatest });
      progress.hasBegun = true;
      log.info('sending a snapshot', { range, to, index });
      await this.write(stream, format.SNAPSHOT_HEAD, head);
      let messages = 0;
      for (const ids of origin.packTransactions()) {
        await this.write(stream, format.SNAPSHOT_TRANSACTIONS, ids);
        messages++;
      }
      let bytes = 0;
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        await this.write(stream, format.SNAPSHOT_ROWS, NO_PAYLOAD);
        await this.within(RECEIVER, stream.write(chunk, true));
        messages++;
        bytes += chunk.length;
        this.parts.load.sent(chunk.length);
        await this.parts.pace.passed(chunk.length);
      }
      const count = new Uint8Array(4);
      new DataView(count.buffer).setUint32(0, messages, true);
      await this.write(stream, format.SNAPSHOT_END, count);
      this.sent++;
      log.info('sent a snapshot', { range, to, index, bytes });
    } finally {
      snapshot.close();
    }
  }

  private write(stream: ByteStream, kind: number, payload: Uint8Array): Promise<void> {
    const message = format.snapshotMessage(kind, payload);
    return this.within(RECEIVER, stream.write(message));
  }

  private within<T>(what: string, promise: Promise<T>): Promise<T> {
    return within(this.parts.timers, SNAPSHOT_IDLE_MICROS, what, promise);
  }
}

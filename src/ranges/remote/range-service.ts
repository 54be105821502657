// Serves the ranges of this node to the gateways of other nodes (remote-range.ts asks): one stream for each of them. The
// answers of a turn leave in one chunk. What a slow reader has not taken is bounded: scans send as much as they have
// credit for, and no more requests are read while too many answers wait.

import { ByteReader } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import type { ByteStream, Faults, Log, NodeId, Timers } from '../../runtime/runtime.ts';
import type { RangeEndpoint } from '../endpoint.ts';
import { endsSession, Gateway, type ServedRanges } from '../gateway.ts';
import { newRowSlice } from '../reads/row-slice.ts';
import { serveRequest } from './served-requests.ts';
import { ServedScan } from './served-scan.ts';
import { type WireAnswer, writeAnswer } from './wire-answers.ts';
import { FrameReceiver, FrameSender, MESSAGE_BYTES_MAX } from './wire-frames.ts';
import { type RangeRequest, readRequest, WIRE_VERSION } from './wire-requests.ts';

export type { ServedRanges } from '../gateway.ts';

/** Answers that wait for the stream; beyond it no requests are read. */
const ANSWER_BYTES_MAX: number = 16 * 1024 * 1024;
/** Of one gateway that are being carried out; most of them wait for locks. */
const REQUESTS_MAX = 50_000;

/** A gateway that is silent for so many looks is gone, and its locks with it. */
const LOOK_MICROS = 1_000_000;
const SILENT_LOOKS_MAX = 3;

export interface RangeServiceParts {
  readonly ranges: ServedRanges;
  readonly timers: Timers;
  readonly log: Log;
  readonly faults: Faults;
}

export class RangeService {
  private readonly parts: RangeServiceParts;
  private readonly streams = new Map<NodeId, ServedStream>();

  constructor(parts: RangeServiceParts) {
    this.parts = parts;
  }

  /** Of a stream that another node opened; to be registered as 'ranges'. */
  async serve(from: NodeId, stream: ByteStream): Promise<void> {
    // A node has one at a time: what came through an earlier one is over before anything comes through this one.
    this.streams.get(from)?.close('the node has opened another stream');
    const served = new ServedStream(this.parts, from, stream);
    this.streams.set(from, served);
    try {
      await served.run();
    } finally {
      if (this.streams.get(from) === served) this.streams.delete(from);
    }
  }

  /** Gateways' transactions that hold locks here. */
  get remoteTransactions(): number {
    let count = 0;
    for (const { gateway } of this.streams.values()) count += gateway.transactions;
    return count;
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close('the node is stopping');
  }
}

/** One gateway's stream. */
class ServedStream {
  readonly gateway: Gateway;
  private readonly parts: RangeServiceParts;
  private readonly from: NodeId;
  private readonly stream: ByteStream;
  private readonly sender: FrameSender;
  private readonly scans = new Map<number, ServedScan>();
  private running = 0;
  private silentLooks = 0;
  private timer: Disposable | undefined = undefined;
  private hasGreeted = false;
  private isOver = false;

  constructor(parts: RangeServiceParts, from: NodeId, stream: ByteStream) {
    this.parts = parts;
    this.from = from;
    this.stream = stream;
    this.gateway = new Gateway(parts.ranges);
    this.sender = new FrameSender(parts.timers, (error) => this.close(String(error)));
    this.sender.start(stream);
  }

  /** Resolves when the stream is over, in whatever way. */
  async run(): Promise<void> {
    const frames = new FrameReceiver((message) => this.receive(message));
    try {
      while (!this.isOver) {
        const chunk = await this.stream.read();
        if (chunk === undefined) break;
        if (this.isOver) return;
        this.silentLooks = 0;
        frames.push(chunk);
        await this.sender.room(ANSWER_BYTES_MAX);
      }
      this.close('it ended its stream');
    } catch (error) {
      this.close(String(error));
    }
  }

  close(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer?.[Symbol.dispose]();
    this.sender.stop();
    this.stream.abort();
    for (const scan of this.scans.values()) scan.close();
    this.scans.clear();
    const { transactions } = this.gateway;
    if (transactions > 0) {
      const { from } = this;
      this.parts.log.warn("let go of a gateway's locks", { from, transactions, reason });
    }
    this.gateway.gone();
  }

  private receive(message: Uint8Array): void {
    // A request that follows what closed the stream.
    if (this.isOver) return;
    const { id, request } = readRequest(new ByteReader(message));
    if (!this.hasGreeted && request.kind !== 'hello') throw new Error('no greeting');
    switch (request.kind) {
      case 'hello':
        if (request.version !== WIRE_VERSION) {
          throw new Error(`it speaks version ${request.version}, this node ${WIRE_VERSION}`);
        }
        this.hasGreeted = true;
        return;
      case 'beat':
        this.answer(0, { kind: 'beat' });
        return;
      case 'credit':
        this.scans.get(id)?.addCredit(request.batches);
        return;
      case 'close':
        this.scans.get(id)?.close();
        this.scans.delete(id);
        return;
      case 'release':
        this.gateway.ends(request.txn, request.head.range);
        return;
      default:
        this.ask(id, request);
    }
  }

  private ask(id: number, request: RangeRequest): void {
    const { range } = request.head;
    const found = this.parts.ranges.lookup(range);
    if (found === undefined) {
      this.answer(id, { kind: 'wrongRange', known: [] });
      return;
    }
    const { endpoint, load } = found;
    load?.served();
    if (this.running >= REQUESTS_MAX) {
      this.answer(id, { kind: 'notServing', message: 'too many requests are being carried out' });
      return;
    }
    if (request.kind === 'scanAt' || request.kind === 'lockedScan') {
      this.scan(id, request, endpoint);
      return;
    }
    this.enter(request);
    try {
      const answer = serveRequest(endpoint, request, newRowSlice());
      if (answer instanceof Promise) {
        this.running++;
        void answer
          .catch((error: unknown) => failed(error))
          .then((later) => {
            this.running--;
            this.done(id, request, later);
          });
      } else {
        this.done(id, request, answer);
      }
    } catch (error) {
      this.done(id, request, failed(error));
    }
  }

  private scan(
    id: number,
    request: Extract<RangeRequest, { kind: 'scanAt' | 'lockedScan' }>,
    endpoint: RangeEndpoint,
  ): void {
    this.enter(request);
    const scan = new ServedScan(endpoint, request, {
      answer: (answer) => this.answer(id, answer),
      ended: () => this.scans.delete(id),
      failed,
    });
    this.scans.set(id, scan);
    scan.run();
  }

  /** Before it is asked: a lock that is waited for belongs to a transaction that may hold others. */
  private enter(request: RangeRequest): void {
    switch (request.kind) {
      case 'lockedRead':
      case 'lockedGet':
      case 'lockedScan':
      case 'commit':
      case 'confirm':
        this.gateway.stands(request.txn, request.head.range);
        this.startTimer();
        return;
      case 'prepare':
      case 'decide':
        this.gateway.stands(request.request.txn, request.head.range);
        this.startTimer();
        return;
      default:
    }
  }

  private done(
    id: number,
    request: Exclude<RangeRequest, { kind: 'scanAt' | 'lockedScan' }>,
    answer: WireAnswer,
  ): void {
    const { range } = request.head;
    if (answer.kind === 'wounded') this.parts.faults.reached('txn.wounded-remotely');
    switch (request.kind) {
      case 'commit':
        if (endsSession('commit', answer.kind)) this.gateway.leaves(request.txn.id, range);
        break;
      case 'decide':
        if (endsSession('decide', answer.kind)) this.gateway.leaves(request.request.txn.id, range);
        break;
      case 'resolve':
        if (endsSession('resolve', answer.kind)) this.gateway.leaves(request.request.txn, range);
        break;
      default:
    }
    this.answer(id, answer);
  }

  private answer(id: number, answer: WireAnswer): void {
    if (this.isOver) return;
    writeAnswer(this.sender.begin(), id, answer);
    const bytes = this.sender.end();
    if (bytes <= MESSAGE_BYTES_MAX) return;
    const message = `an answer of ${bytes} bytes; at most ${MESSAGE_BYTES_MAX} can travel`;
    this.answer(id, { kind: 'tooLarge', message });
  }

  private startTimer(): void {
    if (this.timer !== undefined || this.isOver) return;
    this.timer = this.parts.timers.after(LOOK_MICROS, () => {
      this.timer = undefined;
      this.look();
    });
  }

  private look(): void {
    if (this.gateway.transactions === 0) return;
    if (this.silentLooks >= SILENT_LOOKS_MAX) {
      this.close(`it has been silent for ${SILENT_LOOKS_MAX} s`);
      return;
    }
    this.silentLooks++;
    this.startTimer();
  }
}

function failed(error: unknown): WireAnswer {
  if (error instanceof DbError) {
    const { detail, hint } = error.fields;
    return { kind: 'failed', code: error.code, message: error.message, detail, hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', code: 'XX000', message, detail: undefined, hint: undefined };
}

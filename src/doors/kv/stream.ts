// One client's stream of operations: many in a message, many messages under way, answers as they come, all answers of
// a turn in one message. A client that does not take its answers is not read from.

import { status } from '@grpc/grpc-js';
import type { CommitAnswer } from '../../ranges/api.ts';
import type { Timers } from '../../runtime/runtime.ts';
import {
  Operation,
  type StreamAnswer,
  type StreamOperation,
  type StreamRequest,
  type StreamResponse,
} from './generated/kv.ts';
import type { CallStream } from './calls.ts';
import type { KvFailure } from './failures.ts';
import type { KvStore } from './store.ts';

/** Operations of one stream that may be under way; beyond it no more messages are read. */
const UNDERWAY_MAX = 4096;
const NOTHING = new Uint8Array(0);

type Call = CallStream<StreamRequest, StreamResponse>;
type WhyNot = (told: Exclude<CommitAnswer, { kind: 'committed' }> | Error) => KvFailure;

export class KvStream {
  private readonly call: Call;
  private readonly store: KvStore;
  private readonly timers: Timers;
  private readonly whyNot: WhyNot;
  private answers: StreamAnswer[] = [];
  private isDue = false;
  private underway = 0;
  private isPaused = false;
  /** The client takes no more answers for now. */
  private isFull = false;
  /** It sends no more. */
  private hasEnded = false;

  constructor(call: Call, parts: { store: KvStore; timers: Timers }, whyNot: WhyNot) {
    this.call = call;
    this.store = parts.store;
    this.timers = parts.timers;
    this.whyNot = whyNot;
  }

  start(): void {
    const { call } = this;
    call.onMessage((request) => {
      for (const operation of request.operations) this.carryOut(operation);
      this.pauseOrGoOn();
    });
    call.onEnd(() => {
      this.hasEnded = true;
      this.endWhenDone();
    });
    call.onDrain(() => {
      this.isFull = false;
      this.pauseOrGoOn();
    });
  }

  private carryOut(operation: StreamOperation): void {
    const { id, key, value } = operation;
    this.underway++;
    switch (operation.operation) {
      case Operation.PUT:
        this.store.write(key, value, (answer) => this.written(id, answer));
        return;
      case Operation.DELETE:
        this.store.write(key, undefined, (answer) => this.written(id, answer));
        return;
      case Operation.GET:
        this.store.get(key).then(
          (found) =>
            this.answer({
              ...ok(id, found.timestamp),
              found: found.value !== undefined,
              value: found.value ?? NOTHING,
            }),
          (error: unknown) =>
            this.refuse(id, this.whyNot(error instanceof Error ? error : new Error(String(error)))),
        );
        return;
      default:
        this.refuse(id, {
          code: status.INVALID_ARGUMENT,
          message: `there is no operation ${operation.operation}`,
          leader: undefined,
        });
    }
  }

  private written(id: number, answer: CommitAnswer): void {
    if (answer.kind === 'committed') this.answer(ok(id, answer.timestamp));
    else this.refuse(id, this.whyNot(answer));
  }

  private refuse(id: number, { code, message, leader }: KvFailure): void {
    this.answer({ ...ok(id, 0), status: code, message, leader: leader ?? '' });
  }

  private answer(answer: StreamAnswer): void {
    this.underway--;
    this.answers.push(answer);
    if (this.isDue) return;
    this.isDue = true;
    this.timers.soon(this.send);
  }

  private readonly send = (): void => {
    this.isDue = false;
    const { answers, call } = this;
    this.answers = [];
    if (call.isOver) return;
    if (!call.write({ answers })) this.isFull = true;
    this.pauseOrGoOn();
    this.endWhenDone();
  };

  private pauseOrGoOn(): void {
    const mustPause = this.isFull || this.underway >= UNDERWAY_MAX;
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.call.pause();
    else this.call.resume();
  }

  private endWhenDone(): void {
    if (this.hasEnded && this.underway === 0 && !this.isDue && !this.call.isOver) {
      this.call.end();
    }
  }
}

function ok(id: number, timestamp: number): StreamAnswer {
  return { id, timestamp, found: false, value: NOTHING, status: 0, message: '', leader: '' };
}

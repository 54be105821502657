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

/** Operations of one stream that may be under way; beyond it the next ones wait, and no more messages are read. */
const UNDERWAY_MAX = 4096;
/** Values that are being read, or were and are not sent yet; the same holds beyond it. */
const UNSENT_BYTES_MAX = 4 << 20;
/** What a value is taken to have that is being read, before any was. */
const VALUE_BYTES = 64 << 10;
/** Answers are divided into messages of about this size. */
const MESSAGE_BYTES = 1 << 20;
const NOTHING = new Uint8Array(0);

type Call = CallStream<StreamRequest, StreamResponse>;
type WhyNot = (told: Exclude<CommitAnswer, { kind: 'committed' }> | Error) => KvFailure;

export class KvStream {
  private readonly call: Call;
  private readonly store: KvStore;
  private readonly timers: Timers;
  private readonly whyNot: WhyNot;
  private answers: StreamAnswer[] = [];
  private unsentBytes = 0;
  private reading = 0;
  /** As the values that were read of late, the larger ones. */
  private valueBytes = VALUE_BYTES;
  private isDue = false;
  private underway = 0;
  /** Messages that wait, and where the first of them goes on. */
  private readonly waiting: (readonly StreamOperation[])[] = [];
  private next = 0;
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
      this.waiting.push(request.operations);
      this.work();
    });
    call.onEnd(() => {
      this.hasEnded = true;
      this.endWhenDone();
    });
    call.onDrain(() => {
      this.isFull = false;
      this.work();
    });
  }

  private get isBusy(): boolean {
    const unsent = this.unsentBytes + this.reading * this.valueBytes;
    return this.isFull || this.underway >= UNDERWAY_MAX || unsent >= UNSENT_BYTES_MAX;
  }

  private work(): void {
    const { waiting } = this;
    for (let operations = waiting[0]; operations !== undefined; operations = waiting[0]) {
      while (this.next < operations.length && !this.isBusy) {
        this.carryOut(operations[this.next++] as StreamOperation);
      }
      if (this.next < operations.length) break;
      this.next = 0;
      waiting.shift();
    }
    this.pauseOrGoOn();
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
        this.reading++;
        this.store.get(key).then(
          ({ value, timestamp }) => {
            this.reading--;
            this.valueBytes = Math.max(value?.length ?? 0, this.valueBytes * 0.9);
            const found = value !== undefined;
            this.answer({ ...ok(id, timestamp), found, value: value ?? NOTHING });
          },
          (error: unknown) => {
            this.reading--;
            this.refuse(id, this.whyNot(error instanceof Error ? error : new Error(String(error))));
          },
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
    this.unsentBytes += answer.value.length;
    if (this.isDue) return;
    this.isDue = true;
    this.timers.soon(this.send);
  }

  private readonly send = (): void => {
    this.isDue = false;
    const { answers, call } = this;
    this.answers = [];
    this.unsentBytes = 0;
    if (call.isOver) {
      this.waiting.length = 0;
      return;
    }
    let begin = 0;
    let bytes = 0;
    for (let i = 0; i < answers.length; i++) {
      bytes += (answers[i] as StreamAnswer).value.length;
      if (bytes < MESSAGE_BYTES && i < answers.length - 1) continue;
      const message =
        begin === 0 && i === answers.length - 1 ? answers : answers.slice(begin, i + 1);
      if (!call.write({ answers: message })) this.isFull = true;
      begin = i + 1;
      bytes = 0;
    }
    this.work();
    this.endWhenDone();
  };

  private pauseOrGoOn(): void {
    const mustPause = this.isBusy || this.waiting.length > 0;
    if (mustPause === this.isPaused) return;
    this.isPaused = mustPause;
    if (mustPause) this.call.pause();
    else this.call.resume();
  }

  private endWhenDone(): void {
    const isDone = this.waiting.length === 0 && this.underway === 0 && !this.isDue;
    if (this.hasEnded && isDone && !this.call.isOver) {
      this.call.end();
    }
  }
}

function ok(id: number, timestamp: number): StreamAnswer {
  return { id, timestamp, found: false, value: NOTHING, status: 0, message: '', leader: '' };
}

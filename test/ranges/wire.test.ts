// What travels between nodes comes out as it went in, and nonsense is refused rather than believed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import type { RangeDescriptor } from '../../src/ranges/descriptor.ts';
import type { RangeHead, RangeLocking, RangeTxn } from '../../src/ranges/endpoint.ts';
import { readAnswer, type WireAnswer, writeAnswer } from '../../src/ranges/remote/wire-answers.ts';
import { FrameReceiver, FrameSender } from '../../src/ranges/remote/wire-frames.ts';
import {
  readRequest,
  type WireRequest,
  writeRequest,
} from '../../src/ranges/remote/wire-requests.ts';
import type { LockSession, ScanRequest, Span, Write } from '../../src/ranges/requests.ts';
import type { ByteStream } from '../../src/runtime/runtime.ts';

const bytes = fc.uint8Array({ maxLength: 20 });
const text = fc.string({ unit: 'binary', maxLength: 20 });
const time = fc.maxSafeNat() as fc.Arbitrary<Timestamp>;
const number = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat());
const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(of, { nil: undefined });
const many = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 5 });
const record = fc.record;

const head: fc.Arbitrary<RangeHead> = record({ range: number, generation: number });
const session: fc.Arbitrary<LockSession> = record({
  range: number,
  generation: number,
  term: number,
  session: number,
});
const txnId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((id) => Buffer.from(id).toString('hex'));
const txn: fc.Arbitrary<RangeTxn> = fc.oneof(
  record({ id: txnId, age: time, session: maybe(session) }),
  record({
    id: txnId,
    age: time,
    session,
    also: fc.array(session, { minLength: 1, maxLength: 3 }),
  }),
);
const locking: fc.Arbitrary<RangeLocking> = record({
  mode: fc.constantFrom('shared', 'exclusive'),
  wait: fc.constantFrom('block', 'nowait', 'skip'),
  timeoutMicros: fc.nat(),
});
const span: fc.Arbitrary<Span> = record({ start: bytes, end: maybe(bytes) });
const scan: fc.Arbitrary<ScanRequest> = record({
  span,
  reverse: fc.boolean(),
  program: maybe(bytes),
  parameters: maybe(bytes),
  limitRows: fc.nat(),
  batchBytes: fc.nat(),
});
const writes: fc.Arbitrary<Write[]> = many(record({ key: bytes, value: maybe(bytes) }));
const kind = <K extends string>(k: K): { readonly kind: fc.Arbitrary<K> } => ({
  kind: fc.constant(k),
});

const request: fc.Arbitrary<WireRequest> = fc.oneof(
  record({ ...kind('hello'), version: number }),
  record(kind('beat')),
  record({ ...kind('credit'), batches: number }),
  record(kind('close')),
  record({ ...kind('readAt'), head, key: bytes, at: time }),
  record({ ...kind('getAt'), head, keys: many(bytes), at: time }),
  record({ ...kind('scanAt'), head, scan, at: time, credit: number }),
  record({ ...kind('lockedRead'), head, txn, locking, key: bytes }),
  record({ ...kind('lockedGet'), head, txn, locking, keys: many(bytes) }),
  record({ ...kind('lockedScan'), head, txn, locking, scan, credit: number }),
  record({ ...kind('commit'), head, txn, writes, deadline: time }),
  record({ ...kind('release'), head, txn }),
  record({ ...kind('bulkWrite'), head, writes, willBeRead: fc.boolean() }),
  record({ ...kind('clearSpan'), head, span }),
  record({ ...kind('approximateBytes'), head, span }),
  record({
    ...kind('prepare'),
    head,
    request: record({ txn, writes, anchor: bytes, deadline: time }),
  }),
  record({ ...kind('confirm'), head, txn }),
  record({
    ...kind('decide'),
    head,
    request: record({
      txn,
      writes,
      anchor: bytes,
      participants: many(span),
      atLeast: time,
      below: time,
      deadline: time,
    }),
  }),
  record({
    ...kind('resolve'),
    head,
    request: record({
      txn: txnId,
      outcome: fc.oneof(record({ ...kind('committed'), timestamp: time }), record(kind('aborted'))),
      span,
    }),
  }),
  record({ ...kind('inquire'), head, txn: txnId, anchor: bytes, deadline: time }),
  record({ ...kind('settled'), head, txn: txnId, anchor: bytes }),
);

const descriptor: fc.Arbitrary<RangeDescriptor> = record({
  range: number,
  // No span ends with the empty key.
  span: record({ start: bytes, end: maybe(fc.uint8Array({ minLength: 1, maxLength: 9 })) }),
  generation: number,
  configuration: record({
    voters: many(number),
    outgoing: many(number),
    learners: many(number),
    learnersNext: many(number),
    autoLeave: fc.boolean(),
  }),
  nextIncarnation: number,
  stickyUntil: time,
});

const answer: fc.Arbitrary<WireAnswer> = fc.oneof(
  record({ ...kind('slice'), timestamp: time, value: maybe(bytes) }),
  record({ ...kind('values'), values: many(maybe(bytes)) }),
  record({ ...kind('row'), session, timestamp: time, value: maybe(bytes) }),
  record({ ...kind('rows'), session, rows: many(maybe(bytes)) }),
  record({ ...kind('scan'), session }),
  record({
    ...kind('batch'),
    batch: record({ rows: bytes, rowCount: number, lastKey: maybe(bytes) }),
  }),
  record(kind('end')),
  record({ ...kind('size'), bytes: number }),
  record({ ...kind('committed'), timestamp: time }),
  record({
    ...kind('committed'),
    timestamp: time,
    times: record({ replication: fc.integer({ min: 1, max: 1e9 }), wait: fc.nat() }),
  }),
  record({ ...kind('ambiguous'), message: text }),
  record({ ...kind('prepared'), at: time, until: time }),
  record({ ...kind('confirmed'), until: time }),
  record(kind('resolved')),
  record(kind('aborted')),
  record({ ...kind('wounded'), message: text }),
  record({ ...kind('lockNotAvailable'), key: bytes }),
  record({ ...kind('lockTimeout'), key: bytes }),
  record({ ...kind('sessionGone'), message: text }),
  record({ ...kind('notServing'), message: text, leaderNode: maybe(fc.nat()) }),
  record({ ...kind('diskFull'), message: text }),
  record({ ...kind('tooLarge'), message: text }),
  record({ ...kind('wrongRange'), known: many(descriptor) }),
  record({
    ...kind('notLeader'),
    leaderNode: maybe(fc.nat()),
    message: text,
    known: maybe(descriptor),
  }),
  record({
    ...kind('failed'),
    code: text,
    message: text,
    detail: maybe(text),
    hint: maybe(text),
  }),
  record(kind('beat')),
);

describe('requests and answers', () => {
  it('come out as they went in', () => {
    fc.assert(
      fc.property(number, request, (id, sent) => {
        const writer = new ByteWriter(8);
        writeRequest(writer, id, sent);
        const reader = new ByteReader(writer.take());
        expect(readRequest(reader)).toEqual({ id, request: sent });
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(number, answer, (id, sent) => {
        const writer = new ByteWriter(8);
        writeAnswer(writer, id, sent);
        const reader = new ByteReader(writer.take());
        expect(readAnswer(reader)).toEqual({ id, answer: sent });
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });

  it('are refused when they end too soon', () => {
    fc.assert(
      fc.property(request, fc.nat(), (sent, cut) => {
        const writer = new ByteWriter(8);
        writeRequest(writer, 1, sent);
        const whole = writer.take();
        const short = whole.slice(0, cut % whole.length);
        expect(() => readRequest(new ByteReader(short))).toThrow(RangeError);
      }),
    );
  });

  it('never make room for more than has come', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (nonsense) => {
        for (const read of [readRequest, readAnswer]) {
          try {
            read(new ByteReader(nonsense));
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            expect(String(error)).not.toContain('Invalid array length');
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

/** A stream that hands on what is written, cut anew. */
class Wire implements ByteStream {
  readonly chunks: Uint8Array[] = [];
  /** Writes resolve while it is open. */
  private blocked: (() => void)[] | undefined = undefined;

  block(): void {
    this.blocked = [];
  }

  open(): void {
    const waiting = this.blocked ?? [];
    this.blocked = undefined;
    for (const resolve of waiting) resolve();
  }

  write(chunk: Uint8Array): Promise<void> {
    this.chunks.push(chunk);
    const { blocked } = this;
    if (blocked === undefined) return Promise.resolve();
    return new Promise((resolve) => blocked.push(resolve));
  }

  read(): Promise<Uint8Array | undefined> {
    return Promise.resolve(undefined);
  }

  end(): void {}

  abort(): void {}
}

/** What is to run soon, run when told. */
class Soon {
  private readonly waiting: (() => void)[] = [];
  readonly timers = {
    after: (): Disposable => ({ [Symbol.dispose]: () => undefined }),
    soon: (run: () => void): void => void this.waiting.push(run),
  };

  async pass(): Promise<void> {
    for (const run of this.waiting.splice(0)) run();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

function send(sender: FrameSender, message: Uint8Array): void {
  sender.begin().raw(message);
  sender.end();
}

describe('messages in a stream', () => {
  it('arrive whole and in order, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 23 })),
        async (messages, cuts) => {
          const soon = new Soon();
          const wire = new Wire();
          const sender = new FrameSender(soon.timers, () => expect.unreachable());
          sender.start(wire);
          for (const message of messages) send(sender, message);
          await soon.pass();
          const all = Buffer.concat(wire.chunks);
          const received: Uint8Array[] = [];
          const receiver = new FrameReceiver((message) => received.push(message.slice()));
          for (let at = 0; at < all.length; ) {
            const length = cuts.next().value;
            receiver.push(all.subarray(at, at + length));
            at += length;
          }
          expect(received.map((m) => [...m])).toEqual(messages.map((m) => [...m]));
        },
      ),
    );
  });

  it('leave in one chunk when they are of one turn, and in several when they are large', async () => {
    const soon = new Soon();
    const wire = new Wire();
    const sender = new FrameSender(soon.timers, () => expect.unreachable());
    send(sender, Uint8Array.of(1));
    sender.start(wire);
    await soon.pass();
    for (let i = 0; i < 100; i++) send(sender, Uint8Array.of(i));
    await soon.pass();
    expect(wire.chunks.map((chunk) => chunk.length)).toEqual([5, 500]);
    send(sender, new Uint8Array(1_200_000));
    await soon.pass();
    expect(wire.chunks).toHaveLength(5);
  });

  it('wait for a stream that takes nothing, and are counted', async () => {
    const soon = new Soon();
    const wire = new Wire();
    const sender = new FrameSender(soon.timers, () => expect.unreachable());
    sender.start(wire);
    wire.block();
    send(sender, new Uint8Array(100));
    await soon.pass();
    send(sender, new Uint8Array(100));
    await soon.pass();
    expect(wire.chunks).toHaveLength(1);
    expect(sender.waitingBytes).toBe(208);
    expect(sender.room(208)).toBeUndefined();
    let hasRoom = false;
    void sender.room(104)?.then(() => {
      hasRoom = true;
    });
    await soon.pass();
    expect(hasRoom).toBe(false);
    wire.open();
    await soon.pass();
    expect(hasRoom).toBe(true);
    expect(wire.chunks).toHaveLength(2);
    expect(sender.waitingBytes).toBe(0);
  });

  it('that claim to be enormous break the stream', () => {
    const receiver = new FrameReceiver(() => expect.unreachable());
    expect(() => receiver.push(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toThrow(RangeError);
  });
});

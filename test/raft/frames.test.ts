// Messages as bytes: nothing is lost on the way, and what is no frame is said to be none.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyOf, classOf, FrameReader, FrameWriter, pairFrame } from '../../src/raft/frames.ts';
import type { Message, OutgoingMessage } from '../../src/raft/messages.ts';
import type { Entry } from '../../src/raft/types.ts';

const number = fc.oneof(
  fc.nat(200),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  fc.constant(Number.MAX_SAFE_INTEGER),
);
const envelope = { from: number, to: number, term: number };
const bool = fc.boolean();
const constant = <T extends string>(...kinds: T[]) => fc.constantFrom(...kinds);
const data = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.nat(5000).map((size) => new Uint8Array(size).fill(size)),
);

/** As it arrives. */
const message: fc.Arbitrary<Message> = fc.oneof(
  fc
    .record({
      kind: constant('append'),
      ...envelope,
      previousIndex: fc.nat(2 ** 40),
      previousTerm: number,
      commit: number,
      stamp: number,
      entries: fc.array(fc.record({ term: number, kind: constant('command', 'change'), data }), {
        maxLength: 5,
      }),
    })
    .map((append) => ({
      ...append,
      entries: append.entries.map((entry, i) => ({
        index: append.previousIndex + 1 + i,
        ...entry,
      })),
    })),
  fc.record({
    kind: constant('appendAnswer'),
    ...envelope,
    index: number,
    rejected: bool,
    hintIndex: number,
    hintTerm: number,
    stamp: number,
  }),
  fc.record({
    kind: constant('heartbeat'),
    ...envelope,
    commit: number,
    readContext: number,
    stamp: number,
  }),
  fc.record({ kind: constant('heartbeatAnswer'), ...envelope, readContext: number, stamp: number }),
  fc.record({
    kind: constant('preVote', 'vote'),
    ...envelope,
    lastIndex: number,
    lastTerm: number,
    commit: number,
    commitTerm: number,
    isTransfer: bool,
  }),
  fc.record({
    kind: constant('preVoteAnswer', 'voteAnswer'),
    ...envelope,
    granted: bool,
    commit: number,
    commitTerm: number,
  }),
  fc.record({
    kind: constant('snapshot'),
    ...envelope,
    index: number,
    indexTerm: number,
    stamp: number,
  }),
  fc.record({ kind: constant('timeoutNow', 'inquiry', 'removed'), ...envelope }),
  fc.record({ kind: constant('readIndex'), ...envelope, context: number }),
  fc.record({ kind: constant('readIndexAnswer'), ...envelope, context: number, index: number }),
);

/** As it leaves: without its entries. */
function outgoing(one: Message): [OutgoingMessage, readonly Entry[]] {
  if (one.kind !== 'append') return [one, []];
  const { entries, ...rest } = one;
  const last = one.previousIndex + entries.length;
  const range = entries.length === 0 ? undefined : { first: one.previousIndex + 1, last };
  return [{ ...rest, range }, entries];
}

function pack(messages: readonly (readonly [number, Message])[]): Uint8Array {
  const writer = new FrameWriter();
  for (const [group, one] of messages) writer.add(group, ...outgoing(one));
  return writer.take();
}

function unpack(frame: Uint8Array): (readonly [number, Message])[] {
  const reader = new FrameReader(frame);
  const messages: (readonly [number, Message])[] = [];
  for (let one = reader.next(); one !== undefined; one = reader.next()) {
    messages.push([reader.group, one]);
  }
  return messages;
}

describe('a frame', () => {
  it('brings what was put into it, for each group, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2 ** 32 - 1), message), { maxLength: 20 }), (list) => {
        const frame = pack(list);
        expect(classOf(frame)).toBe('replicas');
        expect(unpack(frame)).toEqual(list);
      }),
    );
  });

  it('that was cut off or damaged is a RangeError or other messages, never anything else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(100), message), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat(255),
        bool,
        (list, at, byte, isCut) => {
          const frame = pack(list);
          const place = 6 + (at % (frame.length - 6));
          if (!isCut) frame[place] = byte;
          try {
            unpack(isCut ? frame.subarray(0, place) : frame);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
    );
  });

  it('of another version, or of nobody, is unknown', () => {
    const frame = pack([[1, { kind: 'timeoutNow', from: 1, to: 2, term: 3 }]]);
    const newer = frame.slice();
    newer[0] = 2;
    expect(classOf(newer)).toBe('unknown');
    const strange = frame.slice();
    strange[1] = 9;
    expect(classOf(strange)).toBe('unknown');
    expect(classOf(new Uint8Array([1]))).toBe('unknown');
    expect(classOf(new Uint8Array([1, 1, 0]))).toBe('unknown');
  });

  it('holds the words of a pair as they are', () => {
    const body = new Uint8Array([3, 1, 4]);
    expect(classOf(pairFrame(body))).toBe('pair');
    expect(bodyOf(pairFrame(body))).toEqual(body);
  });

  it('is viewed by large entries, and left by small ones that it would be kept for', () => {
    const entryOf = (size: number): Message => ({
      kind: 'append',
      from: 1,
      to: 2,
      term: 1,
      previousIndex: 0,
      previousTerm: 0,
      commit: 0,
      stamp: 0,
      entries: [{ index: 1, term: 1, kind: 'command', data: new Uint8Array(size).fill(7) }],
    });
    const bufferOf = (frame: Uint8Array): ArrayBufferLike => {
      const [, one] = unpack(frame).at(-1) as readonly [number, Message];
      return one.kind === 'append' ? (one.entries[0] as Entry).data.buffer : frame.buffer;
    };
    const large = pack([[1, entryOf(5000)]]);
    expect(bufferOf(large)).toBe(large.buffer);
    const heartbeat: Message = {
      kind: 'heartbeat',
      from: 1,
      to: 2,
      term: 1,
      commit: 0,
      readContext: 0,
      stamp: 0,
    };
    const others = Array.from({ length: 500 }, (_, i) => [i, heartbeat] as const);
    const mixed = pack([...others, [501, entryOf(500)]]);
    expect(bufferOf(mixed)).not.toBe(mixed.buffer);
  });

  it('is followed by another from the same writer', () => {
    const writer = new FrameWriter();
    const one: Message = { kind: 'timeoutNow', from: 1, to: 2, term: 3 };
    writer.add(5, one);
    const first = writer.take();
    expect(writer.isEmpty).toBe(true);
    writer.add(6, one);
    expect(unpack(writer.take())).toEqual([[6, one]]);
    expect(unpack(first)).toEqual([[5, one]]);
  });
});

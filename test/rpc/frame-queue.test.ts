import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeEnvelope,
  FRAME_BYTES_MAX,
  FrameAssembler,
  FrameQueue,
  PACKED_BYTES,
} from '../../src/rpc/frame-queue.ts';
import { Envelope } from '../../src/rpc/generated/peer.ts';

const MIB = 1024 * 1024;
const size = fc.oneof(
  fc.nat({ max: 300 }),
  fc.nat({ max: 3 * MIB }),
  fc.constantFrom(PACKED_BYTES - 1, PACKED_BYTES, PACKED_BYTES + 1, 2 * PACKED_BYTES),
);

function takeAll(queue: FrameQueue): Buffer[] {
  const messages: Buffer[] = [];
  for (let m = queue.take(); m !== undefined; m = queue.take()) messages.push(m);
  return messages;
}

describe('frames in a queue', () => {
  it('come out whole and in order, in messages of at most a MiB', () => {
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), fc.nat({ max: 12 }), (sizes, pause) => {
        const queue = new FrameQueue(100 * MIB);
        const assembler = new FrameAssembler();
        const messages: Buffer[] = [];
        sizes.forEach((length, i) => {
          expect(queue.push(Buffer.alloc(length, i + 1))).toBe(true);
          if (i === pause) messages.push(...takeAll(queue));
        });
        messages.push(...takeAll(queue));
        expect(queue.isEmpty).toBe(true);
        const seen = messages.flatMap((message) => {
          expect(message.length).toBeLessThanOrEqual(MIB);
          return assembler.take(Envelope.decode(message));
        });
        expect(seen.map((frame) => frame.length)).toEqual(sizes);
        seen.forEach((frame, i) => {
          expect(Buffer.compare(frame, Buffer.alloc(frame.length, i + 1))).toBe(0);
        });
      }),
      // One of them: a large frame right behind one of no bytes.
      { numRuns: 30, examples: [[[0, 1_048_571], 1]] },
    );
  });

  it('are few messages when they are small', () => {
    const queue = new FrameQueue(16 * MIB);
    for (let i = 0; i < 9000; i++) queue.push(Buffer.alloc(100));
    expect(takeAll(queue)).toHaveLength(1);
  });

  it('are bounded in bytes; where nothing waits, one larger frame is taken', () => {
    const queue = new FrameQueue(1000);
    expect(queue.push(Buffer.alloc(2_500_000))).toBe(true);
    expect(queue.push(Buffer.alloc(1))).toBe(false);
    // Parts that have left make room.
    queue.take();
    queue.take();
    expect(queue.push(Buffer.alloc(1))).toBe(false);
    queue.take();
    expect(queue.push(Buffer.alloc(600))).toBe(true);
    expect(queue.push(Buffer.alloc(401))).toBe(false);
    expect(queue.push(Buffer.alloc(400))).toBe(true);
    expect(queue.length).toBe(2);
    expect(new FrameQueue(MIB).push({ length: FRAME_BYTES_MAX + 1 } as Uint8Array)).toBe(false);
  });
});

describe('what makes no sense is refused:', () => {
  const part = (bytes: number, frameBytes = 0): Envelope =>
    Envelope.decode(encodeEnvelope({ part: Buffer.alloc(bytes), frameBytes }));
  const frame = Envelope.decode(encodeEnvelope({ frames: [Buffer.alloc(1)] }));
  const cases: Readonly<Record<string, readonly Envelope[]>> = {
    'a part of no frame': [part(5)],
    'a part beyond its frame': [part(5, 8), part(4)],
    'a frame between parts': [part(5, 8), frame],
    'a frame before the last part': [part(5, 8), part(5, 8)],
    'a frame that is too large': [part(5, FRAME_BYTES_MAX + 1)],
  };
  for (const [name, envelopes] of Object.entries(cases)) {
    it(name, () => {
      const assembler = new FrameAssembler();
      const take = (): void => {
        for (const envelope of envelopes) expect(assembler.take(envelope).length).toBe(0);
      };
      expect(take).toThrow(RangeError);
    });
  }
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyReader, MessageFramer, ProtocolViolation } from '../../src/doors/pgwire/framing.ts';

function frame(type: number, body: Buffer): Buffer {
  const out = Buffer.alloc(5 + body.length);
  out[0] = type;
  out.writeUInt32BE(4 + body.length, 1);
  body.copy(out, 5);
  return out;
}

function ready(): MessageFramer {
  const framer = new MessageFramer();
  framer.startupDone();
  return framer;
}

function drain(framer: MessageFramer, into: { type: number; body: string }[]): void {
  while (framer.next()) {
    into.push({
      type: framer.type,
      body: framer.bytes.subarray(framer.start, framer.end).toString('latin1'),
    });
  }
}

describe('MessageFramer', () => {
  it('gives the same messages however the input is cut', () => {
    const message = fc.record({
      type: fc.integer({ min: 1, max: 255 }),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 20 }),
        fc.array(fc.nat(400), { minLength: 1 }),
        (messages, cuts) => {
          const all = Buffer.concat(
            messages.map(({ type, body }) => frame(type, Buffer.from(body))),
          );
          const framer = ready();
          const got: { type: number; body: string }[] = [];
          for (let at = 0, i = 0; at < all.length; i++) {
            const length = 1 + (cuts[i % cuts.length] as number);
            framer.push(Buffer.from(all.subarray(at, at + length)));
            at += length;
            drain(framer, got);
          }
          expect(got).toEqual(
            messages.map(({ type, body }) => ({
              type,
              body: Buffer.from(body).toString('latin1'),
            })),
          );
          expect(framer.pending).toBe(0);
        },
      ),
    );
  });

  it('keeps a message that is being handled intact while more input comes', () => {
    const framer = ready();
    framer.push(
      Buffer.concat([frame(81, Buffer.from('first\0')), frame(81, Buffer.from('half'))]).subarray(
        0,
        13,
      ),
    );
    expect(framer.next()).toBe(true);
    const { bytes, start, end } = framer;
    framer.push(Buffer.alloc(100, 0x7a));
    expect(bytes.subarray(start, end).toString()).toBe('first\0');
  });

  it.each([0, 3, 64 * 1024 * 1024 + 1, 1 << 30, 0xffffffff])('refuses a length of %i', (length) => {
    const framer = ready();
    const header = Buffer.alloc(5);
    header[0] = 81;
    header.writeUInt32BE(length, 1);
    framer.push(header);
    expect(() => framer.next()).toThrow(ProtocolViolation);
  });

  it('refuses a start-up packet beyond 10,000 bytes', () => {
    const framer = new MessageFramer();
    const header = Buffer.alloc(4);
    header.writeUInt32BE(10_001, 0);
    framer.push(header);
    expect(() => framer.next()).toThrow('invalid message length 10001');
  });
});

describe('BodyReader', () => {
  it('refuses to run off the end of a message', () => {
    const reader = new BodyReader();
    reader.reset(Buffer.from('abc'), 0, 3);
    expect(() => reader.i32()).toThrow(ProtocolViolation);
    expect(() => reader.text()).toThrow('a string without its terminator');
    expect(() => reader.raw(-1)).toThrow(ProtocolViolation);
  });

  it('decodes names that repeat, alternate and share a length', () => {
    const reader = new BodyReader();
    const bytes = Buffer.from('one\0one\0two\0one\0\0é\0');
    reader.reset(bytes, 0, bytes.length);
    expect(Array.from({ length: 6 }, () => reader.name())).toEqual([
      'one',
      'one',
      'two',
      'one',
      '',
      'é',
    ]);
  });
});

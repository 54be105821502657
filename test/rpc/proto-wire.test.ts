// Our reader and writer against @bufbuild/protobuf's.
import { BinaryReader as TheirReader, BinaryWriter as TheirWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BinaryReader, BinaryWriter } from '../../src/base/proto-wire.ts';
import { Operation, StreamRequest } from '../../src/doors/kv/generated/kv.ts';

const uint32 = fc.oneof(
  fc.nat({ max: 300 }),
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0x7f, 0x80, 0x3fff, 0x4000, 0xffffffff),
);
const safe = fc.oneof(uint32, fc.maxSafeNat(), fc.constantFrom(2 ** 32, 2 ** 35, 2 ** 53 - 1));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.integer({ min: 1000, max: 200_000 }).map((length) => new Uint8Array(length).fill(7)),
);

const field = fc.oneof(
  { depthSize: 'small', withCrossShrink: true },
  fc.record({ kind: fc.constant('uint32' as const), value: uint32 }),
  fc.record({ kind: fc.constant('int32' as const), value: fc.integer() }),
  fc.record({ kind: fc.constant('uint64' as const), value: safe }),
  fc.record({ kind: fc.constant('bool' as const), value: fc.boolean() }),
  fc.record({ kind: fc.constant('bytes' as const), value: bytes }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'binary' }) }),
);
type Field = typeof field extends fc.Arbitrary<infer T> ? T : never;
const message = fc.array(fc.oneof(field, fc.array(field, { maxLength: 5 })), { maxLength: 12 });

function write(fields: readonly (Field | readonly Field[])[], writer: BinaryWriter | TheirWriter) {
  const put = (one: Field): void => {
    if (one.kind === 'uint32') writer.uint32(one.value);
    else if (one.kind === 'int32') writer.int32(one.value);
    else if (one.kind === 'uint64') writer.uint64(one.value);
    else if (one.kind === 'bool') writer.bool(one.value);
    else if (one.kind === 'bytes') writer.bytes(one.value);
    else writer.string(one.value);
  };
  for (const one of fields) {
    if ('kind' in one) {
      put(one);
    } else {
      writer.fork();
      for (const inner of one) put(inner);
      writer.join();
    }
  }
  return writer.finish();
}

describe('the wire format', () => {
  it('is written as @bufbuild/protobuf writes it', () => {
    fc.assert(
      fc.property(message, fc.nat({ max: 100_000 }), (fields, hint) => {
        const ours = write(fields, new BinaryWriter(hint));
        expect(Buffer.compare(ours, write(fields, new TheirWriter()))).toBe(0);
      }),
    );
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 12 }), (fields) => {
        const reader = new BinaryReader(write(fields, new TheirWriter()));
        for (const { kind, value } of fields) {
          const read = reader[kind]();
          if (kind === 'bytes') expect(Buffer.compare(read as Uint8Array, value)).toBe(0);
          else expect(read).toBe(value);
        }
        expect(reader.pos).toBe(reader.len);
      }),
    );
  });

  it('either reads a cut or changed message as the other does, or throws a RangeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (input) => {
        const ours = new BinaryReader(input);
        const theirs = new TheirReader(input);
        for (const kind of ['uint32', 'int32', 'bool', 'bytes', 'uint32'] as const) {
          let read: unknown;
          try {
            read = ours[kind]();
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
            return;
          }
          expect(read).toEqual(theirs[kind]());
          expect(ours.pos).toBe(theirs.pos);
        }
      }),
    );
  });

  it('refuses numbers that a double does not hold', () => {
    const writer = new TheirWriter().uint64(2n ** 53n).finish();
    expect(() => new BinaryReader(writer).uint64()).toThrow(RangeError);
  });

  it('keeps messages apart that are written at the same time and that outgrow their slab', () => {
    const first = new BinaryWriter();
    const second = new BinaryWriter();
    for (let i = 0; i < 20_000; i++) {
      first.uint32(1);
      second.uint32(2);
    }
    const [one, two] = [first.finish(), second.finish()];
    const third = new BinaryWriter().bytes(new Uint8Array(100).fill(3)).finish();
    expect(one.length).toBe(20_000);
    expect(one.every((byte) => byte === 1)).toBe(true);
    expect(two.every((byte) => byte === 2)).toBe(true);
    expect([...third.subarray(1)].every((byte) => byte === 3)).toBe(true);
  });

  it('skips fields of later versions', () => {
    const writer = new BinaryWriter();
    writer.uint32((9 << 3) | 0).uint64(2 ** 40);
    writer.uint32((10 << 3) | 2).string('later');
    writer.uint32(10).fork();
    writer.uint32(8).uint32(5).uint32(16).int32(Operation.PUT).uint32(26).bytes(Buffer.from('k'));
    writer.join();
    const { operations } = StreamRequest.decode(writer.finish());
    expect(operations).toMatchObject([{ id: 5, operation: Operation.PUT }]);
    expect(Buffer.from(operations[0]?.key ?? []).toString()).toBe('k');
  });
});

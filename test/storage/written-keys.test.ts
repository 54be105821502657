import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../src/base/bytes.ts';
import { WrittenKeys } from '../../src/storage/written-keys.ts';

function keyOf(index: number, id: number): Uint8Array {
  const key = new Uint8Array(8);
  const view = new DataView(key.buffer);
  view.setUint32(0, index);
  view.setUint32(4, id);
  return key;
}

function isNew(keys: WrittenKeys, key: Uint8Array): boolean {
  return keys.isSurelyNew(key, hashBytes(key));
}

function write(keys: WrittenKeys, key: Uint8Array): void {
  keys.written(key, hashBytes(key));
}

/** Asks about the key's index and answers. */
function learn(keys: WrittenKeys, key: Uint8Array, isEmpty: boolean): void {
  const span = keys.ask(key);
  if (span !== undefined) keys.answer(span, isEmpty);
}

describe('WrittenKeys', () => {
  it('knows nothing of an index before it was found empty', () => {
    const keys = new WrittenKeys();
    expect(isNew(keys, keyOf(100, 1))).toBe(false);
    const span = keys.ask(keyOf(100, 1));
    expect(span).toEqual({ start: Uint8Array.of(0, 0, 0, 100), end: Uint8Array.of(0, 0, 0, 101) });
    expect(isNew(keys, keyOf(100, 1))).toBe(false);
    expect(keys.ask(keyOf(100, 2))).toBeUndefined();
  });

  it('never takes a written key for new, whatever the order of questions, answers and writes', () => {
    const step = fc.oneof(
      fc.record({ what: fc.constant('write'), index: fc.nat(2), id: fc.nat(50) }),
      fc.record({ what: fc.constant('ask'), index: fc.nat(2), id: fc.nat(50) }),
      fc.record({ what: fc.constant('answer'), index: fc.nat(2), id: fc.nat(50) }),
      fc.record({ what: fc.constant('clear'), index: fc.nat(2), id: fc.nat(50) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const keys = new WrittenKeys();
        const written = new Set<string>();
        /** Questions under way, and whether it was empty when it was asked. */
        const questions = new Map<
          number,
          { span: ReturnType<WrittenKeys['ask']>; isEmpty: boolean }
        >();
        for (const { what, index, id } of steps) {
          const key = keyOf(index, id);
          if (what === 'write') {
            write(keys, key);
            written.add(`${index}/${id}`);
          } else if (what === 'ask') {
            const span = keys.ask(key);
            const isEmpty = ![...written].some((one) => one.startsWith(`${index}/`));
            if (span !== undefined) questions.set(index * 10 + questions.size, { span, isEmpty });
          } else if (what === 'answer') {
            const [number, question] = [...questions][id % Math.max(1, questions.size)] ?? [];
            if (question?.span !== undefined) keys.answer(question.span, question.isEmpty);
            if (number !== undefined) questions.delete(number);
          } else {
            // The answers to questions from before may still come.
            keys.clear();
          }
          for (const one of written) {
            const [i, n] = one.split('/').map(Number) as [number, number];
            expect(isNew(keys, keyOf(i, n))).toBe(false);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('knows new keys of an index that was empty, also among very many written ones', () => {
    const keys = new WrittenKeys();
    learn(keys, keyOf(100, 0), true);
    let wrong = 0;
    for (let id = 0; id < 200_000; id++) {
      if (!isNew(keys, keyOf(100, id))) wrong++;
      write(keys, keyOf(100, id));
    }
    // Each of these is a question to the shard.
    expect(wrong).toBeLessThan(200_000 * 0.002);
    for (let id = 0; id < 200_000; id += 7) expect(isNew(keys, keyOf(100, id))).toBe(false);
  });

  it('gives up an index that held rows', () => {
    const keys = new WrittenKeys();
    learn(keys, keyOf(100, 0), false);
    expect(isNew(keys, keyOf(100, 1))).toBe(false);
    expect(keys.ask(keyOf(100, 1))).toBeUndefined();
  });

  it('counts what is written between question and answer, and believes the answer', () => {
    const keys = new WrittenKeys();
    const span = keys.ask(keyOf(101, 0));
    write(keys, keyOf(101, 5));
    expect(isNew(keys, keyOf(101, 6))).toBe(false);
    if (span !== undefined) keys.answer(span, true);
    expect(isNew(keys, keyOf(101, 5))).toBe(false);
    expect(isNew(keys, keyOf(101, 6))).toBe(true);
  });
});

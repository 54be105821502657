// The checker of registers: histories that it must accept and refuse, and agreement with trying every order.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkRegister, checkRegisters, formatViolation } from '../../src/sim/checkers/register.ts';
import type { RegisterOperation } from '../../src/sim/checkers/register-history.ts';
import { RegisterHistory } from '../../src/sim/checkers/register-history.ts';

/** `w1 0-4`: a write of 1, called at 0, answered at 4; `r1`, `r-` read 1, nothing; `0-?` unknown, `0-x` refused. */
function history(text: string, key = 'k'): RegisterOperation[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .map((part, i) => {
      const [, kind, value, invoked, end] = /^([wr])(\d+|-) (\d+)-(\d+|\?|x)$/.exec(part) ?? [];
      const isDone = end !== '?' && end !== 'x';
      const completed = isDone ? Number(end) : Number.POSITIVE_INFINITY;
      return {
        key,
        client: `c${i}`,
        kind: kind === 'w' ? 'write' : 'read',
        value: value === '-' ? undefined : Number(value),
        outcome: isDone ? 'done' : end === 'x' ? 'failed' : 'unknown',
        invoked: Number(invoked),
        completed,
        invokedMicros: Number(invoked) * 1_000_000,
        completedMicros: completed * 1_000_000,
      };
    });
}

/** Wing and Gong's search, for a few operations: try every one that nothing else must precede. */
function byTryingEveryOrder(operations: readonly RegisterOperation[]): boolean {
  const relevant = operations.filter(
    ({ kind, outcome }) => outcome !== 'failed' && (kind === 'write' || outcome === 'done'),
  );
  const seen = new Set<string>();
  const end = (operation: RegisterOperation): number =>
    operation.outcome === 'done' ? operation.completed : Number.POSITIVE_INFINITY;
  const search = (left: readonly RegisterOperation[], value: number | undefined): boolean => {
    if (left.every(({ outcome }) => outcome === 'unknown')) return true;
    const state = `${left.map(({ client }) => client).join()}=${value}`;
    if (seen.has(state)) return false;
    seen.add(state);
    const firstEnd = Math.min(...left.map(end));
    return left.some((operation) => {
      if (operation.invoked > firstEnd) return false;
      const rest = left.filter((other) => other !== operation);
      if (operation.kind === 'write') return search(rest, operation.value);
      return operation.value === value && search(rest, value);
    });
  };
  return search(relevant, undefined);
}

describe('a register', () => {
  it.each([
    ['sees its writes', 'r- 0-1, w1 2-3, r1 4-5, w2 6-7, r2 8-9'],
    ['may show either value while a write is under way', 'w1 0-1, w2 2-9, r1 3-4, r2 5-6'],
    ['may take concurrent writes in any order', 'w1 0-9, w2 0-9, r2 2-3, r1 4-5'],
    ['may take an unknown write late', 'w1 0-1, w2 2-?, r1 8-9, r2 10-11'],
    ['may never take an unknown write', 'w1 0-1, w2 2-?, r1 8-9'],
    ['may take an unknown write of long ago over later ones', 'w2 0-?, w1 1-2, r1 3-4, r2 5-6'],
    ['says nothing by a read without an answer', 'w1 0-1, r7 2-?, r1 4-5'],
    ['never takes what it refused', 'w1 0-1, w2 2-x, r1 4-5'],
  ])('%s', (_name, text) => {
    expect(byTryingEveryOrder(history(text))).toBe(true);
    expect(checkRegister(history(text))).toBeUndefined();
  });

  it.each([
    ['a stale read', 'w1 0-1, w2 2-3, r1 4-5', [0, 1, 2]],
    ['a lost write', 'w1 0-1, r- 2-3', [0, 1]],
    ['a value that comes back', 'w1 0-9, w2 0-9, r2 1-2, r1 3-4, r2 5-6', [0, 1, 2, 3, 4]],
    [
      'a read that goes back while a write is under way',
      'w1 0-1, w2 2-9, r2 3-4, r1 5-6',
      [0, 1, 2, 3],
    ],
    ['a value before its write', 'r1 0-1, w1 2-3', [0, 1]],
    ['an unknown write that was seen and is gone', 'w1 0-1, w2 2-?, r2 3-4, r1 5-6', [0, 1, 2, 3]],
    ['a value that nobody wrote', 'w1 0-1, r2 2-3', [1]],
    ['a value whose write was refused', 'w1 0-1, w2 2-x, r2 4-5', [1, 2]],
  ])('does not allow %s, and shows it', (_name, text, witness) => {
    const operations = history(text);
    expect(byTryingEveryOrder(operations)).toBe(false);
    const violation = checkRegister(operations);
    expect(new Set(violation?.operations)).toEqual(new Set(witness.map((i) => operations[i])));
    // The witness alone is a contradiction.
    expect(checkRegister(violation?.operations ?? [])).toBeDefined();
  });
});

/** Up to six operations at random moments, whose reads answer what somebody may have written. */
const histories: fc.Arbitrary<RegisterOperation[]> = fc
  .array(
    fc.record({
      isWrite: fc.boolean(),
      sees: fc.integer({ min: 0, max: 6 }),
      moments: fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 })),
      outcome: fc.constantFrom(
        'done' as const,
        'done' as const,
        'done' as const,
        'unknown' as const,
      ),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((parts) =>
    parts.map(({ isWrite, sees, moments, outcome }, i) => ({
      key: 'k',
      client: `c${i}`,
      kind: isWrite ? 'write' : 'read',
      value: isWrite ? i : parts[sees]?.isWrite === true ? sees : undefined,
      outcome,
      invoked: Math.min(...moments),
      completed: Math.max(...moments) + 0.5,
      invokedMicros: 0,
      completedMicros: 0,
    })),
  );

describe('the checker of registers', () => {
  it('agrees with trying every order', () => {
    const verdicts = { good: 0, bad: 0 };
    fc.assert(
      fc.property(histories, (operations) => {
        const right = byTryingEveryOrder(operations);
        verdicts[right ? 'good' : 'bad'] += 1;
        const violation = checkRegister(operations);
        expect(violation === undefined).toBe(right);
        if (violation !== undefined) {
          expect(byTryingEveryOrder(violation.operations)).toBe(false);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(verdicts.good, verdicts.bad)).toBeGreaterThan(300);
  });

  it('judges long histories, and finds the one bad read in them', () => {
    const long = (staleAt: number): RegisterOperation[] => {
      const list: string[] = [];
      for (let i = 0; i < 50_000; i++) {
        const at = 10 * i;
        list.push(`w${i} ${at}-${at + 7}`, `r${i === staleAt ? i - 2 : i} ${at + 8}-${at + 12}`);
      }
      return history(list.join(','));
    };
    expect(checkRegister(long(-1))).toBeUndefined();
    expect(checkRegister(long(30_000))?.operations.map(({ value }) => value)).toEqual([
      29_998, 29_999, 29_998,
    ]);
  });

  it('judges each register alone, and tells of the one with the fewest operations', () => {
    const good = history('w1 0-1, r1 2-3', 'good');
    const larger = history('w1 0-1, w2 2-3, r1 4-5, r2 6-7', 'larger');
    const smaller = history('w1 0-1, r- 2-3', 'smaller');
    expect(checkRegisters(good)).toBeUndefined();
    expect(checkRegisters([...larger, ...good, ...smaller])?.key).toBe('smaller');
  });

  it('shows who did what, when', () => {
    const violation = checkRegisters(history('w1 0-1, w2 2-?, r2 3-4, r1 5-6'));
    expect(violation && formatViolation(violation)).toBe(
      `register k is not linearizable: value 1 and value 2 were each known before the other was asked for: one came back
  0.000000 s .. 1.000000 s  c0 wrote 1
  2.000000 s .. unknown  c1 wrote 2
  3.000000 s .. 4.000000 s  c2 read 2
  5.000000 s .. 6.000000 s  c3 read 1`,
    );
  });

  it('keeps the order of calls and answers of one moment', () => {
    const records = new RegisterHistory(() => 7);
    const write = records.call('a', 'k', 'write', 1);
    records.done(write);
    const read = records.call('b', 'k', 'read');
    records.done(read, undefined);
    expect(checkRegisters(records.operations)?.operations).toEqual([write, read]);
  });
});

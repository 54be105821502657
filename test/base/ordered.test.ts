import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import { IntervalMap } from '../../src/base/interval-map.ts';
import { SortedChunks } from '../../src/base/sorted-chunks.ts';

/** Few enough that keys repeat, and runs long enough that chunks are split. */
const keys = fc.uint8Array({ minLength: 1, maxLength: 2, max: 40 });
const many = fc.array(keys, { minLength: 0, maxLength: 400, size: 'max' });

describe('SortedChunks', () => {
  it('visits what a sorted array holds, after any inserts and removals', () => {
    fc.assert(
      fc.property(many, fc.array(fc.nat()), keys, keys, (inserted, removals, start, end) => {
        const chunks = new SortedChunks<{ readonly key: Uint8Array }>();
        let items = inserted.map((key) => ({ key }));
        for (const item of items) chunks.insert(item);
        for (const removal of removals) {
          const item = items[removal % (items.length + 1)];
          if (item === undefined) continue;
          expect(chunks.remove(item)).toBe(true);
          expect(chunks.remove(item)).toBe(false);
          items = items.filter((other) => other !== item);
        }
        expect(chunks.size).toBe(items.length);
        const visited: Uint8Array[] = [];
        chunks.visit(start, end, ({ key }) => visited.push(key) > 0);
        const within = items
          .map(({ key }) => key)
          .filter((key) => compareBytes(key, start) >= 0 && compareBytes(key, end) < 0)
          .sort(compareBytes);
        expect(visited).toEqual(within);
      }),
      { numRuns: 40 },
    );
  });

  it('stops when told so', () => {
    const chunks = new SortedChunks<{ readonly key: Uint8Array }>();
    for (let i = 0; i < 200; i++) chunks.insert({ key: Uint8Array.of(i) });
    let visited = 0;
    chunks.visit(Uint8Array.of(10), undefined, () => ++visited < 3);
    expect(visited).toBe(3);
  });
});

interface Span {
  readonly key: Uint8Array;
  readonly end: Uint8Array | undefined;
}

describe('IntervalMap', () => {
  it('finds what covers a key and what meets a span, as looking at all of them does', () => {
    const span = fc.record({ key: keys, end: fc.option(keys, { nil: undefined, freq: 20 }) });
    const spans = fc.array(span, { maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(spans, fc.array(fc.nat()), keys, keys, (inserted, removals, start, end) => {
        const map = new IntervalMap<Span>();
        let items = inserted.filter((s) => s.end === undefined || compareBytes(s.key, s.end) < 0);
        for (const item of items) map.insert(item);
        for (const removal of removals) {
          const item = items[removal % (items.length + 1)];
          if (item === undefined) continue;
          expect(map.remove(item)).toBe(true);
          items = items.filter((other) => other !== item);
        }
        expect(map.size).toBe(items.length);
        const reaches = (to: Uint8Array | undefined, key: Uint8Array): boolean =>
          to === undefined || compareBytes(to, key) > 0;

        const covering: Span[] = [];
        map.collectCovering(start, covering);
        const expected = items.filter(
          (s) => compareBytes(s.key, start) <= 0 && reaches(s.end, start),
        );
        expect(new Set(covering)).toEqual(new Set(expected));
        expect(covering).toHaveLength(expected.length);

        const meeting: Span[] = [];
        map.collectOverlapping(start, end, meeting);
        const met = items.filter((s) => reaches(end, s.key) && reaches(s.end, start));
        expect(new Set(meeting)).toEqual(new Set(met));
        expect(meeting).toHaveLength(met.length);
      }),
      { numRuns: 40 },
    );
  });
});

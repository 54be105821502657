// Splits and merges of a keyspace, as descriptors.

import fc from 'fast-check';
import { MIN_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import type { RangeDescriptor } from '../../src/ranges/descriptor.ts';

function descriptor(
  range: number,
  generation: number,
  start: number,
  end: number | undefined,
): RangeDescriptor {
  const key = (n: number): Uint8Array => (n === 0 ? new Uint8Array(0) : Uint8Array.of(n));
  return {
    range,
    span: { start: key(start), end: end === undefined ? undefined : key(end) },
    generation,
    configuration: configurationOf([1]),
    nextIncarnation: 1,
    stickyUntil: MIN_TIMESTAMP,
  };
}

/** `all`: what was ever true, in the order in which it became so; `now`: what is. */
export interface RangeHistory {
  readonly all: readonly RangeDescriptor[];
  readonly now: readonly RangeDescriptor[];
}

export const history: fc.Arbitrary<RangeHistory> = fc
  .array(fc.tuple(fc.boolean(), fc.nat(99), fc.integer({ min: 1, max: 40 })), { maxLength: 30 })
  .map((steps) => {
    let now = [descriptor(1, 1, 0, undefined)];
    const all = [...now];
    let lastId = 1;
    for (const [isSplit, pick, at] of steps) {
      const i = pick % now.length;
      const one = now[i] as RangeDescriptor;
      const next = now[i + 1];
      const start = one.span.start[0] ?? 0;
      const end = one.span.end?.[0];
      let made: RangeDescriptor[];
      if (isSplit && at > start && (end === undefined || at < end)) {
        const generation = one.generation + 1;
        made = [
          descriptor(one.range, generation, start, at),
          descriptor(++lastId, generation, at, end),
        ];
        now = [...now.slice(0, i), ...made, ...now.slice(i + 1)];
      } else if (!isSplit && next !== undefined) {
        const generation = Math.max(one.generation, next.generation) + 1;
        made = [descriptor(one.range, generation, start, next.span.end?.[0])];
        now = [...now.slice(0, i), ...made, ...now.slice(i + 2)];
      } else {
        continue;
      }
      all.push(...made);
    }
    return { all, now };
  });

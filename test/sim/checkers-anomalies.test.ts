// Each anomaly by the smallest history that has it, and by one beside it that has it not.

import { describe, expect, it } from 'vitest';
import { judge, namesOf, strongestOf } from './history-text.ts';

/** What it is; the history; the strongest model that it holds to; what is found. */
type Case = readonly [
  what: string,
  lines: readonly string[],
  model: string,
  anomalies: readonly string[],
];

const STRICT = 'strict-serializable';
const SERIALIZABLE = 'serializable';
const SNAPSHOT = 'snapshot-isolation';
const NONE = 'none';

function judgeAll(cases: readonly Case[]): void {
  it.each(cases)('%s', (_what, lines, model, anomalies) => {
    const report = judge(...lines);
    expect(namesOf(report)).toEqual([...anomalies].sort());
    expect(strongestOf(report)).toBe(model);
    for (const { witness } of report.anomalies) expect(witness.length).toBeGreaterThan(1);
  });
}

describe('lists', () => {
  judgeAll([
    [
      'nothing wrong',
      ['p0 0-1: append x 1', 'p1 2-3: r x [1], append x 2', 'p0 4-5: r x [1 2]'],
      STRICT,
      [],
    ],
    [
      'either order while both are under way',
      ['p0 0-9: append x 1', 'p1 1-8: r x []', 'p2 2-7: r x [1]'],
      STRICT,
      [],
    ],
    [
      'an append of unknown outcome that was seen',
      ['p0 0-?: append x 1', 'p1 2-3: r x [1]', 'p1 4-5: r x [1]'],
      STRICT,
      [],
    ],
    [
      'an append of unknown outcome that was not seen',
      ['p0 0-?: append x 1', 'p1 2-3: r x []'],
      STRICT,
      [],
    ],
    [
      'an append of unknown outcome that was seen late',
      ['p0 0-?: append x 1', 'p1 2-3: r x []', 'p1 4-5: r x [1]'],
      STRICT,
      [],
    ],
    [
      'an append of unknown outcome that was seen, and gone',
      ['p0 0-?: append x 1', 'p1 2-3: r x [1]', 'p2 4-5: r x []'],
      SERIALIZABLE,
      ['G-single-realtime'],
    ],
    [
      'a read after an own append',
      ['p0 0-1: append x 1', 'p1 2-3: append x 2, r x [1 2]', 'p0 4-5: r x [1 2]'],
      STRICT,
      [],
    ],
    ['a failed append that nobody saw', ['p0 0-x: append x 1', 'p1 2-3: r x []'], STRICT, []],
    [
      'G0',
      [
        'p0 0-9: append x 1, append y 1',
        'p1 0-9: append x 2, append y 2',
        'p2 10-11: r x [1 2], r y [2 1]',
      ],
      NONE,
      ['G0'],
    ],
    ['G1a', ['p0 0-x: append x 1', 'p1 2-3: r x [1]'], NONE, ['G1a']],
    [
      'G1b',
      ['p0 0-9: append x 1, append x 2', 'p1 1-8: r x [1]', 'p2 10-11: r x [1 2]'],
      NONE,
      ['G-single', 'G1b'],
    ],
    [
      'G1b of what nobody saw whole',
      ['p0 0-9: append x 1, append x 2', 'p1 1-8: r x [1]'],
      NONE,
      ['G-single', 'G1b'],
    ],
    ['G1c', ['p0 0-9: append x 1, r y [1]', 'p1 0-9: append y 1, r x [1]'], NONE, ['G1c']],
    [
      'G-single',
      ['p0 0-9: append x 1, append y 1', 'p1 0-9: r x [1], r y []', 'p2 10-11: r y [1]'],
      NONE,
      ['G-single'],
    ],
    [
      'a lost update',
      ['p0 0-9: r x [], append x 1', 'p1 0-9: r x [], append x 2', 'p2 10-11: r x [1 2]'],
      NONE,
      ['G-single', 'lost-update'],
    ],
    [
      'a long fork',
      [
        'p0 0-9: append x 1',
        'p1 0-9: append y 1',
        'p2 1-8: r x [1], r y []',
        'p3 1-8: r x [], r y [1]',
      ],
      NONE,
      ['G-nonadjacent'],
    ],
    [
      'a long fork among shorter write skews',
      [
        'p0 0-9: append x 1, r p []',
        'p1 0-9: append y 1, r q []',
        'p2 0-9: append p 1',
        'p3 0-9: append q 1',
        'p4 1-8: r x [1], r y [], r q [1]',
        'p5 1-8: r x [], r y [1], r p [1]',
      ],
      NONE,
      ['G-nonadjacent', 'G2-item'],
    ],
    [
      'G2-item',
      ['p0 0-9: r x [], append y 1', 'p1 0-9: r y [], append x 1', 'p2 10-11: r x [1], r y [1]'],
      SNAPSHOT,
      ['G2-item'],
    ],
    [
      'write skew that nobody saw',
      ['p0 0-9: r x [], append y 1', 'p1 0-9: r y [], append x 1'],
      SNAPSHOT,
      ['G2-item'],
    ],
    [
      'G0-process',
      ['p0 0-1: append x 1', 'p0 2-3: append x 2', 'p1 4-5: r x [2 1]'],
      SERIALIZABLE,
      ['G0-process'],
    ],
    ['G1c-process', ['p0 0-1: r x [1]', 'p0 2-3: append x 1'], SERIALIZABLE, ['G1c-process']],
    [
      'G-single-process',
      ['p0 0-9: append x 1', 'p1 1-2: r x [1]', 'p1 3-4: r x []'],
      SERIALIZABLE,
      ['G-single-process'],
    ],
    [
      'G-nonadjacent-process',
      [
        'p0 0-1: append x 1',
        'p0 2-3: r y []',
        'p1 0-1: append y 1',
        'p1 2-3: r x []',
        'p2 10-11: r x [1], r y [1]',
      ],
      SERIALIZABLE,
      ['G-nonadjacent-process', 'G-single-realtime'],
    ],
    [
      'G2-item-process',
      [
        'p0 0-20: r y [], append x 1',
        'p1 1-2: append y 1',
        'p1 3-4: r z []',
        'p2 0-20: append z 1, r x []',
        'p3 30-31: r x [1], r y [1], r z [1]',
      ],
      SERIALIZABLE,
      ['G2-item-process'],
    ],
    [
      'G0-realtime',
      ['p0 0-1: append x 1', 'p1 2-3: append x 2', 'p2 4-5: r x [2 1]'],
      SERIALIZABLE,
      ['G0-realtime'],
    ],
    ['G1c-realtime', ['p0 0-1: r x [1]', 'p1 2-3: append x 1'], SERIALIZABLE, ['G1c-realtime']],
    [
      'G-single-realtime',
      ['p0 0-1: append x 1', 'p1 2-3: r x []', 'p1 4-5: r x [1]'],
      SERIALIZABLE,
      ['G-single-realtime'],
    ],
    [
      'G2-item-realtime',
      [
        'p0 0-20: r y [], append x 1',
        'p1 1-2: append y 1',
        'p4 3-4: r z []',
        'p2 0-20: append z 1, r x []',
        'p3 30-31: r x [1], r y [1], r z [1]',
      ],
      SERIALIZABLE,
      ['G2-item-realtime'],
    ],
    [
      'a lost append',
      ['p0 0-1: append x 1', 'p1 2-3: r x []'],
      SERIALIZABLE,
      ['G-single-realtime', 'lost-append'],
    ],
    [
      'internal',
      ['p0 0-1: append x 1', 'p1 2-3: r x [1], append x 2, r x [1]'],
      NONE,
      ['internal'],
    ],
    ['internal, after an append alone', ['p0 0-1: append x 1, r x []'], NONE, ['internal']],
    ['internal, of what comes later', ['p0 0-1: r x [1], append x 1'], NONE, ['internal']],
    [
      'incompatible orders',
      ['p0 0-9: append x 1', 'p1 0-9: append x 2', 'p2 1-8: r x [1 2]', 'p3 1-8: r x [2]'],
      NONE,
      ['incompatible-order'],
    ],
    [
      'an order that its own transaction contradicts',
      ['p0 0-1: append x 1, append x 2', 'p1 2-3: r x [2 1]'],
      NONE,
      ['G1b', 'incompatible-order'],
    ],
    [
      'duplicate elements',
      ['p0 0-1: append x 1', 'p1 2-3: r x [1 1]'],
      NONE,
      ['duplicate-elements'],
    ],
    ['what nobody appended', ['p0 0-1: append x 1', 'p1 2-3: r x [1 7]'], NONE, ['unwritten']],
  ]);
});

describe('registers', () => {
  judgeAll([
    [
      'nothing wrong',
      ['p0 0-1: w x 1', 'p1 2-3: r x 1, w x 2', 'p0 4-5: r x 2, r y nil'],
      STRICT,
      [],
    ],
    [
      'either value while a write is under way',
      ['p0 0-1: w x 1', 'p1 2-9: w x 2', 'p2 3-4: r x 1', 'p2 5-6: r x 2'],
      STRICT,
      [],
    ],
    [
      'a write of unknown outcome, seen late',
      ['p0 0-1: w x 1', 'p1 2-?: w x 2', 'p2 3-4: r x 1', 'p2 5-6: r x 2'],
      STRICT,
      [],
    ],
    ['G1a', ['p0 0-x: w x 1', 'p1 2-3: r x 1'], NONE, ['G1a']],
    ['G1b', ['p0 0-1: w x 1, w x 2', 'p1 2-3: r x 1'], NONE, ['G1b']],
    ['G1c', ['p0 0-9: w x 1, r y 1', 'p1 0-9: w y 1, r x 1'], NONE, ['G1c']],
    [
      'G0 by what was read',
      ['p0 0-9: r x 2, w x 1, w y 1', 'p1 0-9: w x 2, r y 1, w y 2'],
      NONE,
      ['G0', 'G1c'],
    ],
    ['G-single', ['p0 0-9: w x 1, w y 1', 'p1 0-9: r x 1, r y nil'], NONE, ['G-single']],
    ['G2-item', ['p0 0-9: r x nil, w y 1', 'p1 0-9: r y nil, w x 1'], SNAPSHOT, ['G2-item']],
    [
      'a lost update',
      ['p0 0-1: w x 7', 'p1 2-9: r x 7, w x 1', 'p2 2-9: r x 7, w x 2'],
      NONE,
      ['G2-item', 'lost-update'],
    ],
    [
      'a stale read',
      ['p0 0-1: w x 1', 'p1 2-3: w x 2', 'p2 4-5: r x 1'],
      SERIALIZABLE,
      ['G-single-realtime'],
    ],
    [
      'a value that comes back',
      ['p0 0-9: w x 1', 'p1 0-9: w x 2', 'p2 1-2: r x 1', 'p2 3-4: r x 2', 'p2 5-6: r x 1'],
      SERIALIZABLE,
      ['G-single-realtime'],
    ],
    [
      'a write before which there was nothing, seen after another',
      ['p0 0-9: r x nil, w x 1', 'p1 0-9: w x 2, w y 1', 'p2 1-8: r x 1, r y 1'],
      NONE,
      ['G-single'],
    ],
    [
      'writes whose order is known by a later read only',
      ['p0 0-9: w x 1, w y 1', 'p1 0-9: w x 2, r y 1', 'p2 10-11: r x 1'],
      SERIALIZABLE,
      ['G1c-realtime'],
    ],
    [
      'nothing, after something was written',
      ['p0 0-1: w x 1', 'p1 2-3: r x nil'],
      SERIALIZABLE,
      ['G-single-realtime'],
    ],
    [
      'nothing, after the same process wrote something',
      ['p0 0-1: w x 1', 'p0 2-3: r x nil'],
      SERIALIZABLE,
      ['G-single-process'],
    ],
    ['internal', ['p0 0-1: w x 1, r x nil'], NONE, ['internal']],
    ['what nobody wrote', ['p0 0-1: r x 1'], NONE, ['unwritten']],
    [
      'a long fork',
      ['p0 0-9: w x 1', 'p1 0-9: w y 1', 'p2 1-8: r x 1, r y nil', 'p3 1-8: r x nil, r y 1'],
      NONE,
      ['G-nonadjacent', 'long-fork'],
    ],
    [
      'reads of a group that saw one write after the other',
      ['p0 0-9: w x 1', 'p1 0-9: w y 1', 'p2 1-8: r x 1, r y nil', 'p3 1-8: r x 1, r y 1'],
      STRICT,
      [],
    ],
  ]);
});

describe('sets', () => {
  judgeAll([
    [
      'nothing wrong',
      ['p0 0-1: add 1', 'p1 0-9: add 2', 'p2 2-3: read [1]', 'p2 4-5: read [2,1]'],
      STRICT,
      [],
    ],
    [
      'an add of unknown outcome',
      ['p0 0-?: add 1', 'p1 2-3: read []', 'p1 4-5: read [1]'],
      STRICT,
      [],
    ],
    ['lost', ['p0 0-1: add 1', 'p2 4-5: read []'], NONE, ['lost']],
    [
      'vanished',
      ['p0 0-?: add 1', 'p2 2-3: read [1]', 'p2 4-5: read []'],
      SERIALIZABLE,
      ['vanished'],
    ],
    ['stale', ['p0 0-1: add 1', 'p2 2-3: read []', 'p2 4-5: read [1]'], SERIALIZABLE, ['stale']],
    ['what was refused', ['p0 0-x: add 1', 'p2 2-3: read [1]'], NONE, ['G1a']],
    ['what nobody added', ['p0 0-1: add 1', 'p2 2-3: read [1,7]'], NONE, ['unwritten']],
    [
      'what was not added yet',
      ['p2 2-3: read [1]', 'p0 4-5: add 1'],
      SERIALIZABLE,
      ['G1c-realtime'],
    ],
    ['twice the same', ['p0 0-1: add 1', 'p2 2-3: read [1,1]'], NONE, ['duplicate-elements']],
    [
      'a fork',
      ['p0 0-9: add 1', 'p1 0-9: add 2', 'p2 1-8: read [1]', 'p3 1-8: read [2]'],
      NONE,
      ['long-fork'],
    ],
  ]);
});

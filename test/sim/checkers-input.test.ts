// What is read as a history, what is told of one that is none, and the workloads that have a form of their own.

import { describe, expect, it } from 'vitest';
import { checkHistory } from '../../src/sim/checkers/history/check-history.ts';
import { meaningOf } from '../../src/sim/checkers/history/models.ts';
import { historyText, judge, namesOf, strongestOf } from './history-text.ts';

const INVOKE = '{"type":"invoke","process":0,"f":"txn","value":[["append","x",1]]}';
const OK = '{"type":"ok","process":0,"f":"txn","value":[["append","x",1]]}';

describe('a history', () => {
  it('is an array, or lines', () => {
    const counts = { asked: 1, acknowledged: 1, refused: 0, unknown: 0, workload: 'append' };
    expect(checkHistory(`[${INVOKE},${OK}]`)).toMatchObject(counts);
    expect(checkHistory(`${INVOKE}\n${OK}\n`)).toMatchObject(counts);
    expect(checkHistory(`\n${INVOKE}\n\n${OK}`)).toMatchObject(counts);
  });

  it('may hold what a nemesis did, and end before everything was answered', () => {
    const nemesis = '{"type":"info","process":"nemesis","f":"kill","value":null}';
    expect(checkHistory(`[${nemesis},${INVOKE},${nemesis}]`)).toMatchObject({
      asked: 1,
      acknowledged: 0,
      unknown: 1,
    });
  });

  it.each([
    ['no JSON', `[${INVOKE},\n{"type":"ok",]`, /^event 1: no JSON/],
    ['JSON that is cut off', `[${INVOKE},\n${OK},\n{"type":"inv`, /^event 2: no JSON/],
    ['nothing', '', /no event/],
    ['no events', '[]', /no event/],
    ['an event that is none', '[7]', /^event 0: an event is an object/],
    ['a type that is none', '[{"type":"begin","process":0,"f":"txn"}]', /^event 0: its type/],
    ['no process', '[{"type":"invoke","f":"txn"}]', /^event 0: it has no process/],
    ['no f', '[{"type":"invoke","process":1}]', /^event 0: it has no f/],
    [
      'an index that goes back',
      `[${INVOKE.replace('{', '{"index":4,')},${OK.replace('{', '{"index":3,')}]`,
      /^event 3: its index follows 4/,
    ],
    ['an answer without a question', `[${OK}]`, /^event 0: process 0 is answered what/],
    ['two questions at once', `[${INVOKE},${INVOKE}]`, /^event 1: process 0 still waits .* 0/],
    [
      'an answer to something else',
      `[${INVOKE},${OK.replace('"x"', '"y"')}]`,
      /^event 1: it answers other/,
    ],
    [
      'another f',
      `[${INVOKE},${OK.replace('txn', 'read')}]`,
      /^event 1: it answers 0 with f 'read'/,
    ],
    ['an unknown operation', `[${INVOKE.replace('append', 'prepend')}]`, /^event 0: .*prepend/],
    [
      'no transaction',
      '[{"type":"invoke","process":0,"f":"cas","value":[1,2]}]',
      /^event 0: f 'cas'/,
    ],
    [
      'an element twice',
      `[${INVOKE},${OK},${INVOKE},${OK}]`,
      /^event 2: 1 is appended to key x once more, after event 0/,
    ],
    [
      'a read of no list',
      historyText('p0 0-1: append x 1', 'p0 2-3: r x 1'),
      /^event 3: .*should have read a list/,
    ],
    [
      'a value twice',
      historyText('p0 0-1: w x 2', 'p1 2-3: w x 2'),
      /^event 2: 2 is written to key x once more/,
    ],
    [
      'an add twice',
      historyText('p0 0-1: add 2', 'p1 2-3: add 2'),
      /^event 2: 2 is added once more/,
    ],
  ])('is not %s', (_what, text, message) => {
    expect(() => checkHistory(text)).toThrow(message);
  });

  it('tells its workload, unless it is told', () => {
    expect(judge('p0 0-1: r x [1]', 'p0 2-3: append x 1').workload).toBe('append');
    expect(judge('p0 0-1: w x 1, r y nil').workload).toBe('rw');
    expect(judge('p0 0-1: w x 1', 'p0 2-3: r x 1, r y nil').workload).toBe('long-fork');
    expect(judge('p0 0-1: add 1').workload).toBe('set');
    expect(
      checkHistory(historyText('p0 0-1: w x 1', 'p0 2-3: r x 1, r y nil'), { workload: 'rw' })
        .workload,
    ).toBe('rw');
  });

  it('may be of single registers', () => {
    const calls = (value: number): string =>
      JSON.stringify([
        { type: 'invoke', process: 0, f: 'write', value: 1 },
        { type: 'ok', process: 0, f: 'write', value: 1 },
        { type: 'invoke', process: 0, f: 'write', value: 2 },
        { type: 'ok', process: 0, f: 'write', value: 2 },
        { type: 'invoke', process: 1, f: 'read', value: null },
        { type: 'ok', process: 1, f: 'read', value },
      ]);
    expect(namesOf(checkHistory(calls(2)))).toEqual([]);
    expect(namesOf(checkHistory(calls(1)))).toEqual(['G-single-realtime']);
  });
});

describe('a bank', () => {
  const bank = (...answers: readonly unknown[]): string =>
    JSON.stringify(
      [['transfer', 0, 1, 5], ...answers].flatMap((answer) => [
        { type: 'invoke', process: 0, f: 'txn', value: Array.isArray(answer) ? answer : ['read'] },
        { type: 'ok', process: 0, f: 'txn', value: answer },
      ]),
    );

  it('keeps its sum', () => {
    expect(namesOf(checkHistory(bank({ 0: 95, 1: 5 }, { 0: 90, 1: 10 })))).toEqual([]);
    const wrong = checkHistory(bank({ 0: 95, 1: 5 }, { 0: 95, 1: 10 }));
    expect(namesOf(wrong)).toEqual(['wrong-total']);
    expect(strongestOf(wrong)).toBe('none');
    expect(wrong.anomalies[0]?.witness).toEqual([
      'T1 (process 0, events 4 to 5): 0: 95, 1: 10',
      '  T1 read balances that add up to 105, not 100',
    ]);
  });

  it('has the sum that it is told to have', () => {
    const text = bank({ 0: 95, 1: 5 });
    expect(namesOf(checkHistory(text, { total: 100 }))).toEqual([]);
    expect(namesOf(checkHistory(text, { total: 99 }))).toEqual(['wrong-total']);
  });

  it('is never overdrawn', () => {
    expect(namesOf(checkHistory(bank({ 0: -5, 1: 105 })))).toEqual(['negative-balance']);
  });

  it('has balances that are numbers', () => {
    expect(() => checkHistory(bank({ 0: 95, 1: 'many' }))).toThrow(/^event 3: .*many/);
  });
});

describe('a witness', () => {
  it('says who did what, and why that can not be', () => {
    const { anomalies } = judge(
      'p0 0-1: append x 1',
      'p1 2-5: append x 2, r y []',
      'p2 6-9: r x [1]',
      'p3 10-11: r x [1 2]',
    );
    expect(anomalies.map(({ witness }) => witness)).toEqual([
      [
        'T1 (process 2, events 4 to 5): r x [1]',
        '  T1 read 1 of key x before T2 appended 2',
        'T2 (process 1, events 2 to 3): append x 2, r y []',
        '  T2 was acknowledged before T1 began',
        'T1 again',
      ],
    ]);
    expect(meaningOf('G-single-realtime')).toMatch(/read skew.*who was answered before/);
  });

  it('is the shortest there is', () => {
    // Two cycles in one component: of three transactions and of two.
    const { anomalies } = judge(
      'p0 0-9: r a [], append b 1, r d []',
      'p1 0-9: r b [], append c 1, append d 1, r a []',
      'p2 0-9: r c [], append a 1',
      'p3 10-11: r a [1], r b [1], r c [1], r d [1]',
    );
    expect(anomalies.map(({ name }) => name)).toEqual(['G2-item']);
    expect(anomalies[0]?.witness.filter((line) => line.startsWith('T'))).toHaveLength(3);
  });

  it('goes around a transaction that reads and writes what many others do', () => {
    // Enough of them that pairs are not kept one by one.
    const all = Array.from({ length: 40 }, (_, i) => `p${i} 0-99: r x [], append x ${i + 1}`);
    const skew = judge(...all).anomalies.find(({ name }) => name === 'G2-item');
    const names = skew?.witness.filter((line) => line.startsWith('T'));
    expect(names).toHaveLength(3);
    expect(names?.[0]?.slice(2)).not.toBe(names?.[1]?.slice(2));
    const readers = Array.from({ length: 50 }, (_, i) => `p${100 + i} 0-99: r x []`);
    const writers = Array.from({ length: 10 }, (_, i) => `p${200 + i} 0-99: append x ${100 + i}`);
    expect(judge(all[0] as string, ...readers, ...writers).anomalies).toEqual([]);
  });
});

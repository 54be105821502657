// What is known of nodes: who lives, who is silent, who is dead, and how much each has to do.

import { describe, expect, it } from 'vitest';
import { DbError } from '../../src/base/errors.ts';
import { requireEnoughWithout, requireMajoritiesWithout } from '../../src/node/placement/drain.ts';
import { distance, diversity, parseLocality } from '../../src/node/placement/locality.ts';
import {
  decodeReport,
  encodeReport,
  type NodeReport,
} from '../../src/node/placement/node-report.ts';
import { GivenLoads, NodeStatuses } from '../../src/node/placement/node-status.ts';
import type { NodeRecord } from '../../src/node/placement/registry.ts';
import { configurationOf } from '../../src/raft/configuration.ts';
import { firstDescriptors } from '../../src/ranges/layout.ts';

const SECOND = 1_000_000;

function record(nodeId: number, state: NodeRecord['state'] = 'active'): NodeRecord {
  return { nodeId, rpc: '', sql: '', http: '', locality: '', state, instanceId: String(nodeId) };
}

function report(node: number, sequence: number, more: Partial<NodeReport> = {}): NodeReport {
  return {
    node,
    bootId: 1,
    sequence,
    isDraining: false,
    capacity: 1_000_000,
    leadLoad: 0,
    followLoad: 0,
    leases: 0,
    replicas: 0,
    roomBytes: 0,
    readsPerSecond: 0,
    writesPerSecond: 0,
    given: [],
    holds: [],
    heard: [],
    ...more,
  };
}

function statuses(records = [1, 2, 3].map((id) => record(id))) {
  const time = { now: 0, monotonicMicros: () => time.now };
  const all = new NodeStatuses({
    self: 1,
    time,
    nodes: () => records,
    suspectMicros: () => 3 * SECOND,
    deadMicros: () => 300 * SECOND,
  });
  return { time, all };
}

describe('liveness', () => {
  it('is lost by silence, and comes back with a word', () => {
    const { time, all } = statuses();
    expect(all.liveness(1)).toBe('live');
    // Nothing was heard of it yet: it may be about to speak.
    expect(all.liveness(2)).toBe('suspect');
    all.take(report(2, 1));
    expect(all.liveness(2)).toBe('live');
    time.now = 3 * SECOND;
    expect(all.liveness(2)).toBe('suspect');
    time.now = 300 * SECOND;
    expect(all.liveness(2)).toBe('dead');
    expect(all.liveness(3)).toBe('dead');
    all.take(report(2, 2));
    expect(all.liveness(2)).toBe('live');
  });

  it("is another node's word, too: a link that is cut kills nobody", () => {
    const { time, all } = statuses();
    all.take(report(3, 1));
    for (let second = 1; second <= 400; second++) {
      time.now = second * SECOND;
      all.take(report(2, second, { heard: [[3, SECOND]] }));
    }
    expect(all.liveness(3)).toBe('live');
    // Once nobody hears it, it is as long ago as it is for who heard it last.
    time.now = 420 * SECOND;
    expect(all.liveness(3)).toBe('suspect');
    time.now = 400 * SECOND + 299 * SECOND;
    expect(all.liveness(3)).toBe('dead');
  });

  it('is not given by reports that are old', () => {
    const { time, all } = statuses();
    all.take(report(2, 9));
    time.now = 10 * SECOND;
    all.take(report(2, 9));
    all.take(report(2, 8));
    expect(all.liveness(2)).toBe('suspect');
    // After a start it counts from the beginning.
    all.take(report(2, 1, { bootId: 2 }));
    expect(all.liveness(2)).toBe('live');
  });
});

describe('the load of a node', () => {
  it('has in it what was given to the node and does not show yet', () => {
    const { time, all } = statuses();
    all.tell(report(1, 1));
    all.take(report(2, 1, { leadLoad: 100 }));
    all.take(report(3, 1, { given: [{ to: 2, load: 1000, ageMicros: 0 }] }));
    const load = (): number => all.views().find(({ node }) => node === 2)?.leadLoad ?? 0;
    expect(load()).toBeCloseTo(1100);
    time.now = 3 * SECOND;
    expect(load()).toBeCloseTo(100 + 1000 / Math.E);
  });

  it('is forgotten as given after a while', () => {
    const time = { now: 0, monotonicMicros: () => time.now };
    const given = new GivenLoads(time);
    given.add(2, 500);
    time.now = 2 * SECOND;
    given.add(3, 0);
    expect(given.list()).toEqual([{ to: 2, load: 500, ageMicros: 2 * SECOND }]);
    time.now = 20 * SECOND;
    expect(given.list()).toEqual([]);
  });

  it('holds what the leaders of its ranges say', () => {
    const { all } = statuses();
    all.tell(
      report(1, 1, {
        holds: [
          [1, 10],
          [2, 10],
        ],
      }),
    );
    all.take(report(3, 1, { holds: [[2, 5]] }));
    expect(all.views().map(({ bytes }) => bytes)).toEqual([10, 15, 0]);
  });
});

describe('a report', () => {
  it('is read as it was written, and nothing else is', () => {
    const one = report(3, 4, { given: [{ to: 1, load: 2, ageMicros: 3 }] });
    expect(decodeReport(encodeReport(one))).toMatchObject(one);
    expect(decodeReport(new TextEncoder().encode('{"version":9,"node":1}'))).toBeUndefined();
    expect(decodeReport(new Uint8Array([1, 2, 3]))).toBeUndefined();
  });
});

describe('leaving', () => {
  const code = (run: () => void): string => {
    try {
      run();
      return 'fine';
    } catch (error) {
      return error instanceof DbError ? error.message : String(error);
    }
  };

  it('is refused when too few would be left, or too few of them live', () => {
    const { all } = statuses();
    all.take(report(2, 1));
    all.take(report(3, 1));
    const three = [1, 2, 3].map((id) => record(id));
    expect(code(() => requireEnoughWithout(3, three, all.views(), 3))).toBe(
      "node 3 can't be decommissioned: 2 nodes would be left, and each range has 3 replicas",
    );
    const four = [...three, record(4)];
    expect(code(() => requireEnoughWithout(3, four, all.views(), 3))).toBe(
      "node 3 can't be decommissioned: of the others only 2 live, and each range has 3 replicas; no answer from node 4",
    );
    const gone = statuses(four);
    for (const id of [2, 3, 4]) gone.all.take(report(id, 1));
    expect(code(() => requireEnoughWithout(3, four, gone.all.views(), 3))).toBe('fine');
    // Two nodes have one replica of each range, and so can one.
    expect(code(() => requireEnoughWithout(2, three.slice(0, 2), all.views(), 3))).toBe('fine');
  });

  it('for a moment is refused when ranges would stand still', () => {
    const { all } = statuses();
    all.take(report(2, 1));
    const ranges = firstDescriptors([1, 2, 3]);
    expect(code(() => requireMajoritiesWithout(2, ranges, all.views()))).toBe(
      'without node 2 3 ranges would have no majority and serve nothing: no answer from node 3',
    );
    all.take(report(3, 1));
    expect(code(() => requireMajoritiesWithout(2, ranges, all.views()))).toBe('fine');
    const alone = ranges.map((one) => ({ ...one, configuration: configurationOf([2]) }));
    expect(code(() => requireMajoritiesWithout(2, alone, all.views()))).toMatch(
      /^without node 2 3/,
    );
  });
});

describe('a locality', () => {
  it('is as far from another as its first label that differs', () => {
    const at = parseLocality('region=eu,zone=a');
    expect(distance(at, at)).toBe(0);
    expect(distance(at, parseLocality('region=eu,zone=b'))).toBe(0.5);
    expect(distance(at, parseLocality('region=us,zone=a'))).toBe(1);
    expect(distance(at, [])).toBe(1);
    expect(diversity([at, at, parseLocality('region=us,zone=a')])).toBeCloseTo(2 / 3);
  });

  it('is refused when it is none', () => {
    for (const text of ['region', 'region=', '=eu', 'a=b=c', 'a=b,a=c', 'a b=c']) {
      expect(() => parseLocality(text), text).toThrow('is no locality');
    }
  });
});

describe('what nodes can do', () => {
  it('is taken from those that have been busy, for one that has not', () => {
    const { all } = statuses();
    const capacities = (): number[] => all.views().map(({ capacity }) => capacity);
    all.tell(report(1, 1, { capacity: 0 }));
    all.take(report(2, 1, { capacity: 0 }));
    expect(capacities()).toEqual([1_000_000, 1_000_000, 1_000_000]);
    all.take(report(2, 2, { capacity: 50_000 }));
    expect(capacities()).toEqual([50_000, 50_000, 50_000]);
    all.tell(report(1, 2, { capacity: 100_000 }));
    expect(capacities()).toEqual([100_000, 50_000, 100_000]);
  });

  it('is what is usual, unless a node clearly differs, and until it hardly does', () => {
    const { all } = statuses();
    let sequence = 0;
    const third = (capacity: number): number | undefined => {
      sequence += 1;
      all.tell(report(1, sequence, { capacity: 100 }));
      all.take(report(2, sequence, { capacity: 100 }));
      all.take(report(3, sequence, { capacity }));
      return all.views().find(({ node }) => node === 3)?.capacity;
    };
    expect([100, 140, 70, 190].map(third)).toEqual([100, 100, 100, 100]);
    expect([210, 160, 155].map(third)).toEqual([210, 160, 155]);
    expect([145, 160].map(third)).toEqual([100, 100]);
    expect([50, 60, 70].map(third)).toEqual([50, 60, 100]);
  });
});

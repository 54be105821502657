// Histories that are made up from a seed, by executions of which it is known what they are.

import { SeededRandom } from '../../src/sim/random.ts';

export type MadeOperation = readonly [f: 'append' | 'w' | 'r', key: number, value: unknown];

/** Times are places of events; what is not answered never completes. */
export interface Made {
  readonly process: number;
  readonly invoked: number;
  readonly completed: number;
  readonly outcome: 'ok' | 'fail' | 'info';
  operations: MadeOperation[];
}

/** `serial`: each transaction happens at one moment. `snapshot`: it reads at one and writes at a later one, unless
 * somebody has written the same key meanwhile. `chaos`: it reads any version that there ever was. */
export type Execution = 'serial' | 'snapshot' | 'chaos';

export interface Shape {
  readonly kind: 'append' | 'rw';
  readonly execution: Execution;
  readonly transactions: number;
  readonly processes: number;
  readonly keys: number;
  /** A transaction at the end reads all keys as they are. */
  readonly isReadAtEnd: boolean;
}

interface Open {
  readonly process: number;
  readonly invoked: number;
  readonly asked: MadeOperation[];
  /** Of each key, how many versions there were when it read. */
  snapshot: readonly number[] | undefined;
  answer: MadeOperation[] | undefined;
  isRefused: boolean;
}

export function makeHistory(seed: number, shape: Shape): Made[] {
  const random = new SeededRandom(seed);
  const { kind, execution, keys } = shape;
  const made: Made[] = [];
  /** Every value that a key had, in order. */
  const versions: unknown[][] = Array.from({ length: keys }, () => []);
  const open = new Map<number, Open>();
  const processes = Array.from({ length: shape.processes }, (_, i) => i);
  let nextValue = 0;
  let clock = 0;

  const readAt = (key: number, length: number): unknown => {
    const seen = (versions[key] as unknown[]).slice(0, length);
    return kind === 'append' ? seen : (seen.at(-1) ?? null);
  };
  const ask = (): MadeOperation[] =>
    Array.from({ length: 1 + random.below(3) }, () => {
      const key = random.below(keys);
      if (random.oneIn(2)) return ['r', key, null];
      return [kind === 'append' ? 'append' : 'w', key, ++nextValue];
    });
  const lengths = (): number[] =>
    versions.map(({ length }) => (execution === 'chaos' ? random.below(length + 1) : length));
  const finish = (one: Open): void => {
    const snapshot = one.snapshot as readonly number[];
    const written = new Set(one.asked.filter(([f]) => f !== 'r').map(([, key]) => key));
    one.isRefused =
      execution === 'snapshot' &&
      [...written].some((key) => versions[key]?.length !== snapshot[key]);
    const own = new Map<number, unknown[]>();
    one.answer = one.asked.map(([f, key, value]) => {
      const mine = own.get(key) ?? [];
      if (f !== 'r') {
        own.set(key, [...mine, value]);
        return [f, key, value];
      }
      const before = readAt(key, snapshot[key] as number);
      if (kind === 'append') return [f, key, [...(before as unknown[]), ...mine]];
      return [f, key, mine.length > 0 ? mine.at(-1) : before];
    });
    if (one.isRefused) return;
    for (const [key, values] of own) {
      versions[key]?.push(...(kind === 'append' ? values : values.slice(-1)));
    }
  };
  const end = (one: Open, outcome: Made['outcome']): void => {
    const { process, invoked, asked, answer } = one;
    const operations = outcome === 'ok' ? (answer as MadeOperation[]) : asked;
    made.push({ process, invoked, outcome, operations, completed: clock++ });
    open.delete(process);
  };

  for (let asked = 0; asked < shape.transactions || open.size > 0; ) {
    const slot = random.below(processes.length);
    const process = processes[slot] as number;
    const one = open.get(process);
    if (one === undefined) {
      if (asked >= shape.transactions) continue;
      asked += 1;
      const fresh = { snapshot: undefined, answer: undefined, isRefused: false };
      open.set(process, { process, invoked: clock++, asked: ask(), ...fresh });
    } else if (one.snapshot === undefined) {
      if (random.oneIn(15)) {
        end(one, 'fail');
        continue;
      }
      one.snapshot = lengths();
      if (execution === 'serial') finish(one);
    } else if (random.oneIn(15)) {
      // Before or after it happened.
      if (one.answer !== undefined && one.isRefused) continue;
      end(one, 'info');
      processes[slot] = process + shape.processes;
    } else if (one.answer === undefined) finish(one);
    else end(one, one.isRefused ? 'fail' : 'ok');
  }
  if (shape.isReadAtEnd) {
    const operations = versions.map(
      (all, key): MadeOperation => ['r', key, readAt(key, all.length)],
    );
    made.push({ process: 999, invoked: clock++, completed: clock++, outcome: 'ok', operations });
  }
  return made.sort((a, b) => a.invoked - b.invoked);
}

export function textOf(made: readonly Made[]): string {
  const events = made.flatMap(({ process, invoked, completed, outcome, operations }) => {
    const asked = operations.map(([f, key, value]) => [f, key, f === 'r' ? null : value]);
    const value = outcome === 'ok' ? operations : asked;
    return [
      { at: invoked, event: { type: 'invoke', process, f: 'txn', value: asked } },
      { at: completed, event: { type: outcome, process, f: 'txn', value } },
    ];
  });
  return JSON.stringify(events.sort((a, b) => a.at - b.at).map(({ event }) => event));
}

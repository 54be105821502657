import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashBytes } from '../../src/base/bytes.ts';
import { timestamp } from '../../src/clock/timestamp.ts';
import { LockOwner, type LockWait } from '../../src/ranges/locks/lock-owner.ts';
import { LockTable } from '../../src/ranges/locks/lock-table.ts';
import { LockModel, type ModelOwner, type ModelRequest } from './lock-model.ts';

const key = (n: number): Uint8Array => Uint8Array.of(n);

function owner(age: number, id = `t${age}`): LockOwner {
  return new LockOwner(id, timestamp(age));
}

class Rig {
  readonly table = new LockTable();

  /** 'granted', 'queued', or what the callback said later, in `told`. */
  lock(who: LockOwner, k: number, mode: 'shared' | 'exclusive', told?: string[]): string {
    const exclusive = mode === 'exclusive';
    const bytes = key(k);
    if (this.table.tryKey(who, bytes, hashBytes(bytes), exclusive)) return 'granted';
    const wait = this.table.waitKey(who, bytes, hashBytes(bytes), exclusive, (granted) => {
      told?.push(`${who.id} ${granted ? 'granted' : 'refused'}`);
    });
    return wait === undefined ? 'granted' : 'queued';
  }

  span(who: LockOwner, from: number, to: number, mode: 'shared' | 'exclusive', told?: string[]) {
    const exclusive = mode === 'exclusive';
    if (this.table.trySpan(who, key(from), key(to), exclusive)) return 'granted';
    const wait = this.table.waitSpan(who, key(from), key(to), exclusive, (granted) => {
      told?.push(`${who.id} ${granted ? 'granted' : 'refused'}`);
    });
    return wait === undefined ? 'granted' : 'queued';
  }
}

describe('key locks', () => {
  it('lets sharers in together and keeps writers out', () => {
    const rig = new Rig();
    const [a, b, c] = [owner(1), owner(2), owner(3)];
    expect(rig.lock(a, 5, 'shared')).toBe('granted');
    expect(rig.lock(b, 5, 'shared')).toBe('granted');
    expect(rig.lock(c, 5, 'exclusive')).toBe('queued');
    rig.table.release(a);
    expect(rig.table.waiting).toBe(1);
    rig.table.release(b);
    expect(rig.table.waiting).toBe(0);
    expect(c.keys).toHaveLength(1);
  });

  it('grants waiters oldest first when the lock is released', () => {
    const rig = new Rig();
    const told: string[] = [];
    const holder = owner(1);
    rig.lock(holder, 5, 'exclusive');
    rig.lock(owner(4), 5, 'exclusive', told);
    rig.lock(owner(2), 5, 'shared', told);
    rig.lock(owner(3), 5, 'shared', told);
    rig.table.release(holder);
    expect(told).toEqual(['t2 granted', 't3 granted']);
  });

  it('is re-entrant, and upgrades a shared lock that nobody else holds', () => {
    const rig = new Rig();
    const a = owner(1);
    rig.lock(a, 5, 'shared');
    expect(rig.lock(a, 5, 'shared')).toBe('granted');
    expect(rig.lock(a, 5, 'exclusive')).toBe('granted');
    expect(rig.lock(a, 5, 'shared')).toBe('granted');
    expect(a.keys).toHaveLength(1);
    expect(rig.lock(owner(2), 5, 'shared')).toBe('queued');
  });

  it('lets a younger sharer wait for its upgrade until the older one is through', () => {
    const rig = new Rig();
    const told: string[] = [];
    const [old, young] = [owner(1), owner(2)];
    rig.lock(old, 5, 'shared');
    rig.lock(young, 5, 'shared');
    expect(rig.lock(young, 5, 'exclusive', told)).toBe('queued');
    // Both want to upgrade: the older one wounds the younger one. Without that they would wait for each other.
    expect(rig.lock(old, 5, 'exclusive')).toBe('granted');
    expect(young.state).toBe('wounded');
    expect(told).toEqual(['t2 refused']);
  });

  it('leaves nothing behind', () => {
    const rig = new Rig();
    const owners = [owner(1), owner(2), owner(3)];
    for (const who of owners) {
      rig.lock(who, 5, 'exclusive');
      rig.span(who, 3, 8, 'shared');
    }
    for (const who of owners) rig.table.release(who);
    expect([rig.table.lockedKeys, rig.table.lockedSpans, rig.table.waiting]).toEqual([0, 0, 0]);
  });
});

describe('wound-wait (P21)', () => {
  it('wounds a younger holder and takes its place, ahead of others that wait', () => {
    const rig = new Rig();
    const told: string[] = [];
    const young = owner(3);
    rig.lock(young, 5, 'exclusive');
    rig.lock(owner(4), 5, 'exclusive', told);
    expect(rig.lock(owner(1), 5, 'exclusive')).toBe('granted');
    expect(young.state).toBe('wounded');
    expect(told).toEqual([]);
  });

  it('takes all locks of the wounded and refuses what it waits for', () => {
    const rig = new Rig();
    const told: string[] = [];
    const young = owner(3);
    rig.lock(owner(2), 7, 'exclusive');
    rig.lock(young, 5, 'exclusive');
    rig.lock(young, 6, 'exclusive');
    rig.lock(young, 7, 'exclusive', told);
    rig.lock(owner(1), 5, 'shared');
    expect(told).toEqual(['t3 refused']);
    expect(rig.lock(owner(9), 6, 'exclusive')).toBe('granted');
  });

  it('waits for a younger holder that is committing', () => {
    const rig = new Rig();
    const told: string[] = [];
    const young = owner(3);
    rig.lock(young, 5, 'exclusive');
    young.state = 'committing';
    expect(rig.lock(owner(1), 5, 'exclusive', told)).toBe('queued');
    rig.table.release(young);
    expect(told).toEqual(['t1 granted']);
  });

  it('does not let a sharer pass an older writer that waits', () => {
    const rig = new Rig();
    const holder = owner(1);
    rig.lock(holder, 5, 'shared');
    rig.lock(owner(2), 5, 'exclusive');
    expect(rig.lock(owner(3), 5, 'shared')).toBe('queued');
  });

  it('lets an older sharer pass a younger writer that waits', () => {
    const rig = new Rig();
    rig.lock(owner(1), 5, 'shared');
    rig.lock(owner(3), 5, 'exclusive');
    expect(rig.lock(owner(2), 5, 'shared')).toBe('granted');
  });

  it('breaks ties of age by id, the same for everyone', () => {
    const rig = new Rig();
    const [a, b] = [owner(1, 'a'), owner(1, 'b')];
    rig.lock(b, 5, 'exclusive');
    expect(rig.lock(a, 5, 'exclusive')).toBe('granted');
    expect(b.state).toBe('wounded');
  });

  it('lets the others go on when a wait is cancelled', () => {
    const rig = new Rig();
    const told: string[] = [];
    rig.lock(owner(1), 5, 'shared');
    const writer = owner(2);
    const wait = rig.table.waitKey(writer, key(5), hashBytes(key(5)), true, () => told.push('?'));
    rig.lock(owner(3), 5, 'shared', told);
    rig.table.cancel(wait as LockWait);
    expect(told).toEqual(['t3 granted']);
  });

  it('may be called back into from what it tells', () => {
    const rig = new Rig();
    const told: string[] = [];
    const [a, b, c] = [owner(1), owner(2), owner(3)];
    rig.lock(a, 5, 'exclusive');
    rig.table.waitKey(b, key(5), hashBytes(key(5)), true, () => {
      told.push('t2 granted');
      rig.table.release(b);
    });
    rig.lock(c, 5, 'exclusive', told);
    rig.table.release(a);
    expect(told).toEqual(['t2 granted', 't3 granted']);
  });
});

describe('span locks', () => {
  it('keeps what a scan has read from changing or growing: no phantoms', () => {
    const rig = new Rig();
    rig.span(owner(1), 3, 8, 'shared');
    expect(rig.lock(owner(2), 3, 'exclusive')).toBe('queued');
    expect(rig.lock(owner(3), 7, 'exclusive')).toBe('queued');
    expect(rig.lock(owner(4), 8, 'exclusive')).toBe('granted');
    expect(rig.lock(owner(5), 2, 'exclusive')).toBe('granted');
    expect(rig.lock(owner(6), 5, 'shared')).toBe('granted');
  });

  it('waits for writers within it and is granted when they end', () => {
    const rig = new Rig();
    const told: string[] = [];
    const [a, b] = [owner(1), owner(2)];
    rig.lock(a, 4, 'exclusive');
    rig.lock(b, 6, 'exclusive');
    rig.span(owner(3), 3, 8, 'shared', told);
    rig.table.release(a);
    expect(told).toEqual([]);
    rig.table.release(b);
    expect(told).toEqual(['t3 granted']);
  });

  it('wounds younger writers within it', () => {
    const rig = new Rig();
    const [young, outside] = [owner(2), owner(3)];
    rig.lock(young, 4, 'exclusive');
    rig.lock(outside, 9, 'exclusive');
    expect(rig.span(owner(1), 3, 8, 'shared')).toBe('granted');
    expect([young.state, outside.state]).toEqual(['wounded', 'active']);
  });

  it('covers the keys in it for its own owner, as far as its mode goes', () => {
    const rig = new Rig();
    const a = owner(1);
    rig.span(a, 3, 8, 'shared');
    expect(rig.lock(a, 5, 'shared')).toBe('granted');
    expect(a.keys).toHaveLength(0);
    expect(rig.lock(a, 5, 'exclusive')).toBe('granted');
    expect(a.keys).toHaveLength(1);
    expect(rig.span(a, 4, 6, 'shared')).toBe('granted');
    expect(a.spans).toHaveLength(1);
  });
});

interface Step {
  readonly kind: 'key' | 'span' | 'try' | 'release' | 'cancel' | 'commit';
  readonly who: number;
  readonly from: number;
  readonly size: number;
  readonly exclusive: boolean;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom(
      'key',
      'key',
      'key',
      'span',
      'span',
      'try',
      'release',
      'cancel',
      'commit',
    ),
    who: fc.nat(5),
    from: fc.nat(8),
    size: fc.integer({ min: 1, max: 4 }),
    exclusive: fc.boolean(),
  }),
  { maxLength: 60 },
);

/** One client at a time in the table and in the model: it has one transaction, which waits for at most one lock. */
interface Pair {
  real: LockOwner;
  model: ModelOwner;
  wait: { real: LockWait; model: ModelRequest } | undefined;
}

describe('against the model', () => {
  it('decides as the model does, whatever is asked', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), steps, runBoth),
      { numRuns: 400 },
    );
  });
});

function runBoth(ages: readonly number[], todo: readonly Step[]): void {
  const table = new LockTable();
  const model = new LockModel();
  const fresh = (who: number, attempt: number): Pair => {
    const id = `${who}.${attempt}`;
    // A retry keeps its age.
    const age = timestamp((ages[who] as number) + 1);
    return {
      real: new LockOwner(id, age),
      model: { id, age, state: 'active' },
      wait: undefined,
    };
  };
  const pairs = ages.map((_, who) => fresh(who, 0));
  let attempts = 0;
  for (const step of todo) {
    const pair = pairs[step.who] as Pair;
    const { real } = pair;
    if (pair.wait !== undefined && pair.wait.real.state === 'over') pair.wait = undefined;
    const isIdle = real.state === 'active' && pair.wait === undefined;
    const to = step.kind === 'span' ? step.from + step.size : step.from + 1;
    const request: ModelRequest = {
      owner: pair.model,
      from: step.from,
      to,
      exclusive: step.exclusive,
      done: () => undefined,
    };
    const bytes = key(step.from);
    switch (step.kind) {
      case 'try':
        if (!isIdle) break;
        expect(table.tryKey(real, bytes, hashBytes(bytes), step.exclusive)).toBe(
          model.tryLock(request),
        );
        break;
      case 'key':
      case 'span': {
        if (!isIdle) break;
        const isSpan = step.kind === 'span';
        const granted = isSpan
          ? table.trySpan(real, bytes, key(to), step.exclusive)
          : table.tryKey(real, bytes, hashBytes(bytes), step.exclusive);
        expect(granted).toBe(model.tryLock(request));
        if (granted) break;
        const done = (): void => undefined;
        const wait = isSpan
          ? table.waitSpan(real, bytes, key(to), step.exclusive, done)
          : table.waitKey(real, bytes, hashBytes(bytes), step.exclusive, done);
        expect(wait === undefined).toBe(model.wait(request));
        if (wait !== undefined) pair.wait = { real: wait, model: request };
        break;
      }
      case 'cancel':
        if (pair.wait === undefined) break;
        table.cancel(pair.wait.real);
        model.cancel(pair.wait.model);
        pair.wait = undefined;
        break;
      case 'commit':
        if (!isIdle) break;
        real.state = 'committing';
        pair.model.state = 'committing';
        break;
      case 'release':
        table.release(real);
        model.release(pair.model);
        pairs[step.who] = fresh(step.who, ++attempts);
        break;
    }
    compare(pairs, model);
  }
  for (const pair of pairs) table.release(pair.real);
  expect([table.lockedKeys, table.lockedSpans, table.waiting]).toEqual([0, 0, 0]);
}

function compare(pairs: readonly Pair[], model: LockModel): void {
  for (const { real, model: expected, wait } of pairs) {
    expect(real.state).toBe(expected.state);
    if (wait !== undefined) {
      expect(wait.real.state === 'waiting').toBe(model.isWaiting(wait.model));
    }
  }
  for (let k = 0; k < 13; k++) {
    expect(holdersOf(pairs, k)).toEqual(model.holders(k));
  }
}

function holdersOf(pairs: readonly Pair[], k: number): string[] {
  const holders: string[] = [];
  for (const { real } of pairs) {
    let mode: string | undefined;
    for (const lock of real.keys) {
      if (lock.key[0] === k) mode = lock.exclusive ? 'exclusive' : (mode ?? 'shared');
    }
    for (const span of real.spans ?? []) {
      if ((span.key[0] as number) > k || (span.end?.[0] as number) <= k) continue;
      mode = span.exclusive ? 'exclusive' : (mode ?? 'shared');
    }
    if (mode !== undefined) holders.push(`${real.id} ${mode}`);
  }
  return holders.sort();
}

describe('progress', () => {
  /** Each client runs transactions of a few locks; a wounded one starts again with its age. */
  it('never deadlocks, and an old transaction that retries always gets through', () => {
    const program = fc.array(
      fc.record({
        from: fc.nat(6),
        size: fc.nat(3),
        exclusive: fc.boolean(),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(
        fc.array(program, { minLength: 2, maxLength: 6 }),
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 }),
        (programs, choices) => {
          const table = new LockTable();
          const clients = programs.map((locks, i) => new Client(table, i, locks));
          let choice = 0;
          // Every restart is caused by an older transaction, of which there are ever fewer.
          for (let turns = 0; turns < 5_000; turns++) {
            const runnable = clients.filter((client) => client.isRunnable);
            if (runnable.length === 0) break;
            const pick = choices[choice++ % choices.length] as number;
            (runnable[pick % runnable.length] as Client).step();
          }
          expect(clients.map((client) => client.isDone)).toEqual(clients.map(() => true));
          expect(clients[0]?.restarts).toBe(0);
        },
      ),
      { numRuns: 400 },
    );
  });
});

class Client {
  isDone = false;
  restarts = 0;
  private at = 0;
  private isWaiting = false;
  private owner: LockOwner;
  private readonly table: LockTable;
  private readonly age: number;
  private readonly locks: readonly { from: number; size: number; exclusive: boolean }[];

  constructor(
    table: LockTable,
    age: number,
    locks: readonly { from: number; size: number; exclusive: boolean }[],
  ) {
    this.table = table;
    this.age = age;
    this.locks = locks;
    this.owner = this.start();
  }

  get isRunnable(): boolean {
    return !this.isDone && !this.isWaiting;
  }

  step(): void {
    if (this.owner.state === 'wounded') {
      this.table.release(this.owner);
      this.restarts++;
      this.at = 0;
      this.owner = this.start();
      return;
    }
    const lock = this.locks[this.at];
    if (lock === undefined) {
      this.table.release(this.owner);
      this.isDone = true;
      return;
    }
    this.at++;
    const { from, size, exclusive } = lock;
    const told = (): void => {
      this.isWaiting = false;
    };
    const bytes = key(from);
    if (size === 0) {
      if (this.table.tryKey(this.owner, bytes, hashBytes(bytes), exclusive)) return;
      const wait = this.table.waitKey(this.owner, bytes, hashBytes(bytes), exclusive, told);
      this.isWaiting = wait !== undefined;
      return;
    }
    if (this.table.trySpan(this.owner, bytes, key(from + size), exclusive)) return;
    const wait = this.table.waitSpan(this.owner, bytes, key(from + size), exclusive, told);
    this.isWaiting = wait !== undefined;
  }

  private start(): LockOwner {
    return new LockOwner(`${this.age}.${this.restarts}`, timestamp(this.age + 1));
  }
}

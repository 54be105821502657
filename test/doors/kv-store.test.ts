import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { rowKeyOf } from '../../src/doors/kv/keys.ts';
import { KvStore } from '../../src/doors/kv/store.ts';
import type { CommitAnswer, Write } from '../../src/ranges/api.ts';
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from '../../src/ranges/limits.ts';
import { put as putRow, Rig } from '../ranges/fixture.ts';

interface Kv {
  readonly rig: Rig;
  readonly store: KvStore;
  readonly write: (key: string, value: string | undefined) => Promise<CommitAnswer>;
  readonly get: (key: string, at?: number) => Promise<string | undefined>;
  readonly scan: (
    start: string,
    end: string,
    limit?: number,
    reverse?: boolean,
  ) => Promise<string[]>;
}

async function serving(): Promise<Kv> {
  const rig = await Rig.serving();
  const store = new KvStore({ transactions: rig.transactions, timers: rig.runtime.timers });
  const pairsOf = async (...args: Parameters<KvStore['scan']>): Promise<string[]> => {
    const all: string[] = [];
    for await (const pairs of store.scan(...args)) {
      all.push(...pairs.map(({ key, value }) => `${fromUtf8(key)}=${fromUtf8(value)}`));
    }
    return all;
  };
  return {
    rig,
    store,
    write: (key, value) =>
      rig.until(written(store, utf8(key), value === undefined ? undefined : utf8(value))),
    get: async (key, at) => {
      const { value } = await rig.until(store.get(utf8(key), at));
      return value === undefined ? undefined : fromUtf8(value);
    },
    scan: (start, end, limit = 0, reverse = false) =>
      rig.until(pairsOf(utf8(start), utf8(end), limit, reverse)),
  };
}

function written(
  store: KvStore,
  key: Uint8Array,
  value: Uint8Array | undefined,
): Promise<CommitAnswer> {
  return new Promise((resolve) => store.write(key, value, resolve));
}

function timeOf(answer: CommitAnswer): number {
  if (answer.kind !== 'committed') throw new Error(`not committed: ${answer.kind}`);
  return answer.timestamp;
}

describe('the key-value store', () => {
  it('keeps what was put, its versions, and forgets what was deleted', async () => {
    const { store, rig, write, get } = await serving();
    expect(await get('k')).toBeUndefined();
    const first = timeOf(await write('k', 'one'));
    const second = timeOf(await write('k', 'two'));
    expect(await rig.until(store.get(utf8('k')))).toEqual({
      value: utf8('two'),
      timestamp: second,
    });
    expect(await get('k', first)).toBe('one');
    await write('k', undefined);
    expect(await get('k')).toBeUndefined();
    expect(await get('k', second)).toBe('two');
    await write('k', '');
    expect(await get('k')).toBe('');
  });

  it('refuses to read in the future', async () => {
    const { rig, get } = await serving();
    await expect(get('k', rig.clock.latest() + 1_000_000)).rejects.toMatchObject({ code: '22023' });
  });

  it('writes what comes in one turn as one entry of the log, but no key twice in one', async () => {
    const { store, rig, get } = await serving();
    const put = (key: string, value: string): Promise<CommitAnswer> =>
      written(store, utf8(key), utf8(value));
    const answers = await rig.until(
      Promise.all([put('a', '1'), put('b', '2'), put('a', '3'), put('c', '4')]),
    );
    const [a, b, again, c] = answers.map(timeOf) as [number, number, number, number];
    expect(rig.log.entries).toHaveLength(2);
    expect([a, c]).toEqual([b, again]);
    expect(again).toBeGreaterThan(a);
    expect([await get('a'), await get('b'), await get('c')]).toEqual(['3', '2', '4']);
  });

  it('writes what is for several ranges as one entry in each', async () => {
    const { rig } = await serving();
    const parts: string[][] = [];
    const transactions = Object.assign(Object.create(rig.transactions), {
      // After the index and a tag, the first of the name.
      rangeOf: (key: Uint8Array) => key[5],
      writeAll: (writes: readonly Write[]) => {
        parts.push(writes.map(({ value }) => fromUtf8(value as Uint8Array)));
        return Promise.resolve({ kind: 'committed', timestamp: 1 });
      },
    }) as typeof rig.transactions;
    const store = new KvStore({ transactions, timers: rig.runtime.timers });
    const names = ['a1', 'b2', 'a3', 'b4', 'c5'];
    await rig.until(Promise.all(names.map((name) => written(store, utf8(name), utf8(name)))));
    const ranges = parts.map((names) => new Set(names.map((name) => name[0])));
    expect(ranges.map((one) => one.size)).toEqual([1, 1, 1]);
    expect(parts.flat().sort()).toEqual([...names].sort());
  });

  it('divides what is too much for one entry', async () => {
    const { store, rig } = await serving();
    const value = new Uint8Array(400_000);
    const writes = Array.from({ length: 6 }, (_, i) => written(store, utf8(`large ${i}`), value));
    const many = Array.from({ length: 1000 }, (_, i) => written(store, utf8(`${i}`), utf8('x')));
    for (const answer of await rig.until(Promise.all([...writes, ...many]))) timeOf(answer);
    for (const { data } of rig.log.entries) expect(data.length).toBeLessThan(1_100_000);
    expect(rig.log.entries.length).toBeGreaterThan(3);
  });

  it('writes a batch whole, the last write of each key, and none that is empty', async () => {
    const { store, rig, get } = await serving();
    const write = (key: string, value?: string) => ({
      key: utf8(key),
      value: value === undefined ? undefined : utf8(value),
    });
    const batch = [write('a', '1'), write('b', '2'), write('a', '3'), write('b'), write('c', '4')];
    timeOf(await rig.until(store.batch(batch)));
    expect(rig.log.entries).toHaveLength(1);
    expect([await get('a'), await get('b'), await get('c')]).toEqual(['3', undefined, '4']);
    expect(await rig.until(store.batch([]))).toMatchObject({ kind: 'tooLarge' });
    const wrong = [write('d', '1'), { key: new Uint8Array(KEY_BYTES_MAX), value: utf8('2') }];
    expect(await rig.until(store.batch(wrong))).toMatchObject({ kind: 'tooLarge' });
    expect(await get('d')).toBeUndefined();
  });

  it('takes keys and values up to their bounds', async () => {
    const { store, rig, scan } = await serving();
    // Every zero byte takes two in the row key.
    const longest = (KEY_BYTES_MAX - 10) >> 1;
    const key = new Uint8Array(longest);
    timeOf(await rig.until(written(store, key, utf8('fits'))));
    expect((await rig.until(store.get(key))).value).toEqual(utf8('fits'));
    const tooLong = new Uint8Array(longest + 1).fill(1);
    expect(await rig.until(written(store, tooLong, utf8('x')))).toMatchObject({ kind: 'tooLarge' });
    const tooMuch = new Uint8Array(VALUE_BYTES_MAX + 1);
    expect(await rig.until(written(store, utf8('v'), tooMuch))).toMatchObject({ kind: 'tooLarge' });
    await expect(scan('x'.repeat(KEY_BYTES_MAX + 1), '')).rejects.toMatchObject({ code: '54000' });
  });

  it('scans its own pairs, within bounds, so many, forwards and backwards', async () => {
    const { rig, write, scan } = await serving();
    await rig.write(putRow('a row of others', 'x'), putRow('\u00ff', 'y'));
    for (const key of ['b', 'a', 'a\0', 'a\0\0', '', 'c']) await write(key, `v${key.length}`);
    await write('c', undefined);
    expect(await scan('', '')).toEqual(['=v0', 'a=v1', 'a\0=v2', 'a\0\0=v3', 'b=v1']);
    expect(await scan('a', 'b')).toEqual(['a=v1', 'a\0=v2', 'a\0\0=v3']);
    expect(await scan('a\0', 'a\0\0')).toEqual(['a\0=v2']);
    expect(await scan('', '', 2)).toEqual(['=v0', 'a=v1']);
    expect(await scan('', '', 2, true)).toEqual(['b=v1', 'a\0\0=v3']);
    expect(await scan('b', 'a')).toEqual([]);
    expect(await scan('x', '')).toEqual([]);
  });

  it('orders keys as their bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 6, max: 3 });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const order = Math.sign(Buffer.compare(rowKeyOf(a), rowKeyOf(b)));
        expect(order).toBe(Math.sign(Buffer.compare(a, b)));
      }),
    );
  });

  it('scans more than a batch holds', async () => {
    const { store, rig, scan } = await serving();
    const key = (i: number): string => String(i).padStart(5, '0');
    const value = 'x'.repeat(1000);
    const writes = Array.from({ length: 300 }, (_, i) => written(store, utf8(key(i)), utf8(value)));
    await rig.until(Promise.all(writes));
    const expected = Array.from({ length: 300 }, (_, i) => `${key(i)}=${value}`);
    expect(await scan('', '')).toEqual(expected);
    expect(await scan('', '', 0, true)).toEqual(expected.reverse());
  });

  it('says so when its node does not serve', async () => {
    const { rig, write, get, scan } = await serving();
    await write('k', 'v');
    rig.replica.follow(2);
    expect(await write('k', 'w')).toMatchObject({ kind: 'notServing', leaderNode: 2 });
    await expect(get('k')).rejects.toMatchObject({ code: '57P03' });
    await expect(scan('', '')).rejects.toMatchObject({ code: '57P03' });
    rig.transactions.close();
    expect(await write('k', 'w')).toMatchObject({ kind: 'notServing' });
  });
});

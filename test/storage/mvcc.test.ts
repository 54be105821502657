import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, fromUtf8, keyAfter, utf8 } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { MAX_TIMESTAMP } from '../../src/clock/timestamp.ts';
import { Applier } from '../../src/storage/apply.ts';
import type { Engine, Span } from '../../src/storage/engine.ts';
import { createMemoryDisk } from '../../src/storage/memory-engine.ts';
import {
  headerIsTombstone,
  headerTimestamp,
  HEADER_BYTES,
  historyKey,
  historyTimestamp,
  isHistoryOf,
  latestKey,
  writeHeader,
} from '../../src/storage/mvcc.ts';
import { readVersions } from '../../src/storage/mvcc-read.ts';
import { type RowSink, VersionScan } from '../../src/storage/mvcc-scan.ts';
import { RowStore } from '../../src/storage/row-store.ts';
import { packEntries, put, remove, rowKey, type TestCommand } from './commands.ts';
import { scriptedRandom } from './scripted-random.ts';

const RANGE = 7;
const EVERYTHING: Span = { start: new Uint8Array(0), end: undefined };
const time = (t: number): Timestamp => t as Timestamp;
const timestampArbitrary = fc.oneof(
  fc.nat(20),
  fc.maxSafeNat(),
  fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
);

async function read(engine: Engine, key: Uint8Array, t: number): Promise<string | undefined> {
  const store = await RowStore.open(engine);
  const [version] = await readVersions(store, [latestKey(key)], [time(t)]);
  if (version === undefined || version.tombstone) return undefined;
  return fromUtf8(version.row);
}

interface Scanned {
  readonly rows: string[];
  readonly newest: number;
}

async function scan(
  engine: Engine,
  span: Span,
  t: number,
  reverse: boolean,
  batchBytes = 64,
): Promise<Scanned> {
  const snapshot = (await RowStore.open(engine)).snapshot();
  const versions = new VersionScan(snapshot, span, time(t), reverse, batchBytes);
  const rows: string[] = [];
  const sink: RowSink = {
    isDone: false,
    add: (key, row, start) => {
      rows.push(`${key.subarray(1).join('.')}=${fromUtf8(row.subarray(start))}`);
      return true;
    },
    addPage: (page, picked, from, to) => {
      for (const i of picked.subarray(from, to)) {
        rows.push(`${page.key(i).join('.')}=${fromUtf8(page.row(i))}`);
      }
      return to - from;
    },
  };
  while (await versions.step(sink)) {
    // Until the end.
  }
  await versions.close();
  snapshot.reader.release();
  return { rows, newest: versions.newest };
}

/** Every version ever written, and the obvious way to read them. */
class Oracle {
  readonly versions: { key: Uint8Array; at: number; value: Uint8Array | undefined }[] = [];

  apply(command: TestCommand): void {
    if (command.kind === 'writes') {
      for (const { key, value } of command.writes) {
        const isKnown = this.versions.some((version) => compareBytes(version.key, key) === 0);
        // What was never there can't be removed.
        if (value === undefined && !isKnown) continue;
        this.forget((version) => version.at === command.at && compareBytes(version.key, key) === 0);
        this.versions.push({ key, at: command.at, value });
      }
    } else if (command.kind === 'clear') {
      const { start, end } = command;
      this.forget(({ key }) => {
        return compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0);
      });
    }
  }

  scan(span: Span, t: number, reverse: boolean): Scanned {
    const visible = new Map<string, (typeof this.versions)[number]>();
    for (const version of this.versions) {
      if (version.at > t || compareBytes(version.key, span.start) < 0) continue;
      if (span.end !== undefined && compareBytes(version.key, span.end) >= 0) continue;
      const other = visible.get(version.key.join());
      if (other === undefined || other.at < version.at) visible.set(version.key.join(), version);
    }
    const sorted = [...visible.values()].sort((a, b) => compareBytes(a.key, b.key));
    if (reverse) sorted.reverse();
    return {
      rows: sorted
        .filter(({ value }) => value !== undefined)
        .map(({ key, value }) => `${key.join('.')}=${fromUtf8(value as Uint8Array)}`),
      newest: Math.max(0, ...sorted.map(({ at }) => at)),
    };
  }

  private forget(which: (version: (typeof this.versions)[number]) => boolean): void {
    const kept = this.versions.filter((version) => !which(version));
    this.versions.splice(0, this.versions.length, ...kept);
  }
}

describe('version encoding', () => {
  it('keeps timestamp and tombstone in the header', () => {
    fc.assert(
      fc.property(timestampArbitrary, fc.boolean(), (t, tombstone) => {
        const record = new Uint8Array(HEADER_BYTES);
        writeHeader(record, 0, time(t), tombstone);
        expect(headerTimestamp(record)).toBe(t);
        expect(headerIsTombstone(record)).toBe(tombstone);
      }),
    );
  });

  it('sorts the older versions of a row newest first', () => {
    fc.assert(
      fc.property(timestampArbitrary, timestampArbitrary, (a, b) => {
        const latest = latestKey(rowKey(100, 'x'));
        const keys = [historyKey(latest, time(a)), historyKey(latest, time(b))] as const;
        expect(Math.sign(compareBytes(...keys))).toBe(Math.sign(b - a));
        expect(historyTimestamp(keys[0])).toBe(a);
        expect(isHistoryOf(keys[0], latest)).toBe(true);
        expect(isHistoryOf(keys[0], latestKey(rowKey(100, 'y')))).toBe(false);
      }),
    );
  });
});

describe('versions', () => {
  async function filled(...commands: TestCommand[]): Promise<Engine> {
    const engine = await createMemoryDisk().open();
    const applier = await Applier.open(engine);
    await applier.apply([
      { range: RANGE, entries: packEntries(1, commands), lastIndex: commands.length },
    ]);
    return engine;
  }

  it('answers the newest version at or below the time asked for', async () => {
    const key = rowKey(100, 'k');
    const engine = await filled(
      put(10, key, 'a'),
      put(20, key, 'b'),
      remove(30, key),
      put(40, key, 'c'),
    );
    const seen = await Promise.all(
      [9, 10, 19, 20, 29, 30, 39, 40, 99].map((t) => read(engine, key, t)),
    );
    expect(seen).toEqual([undefined, 'a', 'a', 'b', 'b', undefined, undefined, 'c', 'c']);
  });

  it('tells the newest version from an older one, and never written from written later', async () => {
    const key = latestKey(rowKey(100, 'k'));
    const engine = await filled(put(10, rowKey(100, 'k'), 'a'), remove(20, rowKey(100, 'k')));
    const other = latestKey(rowKey(100, 'other'));
    const store = await RowStore.open(engine);
    const found = await readVersions(store, [key, key, key, other], [25, 15, 5, 5].map(time));
    const summary = found.map((v) => v && [v.timestamp, v.tombstone, v.isNewest]);
    expect(summary).toEqual([[20, true, true], [10, false, false], undefined, [0, true, true]]);
  });

  it('keeps the last word of a transaction that wrote a row twice', async () => {
    const key = rowKey(100, 'k');
    const engine = await filled(
      put(10, key, 'a'),
      put(10, key, 'b'),
      put(9, rowKey(100, 'z'), 'z'),
    );
    expect(await read(engine, key, 10)).toBe('b');
    expect(await read(engine, key, 9)).toBeUndefined();
  });

  it('touches one entry for each row in a scan of the present, however often rows were written', async () => {
    const commands: TestCommand[] = [];
    for (let t = 1; t <= 50; t++) commands.push(put(t, rowKey(100, 'a'), `${t}`));
    const engine = await filled(...commands, put(60, rowKey(100, 'b'), 'x'));
    let entries = 0;
    const counting = {
      getMany: (keys: readonly Uint8Array[]) => engine.getMany(keys),
      async *scan(...args: Parameters<Engine['scan']>) {
        for await (const batch of engine.scan(...args)) {
          entries += batch.keys.length;
          yield batch;
        }
      },
    };
    const source = { ...(await RowStore.open(engine)).snapshot(), reader: counting };
    const versions = new VersionScan(source, EVERYTHING, MAX_TIMESTAMP, false, 1 << 16);
    let rows = 0;
    const sink: RowSink = { isDone: false, add: () => ++rows > 0, addPage: () => 0 };
    while (await versions.step(sink));
    expect([rows, entries]).toEqual([2, 2]);
  });

  it('clears a span with all its versions, and nothing beside it', async () => {
    const keys = ['a', 'b', 'c'].map((name) => rowKey(100, name));
    const writes = keys.flatMap((key) => [put(10, key, 'old'), put(20, key, 'new')]);
    const [a, b, c] = keys as [Uint8Array, Uint8Array, Uint8Array];
    // The bounds are keys after rows: those rows' older versions must fall on the right side.
    const engine = await filled(...writes, {
      kind: 'clear',
      at: 30,
      start: keyAfter(a),
      end: keyAfter(b),
    });
    expect(await Promise.all([a, b, c].map((key) => read(engine, key, 15)))).toEqual([
      'old',
      undefined,
      'old',
    ]);
    expect(await Promise.all([a, b, c].map((key) => read(engine, key, 25)))).toEqual([
      'new',
      undefined,
      'new',
    ]);
  });

  it('lets a row be written again after a clear in the same apply', async () => {
    const key = rowKey(100, 'a');
    const engine = await filled(
      put(10, key, 'old'),
      { kind: 'clear', at: 20, start: rowKey(100, ''), end: rowKey(101, '') },
      put(30, key, 'new'),
    );
    expect(await read(engine, key, 25)).toBeUndefined();
    expect(await read(engine, key, 30)).toBe('new');
  });

  it('refuses an entry of a newer format, naming both versions', async () => {
    const entries = packEntries(1, [{ kind: 'empty' }]);
    entries[12] = 9;
    const applier = await Applier.open(await createMemoryDisk().open());
    const applying = applier.apply([{ range: RANGE, entries, lastIndex: 1 }]);
    await expect(applying).rejects.toThrow('format version 9, this program knows version 1');
  });
});

const keyArbitrary = fc
  .tuple(fc.constantFrom(100, 101), fc.constantFrom('', 'a', 'aa', 'b', '\u0001', 'zzz'))
  .map(([index, name]) => rowKey(index, name));
const boundArbitrary = fc
  .tuple(keyArbitrary, fc.boolean())
  .map(([key, after]) => (after ? keyAfter(key) : key));
const spanArbitrary: fc.Arbitrary<Span> = fc.record({
  start: fc.oneof(boundArbitrary, fc.constant(new Uint8Array(0))),
  end: fc.oneof(boundArbitrary, fc.constant(undefined)),
});

/** Commands with growing timestamps, as the leader's locks make them. */
const historyArbitrary: fc.Arbitrary<TestCommand[]> = fc
  .array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.uniqueArray(fc.tuple(keyArbitrary, fc.option(fc.string({ maxLength: 5 }))), {
          minLength: 1,
          maxLength: 4,
          selector: ([key]) => key.join(),
        }),
      },
      { weight: 1, arbitrary: fc.tuple(fc.constant('clear' as const), spanArbitrary) },
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((steps) =>
    steps.map((step, i): TestCommand => {
      const at = (i + 1) * 10;
      if (step[0] === 'clear') {
        const { start, end } = step[1] as Span;
        return { kind: 'clear', at, start, end };
      }
      const writes = (step as [Uint8Array, string | null][]).map(([key, value]) => {
        return { key, value: value === null ? undefined : utf8(value) };
      });
      return { kind: 'writes', at, writes };
    }),
  );

describe('apply and reads at any time', () => {
  it('agree with a list of all versions, however entries are gathered into applies', async () => {
    await fc.assert(
      fc.asyncProperty(
        historyArbitrary,
        fc.infiniteStream(fc.integer({ min: 1, max: 6 })),
        fc.array(fc.tuple(fc.nat(320), spanArbitrary, fc.boolean(), fc.constantFrom(1, 64, 4096)), {
          minLength: 1,
          maxLength: 8,
        }),
        async (commands, sizes, scans) => {
          const engine = await createMemoryDisk().open();
          const applier = await Applier.open(engine);
          const oracle = new Oracle();
          for (let done = 0; done < commands.length; ) {
            const some = commands.slice(done, done + (sizes.next().value as number));
            const entries = packEntries(done + 1, some);
            done += some.length;
            await applier.apply([{ range: RANGE, entries, lastIndex: done }]);
          }
          for (const command of commands) oracle.apply(command);
          for (const [t, span, reverse, batchBytes] of scans) {
            const found = await scan(engine, span, t, reverse, batchBytes);
            expect(found).toEqual(oracle.scan(span, t, reverse));
            for (const { key } of oracle.versions) {
              const alone = oracle.scan({ start: key, end: keyAfter(key) }, t, false).rows[0];
              const value = await read(engine, key, t);
              expect(value === undefined ? undefined : `${key.join('.')}=${value}`).toBe(alone);
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('give the same state when the log is replayed after a crash', async () => {
    await fc.assert(
      fc.asyncProperty(
        historyArbitrary,
        fc.nat(30),
        fc.nat(30),
        fc.nat(),
        async (commands, flushAt, crashAt, kept) => {
          const disk = createMemoryDisk();
          let engine = await disk.open();
          let applier = await Applier.open(engine);
          for (const [i, command] of commands.entries()) {
            await applier.apply([
              { range: RANGE, entries: packEntries(i + 1, [command]), lastIndex: i + 1 },
            ]);
            if (i === flushAt % commands.length) await engine.flush();
            if (i === crashAt % commands.length) {
              disk.crash(scriptedRandom([kept]));
              engine = await disk.open();
              applier = await Applier.open(engine);
              const applied = applier.appliedRanges()[0]?.appliedIndex ?? 0;
              if (flushAt % commands.length <= i) {
                expect(applied).toBeGreaterThanOrEqual((flushAt % commands.length) + 1);
              }
              // The log still has everything: replaying from its start skips what is there.
              await applier.apply([
                {
                  range: RANGE,
                  entries: packEntries(1, commands.slice(0, i + 1)),
                  lastIndex: i + 1,
                },
              ]);
            }
          }
          const oracle = new Oracle();
          for (const command of commands) oracle.apply(command);
          for (const t of [5, 55, 105, 155, 1000]) {
            expect(await scan(engine, EVERYTHING, t, false)).toEqual(
              oracle.scan(EVERYTHING, t, false),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

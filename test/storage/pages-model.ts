// Random histories of a shard that packs, against a plain map of all versions.

import fc from 'fast-check';
import { compareBytes, fromUtf8, toHex } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/clock/timestamp.ts';
import { PackedRowReader } from '../../src/rows/packed-rows.ts';
import type { Span } from '../../src/storage/engine.ts';
import type { Shard, ShardScanRequest } from '../../src/storage/shard.ts';
import { packEntries, rowKey, type TestCommand } from './commands.ts';

export const RANGE = 3;
const KEYS = 300;

/** Two indexes; in the second, keys have different lengths. */
export function modelKey(n: number): Uint8Array {
  const digits = String(n % 1000).padStart(4, '0');
  return n < 1000 ? rowKey(100, digits) : rowKey(101, `${digits}${'x'.repeat(n % 7)}`);
}

export type Step =
  | { readonly kind: 'write'; readonly keys: readonly number[]; readonly remove: boolean }
  /** Ascending, behind all that the index has. */
  | { readonly kind: 'load'; readonly index: 0 | 1; readonly rows: number }
  | { readonly kind: 'clear'; readonly span: Span }
  /** Or without waiting for it: what follows comes in between. */
  | { readonly kind: 'pack'; readonly slices: number; readonly waits: boolean }
  /** Versions that nobody may ask for any more who reads at or above so long ago. */
  | {
      readonly kind: 'collect';
      readonly span: Span;
      readonly ago: number;
      readonly slices: number;
      readonly waits: boolean;
    }
  | { readonly kind: 'restart' }
  | { readonly kind: 'get'; readonly keys: readonly number[]; readonly ago: number }
  | {
      readonly kind: 'scan';
      readonly span: Span;
      readonly ago: number;
      readonly reverse: boolean;
      readonly limit: number;
      readonly batchBytes: number;
    }
  | { readonly kind: 'copy'; readonly span: Span };

const place = fc.oneof(
  fc.integer({ min: 0, max: KEYS }),
  fc.integer({ min: 1000, max: 1000 + KEYS }),
);
const bound: fc.Arbitrary<Uint8Array> = fc
  .tuple(place, fc.integer({ min: 0, max: 2 }))
  .map(([n, how]) => {
    const key = modelKey(n);
    if (how === 0) return key;
    // Behind the row, or in front of it, at no row's key.
    return how === 1 ? Uint8Array.of(...key, 0) : key.slice(0, -1);
  });
const span: fc.Arbitrary<Span> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ start: new Uint8Array(0), end: undefined }) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(bound, fc.option(bound, { nil: undefined, freq: 8 }))
      .map(([a, b]) =>
        b !== undefined && compareBytes(a, b) > 0 ? { start: b, end: a } : { start: a, end: b },
      ),
  },
);
const ago = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 }));

/** With tiny pages, a few rows are many. */
export function stepArbitrary(isTiny: boolean): fc.Arbitrary<Step> {
  const [few, many] = isTiny ? [3, 30] : [60, 150];
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        keys: fc.oneof(
          fc.array(place, { minLength: 1, maxLength: 5 }),
          // A stretch that is worth packing.
          fc.tuple(place, fc.integer({ min: few, max: many })).map(([from, count]) =>
            Array.from({ length: count }, (_, i) => {
              return from < 1000 ? (from + i) % KEYS : 1000 + ((from + i) % KEYS);
            }),
          ),
        ),
        remove: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('load' as const),
        index: fc.constantFrom(0 as const, 1 as const),
        rows: fc.integer({ min: few, max: many + 10 }),
      }),
    },
    { weight: 1, arbitrary: span.map((cleared) => ({ kind: 'clear' as const, span: cleared })) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('pack' as const),
        slices: fc.integer({ min: 1, max: 12 }),
        waits: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('collect' as const),
        span,
        ago: fc.integer({ min: 0, max: 10 }),
        slices: fc.constantFrom(1, 100),
        waits: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('get' as const),
        keys: fc.array(place, { minLength: 1, maxLength: 12 }),
        ago,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('scan' as const),
        span,
        ago,
        reverse: fc.boolean(),
        limit: fc.constantFrom(0, 0, 0, 1, 7, 100),
        batchBytes: fc.constantFrom(1, 3000, 100_000),
      }),
    },
    { weight: 1, arbitrary: span.map((copied) => ({ kind: 'copy' as const, span: copied })) },
  );
}

interface ModelVersion {
  readonly at: number;
  readonly value: string | undefined;
}

interface ModelRow {
  readonly key: Uint8Array;
  readonly versions: ModelVersion[];
}

/** Every version of every row, and the obvious way to read them. */
export class Model {
  readonly rows: Map<string, ModelRow> = new Map();

  write(key: Uint8Array, at: number, value: string | undefined): void {
    const known = this.rows.get(toHex(key));
    // What was never there can't be removed.
    if (known === undefined && value === undefined) return;
    const row = known ?? { key, versions: [] };
    this.rows.set(toHex(key), row);
    if (row.versions[0]?.at === at) row.versions.shift();
    row.versions.unshift({ at, value });
  }

  clear(cleared: Span): void {
    for (const [name, { key }] of this.rows) if (isIn(key, cleared)) this.rows.delete(name);
  }

  version(key: Uint8Array, t: number): ModelVersion | 'never' | 'later' {
    const versions = this.rows.get(toHex(key))?.versions;
    if (versions === undefined) return 'never';
    return versions.find(({ at }) => at <= t) ?? 'later';
  }

  scan(scanned: Span, t: number, reverse: boolean): { rows: string[]; newest: number } {
    const sorted = [...this.rows.values()]
      .filter(({ key }) => isIn(key, scanned))
      .sort((a, b) => compareBytes(a.key, b.key));
    if (reverse) sorted.reverse();
    const rows: string[] = [];
    let newest = 0;
    for (const { key, versions } of sorted) {
      const version = versions.find(({ at }) => at <= t);
      if (version === undefined) continue;
      newest = Math.max(newest, version.at);
      if (version.value !== undefined) rows.push(`${toHex(key)}=${version.value}`);
    }
    return { rows, newest };
  }

  greatest(index: 0 | 1): number {
    let most = -1;
    for (let n = 0; n < 1000; n++) if (this.rows.has(toHex(modelKey(index * 1000 + n)))) most = n;
    return most;
  }
}

function isIn(key: Uint8Array, within: Span): boolean {
  if (compareBytes(key, within.start) < 0) return false;
  return within.end === undefined || compareBytes(key, within.end) < 0;
}

export interface Scanned {
  readonly rows: string[];
  readonly newest: number;
}

/** A whole scan; `goesOn` reads each batch with a scan of its own, behind where the one before came to. */
export async function scanAll(
  shard: Shard,
  request: ShardScanRequest,
  goesOn: boolean,
): Promise<Scanned> {
  const rows: string[] = [];
  let newest = 0;
  let { span: left } = request;
  for (;;) {
    const scan = shard.scan({ ...request, span: left });
    let lastKey: Uint8Array | undefined;
    for (;;) {
      const batch = await scan.next();
      if (batch === undefined) break;
      const reader = new PackedRowReader(batch.rows);
      while (reader.next()) rows.push(`${toHex(reader.key())}=${fromUtf8(reader.row())}`);
      newest = Math.max(newest, batch.newest);
      lastKey = batch.lastKey;
      if (goesOn && lastKey !== undefined) break;
    }
    scan.close();
    if (lastKey === undefined || !goesOn) return { rows, newest };
    left = request.reverse
      ? { start: left.start, end: lastKey }
      : { start: Uint8Array.of(...lastKey, 0), end: left.end };
  }
}

export function value(n: number, at: number): string {
  return `${n}@${at} ${'v'.repeat(400 + ((n * 37 + at) % 300))}`;
}

export class Walker {
  private readonly model = new Model();
  private shard: Shard;
  private index = 0;
  private now = 100;
  private readonly start: () => Shard;
  private readonly copyTarget: () => Promise<Shard>;
  private packing: Promise<void> | undefined;
  private collecting: Promise<void> | undefined;
  /** Nobody reads below it. */
  private floor = 0;

  constructor(start: () => Shard, copyTarget: () => Promise<Shard>) {
    this.start = start;
    this.copyTarget = copyTarget;
    this.shard = start();
  }

  async close(): Promise<void> {
    await this.packing;
    await this.collecting;
    await this.shard.close();
  }

  /** Rejects when anything is not as the model has it. */
  async step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'write': {
        this.now++;
        await this.write(step.keys, step.remove && step.keys.length < 100);
        return;
      }
      case 'load': {
        this.now++;
        const from = this.model.greatest(step.index) + 1;
        const count = Math.min(step.rows, 999 - from);
        const keys = Array.from(
          { length: Math.max(0, count) },
          (_, i) => step.index * 1000 + from + i,
        );
        await this.write(keys, false);
        return;
      }
      case 'clear': {
        this.now++;
        this.model.clear(step.span);
        const { start, end } = step.span;
        await this.apply({ kind: 'clear', at: this.now, start, end });
        return;
      }
      case 'pack':
        await this.packing;
        this.packing = this.pack(step.slices);
        if (step.waits) await this.packing;
        return;
      case 'collect':
        await this.collecting;
        this.floor = Math.max(this.floor, this.now - step.ago);
        this.collecting = this.collect(step.span, step.slices);
        if (step.waits) await this.collecting;
        return;
      case 'restart':
        await this.packing;
        await this.collecting;
        await this.shard.close();
        this.shard = this.start();
        return;
      case 'get':
        return this.get(step.keys, this.now - step.ago);
      case 'scan': {
        const { reverse, limit, batchBytes } = step;
        return this.scan(step.span, this.now - step.ago, reverse, limit, batchBytes);
      }
      case 'copy':
        return this.copy(step.span);
    }
  }

  private async pack(slices: number): Promise<void> {
    for (let i = 0; i < slices; i++) if (!(await this.shard.pack())) return;
  }

  private async collect(collected: Span, slices: number): Promise<void> {
    if (collected.end !== undefined && compareBytes(collected.start, collected.end) >= 0) return;
    let from: Uint8Array | undefined;
    for (let i = 0; i < slices; i++) {
      const { rest } = await this.shard.collect(collected, this.floor as Timestamp, from);
      if (rest === undefined) return;
      from = rest;
    }
  }

  private async write(keys: readonly number[], remove: boolean): Promise<void> {
    const commands: TestCommand[] = [];
    for (const n of keys) {
      const text = remove ? undefined : value(n, this.now);
      this.model.write(modelKey(n), this.now, text);
      const bytes = text === undefined ? undefined : new TextEncoder().encode(text);
      commands.push({ kind: 'writes', at: this.now, writes: [{ key: modelKey(n), value: bytes }] });
    }
    await this.apply(...commands);
  }

  private async apply(...commands: TestCommand[]): Promise<void> {
    if (commands.length === 0) return;
    const entries = packEntries(this.index + 1, commands);
    this.index += commands.length;
    await this.shard.apply(RANGE, entries, this.index);
  }

  private async get(places: readonly number[], asked: number): Promise<void> {
    const t = Math.max(asked, this.floor);
    const keys = places.map(modelKey);
    const found = await this.shard.get(keys, t as Timestamp);
    found.forEach((version, i) => {
      const wanted = this.model.version(keys[i] as Uint8Array, t);
      const seen =
        version === undefined
          ? 'later'
          : version.timestamp === 0
            ? 'never'
            : { at: version.timestamp, value: version.value && fromUtf8(version.value) };
      expectSame(this.unlessGone(seen), this.unlessGone(wanted), `get of ${places[i]} at ${t}`);
    });
  }

  /** What may be gone, or have left nothing behind. */
  private unlessGone(
    found: { readonly at: number; readonly value: string | undefined } | 'never' | 'later',
  ): unknown {
    if (this.floor === 0) return found;
    if (typeof found === 'string') return 'none';
    return found.value === undefined && found.at <= this.floor ? 'none' : found;
  }

  private async scan(
    scanned: Span,
    asked: number,
    reverse: boolean,
    limitRows: number,
    batchBytes: number,
  ): Promise<void> {
    const t = Math.max(asked, this.floor);
    const request: ShardScanRequest = {
      span: scanned,
      at: t as Timestamp,
      reverse,
      program: undefined,
      parameters: undefined,
      limitRows,
      batchBytes,
    };
    const what = `scan of ${toHex(scanned.start)} to ${scanned.end && toHex(scanned.end)} at ${t}${reverse ? ' backwards' : ''}, limit ${limitRows}`;
    const shown = ({ rows, newest }: Scanned): Scanned => ({
      rows,
      newest: Math.max(newest, this.floor),
    });
    const wanted = shown(this.model.scan(scanned, t, reverse));
    const found = shown(await scanAll(this.shard, request, false));
    if (limitRows === 0) {
      expectSame(found, wanted, what);
      if (batchBytes > 1)
        expectSame(shown(await scanAll(this.shard, request, true)), wanted, `${what}, by parts`);
    } else {
      expectSame(found.rows, wanted.rows.slice(0, limitRows), what);
    }
  }

  private async copy(copied: Span): Promise<void> {
    if (copied.end !== undefined && compareBytes(copied.start, copied.end) >= 0) return;
    const target = await this.copyTarget();
    try {
      const snapshot = this.shard.readSnapshot(RANGE, copied, 5000);
      await target.beginInstall(RANGE, copied);
      for (let chunk = await snapshot.next(); chunk !== undefined; chunk = await snapshot.next()) {
        await target.installChunk(RANGE, chunk);
      }
      await target.finishInstall(RANGE, this.index, new Uint8Array(0));
      while (await target.pack());
      for (const back of [0, 3, 20]) {
        const at = Math.max(1, this.now - back, this.floor) as Timestamp;
        expectSame(
          await target.checksum(copied, at),
          await this.shard.checksum(copied, at),
          'checksums',
        );
      }
    } finally {
      await target.close();
    }
  }
}

function expectSame(found: unknown, wanted: unknown, what: string): void {
  const a = JSON.stringify(found);
  const b = JSON.stringify(wanted);
  if (a === b) return;
  throw new Error(`${what}: found ${shorten(a)}, wanted ${shorten(b)}`);
}

function shorten(text: string | undefined): string {
  return (text ?? 'undefined').replaceAll(/v{20,}/g, '…').slice(0, 1500);
}

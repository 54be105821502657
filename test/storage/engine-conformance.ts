// What every Engine must do. Run by memory-engine.test.ts and rocksdb-engine.test.ts.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareBytes } from '../../src/base/bytes.ts';
import type { Engine, EngineOp, EngineReader, Span } from '../../src/storage/engine.ts';

export interface EngineHome {
  open(): Promise<Engine>;
  /** After this, open() starts empty. */
  wipe(): Promise<void>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const ALL: Span = { start: bytes(), end: undefined };

export async function collect(
  reader: EngineReader,
  span: Span,
  options: { reverse?: boolean; batchBytes?: number } = {},
): Promise<string[]> {
  const out: string[] = [];
  let wasLast = false;
  for await (const batch of reader.scan(span, options)) {
    expect(wasLast).toBe(false);
    wasLast = batch.isLast;
    expect(batch.keys.length).toBe(batch.values.length);
    expect(batch.keys.length).toBeGreaterThan(0);
    batch.keys.forEach((key, i) => {
      out.push(`${key.join('.')}=${(batch.values[i] as Uint8Array).join('.')}`);
    });
  }
  return out;
}

/** The obvious implementation. */
class Oracle {
  readonly map = new Map<string, { key: Uint8Array; value: Uint8Array }>();

  write(ops: readonly EngineOp[]): void {
    for (const op of ops) {
      if (op.kind === 'put') this.map.set(op.key.join(), { key: op.key, value: op.value });
      else if (op.kind === 'delete') this.map.delete(op.key.join());
      else for (const { key } of this.inSpan(op.span)) this.map.delete(key.join());
    }
  }

  inSpan(span: Span): { key: Uint8Array; value: Uint8Array }[] {
    return [...this.map.values()]
      .filter(({ key }) => compareBytes(key, span.start) >= 0)
      .filter(({ key }) => span.end === undefined || compareBytes(key, span.end) < 0)
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  list(span: Span, reverse: boolean): string[] {
    const out = this.inSpan(span).map(({ key, value }) => `${key.join('.')}=${value.join('.')}`);
    return reverse ? out.reverse() : out;
  }

  copy(): Oracle {
    const copy = new Oracle();
    for (const [at, entry] of this.map) copy.map.set(at, entry);
    return copy;
  }
}

const keyArbitrary = fc
  .array(fc.constantFrom(0, 1, 2, 255), { minLength: 1, maxLength: 4 })
  .map((values) => Uint8Array.from(values));
const valueArbitrary = fc.uint8Array({ maxLength: 12 });
const spanArbitrary: fc.Arbitrary<Span> = fc.record({
  start: fc.oneof(keyArbitrary, fc.constant(bytes())),
  end: fc.oneof(keyArbitrary, fc.constant(undefined)),
});
const opArbitrary: fc.Arbitrary<EngineOp> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('put'), key: keyArbitrary, value: valueArbitrary }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete'), key: keyArbitrary }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteSpan'), span: spanArbitrary }) },
) as fc.Arbitrary<EngineOp>;

type Step =
  | { readonly kind: 'write'; readonly ops: EngineOp[] }
  | { readonly kind: 'get'; readonly keys: Uint8Array[] }
  | {
      readonly kind: 'scan';
      readonly span: Span;
      readonly reverse: boolean;
      readonly batchBytes: number;
    }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'reopen' };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write'),
      ops: fc.array(opArbitrary, { maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('get'),
      keys: fc.array(keyArbitrary, { maxLength: 20 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('scan'),
      span: spanArbitrary,
      reverse: fc.boolean(),
      batchBytes: fc.constantFrom(1, 20, 1 << 16),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen') }) },
) as fc.Arbitrary<Step>;

export function engineConformance(name: string, createHome: () => Promise<EngineHome>): void {
  describe(name, () => {
    let home: EngineHome;
    let engine: Engine;

    beforeEach(async () => {
      home = await createHome();
      engine = await home.open();
    });

    afterEach(async () => {
      await engine.close();
      await home.wipe();
    });

    it('answers what was written, in the order of the keys asked for', async () => {
      await engine.write([
        { kind: 'put', key: bytes(2), value: bytes(20) },
        { kind: 'put', key: bytes(1), value: bytes() },
      ]);
      const found = await engine.getMany([bytes(1), bytes(9), bytes(2), bytes(1)]);
      expect(found.map((value) => value?.join('.'))).toEqual(['', undefined, '20', '']);
    });

    it('carries the operations of one write out in order', async () => {
      await engine.write([
        { kind: 'put', key: bytes(1), value: bytes(1) },
        { kind: 'put', key: bytes(2), value: bytes(1) },
        { kind: 'deleteSpan', span: ALL },
        { kind: 'put', key: bytes(2), value: bytes(2) },
        { kind: 'put', key: bytes(3), value: bytes(3) },
        { kind: 'delete', key: bytes(3) },
      ]);
      expect(await collect(engine, ALL)).toEqual(['2=2']);
    });

    it('scans forward and back, start included, end excluded', async () => {
      const ops = [1, 2, 3, 4].map(
        (n): EngineOp => ({ kind: 'put', key: bytes(n), value: bytes(n) }),
      );
      await engine.write(ops);
      const span = { start: bytes(2), end: bytes(4) };
      expect(await collect(engine, span)).toEqual(['2=2', '3=3']);
      expect(await collect(engine, span, { reverse: true })).toEqual(['3=3', '2=2']);
      expect(await collect(engine, { start: bytes(4), end: bytes(2) })).toEqual([]);
    });

    it('scans many rows in batches of about the size asked for', async () => {
      const value = new Uint8Array(100).fill(7);
      const ops = Array.from({ length: 3000 }, (_, n): EngineOp => {
        return { kind: 'put', key: bytes(1, n >>> 8, n & 255), value };
      });
      await engine.write(ops);
      const sizes: number[] = [];
      let last: Uint8Array | undefined;
      for await (const batch of engine.scan(ALL, { batchBytes: 10_300 })) {
        sizes.push(batch.keys.length);
        for (const key of batch.keys) {
          if (last !== undefined) expect(compareBytes(last, key)).toBeLessThan(0);
          last = key.slice();
        }
      }
      expect(sizes.reduce((sum, size) => sum + size)).toBe(3000);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(101);
      expect(sizes.length).toBeLessThan(60);
    });

    it('can stop a scan in the middle, and close afterwards', async () => {
      const ops = Array.from({ length: 500 }, (_, n): EngineOp => {
        return { kind: 'put', key: bytes(n >>> 8, n & 255), value: bytes(1) };
      });
      await engine.write(ops);
      let seen = 0;
      for await (const batch of engine.scan(ALL, { batchBytes: 1 })) {
        seen += batch.keys.length;
        if (seen > 10) break;
      }
      expect(seen).toBeLessThan(500);
    });

    it('keeps what a caller does to its buffers afterwards out of the store', async () => {
      const key = bytes(1, 2);
      const value = bytes(3, 4);
      await engine.write([{ kind: 'put', key, value }]);
      key.fill(0xee);
      value.fill(0xee);
      expect(await collect(engine, ALL)).toEqual(['1.2=3.4']);
    });

    it('shows a snapshot what was there when it was taken', async () => {
      await engine.write([{ kind: 'put', key: bytes(1), value: bytes(1) }]);
      const snapshot = engine.snapshot();
      try {
        await engine.write([
          { kind: 'put', key: bytes(1), value: bytes(2) },
          { kind: 'put', key: bytes(2), value: bytes(2) },
        ]);
        expect(await collect(snapshot, ALL)).toEqual(['1=1']);
        expect((await snapshot.getMany([bytes(1), bytes(2)])).map((v) => v?.join())).toEqual([
          '1',
          undefined,
        ]);
        expect(await collect(engine, ALL)).toEqual(['1=2', '2=2']);
      } finally {
        snapshot.release();
      }
    });

    it('has everything after a clean close, flushed or not', async () => {
      await engine.write([{ kind: 'put', key: bytes(1), value: bytes(1) }]);
      await engine.flush();
      await engine.write([{ kind: 'put', key: bytes(2), value: bytes(2) }]);
      await engine.close();
      engine = await home.open();
      expect(await collect(engine, ALL)).toEqual(['1=1', '2=2']);
    });

    it('estimates the bytes of a span', async () => {
      const value = new Uint8Array(1000).fill(9);
      for (const half of [1, 2]) {
        const ops = Array.from({ length: 2000 }, (_, n): EngineOp => {
          for (let i = 0; i < 1000; i++) value[i] = Math.imul(n * 1000 + i, 0x9e3779b1) >>> 24;
          return { kind: 'put', key: bytes(half, n >>> 8, n & 255), value: value.slice() };
        });
        await engine.write(ops);
      }
      await engine.flush();
      const all = await engine.approximateBytes(ALL);
      const half = await engine.approximateBytes({ start: bytes(1), end: bytes(2) });
      expect(all).toBeGreaterThan(2_000_000);
      expect(all).toBeLessThan(8_000_000);
      expect(half / all).toBeGreaterThan(0.4);
      expect(half / all).toBeLessThan(0.6);
      expect(await engine.approximateBytes({ start: bytes(7), end: undefined })).toBeLessThan(1000);
    });

    it('agrees with a plain map under random operations, snapshots and restarts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 30 }), async (steps) => {
          await engine.write([{ kind: 'deleteSpan', span: ALL }]);
          const oracle = new Oracle();
          const held: { snapshot: ReturnType<Engine['snapshot']>; oracle: Oracle }[] = [];
          const check = async (): Promise<void> => {
            for (const { snapshot, oracle: then } of held.splice(0)) {
              expect(await collect(snapshot, ALL, { batchBytes: 1 })).toEqual(
                then.list(ALL, false),
              );
              snapshot.release();
            }
          };
          for (const step of steps) {
            switch (step.kind) {
              case 'write':
                await engine.write(step.ops);
                oracle.write(step.ops);
                break;
              case 'get': {
                const found = await engine.getMany(step.keys);
                const expected = step.keys.map((key) => oracle.map.get(key.join())?.value.join());
                expect(found.map((value) => value?.join())).toEqual(expected);
                break;
              }
              case 'scan':
                expect(await collect(engine, step.span, step)).toEqual(
                  oracle.list(step.span, step.reverse),
                );
                break;
              case 'snapshot':
                held.push({ snapshot: engine.snapshot(), oracle: oracle.copy() });
                break;
              case 'flush':
                await engine.flush();
                break;
              case 'reopen':
                await check();
                await engine.close();
                engine = await home.open();
                break;
            }
          }
          await check();
          expect(await collect(engine, ALL)).toEqual(oracle.list(ALL, false));
        }),
        { numRuns: 40 },
      );
    });
  });
}

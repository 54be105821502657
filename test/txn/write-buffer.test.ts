import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { WriteBuffer } from '../../src/txn/write-buffer.ts';

type Step =
  | { readonly kind: 'set'; readonly key: string; readonly value: string | undefined }
  | { readonly kind: 'savepoint' }
  | { readonly kind: 'rollback'; readonly pick: number };

const key = fc.nat(40).map((n) => `k${n}`);
const value = fc.option(fc.string({ maxLength: 5 }), { nil: undefined });
const set: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('set' as const), key, value });
const savepoint: fc.Arbitrary<Step> = fc.constant({ kind: 'savepoint' });
const rollback: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('rollback' as const),
  pick: fc.nat(5),
});
const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: set },
    { weight: 1, arbitrary: savepoint },
    { weight: 1, arbitrary: rollback },
  ),
  { maxLength: 100, size: 'max' },
);

it('holds what a map holds, through savepoints', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.boolean(), { minLength: 1 }), (todo, looks) => {
      const buffer = new WriteBuffer();
      let model = new Map<string, string | undefined>();
      let savepoints: {
        readonly at: number;
        readonly model: typeof model;
        readonly bytes: number;
      }[] = [];
      for (const [i, step] of todo.entries()) {
        switch (step.kind) {
          case 'set':
            buffer.set(utf8(step.key), step.value === undefined ? undefined : utf8(step.value));
            model.set(step.key, step.value);
            break;
          case 'savepoint':
            savepoints.push({ at: buffer.savepoint(), model: new Map(model), bytes: buffer.bytes });
            break;
          case 'rollback': {
            const savepoint = savepoints[step.pick];
            if (savepoint === undefined) break;
            buffer.rollbackTo(savepoint.at);
            model = new Map(savepoint.model);
            savepoints = savepoints.slice(0, step.pick + 1);
            expect(buffer.bytes).toBe(savepoint.bytes);
            break;
          }
        }
        // The sorted view is made from time to time, not after every write.
        if (looks[i % looks.length] === true) compare(buffer, model);
      }
      compare(buffer, model);
    }),
    { numRuns: 40 },
  );
});

function compare(buffer: WriteBuffer, model: ReadonlyMap<string, string | undefined>): void {
  const text = (value: Uint8Array | undefined): string | undefined =>
    value === undefined ? undefined : fromUtf8(value);
  const within = buffer
    .within({ start: utf8('k1'), end: utf8('k3') }, false)
    .map((write) => [fromUtf8(write.key), text(write.value)]);
  expect(within).toEqual(
    [...model].filter(([k]) => k >= 'k1' && k < 'k3').sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  expect(buffer.writes).toHaveLength(model.size);
  for (const [k, value] of model) expect(text(buffer.find(utf8(k))?.value)).toBe(value);
  expect(buffer.find(utf8('absent'))).toBeUndefined();
}

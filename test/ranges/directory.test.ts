// The directory, kept in one real range: whatever is published in whatever order, what is true now prevails (P28).

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, concatBytes } from '../../src/base/bytes.ts';
import type { RangeDescriptor } from '../../src/ranges/descriptor.ts';
import { DATA_SPAN, DIRECTORY_SPAN, firstDescriptors, rootKey } from '../../src/ranges/layout.ts';
import { Directory, publish } from '../../src/ranges/routing/directory.ts';
import { DirectoryPublisher } from '../../src/ranges/routing/directory-publisher.ts';
import { put, Rig } from './fixture.ts';
import { history } from './range-histories.ts';

/** Within the data, or within the directory, in place of the whole keyspace. */
function within(
  whole: { readonly start: Uint8Array; readonly end: Uint8Array | undefined },
  one: RangeDescriptor,
): RangeDescriptor {
  const { start, end } = one.span;
  return {
    ...one,
    span: {
      start: concatBytes(whole.start, start),
      end: end === undefined ? whole.end : concatBytes(whole.start, end),
    },
  };
}

function directoryOf(rig: Rig): Directory {
  return new Directory({
    now: () => rig.clock.latest(),
    scanAt: (request, t) => rig.ranges.scanAt(request, t),
  });
}

describe('the directory', () => {
  it('ends with what is true, whatever is published before, and finds it', async () => {
    await fc.assert(
      fc.asyncProperty(
        history,
        history,
        fc.infiniteStream(fc.nat(1_000)),
        async (inData, inDirectory, picks) => {
          const rig = await Rig.serving();
          const directory = directoryOf(rig);
          const told = (one: RangeDescriptor): Promise<string> =>
            rig.until(publish(directory, () => rig.transactions.begin(), one));
          // Rows of the root range that are no descriptors are left alone.
          await rig.until(
            rig.transactions.writeAll(
              [put('unused', 'x')].map((w) => ({ ...w, key: rootKey('a/b') })),
            ),
          );
          const [root] = firstDescriptors([1]) as [RangeDescriptor];
          const all = [
            root,
            ...inData.all.map((one) => within(DATA_SPAN, one)),
            ...inDirectory.all.map((one) => within(DIRECTORY_SPAN, one)),
          ];
          const now = [
            root,
            ...inData.now.map((one) => within(DATA_SPAN, one)),
            ...inDirectory.now.map((one) => within(DIRECTORY_SPAN, one)),
          ];
          for (let i = 0; i < all.length; i++) {
            await told(all[picks.next().value % all.length] as RangeDescriptor);
          }
          for (const one of now) expect(await told(one)).toBe('published');
          const found = [...(await rig.until(directory.all()))];
          const inOrder = (a: RangeDescriptor, b: RangeDescriptor): number =>
            compareBytes(a.span.start, b.span.start);
          expect(found.sort(inOrder)).toEqual(now.sort(inOrder));
          for (const one of now.slice(1)) {
            const [around] = await rig.until(directory.around(one.span.start));
            expect(around).toEqual(one);
            const before = await rig.until(directory.before(one.span.end));
            expect(before).toContainEqual(one);
          }
          for (const one of all) {
            const isNow = now.some(
              ({ span, generation }) =>
                generation === one.generation && compareBytes(span.start, one.span.start) === 0,
            );
            expect(await told(one)).toBe(isNow ? 'published' : 'overtaken');
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('a publisher', () => {
  it('goes on until the directory knows, of each range the latest', async () => {
    const rig = new Rig();
    const published: string[] = [];
    let failures = 3;
    const publisher = new DirectoryPublisher({
      runtime: rig.runtime,
      publish: async ({ range, generation }) => {
        await rig.world.sleep(1_000);
        if (failures-- > 0) throw new Error('not now');
        published.push(`${range}@${generation}`);
        return 'published';
      },
    });
    const [, , data] = firstDescriptors([1]) as [RangeDescriptor, RangeDescriptor, RangeDescriptor];
    publisher.publish(data);
    publisher.publish({ ...data, generation: 2 });
    for (let range = 10; range < 20; range++) publisher.publish({ ...data, range });
    expect(publisher.isConfirmed(data.range, 1)).toBe(false);
    await rig.until(rig.world.sleep(60_000_000));
    expect(published).toHaveLength(11);
    expect(published).toContain(`${data.range}@2`);
    expect(publisher.isConfirmed(data.range, 2)).toBe(true);
    expect(publisher.isConfirmed(data.range, 3)).toBe(false);
    // Known already.
    publisher.publish({ ...data, generation: 2 });
    await rig.until(rig.world.sleep(1_000_000));
    expect(published).toHaveLength(11);
    // Another leader's turn, and this one's again: who knows what that one did.
    publisher.forget(data.range);
    expect(publisher.isConfirmed(data.range, 2)).toBe(false);
    publisher.publish({ ...data, generation: 2 });
    await rig.until(rig.world.sleep(1_000_000));
    expect(published).toHaveLength(12);
  });

  it('has nothing to do once it is stopped, whatever it is told', async () => {
    const rig = new Rig();
    const published: number[] = [];
    const publisher = new DirectoryPublisher({
      runtime: rig.runtime,
      publish: async ({ range }) => {
        published.push(range);
        return 'published';
      },
    });
    publisher.stop();
    const [, , data] = firstDescriptors([1]) as [RangeDescriptor, RangeDescriptor, RangeDescriptor];
    publisher.publish(data);
    // Were it to go round and round, this would never come back.
    await rig.until(rig.world.sleep(1_000_000));
    expect(published).toEqual([]);
    expect(publisher.waiting).toBe(0);
  });

  it.each([
    { refusals: 2, warnings: 0 },
    { refusals: 4, warnings: 2 },
  ])(
    'says nothing before it has failed for the third time: $refusals',
    async ({ refusals, warnings }) => {
      const rig = new Rig();
      const said: string[] = [];
      let left = refusals;
      const publisher = new DirectoryPublisher({
        runtime: {
          timers: rig.runtime.timers,
          random: rig.runtime.random,
          log: { info: () => undefined, error: () => undefined, warn: (text) => said.push(text) },
        },
        publish: () =>
          left-- > 0 ? Promise.reject(new Error('not now')) : Promise.resolve('published'),
      });
      const [, , data] = firstDescriptors([1]) as [
        RangeDescriptor,
        RangeDescriptor,
        RangeDescriptor,
      ];
      publisher.publish(data);
      await rig.until(rig.world.sleep(60_000_000));
      expect(publisher.isConfirmed(data.range, 1)).toBe(true);
      expect(said).toHaveLength(warnings);
    },
  );
});

// Ways to spoil a good history of lists, so that it is surely not strictly serializable any more.

import type { SeededRandom } from '../../src/sim/random.ts';
import type { Made, MadeOperation } from './made-history.ts';

interface Spoiler {
  /** Changes the history; false where there is nothing to spoil in this way. */
  readonly spoil: (made: readonly Made[], random: SeededRandom) => boolean;
  /** What must be found by name. */
  readonly finds?: string;
}

export const SPOILERS: Readonly<Record<string, Spoiler>> = {
  'two commits that change places': { spoil: swapCommits },
  'an append that is dropped': { spoil: dropAppend, finds: 'lost-append' },
  'a read of an older version': { spoil: readOlder },
  'a read of what failed': { spoil: readFailed, finds: 'G1a' },
};

/** Of two that did not overlap, whose elements follow each other, and which nobody saw one without the other. */
function swapCommits(made: readonly Made[], random: SeededRandom): boolean {
  const candidates = longestLists(made).flatMap(([key, list]) =>
    list.slice(1).flatMap((second, i) => {
      const first = list[i] as number;
      const [one, other] = [writerOf(made, first), writerOf(made, second)];
      const isApart = one !== other && answeredAt(one) < (other?.invoked ?? 0);
      const isSeenBetween = readsOf(made, key).some((read) => read.at(-1) === first);
      return isApart && !isSeenBetween ? [{ key, first, second }] : [];
    }),
  );
  const chosen = candidates[random.below(Math.max(1, candidates.length))];
  if (chosen === undefined) return false;
  const { key, first, second } = chosen;
  const swapped = (element: number): number =>
    element === first ? second : element === second ? first : element;
  changeReads(made, key, (list) => (list.includes(second) ? list.map(swapped) : list));
  return true;
}

/** Of an append that was acknowledged, and that its own transaction did not look at. */
function dropAppend(made: readonly Made[], random: SeededRandom): boolean {
  const candidates = longestLists(made).flatMap(([key, list]) =>
    list
      .filter((element) => {
        const writer = writerOf(made, element);
        const reads = writer?.operations.some(([f, other]) => f === 'r' && other === key);
        return writer?.outcome === 'ok' && reads === false;
      })
      .map((element) => ({ key, element })),
  );
  const chosen = candidates[random.below(Math.max(1, candidates.length))];
  if (chosen === undefined) return false;
  changeReads(made, chosen.key, (list) => list.filter((element) => element !== chosen.element));
  return true;
}

/** Of what was acknowledged before the reader began. */
function readOlder(made: readonly Made[], random: SeededRandom): boolean {
  const candidates = made.flatMap((one) =>
    one.operations.flatMap(([f, key, value], at) => {
      if (f !== 'r' || one.outcome !== 'ok') return [];
      const last = (value as number[]).at(-1);
      const isOnly = one.operations.filter(([, other]) => other === key).length === 1;
      const writer = last === undefined ? undefined : writerOf(made, last);
      return isOnly && answeredAt(writer) < one.invoked ? [{ one, at }] : [];
    }),
  );
  const chosen = candidates[random.below(Math.max(1, candidates.length))];
  if (chosen === undefined) return false;
  const { one, at } = chosen;
  one.operations = one.operations.map(([f, key, value], i) =>
    i === at ? [f, key, (value as number[]).slice(0, -1)] : [f, key, value],
  );
  return true;
}

function readFailed(made: readonly Made[], random: SeededRandom): boolean {
  const appends = made
    .filter(({ outcome }) => outcome === 'fail')
    .flatMap(({ operations }) => operations.filter(([f]) => f === 'append'));
  const chosen = appends[random.below(Math.max(1, appends.length))];
  if (chosen === undefined) return false;
  const last = made.at(-1) as Made;
  last.operations = last.operations.map(([f, key, value]) =>
    key === chosen[1] ? [f, key, [...(value as number[]), chosen[2]]] : [f, key, value],
  );
  return true;
}

function changeReads(
  made: readonly Made[],
  key: number,
  change: (list: readonly number[]) => readonly number[],
): void {
  for (const one of made) {
    if (one.outcome !== 'ok') continue;
    one.operations = one.operations.map((operation): MadeOperation => {
      const [f, other, value] = operation;
      return f === 'r' && other === key ? [f, key, change(value as number[])] : operation;
    });
  }
}

function readsOf(made: readonly Made[], key: number): (readonly number[])[] {
  return made
    .filter(({ outcome }) => outcome === 'ok')
    .flatMap(({ operations }) => operations.filter(([f, other]) => f === 'r' && other === key))
    .map(([, , value]) => value as number[]);
}

function longestLists(made: readonly Made[]): [key: number, list: readonly number[]][] {
  const keys = new Set(made.flatMap(({ operations }) => operations.map(([, key]) => key)));
  return [...keys].map((key) => [
    key,
    readsOf(made, key).reduce((a, b) => (b.length > a.length ? b : a), []),
  ]);
}

function writerOf(made: readonly Made[], element: number): Made | undefined {
  return made.find(({ operations }) =>
    operations.some(([f, , value]) => f === 'append' && value === element),
  );
}

function answeredAt(one: Made | undefined): number {
  return one?.outcome === 'ok' ? one.completed : Number.POSITIVE_INFINITY;
}

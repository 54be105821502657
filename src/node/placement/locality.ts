// Where a node is, from the widest to the narrowest: region=eu,zone=a. Replicas of a range are spread by it, so that
// what fails together does not hold them all.

import { DbError } from '../../base/errors.ts';

export interface Tier {
  readonly key: string;
  readonly value: string;
}

/** Widest first. Empty: nothing is known about the place. */
export type Locality = readonly Tier[];

const TIERS_MAX = 8;
const WORD = /^[A-Za-z0-9._-]{1,64}$/;

/** DbError 22023 when the text is none. */
export function parseLocality(text: string): Locality {
  if (text === '') return [];
  const tiers = text.split(',').map((part): Tier => {
    const [key, value, ...rest] = part.trim().split('=');
    if (key === undefined || value === undefined || rest.length > 0) throw wrong(text);
    if (!WORD.test(key) || !WORD.test(value)) throw wrong(text);
    return { key, value };
  });
  const isRepeated = new Set(tiers.map(({ key }) => key)).size !== tiers.length;
  if (isRepeated || tiers.length > TIERS_MAX) throw wrong(text);
  return tiers;
}

export function formatLocality(locality: Locality): string {
  return locality.map(({ key, value }) => `${key}=${value}`).join(',');
}

/** 0: the same place as far as is known; 1: nothing in common. */
export function distance(a: Locality, b: Locality): number {
  const tiers = Math.max(a.length, b.length);
  if (tiers === 0) return 0;
  let common = 0;
  while (common < tiers && isSame(a[common], b[common])) common += 1;
  return 1 - common / tiers;
}

/** How far apart the places are: the mean distance of two of them. */
export function diversity(places: readonly Locality[]): number {
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < places.length; i++) {
    for (let j = i + 1; j < places.length; j++) {
      sum += distance(places[i] as Locality, places[j] as Locality);
      pairs += 1;
    }
  }
  return pairs === 0 ? 0 : sum / pairs;
}

function isSame(a: Tier | undefined, b: Tier | undefined): boolean {
  return a !== undefined && b !== undefined && a.key === b.key && a.value === b.value;
}

function wrong(text: string): DbError {
  return new DbError(
    '22023',
    `'${text}' is no locality: at most ${TIERS_MAX} labels KEY=VALUE with commas between them, the widest first`,
    { hint: 'For example region=eu,zone=a.' },
  );
}

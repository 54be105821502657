// What a history can be found to hold to, and what can be found wrong with it.

/** From the strongest to the weakest. Each but the first also allows everything that the one before it allows. */
export const MODELS = ['strict-serializable', 'serializable', 'snapshot-isolation'] as const;

export type Model = (typeof MODELS)[number];

/** Something that did not happen in any order that the models allow. */
export interface Anomaly {
  /** As Elle calls it, where Elle knows it: 'G-single-realtime'. */
  readonly name: string;
  readonly rulesOut: readonly Model[];
  /** How often it was found; the witness is of one of them, the shortest. */
  readonly count: number;
  /** Lines for people. */
  readonly witness: readonly string[];
}

/** What each anomaly is, in words; those that a name's ending makes are told of by its beginning. */
const MEANINGS: Readonly<Record<string, string>> = {
  G0: 'writes of two transactions are mixed up',
  G1a: 'what was read had been refused',
  G1b: 'what was read was not yet what its writer left in the end',
  G1c: 'information went round in a circle',
  'G-single': 'something was read that should already have been overwritten (read skew)',
  'G-nonadjacent': 'transactions saw writes in opposite orders (a long fork)',
  'G2-item': 'transactions each overlooked what another wrote (write skew)',
  internal: 'a transaction contradicts itself',
  'incompatible-order': 'a key was seen with its elements in two orders',
  'duplicate-elements': 'an element is there twice',
  unwritten: 'what was read was never written',
  'lost-append': 'an acknowledged append was not there afterwards',
  'lost-update': 'two transactions read the same version and both replaced it',
  'long-fork': 'two reads saw two writes in opposite orders',
  'wrong-total': 'the balances add up to something else',
  'negative-balance': 'an account was overdrawn',
  lost: 'an acknowledged element was missing in the end',
  vanished: 'an element was seen, and missing later',
  stale: 'an acknowledged element was missing for a while',
};

const ENDINGS = {
  '-realtime': ', judged by who was answered before whom began',
  '-process': ', judged by what each process did first',
};

export function meaningOf(name: string): string {
  for (const [ending, words] of Object.entries(ENDINGS)) {
    if (name.endsWith(ending)) return `${MEANINGS[name.slice(0, -ending.length)]}${words}`;
  }
  return MEANINGS[name] as string;
}

/** Lines for people. */
export function tellAnomaly({ name, count, witness }: Anomaly): string[] {
  const times = count === 1 ? '' : `, ${count} times, one of them`;
  return [`${name}: ${meaningOf(name)}${times}:`, ...witness.map((line) => `  ${line}`)];
}

/** What contradicts the order of time only is wrong by the strictest model alone. */
const ONLY_STRICT = new Set(['lost-append', 'vanished', 'stale']);

export function ruledOutBy(name: string): readonly Model[] {
  if (ONLY_STRICT.has(name)) return ['strict-serializable'];
  if (Object.keys(ENDINGS).some((ending) => name.endsWith(ending))) return ['strict-serializable'];
  return name === 'G2-item' ? ['strict-serializable', 'serializable'] : MODELS;
}

/** Keeps, of each name, how often it was found and the first, or the shortest, witness. */
export class Findings {
  readonly #found = new Map<
    string,
    { count: number; size: number; tell: () => readonly string[] }
  >();

  /** `size`: a smaller one is the better witness. */
  add(name: string, tell: () => readonly string[], size = 0): void {
    const known = this.#found.get(name);
    if (known === undefined) this.#found.set(name, { count: 1, size, tell });
    else {
      known.count += 1;
      if (size < known.size) Object.assign(known, { size, tell });
    }
  }

  list(): Anomaly[] {
    return [...this.#found].map(([name, { count, tell }]) => ({
      name,
      rulesOut: ruledOutBy(name),
      count,
      witness: tell(),
    }));
  }
}

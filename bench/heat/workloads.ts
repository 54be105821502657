// What the clients ask for. Plain data, since it goes to the process that the clients run in.

export interface Workload {
  readonly table: string;
  /** Ids of rows are 0 to rows - 1; of inserts, from `rows` on. */
  readonly rows: number;
  readonly keys:
    | { readonly kind: 'uniform' }
    /** The row with id i is asked for in proportion to 1 / (i + 1). */
    | { readonly kind: 'zipf' }
    | { readonly kind: 'one'; readonly id: number }
    /** A part of the table, as wide as `share` of it, that jumps to another place every so often. */
    | { readonly kind: 'window'; readonly share: number; readonly everySeconds: number }
    /** Each insert has the next id. */
    | { readonly kind: 'growing' };
  /** Of the requests: the others read. Growing keys are all inserts. */
  readonly writeShare: number;
  /** Requests a second of all clients together, each begun at its time whether or not others are answered by then. Left
   * out: each connection asks again as soon as it has its answer. */
  readonly perSecond?: number;
}

export type Chance = () => number;

/** A small generator of its own: runs with the same seed ask for the same. */
export function chanceOf(seed: number): Chance {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Answers the next id, `seconds` after the beginning. */
export type IdPicker = (seconds: number) => number;

export function idPicker({ keys, rows }: Workload, chance: Chance): IdPicker {
  switch (keys.kind) {
    case 'uniform':
      return () => Math.floor(chance() * rows);
    case 'zipf': {
      const logarithm = Math.log(rows + 1);
      // The inverse of the sum of 1 / i, by its integral.
      return () => Math.min(rows - 1, Math.floor(Math.exp(chance() * logarithm)) - 1);
    }
    case 'one':
      return () => keys.id;
    case 'window': {
      const width = Math.max(1, Math.floor(rows * keys.share));
      return (seconds) =>
        windowStart(rows, width, Math.floor(seconds / keys.everySeconds)) +
        Math.floor(chance() * width);
    }
    case 'growing': {
      let next = rows;
      return () => next++;
    }
  }
}

/** Of the window's n-th place: far from the one before. */
export function windowStart(rows: number, width: number, place: number): number {
  const golden = 0.6180339887;
  return Math.floor(((0.13 + place * golden) % 1) * (rows - width));
}

/** Latencies in classes an eighth apart: enough for a percentile, small enough to send every second. */
export class Latencies {
  private static readonly CLASSES = 240;
  private readonly counts = new Uint32Array(Latencies.CLASSES);
  total = 0;

  add(millis: number): void {
    const place = Math.round(8 * Math.log2(Math.max(0.01, millis) / 0.01));
    const index = Math.min(Latencies.CLASSES - 1, Math.max(0, place));
    this.counts[index] = (this.counts[index] as number) + 1;
    this.total++;
  }

  /** Adds what another one has; takes nothing from it. */
  merge(counts: readonly (readonly [number, number])[]): void {
    for (const [index, count] of counts) {
      this.counts[index] = (this.counts[index] as number) + count;
      this.total += count;
    }
  }

  /** [class, count], of those that are not empty. */
  packed(): (readonly [number, number])[] {
    const out: (readonly [number, number])[] = [];
    this.counts.forEach((count, index) => {
      if (count > 0) out.push([index, count]);
    });
    return out;
  }

  percentile(fraction: number): number {
    let left = this.total * fraction;
    for (let i = 0; i < Latencies.CLASSES; i++) {
      left -= this.counts[i] as number;
      if (left <= 0 && this.total > 0) return 0.01 * 2 ** (i / 8);
    }
    return 0;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
  }
}

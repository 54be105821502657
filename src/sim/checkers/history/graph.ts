// Graphs of which transaction must come before which, in packed arrays: a history of 100,000 transactions has a million
// edges and more.
//
// Vertices from `transactions` on are auxiliary: they stand for "everybody who was answered by then" and the like, so
// that n transactions that all precede m others need n + m edges. An edge into one is named for what it means; from
// there the way goes on by edges of its own kind, which count for nothing.

export const EDGE = {
  /** It wrote a version, the other a later one. */
  ww: 0,
  /** It wrote what the other read. */
  wr: 1,
  /** It read a version, the other wrote a later one. */
  rw: 2,
  rwOn: 3,
  /** As ww and rw, but which version is later is known from real time only. */
  wwByTime: 4,
  rwByTime: 5,
  rwByTimeOn: 6,
  /** Its process did it before the other. */
  process: 7,
  processOn: 8,
  /** It was answered before the other was asked for. */
  realTime: 9,
  realTimeOn: 10,
} as const;

export type EdgeKind = (typeof EDGE)[keyof typeof EDGE];

/** A set of kinds. */
export function maskOf(...kinds: readonly EdgeKind[]): number {
  return kinds.reduce<number>((mask, kind) => mask | (1 << kind), 0);
}

/** Kinds that count for nothing: they go on with what the edge before them meant. */
export const ON: number = maskOf(EDGE.rwOn, EDGE.rwByTimeOn, EDGE.processOn, EDGE.realTimeOn);
export const ANY_RW: number = maskOf(EDGE.rw, EDGE.rwByTime);
export const ANY_RW_ON: number = maskOf(EDGE.rwOn, EDGE.rwByTimeOn);

export interface Graph {
  readonly vertices: number;
  readonly transactions: number;
  /** Edges sorted by where they begin: those of v are from `first[v]` to `first[v + 1]`. */
  readonly first: Int32Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly kind: Uint8Array;
  /** What the edge is about, for the workload to explain: a key, or a pair of versions. */
  readonly label: Int32Array;
}

const EDGES_MIN = 1024;

export class GraphBuilder {
  readonly #transactions: number;
  #vertices: number;
  #size = 0;
  #from = new Int32Array(EDGES_MIN);
  #to = new Int32Array(EDGES_MIN);
  #label = new Int32Array(EDGES_MIN);
  #kind = new Uint8Array(EDGES_MIN);

  constructor(transactions: number) {
    this.#transactions = transactions;
    this.#vertices = transactions;
  }

  /** A new auxiliary vertex. */
  vertex(): number {
    return this.#vertices++;
  }

  /** An edge to itself says nothing, and is left out. */
  add(from: number, to: number, kind: EdgeKind, label = -1): void {
    if (from === to) return;
    if (this.#size === this.#from.length) this.#grow();
    const at = this.#size++;
    this.#from[at] = from;
    this.#to[at] = to;
    this.#kind[at] = kind;
    this.#label[at] = label;
  }

  /** Edges from each reader to each writer but itself: `rw` or `rwByTime`. */
  addAll(
    readers: readonly number[],
    writers: readonly number[],
    kind: typeof EDGE.rw | typeof EDGE.rwByTime,
    label: number,
  ): void {
    if (readers.length * writers.length <= 4 * (readers.length + writers.length)) {
      for (const reader of readers) {
        for (const writer of writers) this.add(reader, writer, kind, label);
      }
      return;
    }
    // up[i] leads to writers 0 to i, down[i] to i and those after it: a reader that also writes goes around itself.
    const on = kind === EDGE.rw ? EDGE.rwOn : EDGE.rwByTimeOn;
    const up = writers.map(() => this.vertex());
    const down = writers.map(() => this.vertex());
    const places = new Map<number, number>();
    for (const [i, writer] of writers.entries()) {
      places.set(writer, i);
      this.add(up[i] as number, writer, on, label);
      this.add(down[i] as number, writer, on, label);
      if (i > 0) this.add(up[i] as number, up[i - 1] as number, on, label);
      if (i > 0) this.add(down[i - 1] as number, down[i] as number, on, label);
    }
    for (const reader of readers) {
      const place = places.get(reader) ?? writers.length;
      if (place > 0) this.add(reader, up[place - 1] as number, kind, label);
      if (place + 1 < writers.length) this.add(reader, down[place + 1] as number, kind, label);
    }
  }

  build(): Graph {
    const vertices = this.#vertices;
    const size = this.#size;
    const first = new Int32Array(vertices + 1);
    for (let i = 0; i < size; i++) first[(this.#from[i] as number) + 1]! += 1;
    for (let v = 0; v < vertices; v++) first[v + 1]! += first[v] as number;
    const next = first.slice();
    const graph = {
      vertices,
      transactions: this.#transactions,
      first,
      from: new Int32Array(size),
      to: new Int32Array(size),
      kind: new Uint8Array(size),
      label: new Int32Array(size),
    };
    for (let i = 0; i < size; i++) {
      const from = this.#from[i] as number;
      const at = next[from]!++;
      graph.from[at] = from;
      graph.to[at] = this.#to[i] as number;
      graph.kind[at] = this.#kind[i] as number;
      graph.label[at] = this.#label[i] as number;
    }
    return graph;
  }

  #grow(): void {
    const grown = <A extends Int32Array | Uint8Array>(old: A, fresh: A): A => {
      fresh.set(old);
      return fresh;
    };
    const length = 2 * this.#from.length;
    this.#from = grown(this.#from, new Int32Array(length));
    this.#to = grown(this.#to, new Int32Array(length));
    this.#label = grown(this.#label, new Int32Array(length));
    this.#kind = grown(this.#kind, new Uint8Array(length));
  }
}

// Plans by their statement's fingerprint, bounded. A hit costs a look-up and notes its turn, and moves nothing. When the
// cache is full, the least recently used of the few oldest entries goes, and those of them that were used since they
// came are moved behind the others, so that they are not looked at again for a while.

interface Entry<V> {
  readonly value: V;
  used: number;
}

export class PlanCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #capacity: number;
  #turn = 0;
  hits = 0;
  misses = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    entry.used = ++this.#turn;
    return entry.value;
  }

  set(key: string, value: V): void {
    if (this.#entries.size >= this.#capacity && !this.#entries.has(key)) this.#evict();
    this.#entries.set(key, { value, used: ++this.#turn });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Drops the least recently used of the oldest entries; those that were used since go to the back of the queue. */
  #evict(): void {
    const sampled = 8;
    const recent = this.#turn - this.#capacity;
    let victim: string | undefined;
    let oldest = Number.POSITIVE_INFINITY;
    const survivors: [string, Entry<V>][] = [];
    for (const [key, entry] of this.#entries) {
      if (survivors.length === sampled) break;
      survivors.push([key, entry]);
      if (entry.used < oldest) {
        oldest = entry.used;
        victim = key;
      }
    }
    if (victim === undefined) return;
    this.#entries.delete(victim);
    for (const [key, entry] of survivors) {
      if (key === victim || entry.used < recent) continue;
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
  }
}

// A binary heap: the least element is at hand, the others follow in logarithmic time. Equal elements come in no order.

export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  #items: T[] = [];

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = items[parent] as T;
      if (!this.#before(item, other)) break;
      items[at] = other;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const least = items[0];
    const last = items.pop();
    if (items.length > 0) this.#sink(last as T);
    return least;
  }

  /** Hands out everything, in no order. */
  drain(): T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** Puts an item where the root was. */
  #sink(item: T): void {
    const items = this.#items;
    const length = items.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && this.#before(items[right] as T, items[child] as T)) child = right;
      const least = items[child] as T;
      if (!this.#before(least, item)) break;
      items[at] = least;
      at = child;
    }
    items[at] = item;
  }
}

// The writes of a transaction before its commit, by key, with savepoints. Small ones (most) are searched in a row; a
// hash index and a sorted view are made when there is need for them.

import { compareBytes, equalBytes, hashBytes } from '../base/bytes.ts';
import { type Span, WRITE_OVERHEAD_BYTES, type Write } from '../ranges/api.ts';

class BufferedWrite implements Write {
  readonly key: Uint8Array;
  value: Uint8Array | undefined;

  constructor(key: Uint8Array, value: Uint8Array | undefined) {
    this.key = key;
    this.value = value;
  }
}

interface Savepoint {
  readonly writes: number;
  readonly undo: number;
  readonly bytes: number;
}

interface Undo {
  readonly write: BufferedWrite;
  readonly value: Uint8Array | undefined;
}

/** What savepoints need; most transactions have none. */
interface Saved {
  readonly points: Savepoint[];
  readonly undo: Undo[];
}

const UNINDEXED_MAX = 8;
/** Never added to. */
const NONE: BufferedWrite[] = [];

export class WriteBuffer {
  /** One for each key, in the order of their first write. */
  private buffered: BufferedWrite[] = NONE;
  /** Open addressing: place in `buffered` plus one; made beyond UNINDEXED_MAX writes. */
  private slots: Int32Array | undefined = undefined;
  /** The first `sorted.length` of them in key order. */
  private sorted: BufferedWrite[] = NONE;
  private saved: Saved | undefined = undefined;
  /** Of all that is kept, what savepoints may bring back included. */
  bytes = 0;

  get writes(): readonly Write[] {
    return this.buffered;
  }

  /** The write of a key, if there is one. */
  find(key: Uint8Array): Write | undefined {
    return this.locate(key);
  }

  set(key: Uint8Array, value: Uint8Array | undefined): void {
    const found = this.locate(key);
    if (found === undefined) {
      this.bytes += key.length + WRITE_OVERHEAD_BYTES + sizeOf(value);
      const write = new BufferedWrite(key, value);
      // Most have one: push() would make room for seventeen (bench: point, INSERT).
      if (this.buffered.length === 0) this.buffered = [write];
      else this.buffered.push(write);
      this.index();
      return;
    }
    this.bytes += sizeOf(value);
    if (this.saved !== undefined) this.saved.undo.push({ write: found, value: found.value });
    else this.bytes -= sizeOf(found.value);
    found.value = value;
  }

  savepoint(): number {
    this.saved ??= { points: [], undo: [] };
    const { points, undo } = this.saved;
    points.push({ writes: this.buffered.length, undo: undo.length, bytes: this.bytes });
    return points.length - 1;
  }

  /** Later savepoints go; this one stays. */
  rollbackTo(savepoint: number): void {
    const state = this.saved?.points[savepoint];
    if (this.saved === undefined || state === undefined)
      throw new RangeError(`no savepoint ${savepoint}`);
    const { points, undo } = this.saved;
    for (let i = undo.length - 1; i >= state.undo; i--) {
      const { write, value } = undo[i] as Undo;
      write.value = value;
    }
    undo.length = state.undo;
    if (this.buffered.length > state.writes) {
      this.buffered.length = state.writes;
      this.slots = undefined;
      this.sorted = NONE;
      this.index();
    }
    points.length = savepoint + 1;
    this.bytes = state.bytes;
  }

  /** In key order (or reverse), as they are now: later writes do not change the answer. */
  within(span: Span, reverse: boolean): Write[] {
    if (this.buffered.length === 0) return [];
    this.sort();
    const found: Write[] = [];
    for (let i = this.firstFrom(span.start); i < this.sorted.length; i++) {
      const { key, value } = this.sorted[i] as BufferedWrite;
      if (span.end !== undefined && compareBytes(key, span.end) >= 0) break;
      found.push({ key, value });
    }
    return reverse ? found.reverse() : found;
  }

  private locate(key: Uint8Array): BufferedWrite | undefined {
    const { buffered, slots } = this;
    if (slots === undefined) {
      for (let i = 0; i < buffered.length; i++) {
        const write = buffered[i] as BufferedWrite;
        if (equalBytes(write.key, key)) return write;
      }
      return undefined;
    }
    const mask = slots.length - 1;
    for (let slot = hashBytes(key) & mask; ; slot = (slot + 1) & mask) {
      const place = slots[slot] as number;
      if (place === 0) return undefined;
      const write = buffered[place - 1] as BufferedWrite;
      if (equalBytes(write.key, key)) return write;
    }
  }

  /** Takes the last write into the index; makes the index anew when it is missing or half full. */
  private index(): void {
    const { buffered } = this;
    if (this.slots !== undefined && buffered.length * 2 <= this.slots.length) {
      this.addSlot(this.slots, buffered.length);
      return;
    }
    if (buffered.length <= UNINDEXED_MAX) return;
    let size = 64;
    while (size < buffered.length * 4) size *= 2;
    const slots = new Int32Array(size);
    for (let place = 1; place <= buffered.length; place++) this.addSlot(slots, place);
    this.slots = slots;
  }

  private addSlot(slots: Int32Array, place: number): void {
    const mask = slots.length - 1;
    let slot = hashBytes((this.buffered[place - 1] as BufferedWrite).key) & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = place;
  }

  /** Only what came since the last time is sorted, and then merged. */
  private sort(): void {
    const { buffered, sorted } = this;
    if (sorted.length === buffered.length) return;
    const added = buffered.slice(sorted.length);
    added.sort((a, b) => compareBytes(a.key, b.key));
    if (sorted.length === 0) {
      this.sorted = added;
      return;
    }
    const merged = new Array<BufferedWrite>(buffered.length);
    for (let i = 0, s = 0, a = 0; i < merged.length; i++) {
      const one = sorted[s];
      const other = added[a];
      if (other === undefined || (one !== undefined && compareBytes(one.key, other.key) < 0)) {
        merged[i] = one as BufferedWrite;
        s++;
      } else {
        merged[i] = other;
        a++;
      }
    }
    this.sorted = merged;
  }

  private firstFrom(start: Uint8Array): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.sorted[middle] as BufferedWrite).key, start) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sizeOf(value: Uint8Array | undefined): number {
  return value === undefined ? 0 : value.length;
}

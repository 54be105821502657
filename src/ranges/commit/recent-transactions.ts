// The transactions that committed here lately, by id, so that an attempt that is sent again is answered and not carried
// out twice (P20). An id is kept until its attempt's deadline has surely passed; two generations of typed arrays make
// that cheap: no object for each, and forgetting is dropping a generation.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { Timestamp } from '../../clock/timestamp.ts';

/** Most ranges of a node are idle. */
const SLOTS_MIN = 16;
const SLOTS_KEPT_MAX = 1 << 16;
const LOOK_EVERY = 256;
const PACKED_IDS_MAX = 10_000;

class Generation {
  private ids = new Uint32Array(SLOTS_MIN * 4);
  /** 0: an empty slot. */
  private timestamps = new Float64Array(SLOTS_MIN);
  private mask = SLOTS_MIN - 1;
  size = 0;
  latestDeadline = 0;

  add(id: Uint32Array, timestamp: Timestamp, deadline: Timestamp): void {
    if (this.size * 2 > this.mask) this.grow();
    this.insert(id, 0, timestamp);
    if (deadline > this.latestDeadline) this.latestDeadline = deadline;
  }

  find(id: Uint32Array): Timestamp | undefined {
    const slot = this.slotOf(id, 0);
    const timestamp = this.timestamps[slot] as Timestamp;
    return timestamp === 0 ? undefined : timestamp;
  }

  clear(): void {
    if (this.mask > SLOTS_KEPT_MAX) {
      this.ids = new Uint32Array(SLOTS_MIN * 4);
      this.timestamps = new Float64Array(SLOTS_MIN);
      this.mask = SLOTS_MIN - 1;
    } else {
      this.timestamps.fill(0);
    }
    this.size = 0;
    this.latestDeadline = 0;
  }

  /** In pieces of at most `idsMax`, each as storage/recent-ids.ts has it. */
  pack(idsMax: number, into: Uint8Array[]): void {
    let writer = new ByteWriter(64);
    let left = this.size;
    let leftHere = 0;
    for (let slot = 0; slot < this.timestamps.length && left > 0; slot++) {
      const timestamp = this.timestamps[slot] as number;
      if (timestamp === 0) continue;
      if (leftHere === 0) {
        leftHere = Math.min(left, idsMax);
        writer = new ByteWriter(12 + leftHere * 24);
        writer.u53(this.latestDeadline);
        writer.u32(leftHere);
      }
      for (let word = 0; word < 4; word++) writer.u32be(this.ids[slot * 4 + word] as number);
      writer.u53(timestamp);
      left--;
      if (--leftHere === 0) into.push(writer.take());
    }
  }

  private insert(ids: Uint32Array, from: number, timestamp: number): void {
    const slot = this.slotOf(ids, from);
    if (this.timestamps[slot] === 0) this.size++;
    for (let word = 0; word < 4; word++) {
      this.ids[slot * 4 + word] = ids[from + word] as number;
    }
    this.timestamps[slot] = timestamp;
  }

  /** Its slot, or the empty one where it belongs. Ids are random or counted: any of their bits mixed will do. Those that
   * are counted one after the other lie side by side, eight of them, so that not each finds its place in no cache. */
  private slotOf(ids: Uint32Array, from: number): number {
    const last = ids[from + 3] as number;
    const mixed = Math.imul((last >>> 3) ^ (ids[from] as number), 0x9e3779b1);
    let slot = (((mixed ^ (mixed >>> 15)) << 3) | (last & 7)) & this.mask;
    while (this.timestamps[slot] !== 0 && !this.isAt(slot, ids, from)) {
      slot = (slot + 1) & this.mask;
    }
    return slot;
  }

  private isAt(slot: number, ids: Uint32Array, from: number): boolean {
    for (let word = 0; word < 4; word++) {
      if (this.ids[slot * 4 + word] !== ids[from + word]) return false;
    }
    return true;
  }

  private grow(): void {
    const { ids, timestamps } = this;
    const slots = timestamps.length * 2;
    this.ids = new Uint32Array(slots * 4);
    this.timestamps = new Float64Array(slots);
    this.mask = slots - 1;
    this.size = 0;
    for (let slot = 0; slot < timestamps.length; slot++) {
      const timestamp = timestamps[slot] as number;
      if (timestamp !== 0) this.insert(ids, slot * 4, timestamp);
    }
  }
}

export class RecentTransactions {
  private current = new Generation();
  private previous = new Generation();
  /** Of before a split, shared by both halves: nothing is added to them any more. */
  private shared: readonly Generation[] = [];
  private readonly idsMax: number;
  /** The clock is looked at when `current` has grown to this. */
  private nextLook = LOOK_EVERY;

  constructor(idsMax: number) {
    this.idsMax = idsMax;
  }

  get size(): number {
    let { size } = this.current;
    size += this.previous.size;
    for (const generation of this.shared) size += generation.size;
    return size;
  }

  /** Whether one more can be remembered. */
  hasRoom(clock: { earliest(): Timestamp }): boolean {
    if (this.current.size >= this.nextLook || this.size >= this.idsMax) {
      this.forget(clock.earliest());
    }
    return this.size < this.idsMax;
  }

  private forget(earliest: Timestamp): void {
    if (earliest > this.previous.latestDeadline) {
      const oldest = this.previous;
      oldest.clear();
      this.previous = this.current;
      this.current = oldest;
      if (earliest > this.previous.latestDeadline) this.previous.clear();
    }
    if (this.shared.length > 0) {
      this.shared = this.shared.filter(({ latestDeadline }) => latestDeadline >= earliest);
    }
    this.nextLook = this.current.size + LOOK_EVERY;
  }

  /** P25: what is known here is known to the right half too. */
  fork(): RecentTransactions {
    this.shared = [...this.shared, this.previous, this.current].filter(({ size }) => size > 0);
    this.current = new Generation();
    this.previous = new Generation();
    this.nextLook = LOOK_EVERY;
    const right = new RecentTransactions(this.idsMax);
    right.shared = this.shared;
    return right;
  }

  /** P27: what the right half knew. */
  absorb(right: RecentTransactions): void {
    const more = [...right.shared, right.previous, right.current];
    this.shared = [...new Set([...this.shared, ...more])].filter(({ size }) => size > 0);
  }

  /** `id`: four words. */
  add(id: Uint32Array, timestamp: Timestamp, deadline: Timestamp): void {
    this.current.add(id, timestamp, deadline);
  }

  /** For another replica, which is to remember them too (P20). */
  pack(): Uint8Array[] {
    const packed: Uint8Array[] = [];
    for (const generation of this.shared) generation.pack(PACKED_IDS_MAX, packed);
    this.previous.pack(PACKED_IDS_MAX, packed);
    this.current.pack(PACKED_IDS_MAX, packed);
    return packed;
  }

  unpack(packed: Uint8Array): void {
    const reader = new ByteReader(packed);
    const deadline = reader.u53() as Timestamp;
    const id = new Uint32Array(4);
    for (let left = reader.u32(); left > 0; left--) {
      for (let word = 0; word < 4; word++) id[word] = reader.u32be();
      this.add(id, reader.u53() as Timestamp, deadline);
    }
  }

  /** The timestamp at which it committed. */
  find(id: Uint32Array): Timestamp | undefined {
    const own = this.current.find(id) ?? this.previous.find(id);
    if (own !== undefined || this.shared.length === 0) return own;
    for (const generation of this.shared) {
      const timestamp = generation.find(id);
      if (timestamp !== undefined) return timestamp;
    }
    return undefined;
  }
}

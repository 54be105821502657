// Which row keys were surely never written: so that an INSERT of a new key need not ask the shard whether it is there,
// and its apply need not look for a version that it supersedes. On the main thread, in the row cache's care.
//
// For each index (the first four bytes of a row key) that was found empty, a Bloom filter of all keys written since. It
// begins with a question: is there anything in the index? Writes that become visible from the question on are added at
// once, whether or not the answer knows of them; those that were proposed before the question become visible after it.
// Until they do, their locks and P22 keep readers from asking. An index that already holds rows stays unknown, and costs
// what it did without this.
//
// Many clients that begin to insert into an empty table at once commit before the answer is there: were it worthless
// then, the next question would find their rows, and every INSERT would wait for the shard (bench: point, INSERT: half).

import type { Span } from './engine.ts';

const INDEX_ID_BYTES = 4;
/** Of all filters; an index that would need more is given up. */
const BYTES_MAX: number = 32 << 20;
const INDEXES_MAX = 4096;

type Knowledge =
  | { readonly kind: 'asking'; readonly span: Span; readonly filter: GrowingFilter }
  | { readonly kind: 'known'; readonly filter: GrowingFilter }
  | { readonly kind: 'unknown' };

const UNKNOWN: Knowledge = { kind: 'unknown' };

export class WrittenKeys {
  private readonly indexes = new Map<number, Knowledge>();
  private known = 0;
  private asking = 0;
  private bytes = 0;

  /** `hash` is hashBytes(key). False: it may have been. */
  isSurelyNew(key: Uint8Array, hash: number): boolean {
    if (this.known === 0) return false;
    const knowledge = this.indexes.get(indexOf(key));
    return knowledge?.kind === 'known' && !knowledge.filter.has(hash);
  }

  /** A write of the key has become visible. */
  written(key: Uint8Array, hash: number): void {
    if (this.known === 0 && this.asking === 0) return;
    const index = indexOf(key);
    const knowledge = this.indexes.get(index);
    if (knowledge === undefined || knowledge.kind === 'unknown') return;
    this.bytes += knowledge.filter.add(hash);
    if (this.bytes > BYTES_MAX) this.giveUp(index, knowledge);
  }

  /** The span of the key's index, once: whoever gets it finds out whether anything was ever written there, counting
   * all that is visible by now, and calls answer(). */
  ask(key: Uint8Array): Span | undefined {
    const index = indexOf(key);
    if (index < 0 || this.indexes.has(index) || this.indexes.size >= INDEXES_MAX) return undefined;
    const start = key.slice(0, INDEX_ID_BYTES);
    const end = new Uint8Array(INDEX_ID_BYTES);
    new DataView(end.buffer).setUint32(0, index + 1);
    const span = { start, end: index === 0xffffffff ? undefined : end };
    const filter = new GrowingFilter();
    this.indexes.set(index, { kind: 'asking', span, filter });
    this.bytes += filter.bytes;
    this.asking++;
    return span;
  }

  answer(span: Span, isEmpty: boolean): void {
    const index = indexOf(span.start);
    const knowledge = this.indexes.get(index);
    // Everything may have been forgotten since, and asked again.
    if (knowledge?.kind !== 'asking' || knowledge.span !== span) return;
    if (!isEmpty) {
      this.giveUp(index, knowledge);
      return;
    }
    this.asking--;
    this.known++;
    this.indexes.set(index, { kind: 'known', filter: knowledge.filter });
  }

  /** Somebody else may have written there. */
  forget(span: Span): void {
    const first = firstIndex(span.start);
    const last = span.end === undefined ? 0xffffffff : firstIndex(span.end);
    for (const [index, knowledge] of this.indexes) {
      if (index < first || index > last) continue;
      if (knowledge.kind !== 'unknown') this.giveUp(index, knowledge);
      this.indexes.delete(index);
    }
  }

  /** Somebody else may have written anywhere. */
  clear(): void {
    this.indexes.clear();
    this.known = 0;
    this.asking = 0;
    this.bytes = 0;
  }

  private giveUp(index: number, knowledge: Exclude<Knowledge, { kind: 'unknown' }>): void {
    this.bytes -= knowledge.filter.bytes;
    if (knowledge.kind === 'asking') this.asking--;
    else this.known--;
    this.indexes.set(index, UNKNOWN);
  }
}

/** That a key at or after the bound may belong to. */
function firstIndex(bound: Uint8Array): number {
  let index = 0;
  for (let i = 0; i < INDEX_ID_BYTES; i++) index = index * 256 + (bound[i] ?? 0);
  return index;
}

function indexOf(key: Uint8Array): number {
  if (key.length < INDEX_ID_BYTES) return -1;
  return (
    (((key[0] as number) << 24) |
      ((key[1] as number) << 16) |
      ((key[2] as number) << 8) |
      (key[3] as number)) >>>
    0
  );
}

const FIRST_WORDS = 1 << 10;
/** All bits of a key lie in one block, which is one line of the processor's cache: a filter of millions of keys is in
 * no cache, and an INSERT asks three times (bench: point, INSERT). */
const BLOCK_WORDS = 16;
const PROBES = 6;
/** A key that is taken for written, though it is new, costs a message to the shard and back, and every part of the
 * filter adds to their number: the many small parts are made so sparse that theirs do not count. */
const BITS_PER_KEY_SMALL = 32;
const BITS_PER_KEY_LARGE = 16;
const SMALL_WORDS: number = 1 << 18;

/** A Bloom filter that grows by adding ever larger parts. */
class GrowingFilter {
  private readonly parts: Uint32Array[] = [new Uint32Array(FIRST_WORDS)];
  /** Keys that the last part still takes. */
  private room: number = keysFor(FIRST_WORDS);
  bytes: number = FIRST_WORDS * 4;

  has(hash: number): boolean {
    for (let i = this.parts.length - 1; i >= 0; i--) {
      if (isIn(this.parts[i] as Uint32Array, hash)) return true;
    }
    return false;
  }

  /** Answers by how many bytes it grew. */
  add(hash: number): number {
    let part = this.parts[this.parts.length - 1] as Uint32Array;
    let grown = 0;
    if (this.room <= 0) {
      part = new Uint32Array(part.length * 4);
      this.parts.push(part);
      this.room = keysFor(part.length);
      grown = part.length * 4;
      this.bytes += grown;
    }
    this.room--;
    const block = blockOf(part, hash);
    let h = hash;
    for (let probe = 0; probe < PROBES; probe++) {
      h = nextProbe(h);
      const at = block + ((h >>> 28) & (BLOCK_WORDS - 1));
      part[at] = (part[at] as number) | (1 << ((h >>> 23) & 31));
    }
    return grown;
  }
}

function keysFor(words: number): number {
  const perKey = words < SMALL_WORDS ? BITS_PER_KEY_SMALL : BITS_PER_KEY_LARGE;
  return (words * 32) / perKey;
}

/** Where the key's block begins. By other bits than those that choose within it. */
function blockOf(part: Uint32Array, hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((mixed ^ (mixed >>> 15)) & (part.length / BLOCK_WORDS - 1)) * BLOCK_WORDS;
}

/** Its upper bits are the ones to use. */
function nextProbe(h: number): number {
  return (Math.imul(h, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
}

function isIn(part: Uint32Array, hash: number): boolean {
  const block = blockOf(part, hash);
  let h = hash;
  for (let probe = 0; probe < PROBES; probe++) {
    h = nextProbe(h);
    const word = part[block + ((h >>> 28) & (BLOCK_WORDS - 1))] as number;
    if ((word & (1 << ((h >>> 23) & 31))) === 0) return false;
  }
  return true;
}

// Numbers of sequences. A node takes them in blocks, each in a transaction of its own, so that a hot sequence is a matter
// of memory and no insert waits for another's; nothing that is rolled back gives numbers back. What is left of a block
// when the node stops is never used.

import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { LOCK_EXCLUSIVE, type Transactions } from '../../txn/api.ts';
import { inOwnTransaction } from './attempts.ts';
import type { SequenceOptions, TableDescriptor } from './descriptor.ts';
import { indexSpan } from './keys.ts';

const SEQUENCE_FORMAT_VERSION = 1;
/** The first block of a node, and the largest: each is twice the one before. */
const BLOCK_MIN = 32n;
const BLOCK_MAX = 4096n;

/** A sequence, as far as its numbers are concerned. */
export type SequenceDescriptor = TableDescriptor & { readonly sequence: SequenceOptions };

interface State {
  readonly last: bigint;
  /** False: `last` is the next one to be given. */
  readonly isCalled: boolean;
}

interface Block {
  next: bigint;
  left: bigint;
  size: bigint;
  refill: Promise<void> | undefined;
}

export class SequenceNumbers {
  readonly #transactions: Transactions;
  /** By the index that holds the sequence's state. */
  readonly #blocks = new Map<number, Block>();

  constructor(transactions: Transactions) {
    this.#transactions = transactions;
  }

  /** Undefined: refill() first. */
  take({ primary, sequence }: SequenceDescriptor): bigint | undefined {
    const block = this.#blocks.get(primary.id);
    if (block === undefined || block.left === 0n) return undefined;
    const number = block.next;
    block.next += sequence.increment;
    block.left--;
    return number;
  }

  /** Rejects with 2200H when there are no more. */
  refill(descriptor: SequenceDescriptor): Promise<void> {
    const { id } = descriptor.primary;
    const block = this.#blocks.get(id) ?? {
      next: 0n,
      left: 0n,
      size: BLOCK_MIN,
      refill: undefined,
    };
    this.#blocks.set(id, block);
    block.refill ??= this.#refill(descriptor, block).finally(() => {
      block.refill = undefined;
    });
    return block.refill;
  }

  async #refill(descriptor: SequenceDescriptor, block: Block): Promise<void> {
    const { sequence } = descriptor;
    const wanted = sequence.cache > block.size ? sequence.cache : block.size;
    await inOwnTransaction(this.#transactions, async (txn) => {
      const key = stateKey(descriptor);
      const [stored] = await txn.getManyLocked([key], LOCK_EXCLUSIVE);
      const first = following(descriptor, stateOf(stored, sequence));
      const { increment } = sequence;
      const room =
        increment > 0n ? (sequence.max - first) / increment : (first - sequence.min) / -increment;
      const count = room + 1n < wanted ? room + 1n : wanted;
      txn.put(key, encodeState({ last: first + increment * (count - 1n), isCalled: true }));
      block.next = first;
      block.left = count;
    });
    if (block.size < BLOCK_MAX) block.size *= 2n;
  }

  /** Other nodes go on with what they have taken. */
  async set(descriptor: SequenceDescriptor, last: bigint, isCalled: boolean): Promise<void> {
    const { min, max } = descriptor.sequence;
    if (last < min || last > max) {
      throw new DbError(
        '22003',
        `setval: value ${last} is out of bounds for sequence "${descriptor.name}" (${min}..${max})`,
      );
    }
    await inOwnTransaction(this.#transactions, async (txn) => {
      txn.put(stateKey(descriptor), encodeState({ last, isCalled }));
    });
    this.#blocks.delete(descriptor.primary.id);
  }
}

function following({ name, sequence }: SequenceDescriptor, state: State): bigint {
  const { increment, min, max, cycle } = sequence;
  if (!state.isCalled) return state.last;
  const next = state.last + increment;
  if (next >= min && next <= max) return next;
  const isUp = increment > 0n;
  if (cycle) return isUp ? min : max;
  const bound = isUp
    ? `maximum value of sequence "${name}" (${max})`
    : `minimum value of sequence "${name}" (${min})`;
  throw new DbError('2200H', `nextval: reached ${bound}`);
}

function stateKey({ primary }: TableDescriptor): Uint8Array {
  return indexSpan(primary.id).start;
}

/** Of a sequence that begins with `first`. */
export function initialState(
  sequence: TableDescriptor,
  first: bigint,
): { readonly key: Uint8Array; readonly state: Uint8Array } {
  return { key: stateKey(sequence), state: encodeState({ last: first, isCalled: false }) };
}

function stateOf(stored: Uint8Array | undefined, sequence: SequenceOptions): State {
  if (stored === undefined) return { last: sequence.start, isCalled: false };
  const input = new ByteReader(stored);
  const format = input.u8();
  if (format !== SEQUENCE_FORMAT_VERSION) {
    throw new DbError(
      'XX001',
      `sequence has format version ${format}; this program reads version ${SEQUENCE_FORMAT_VERSION}`,
    );
  }
  return { isCalled: input.u8() === 1, last: BigInt(input.text()) };
}

function encodeState({ last, isCalled }: State): Uint8Array {
  const out = new ByteWriter(32);
  out.u8(SEQUENCE_FORMAT_VERSION);
  out.u8(isCalled ? 1 : 0);
  out.text(String(last));
  return out.take();
}

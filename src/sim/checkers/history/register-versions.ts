// What is known of the order in which the values of registers were written. Each value of a key is written once, so a
// read tells whose write it saw; but unlike a list it does not tell what was there before. Known are:
//
// - nothing (a key that was never written) comes before all values;
// - a transaction that reads a value and writes the key puts its own value right after that one: by all models that are
//   checked, nobody else's comes between. So who read nothing and wrote begins a chain that all other values follow;
// - by real time, which counts for strict serializability only: who has touched a key and was answered left a version
//   that is not later than what those find, or leave, who ask afterwards. Each process does one thing at a time, so the
//   order of a process is part of this.
//
// It does not conclude anything from writes that nobody read and nobody followed by real time, nor by elimination ("of
// three orders two are impossible"). So a history with a cycle is surely wrong, and one without may be: deciding it for
// good takes time that grows exponentially (Papadimitriou, "The serializability of concurrent database updates", 1979).

import { badEvent, type Scalar } from './events.ts';
import { moments } from './time-order.ts';
import type { Transaction } from './transactions.ts';

export interface Version {
  readonly value: Scalar;
  readonly writer: Transaction;
  /** Its writer writes the key again. */
  isIntermediate: boolean;
  /** Some transaction that was answered read it. */
  isSeen: boolean;
}

/** What a transaction has to do with a key. */
export interface Touch {
  readonly transaction: Transaction;
  /** What others left for it: null is nothing; undefined: it did not look before it wrote. */
  found: Scalar | null | undefined;
  /** What it left. */
  left: Version | undefined;
}

export interface Register {
  readonly key: Scalar;
  readonly versions: Map<Scalar, Version>;
  readonly touches: Touch[];
}

/** The second is the later version; by real time because `before` was answered before `after` began. */
export interface VersionPair {
  readonly register: Register;
  /** Null: nothing. */
  readonly earlier: Scalar | null;
  /** Undefined: all others. */
  readonly later: Scalar | undefined;
  readonly before?: Transaction;
  readonly after?: Transaction;
}

export function registersOf(transactions: readonly Transaction[]): Register[] {
  const registers = new Map<Scalar, Register>();
  for (const transaction of transactions) {
    for (const { f, key, value } of transaction.operations) {
      let register = registers.get(key);
      if (register === undefined) {
        register = { key, versions: new Map(), touches: [] };
        registers.set(key, register);
      }
      const touch = touchOf(register, transaction);
      if (f === 'w') write(register, touch, value as Scalar);
      else if (transaction.call.outcome === 'done' && touch.left === undefined) {
        if (touch.found === undefined) touch.found = value as Scalar | null;
      }
    }
  }
  for (const { versions, touches } of registers.values()) {
    for (const { found } of touches) {
      const seen = found === undefined || found === null ? undefined : versions.get(found);
      if (seen !== undefined) seen.isSeen = true;
    }
  }
  return [...registers.values()];
}

function touchOf({ touches }: Register, transaction: Transaction): Touch {
  const last = touches.at(-1);
  if (last?.transaction === transaction) return last;
  const touch = { transaction, found: undefined, left: undefined };
  touches.push(touch);
  return touch;
}

function write({ key, versions }: Register, touch: Touch, value: Scalar): void {
  const { transaction: writer, left } = touch;
  const other = versions.get(value);
  if (other !== undefined) {
    throw badEvent(
      writer.call.from,
      `${value} is written to key ${key} once more, after event ${other.writer.call.from}: values must be unique`,
    );
  }
  if (left !== undefined) left.isIntermediate = true;
  touch.left = { value, writer, isIntermediate: false, isSeen: false };
  versions.set(value, touch.left);
}

/** Who wrote what somebody saw. */
export function seenWriters(registers: readonly Register[]): Transaction[] {
  return registers.flatMap(({ versions }) =>
    [...versions.values()].filter(({ isSeen }) => isSeen).map(({ writer }) => writer),
  );
}

/** Which values follow which since a transaction read the one and wrote the other. */
export function pairsByReading(
  register: Register,
  happened: (id: number) => boolean,
): VersionPair[] {
  return register.touches.flatMap(({ transaction, found, left }) =>
    found === undefined || found === null || left === undefined || !happened(transaction.id)
      ? []
      : [{ register, earlier: found, later: left.value }],
  );
}

/** The values that are known to be the first ones, in their order: each was written by who had read the one before. */
export function firstValues({ touches }: Register): ReadonlySet<Scalar> {
  const next = new Map<Scalar | null, Scalar>();
  for (const { transaction, found, left } of touches) {
    if (found === undefined || left === undefined || transaction.call.outcome !== 'done') continue;
    // The first counts: of two one is a lost update, which is told elsewhere.
    if (!next.has(found)) next.set(found, left.value);
  }
  const chain = new Set<Scalar>();
  for (let value = next.get(null); value !== undefined && !chain.has(value); ) {
    chain.add(value);
    value = next.get(value);
  }
  return chain;
}

/** Which values follow which by real time. Pairs that follow from others are left out, as far as it is cheap. */
export function pairsByTime(register: Register, happened: (id: number) => boolean): VersionPair[] {
  const touches = register.touches.filter(({ transaction }) => happened(transaction.id));
  const byId = new Map(touches.map((touch) => [touch.transaction.id, touch]));
  const pairs = new Map<string, VersionPair>();
  /** Those that were answered, and that nobody followed who was answered since. */
  let latest: Touch[] = [];
  const precededBy = new Map<Touch, readonly Touch[]>();
  for (const { id, isAnswer } of moments(touches.map(({ transaction }) => transaction))) {
    const touch = byId.get(id) as Touch;
    if (isAnswer) {
      const before = new Set(precededBy.get(touch));
      precededBy.delete(touch);
      latest = latest.filter((one) => !before.has(one));
      latest.push(touch);
      continue;
    }
    precededBy.set(touch, latest.slice());
    const later = touch.found === undefined ? touch.left?.value : touch.found;
    if (later === undefined || later === null) continue;
    for (const before of latest) {
      const earlier = before.left?.value ?? before.found;
      if (earlier === undefined || earlier === null || earlier === later) continue;
      const name = JSON.stringify([earlier, later]);
      if (pairs.has(name)) continue;
      pairs.set(name, {
        register,
        earlier,
        later,
        before: before.transaction,
        after: touch.transaction,
      });
    }
  }
  return [...pairs.values()];
}

// Lists that are appended to: the order in which their elements came is what the longest read of each shows, since every
// other read must be a beginning of it. That makes the versions of a key known, whatever the clients' clocks say.

import { badEvent, type Scalar } from './events.ts';
import type { Operation, Transaction } from './transactions.ts';

export interface Append {
  readonly transaction: Transaction;
  readonly element: Scalar;
  /** Its place among the transaction's operations. */
  readonly at: number;
  /** Its transaction appends to the key again. */
  isIntermediate: boolean;
  /** Where it is in the list; -1: nobody saw it. */
  position: number;
}

export interface AppendRead {
  readonly transaction: Transaction;
  readonly list: readonly Scalar[];
  /** Its place among the transaction's operations. */
  readonly at: number;
  /** The transaction's first access to the key: what it read is what others left. */
  readonly isExternal: boolean;
}

export interface AppendKey {
  readonly key: Scalar;
  readonly appends: Append[];
  readonly byElement: Map<Scalar, Append>;
  /** Of transactions that were answered. */
  readonly reads: AppendRead[];
  /** The longest read; undefined while there is none. */
  longest: AppendRead | undefined;
}

/** Reads that are no beginning of the longest one are not in here, but in `contradictions`. */
export interface AppendVersions {
  readonly keys: readonly AppendKey[];
  readonly contradictions: readonly { readonly key: AppendKey; readonly read: AppendRead }[];
}

export function appendVersions(transactions: readonly Transaction[]): AppendVersions {
  const keys = new Map<Scalar, AppendKey>();
  const keyOf = (key: Scalar): AppendKey => {
    const known = keys.get(key);
    if (known !== undefined) return known;
    const fresh = { key, appends: [], byElement: new Map(), reads: [], longest: undefined };
    keys.set(key, fresh);
    return fresh;
  };
  for (const transaction of transactions) collect(transaction, keyOf);
  const contradictions: { key: AppendKey; read: AppendRead }[] = [];
  for (const key of keys.values()) {
    const longest = key.longest?.list ?? [];
    for (const [position, element] of longest.entries()) {
      const append = key.byElement.get(element);
      if (append !== undefined && append.position === -1) append.position = position;
    }
    let kept = 0;
    for (const read of key.reads) {
      if (isBeginning(read.list, longest)) key.reads[kept++] = read;
      else contradictions.push({ key, read });
    }
    key.reads.length = kept;
  }
  return { keys: [...keys.values()], contradictions };
}

function collect(transaction: Transaction, keyOf: (key: Scalar) => AppendKey): void {
  const { operations, call } = transaction;
  for (const [at, { f, key, value }] of operations.entries()) {
    const one = keyOf(key);
    const before = lastAccess(operations, at);
    if (f === 'append') {
      addAppend(one, {
        transaction,
        element: value as Scalar,
        at,
        isIntermediate: false,
        position: -1,
      });
      continue;
    }
    if (call.outcome !== 'done') continue;
    const read = { transaction, list: listOf(value), at, isExternal: before === -1 };
    one.reads.push(read);
    if (one.longest === undefined || read.list.length > one.longest.list.length) one.longest = read;
  }
}

function addAppend(key: AppendKey, append: Append): void {
  const { transaction, element } = append;
  const other = key.byElement.get(element);
  if (other !== undefined) {
    const { from } = other.transaction.call;
    throw badEvent(
      transaction.call.from,
      `${element} is appended to key ${key.key} once more, after event ${from}: elements must be unique`,
    );
  }
  const last = key.appends.at(-1);
  if (last?.transaction === transaction) last.isIntermediate = true;
  key.appends.push(append);
  key.byElement.set(element, append);
}

/** The place of the transaction's access to the same key before; -1: none. */
function lastAccess(operations: readonly Operation[], at: number): number {
  const { key } = operations[at] as Operation;
  for (let i = at - 1; i >= 0; i--) if (operations[i]?.key === key) return i;
  return -1;
}

export function listOf(value: Operation['value']): readonly Scalar[] {
  return (value ?? []) as readonly Scalar[];
}

function isBeginning(list: readonly Scalar[], longest: readonly Scalar[]): boolean {
  for (let i = 0; i < list.length; i++) if (list[i] !== longest[i]) return false;
  return true;
}

/** Who appended what somebody saw. */
export function seenWriters(keys: readonly AppendKey[]): Transaction[] {
  return keys.flatMap(({ appends }) =>
    appends.filter(({ position }) => position !== -1).map(({ transaction }) => transaction),
  );
}

/** When the last read of the key was asked for. */
export function lastReadOf({ reads }: AppendKey): AppendRead | undefined {
  let last: AppendRead | undefined;
  for (const read of reads) {
    if (read.transaction.call.invoked > (last?.transaction.call.invoked ?? -1)) last = read;
  }
  return last;
}

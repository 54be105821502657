// Transactions that append to lists, or read and write registers: lists of [f, key, value].

import { type Call, NEVER } from './calls.ts';
import { badEvent, isScalar, type Scalar } from './events.ts';

export interface Operation {
  readonly f: 'append' | 'w' | 'r';
  readonly key: Scalar;
  /** Of a read: null is nothing, or that nobody knows (of what was not answered). */
  readonly value: Scalar | null | readonly Scalar[];
}

export interface Transaction {
  /** Its place in the list of transactions. */
  readonly id: number;
  readonly call: Call;
  /** As answered, or as asked where there was no answer. */
  readonly operations: readonly Operation[];
}

type Kind = 'append' | 'rw';

/** Whether it is one by the form of its value: [[f, key, value], …]. */
export function isTransactional(value: unknown): boolean {
  return Array.isArray(value) && value.every(Array.isArray);
}

/** Calls of single registers (f read or write, of a value or of [key, value]) are transactions of one operation. */
export function transactionsOf(calls: readonly Call[], kind: Kind): Transaction[] {
  return calls.map((call, id) => {
    const asked = operationsOf(call, call.asked, call.from, kind, false);
    if (call.outcome !== 'done') return { id, call, operations: asked };
    const number = call.to as number;
    const operations = operationsOf(call, call.answered, number, kind, true);
    const isSame =
      asked.length === operations.length &&
      asked.every(({ f, key, value }, i) => {
        const other = operations[i] as Operation;
        return f === other.f && key === other.key && (f === 'r' || value === other.value);
      });
    if (!isSame) throw badEvent(number, `it answers other operations than ${call.from} asked for`);
    return { id, call, operations };
  });
}

function operationsOf(
  call: Call,
  value: unknown,
  number: number,
  kind: Kind,
  isAnswer: boolean,
): Operation[] {
  const parts = isTransactional(value) ? (value as unknown[][]) : [singleOf(call, value, number)];
  const write = kind === 'append' ? 'append' : 'w';
  return parts.map((part): Operation => {
    const [f, key, of] = part;
    if (f !== 'r' && f !== write) {
      throw badEvent(number, `${JSON.stringify(part)} is neither ["r", …] nor ["${write}", …]`);
    }
    if (!isScalar(key)) throw badEvent(number, `${JSON.stringify(part)} has no key`);
    if (f === write) {
      if (isScalar(of)) return { f: write, key, value: of };
      throw badEvent(number, `${JSON.stringify(part)} has no value`);
    }
    // What a question says of the answer does not matter.
    if (!isAnswer || of === null || of === undefined) return { f: 'r', key, value: null };
    if (kind === 'append' && isList(of)) return { f: 'r', key, value: of };
    if (kind === 'rw' && isScalar(of)) return { f: 'r', key, value: of };
    const wanted = kind === 'append' ? 'a list' : 'a value';
    throw badEvent(number, `${JSON.stringify(part)} should have read ${wanted}`);
  });
}

function isList(value: unknown): value is readonly Scalar[] {
  return Array.isArray(value) && value.every(isScalar);
}

const SINGLE: Readonly<Record<string, string>> = { r: 'r', read: 'r', w: 'w', write: 'w' };

/** [f, key, value] of a call of a register. */
function singleOf({ f }: Call, value: unknown, number: number): unknown[] {
  const short = SINGLE[f];
  if (short === undefined) {
    throw badEvent(
      number,
      `f '${f}' with ${JSON.stringify(value)} is no transaction: [[f, key, value], …]`,
    );
  }
  return Array.isArray(value) ? [short, ...(value as unknown[])] : [short, 'register', value];
}

/** What surely happened: what was answered, or whose writes somebody saw. */
export function happenedOf(
  transactions: readonly Transaction[],
  seen: Iterable<Transaction>,
): (id: number) => boolean {
  const happened = new Uint8Array(transactions.length);
  for (const { id, call } of transactions) if (call.outcome === 'done') happened[id] = 1;
  for (const { id, call } of seen) if (call.outcome !== 'failed') happened[id] = 1;
  return (id) => happened[id] === 1;
}

export function answeredBefore(first: Transaction, second: Transaction): boolean {
  return first.call.completed !== NEVER && first.call.completed < second.call.invoked;
}

const SHOWN_ELEMENTS = 6;

/** "r 5 [1 2], append 6 3" */
export function tellOperations({ operations, call }: Transaction): string {
  const tell = ({ f, key, value }: Operation): string => {
    if (f !== 'r') return `${f} ${key} ${value as Scalar}`;
    return `r ${key} ${call.outcome === 'done' ? tellValue(value) : '?'}`;
  };
  return operations.map(tell).join(', ');
}

/** Of long lists the end, which is what matters. */
export function tellValue(value: Operation['value']): string {
  if (value === null) return 'nothing';
  if (!Array.isArray(value)) return String(value as Scalar);
  const list = value as readonly Scalar[];
  return list.length > SHOWN_ELEMENTS
    ? `[… ${list.slice(-SHOWN_ELEMENTS).join(' ')}] (${list.length} elements)`
    : `[${list.join(' ')}]`;
}

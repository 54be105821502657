// The graph of transactions that read and write registers, and why each edge is there.

import { EDGE, GraphBuilder } from './graph.ts';
import {
  firstValues,
  pairsByReading,
  pairsByTime,
  type Register,
  type Version,
  type VersionPair,
} from './register-versions.ts';
import type { Step } from './shortest-cycle.ts';
import type { Scalar } from './events.ts';
import type { Transaction } from './transactions.ts';

/** Why edges are there: their labels are places in here. */
export type Reasons = readonly VersionPair[];

export function registerGraph(
  transactions: readonly Transaction[],
  registers: readonly Register[],
  happened: (id: number) => boolean,
): { readonly graph: GraphBuilder; readonly reasons: Reasons } {
  const graph = new GraphBuilder(transactions.length);
  const reasons: VersionPair[] = [];
  for (const register of registers) addRegister(graph, reasons, register, happened);
  return { graph, reasons };
}

function addRegister(
  graph: GraphBuilder,
  reasons: VersionPair[],
  register: Register,
  happened: (id: number) => boolean,
): void {
  const readers = readersOf(register);
  /** What others may build on: the last write of what happened. */
  const versionOf = (value: Scalar): Version | undefined => {
    const version = register.versions.get(value);
    const isFinal = version !== undefined && !version.isIntermediate;
    return isFinal && happened(version.writer.id) ? version : undefined;
  };
  for (const [value, ids] of readers) {
    const version = value === null ? undefined : versionOf(value);
    if (version === undefined) continue;
    const label = reasons.push({ register, earlier: version.value, later: version.value }) - 1;
    for (const id of ids) graph.add(version.writer.id, id, EDGE.wr, label);
  }
  const nothing = readers.get(null) ?? [];
  const writers = [...register.versions.values()].filter(({ value }) => versionOf(value));
  const beforeAll = reasons.push({ register, earlier: null, later: undefined }) - 1;
  graph.addAll(nothing, idsOf(writers), EDGE.rw, beforeAll);
  const first = firstValues(register);
  const end = versionOf([...first].at(-1) ?? '');
  if (end !== undefined) {
    const others = idsOf(writers.filter(({ value }) => !first.has(value)));
    const label = reasons.push({ register, earlier: end.value, later: undefined }) - 1;
    for (const id of others) graph.add(end.writer.id, id, EDGE.ww, label);
    graph.addAll(readers.get(end.value) ?? [], others, EDGE.rw, label);
  }
  const addPairs = (
    pairs: readonly VersionPair[],
    ww: typeof EDGE.ww | typeof EDGE.wwByTime,
    rw: typeof EDGE.rw | typeof EDGE.rwByTime,
  ): void => {
    for (const pair of pairs) {
      const earlier = versionOf(pair.earlier as Scalar);
      const later = versionOf(pair.later as Scalar);
      if (earlier === undefined || later === undefined) continue;
      const label = reasons.push(pair) - 1;
      graph.add(earlier.writer.id, later.writer.id, ww, label);
      for (const id of readers.get(earlier.value) ?? []) graph.add(id, later.writer.id, rw, label);
    }
  };
  addPairs(pairsByReading(register, happened), EDGE.ww, EDGE.rw);
  addPairs(pairsByTime(register, happened), EDGE.wwByTime, EDGE.rwByTime);
}

function idsOf(versions: readonly Version[]): number[] {
  return versions.map(({ writer }) => writer.id);
}

/** Who found each value. */
function readersOf({ touches }: Register): Map<Scalar | null, number[]> {
  const readers = new Map<Scalar | null, number[]>();
  for (const { transaction, found } of touches) {
    if (found === undefined) continue;
    const list = readers.get(found);
    if (list === undefined) readers.set(found, [transaction.id]);
    else list.push(transaction.id);
  }
  return readers;
}

/** Why the first comes before the second: "T1 read 3 of key x before T2 wrote 5". */
export function explainRegister(
  reasons: Reasons,
  { kind, label, to }: Step,
  first: string,
  second: string,
): string {
  const { register, earlier, before, after, ...pair } = reasons[label] as VersionPair;
  const name = `key ${register.key}`;
  if (kind === EDGE.wr) return `${second} read ${earlier} of ${name}, which ${first} had written`;
  const later =
    pair.later ?? register.touches.find(({ transaction }) => transaction.id === to)?.left?.value;
  if (earlier === null) return `${first} found nothing in ${name} before ${second} wrote ${later}`;
  const isRead = kind === EDGE.rw || kind === EDGE.rwByTime;
  const did = `${isRead ? 'read' : 'wrote'} ${earlier} ${isRead ? 'of' : 'to'} ${name}`;
  const told = `${first} ${did} before ${second} wrote ${later}`;
  if (before === undefined || after === undefined) return told;
  return `${told} (what was answered at event ${before.call.to} left ${earlier}, what was asked for at ${after.call.from} came to ${later})`;
}

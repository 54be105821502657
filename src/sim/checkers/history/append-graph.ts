// The graph of transactions that append to lists and read them, and why each edge is there.

import type { Append, AppendKey, AppendRead, AppendVersions } from './append-versions.ts';
import { EDGE, GraphBuilder } from './graph.ts';
import type { Step } from './shortest-cycle.ts';
import type { Transaction } from './transactions.ts';

/** Edges are labelled with the key's place in `keys`. */
export function appendGraph(
  transactions: readonly Transaction[],
  { keys }: AppendVersions,
  happened: (id: number) => boolean,
): GraphBuilder {
  const graph = new GraphBuilder(transactions.length);
  for (const [label, key] of keys.entries()) addKey(graph, key, label, happened);
  return graph;
}

function addKey(
  graph: GraphBuilder,
  key: AppendKey,
  label: number,
  happened: (id: number) => boolean,
): void {
  const list = key.longest?.list ?? [];
  /** Of each version (so many elements): who made it last, and who made the next; -1: nobody. */
  const makers = new Int32Array(list.length + 1).fill(-1);
  const followers = new Int32Array(list.length + 1).fill(-1);
  const writerAt = (position: number): number => {
    const append = key.byElement.get(list[position] as string | number);
    // What was refused, and seen, is no part of any order; nor is what is there a second time.
    return append?.position === position && happened(append.transaction.id)
      ? append.transaction.id
      : -1;
  };
  for (let i = 0; i < list.length; i++) {
    const writer = writerAt(i);
    const before = makers[i] as number;
    makers[i + 1] = writer === -1 ? before : writer;
    if (writer !== -1 && before !== -1) graph.add(before, writer, EDGE.ww, label);
  }
  for (let i = list.length - 1; i >= 0; i--) {
    const writer = writerAt(i);
    followers[i] = writer === -1 ? (followers[i + 1] as number) : writer;
  }
  // Nobody saw them, so they come after all that anybody saw; in which order nobody knows.
  const unseen = unseenOf(key, happened);
  const end = makers[list.length] as number;
  if (end !== -1) for (const writer of unseen) graph.add(end, writer, EDGE.ww, label);

  const atEnd: number[] = [];
  for (const { transaction, list: seen, isExternal } of key.reads) {
    if (!isExternal) continue;
    const maker = makers[seen.length] as number;
    if (maker !== -1) graph.add(maker, transaction.id, EDGE.wr, label);
    const follower = followers[seen.length] as number;
    if (follower !== -1) graph.add(transaction.id, follower, EDGE.rw, label);
    else atEnd.push(transaction.id);
  }
  graph.addAll(atEnd, unseen, EDGE.rw, label);
}

function unseenOf({ appends }: AppendKey, happened: (id: number) => boolean): number[] {
  const ids = new Set<number>();
  for (const { position, transaction } of appends) {
    if (position === -1 && happened(transaction.id)) ids.add(transaction.id);
  }
  return [...ids];
}

/** Why the first comes before the second: "T1 appended 3 to key x before T2 appended 5". */
export function explainAppend(
  { keys }: AppendVersions,
  { kind, label, from, to }: Step,
  first: string,
  second: string,
): string {
  const key = keys[label] as AppendKey;
  const name = `key ${key.key}`;
  if (kind === EDGE.wr) {
    const { list } = externalRead(key, to);
    const seen = elementsOf(key, from, (position) => position !== -1 && position < list.length);
    return `${second} read ${seen.at(-1)?.element} of ${name}, which ${first} had appended`;
  }
  if (kind === EDGE.rw) {
    const { list } = externalRead(key, from);
    const next = elementsOf(key, to, (position) => position === -1 || position >= list.length)[0];
    const seen = list.length === 0 ? `found ${name} empty` : `read ${list.at(-1)} of ${name}`;
    return `${first} ${seen} before ${second} appended ${next?.element}${doubt(next)}`;
  }
  const before = elementsOf(key, from, (position) => position !== -1);
  const after = elementsOf(key, to, () => true);
  const next = after.find(({ position }) => position > (before[0]?.position ?? -1)) ?? after[0];
  const last = before.findLast(
    ({ position }) => next?.position === -1 || position < (next?.position ?? -1),
  );
  return `${first} appended ${last?.element} to ${name} before ${second} appended ${next?.element}${doubt(next)}`;
}

/** In the order of the list; those that nobody saw come last. */
function elementsOf(
  { appends }: AppendKey,
  id: number,
  isWanted: (position: number) => boolean,
): Append[] {
  const place = ({ position }: Append): number =>
    position === -1 ? Number.POSITIVE_INFINITY : position;
  return appends
    .filter(({ transaction, position }) => transaction.id === id && isWanted(position))
    .sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

function doubt(append: Append | undefined): string {
  return append?.position === -1 ? ', which nobody saw' : '';
}

function externalRead({ reads }: AppendKey, id: number): AppendRead {
  return reads.find(
    ({ transaction, isExternal }) => transaction.id === id && isExternal,
  ) as AppendRead;
}

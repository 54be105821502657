// Who came before whom by the clock on the wall, and within each process. Everybody who was answered by some moment
// precedes everybody who asked after it: a chain of such moments takes three edges a transaction, where pairs would take
// as many as there are pairs.

import { NEVER } from './calls.ts';
import type { Scalar } from './events.ts';
import { EDGE, type GraphBuilder } from './graph.ts';
import type { Transaction } from './transactions.ts';

/** Adds the edges of real time and of processes among those for which `happened` says so. */
export function addTimeEdges(
  graph: GraphBuilder,
  transactions: readonly Transaction[],
  happened: (id: number) => boolean,
): void {
  const clock = new Chain(graph, EDGE.realTime, EDGE.realTimeOn);
  const processes = new Map<Scalar, Chain>();
  for (const { id, isAnswer } of moments(transactions.filter(({ id: one }) => happened(one)))) {
    const { process } = (transactions[id] as Transaction).call;
    let own = processes.get(process);
    if (own === undefined) {
      own = new Chain(graph, EDGE.process, EDGE.processOn);
      processes.set(process, own);
    }
    for (const chain of [clock, own]) {
      if (isAnswer) chain.answered(id);
      else chain.asked(id);
    }
  }
}

interface Moment {
  readonly place: number;
  readonly id: number;
  readonly isAnswer: boolean;
}

/** Questions and answers in their order. */
export function moments(transactions: readonly Transaction[]): Moment[] {
  const list: Moment[] = [];
  for (const { id, call } of transactions) {
    list.push({ place: call.invoked, id, isAnswer: false });
    if (call.completed !== NEVER) list.push({ place: call.completed, id, isAnswer: true });
  }
  return list.sort((a, b) => a.place - b.place);
}

class Chain {
  readonly #graph: GraphBuilder;
  readonly #kind: typeof EDGE.process | typeof EDGE.realTime;
  readonly #on: typeof EDGE.processOn | typeof EDGE.realTimeOn;
  /** Stands for all that were answered by now. */
  #last: number | undefined;
  /** Nobody has asked since it was made, so that one more can join it. */
  #isOpen = false;

  constructor(
    graph: GraphBuilder,
    kind: typeof EDGE.process | typeof EDGE.realTime,
    on: typeof EDGE.processOn | typeof EDGE.realTimeOn,
  ) {
    this.#graph = graph;
    this.#kind = kind;
    this.#on = on;
  }

  answered(id: number): void {
    if (!this.#isOpen) {
      const vertex = this.#graph.vertex();
      if (this.#last !== undefined) this.#graph.add(this.#last, vertex, this.#on);
      this.#last = vertex;
      this.#isOpen = true;
    }
    this.#graph.add(id, this.#last as number, this.#kind);
  }

  asked(id: number): void {
    this.#isOpen = false;
    if (this.#last !== undefined) this.#graph.add(this.#last, id, this.#on);
  }
}

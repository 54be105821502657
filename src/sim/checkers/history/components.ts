// Strongly connected components: the sets of vertices each of which is on a cycle with each other one (Tarjan, "Depth-first
// search and linear graph algorithms", 1972), without recursion.
//
// What is searched is the graph of *states*. Usually a state is a vertex. To find cycles in which no two read-write
// edges follow each other, which are those that snapshot isolation forbids (Cerone and Gotsman, "Analysing snapshot
// isolation", 2016, theorem 9), a state is a vertex and whether it was reached by a read-write edge.

import { ANY_RW, ANY_RW_ON, type Graph } from './graph.ts';

/** How to walk. */
export interface Walk {
  /** The kinds of edges that may be taken. */
  readonly mask: number;
  /** No read-write edge may follow another. */
  readonly isNonadjacent: boolean;
}

export function statesOf(graph: Graph, { isNonadjacent }: Walk): number {
  return isNonadjacent ? 2 * graph.vertices : graph.vertices;
}

/** The state after an edge; -1 where it may not be taken. */
export function stateAfter(graph: Graph, walk: Walk, state: number, edge: number): number {
  const bit = 1 << (graph.kind[edge] as number);
  const to = graph.to[edge] as number;
  if ((walk.mask & bit) === 0) return -1;
  if (!walk.isNonadjacent) return to;
  if ((bit & ANY_RW) !== 0) return (state & 1) === 1 ? -1 : 2 * to + 1;
  if ((bit & ANY_RW_ON) !== 0) return 2 * to + 1;
  return 2 * to;
}

/** The component of each state; those that are on no cycle have -1. */
export function componentsOf(graph: Graph, walk: Walk): Int32Array {
  const states = statesOf(graph, walk);
  const shift = walk.isNonadjacent ? 1 : 0;
  const component = new Int32Array(states).fill(-1);
  /** When it was found, from 1 on; the earliest that it leads back to. */
  const found = new Int32Array(states);
  const low = new Int32Array(states);
  const isOpen = new Uint8Array(states);
  /** The next edge to take from it. */
  const next = new Int32Array(states);
  const path = new Int32Array(states);
  const open = new Int32Array(states);
  let pathSize = 0;
  let openSize = 0;
  let clock = 0;
  let components = 0;

  const enter = (state: number): void => {
    clock += 1;
    found[state] = clock;
    low[state] = clock;
    isOpen[state] = 1;
    next[state] = graph.first[state >> shift] as number;
    path[pathSize++] = state;
    open[openSize++] = state;
  };

  for (let root = 0; root < states; root++) {
    if (found[root] !== 0) continue;
    enter(root);
    while (pathSize > 0) {
      const state = path[pathSize - 1] as number;
      const end = graph.first[(state >> shift) + 1] as number;
      const edge = next[state] as number;
      if (edge < end) {
        next[state] = edge + 1;
        const other = stateAfter(graph, walk, state, edge);
        if (other === -1) continue;
        if (found[other] === 0) enter(other);
        else if (isOpen[other] === 1) low[state] = Math.min(low[state]!, found[other]!);
        continue;
      }
      pathSize -= 1;
      if (pathSize > 0) {
        const before = path[pathSize - 1] as number;
        low[before] = Math.min(low[before]!, low[state]!);
      }
      if (low[state] !== found[state]) continue;
      // No edge leads from a vertex to itself, so a state alone is on no cycle.
      const isAlone = open[openSize - 1] === state;
      for (;;) {
        const member = open[--openSize] as number;
        isOpen[member] = 0;
        if (!isAlone) component[member] = components;
        if (member === state) break;
      }
      if (!isAlone) components += 1;
    }
  }
  return component;
}

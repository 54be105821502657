// The shortest cycle through one of some edges: breadth first from where each edge ends to where it begins.

import { stateAfter, statesOf, type Walk } from './components.ts';
import { ANY_RW, type EdgeKind, type Graph, ON } from './graph.ts';

/** From one transaction to the next of a cycle. */
export interface Step {
  readonly from: number;
  readonly to: number;
  readonly kind: EdgeKind;
  readonly label: number;
}

export interface CycleSearch {
  /** How to go on after the edge. */
  readonly walk: Walk;
  /** Nothing outside of a component is on a cycle with what is in it: components of what walk. */
  readonly component: Int32Array;
  readonly componentWalk: Walk;
}

/** Finds cycles; its arrays are used again by each search. */
export class CycleFinder {
  readonly #graph: Graph;
  /** Of each state: the search that reached it last, how far it was, by which edge and from which state. */
  readonly #search: Int32Array;
  readonly #distance: Int32Array;
  readonly #edge: Int32Array;
  readonly #before: Int32Array;
  #searches = 0;
  /** Edges that were looked at. */
  visits = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#search = new Int32Array(2 * graph.vertices);
    this.#distance = new Int32Array(2 * graph.vertices);
    this.#edge = new Int32Array(2 * graph.vertices);
    this.#before = new Int32Array(2 * graph.vertices);
  }

  /** The shortest that begins with the edge and has fewer than `lessThan` steps. */
  through(start: number, search: CycleSearch, lessThan: number): Step[] | undefined {
    const { walk } = search;
    const states = statesOf(this.#graph, walk);
    const { from, to, kind } = this.#graph;
    const shift = walk.isNonadjacent ? 1 : 0;
    const isRw = ((1 << (kind[start] as number)) & ANY_RW) !== 0 ? 1 : 0;
    const source = walk.isNonadjacent ? 2 * (to[start] as number) + isRw : (to[start] as number);
    // Not by a read-write edge, where the first is one: it would follow.
    const target = (from[start] as number) << shift;
    if (source >= states) return undefined;
    const isFound = this.#spread(source, target, from[start] as number, search, lessThan - 1);
    return isFound ? this.#stepsTo(target, source, start) : undefined;
  }

  /** Whether the target is less than `limit` edges away. */
  #spread(
    source: number,
    target: number,
    home: number,
    search: CycleSearch,
    limit: number,
  ): boolean {
    const { first } = this.#graph;
    const { walk } = search;
    const shift = walk.isNonadjacent ? 1 : 0;
    const run = ++this.#searches;
    this.#search[source] = run;
    this.#distance[source] = 0;
    const inComponent = membership(search, home);
    let near = [source];
    for (let distance = 0; near.length > 0 && distance < limit; distance++) {
      const far: number[] = [];
      for (let state = near.pop(); state !== undefined; state = near.pop()) {
        if (this.#distance[state] !== distance) continue;
        if (state === target) return true;
        const end = first[(state >> shift) + 1] as number;
        for (let edge = first[state >> shift] as number; edge < end; edge++) {
          this.visits += 1;
          const other = stateAfter(this.#graph, walk, state, edge);
          if (other === -1 || !inComponent(other)) continue;
          // Edges that go on count for nothing.
          const isOn = ((1 << (this.#graph.kind[edge] as number)) & ON) !== 0;
          const away = isOn ? distance : distance + 1;
          if (this.#search[other] === run && (this.#distance[other] as number) <= away) continue;
          this.#search[other] = run;
          this.#distance[other] = away;
          this.#edge[other] = edge;
          this.#before[other] = state;
          (isOn ? near : far).push(other);
        }
      }
      near = far;
    }
    return false;
  }

  #stepsTo(target: number, source: number, start: number): Step[] {
    const edges: number[] = [];
    for (let state = target; state !== source; state = this.#before[state] as number) {
      edges.push(this.#edge[state] as number);
    }
    edges.push(start);
    return withoutAuxiliaries(this.#graph, edges.reverse());
  }
}

/** Whether a state of the walk is in the component of a vertex. */
function membership(search: CycleSearch, home: number): (state: number) => boolean {
  const { component, componentWalk, walk } = search;
  if (componentWalk.isNonadjacent === walk.isNonadjacent) {
    const wanted = component[walk.isNonadjacent ? 2 * home : home];
    return (state) => component[state] === wanted;
  }
  const wanted = component[home];
  return (state) => component[state >> 1] === wanted;
}

/** Steps between transactions: an edge into an auxiliary vertex, and what goes on from there, are one. */
function withoutAuxiliaries(graph: Graph, edges: readonly number[]): Step[] {
  const steps: Step[] = [];
  for (const edge of edges) {
    const isOn = ((1 << (graph.kind[edge] as number)) & ON) !== 0;
    const to = graph.to[edge] as number;
    if (isOn) steps.push({ ...(steps.pop() as Step), to });
    else {
      steps.push({
        from: graph.from[edge] as number,
        to,
        kind: graph.kind[edge] as EdgeKind,
        label: graph.label[edge] as number,
      });
    }
  }
  return steps;
}

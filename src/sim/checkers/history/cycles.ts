// The cycles of a graph of transactions, named as Adya does ("Weak consistency", 1999) and Elle (Kingsbury and Alvaro,
// "Elle: inferring isolation anomalies from experimental observations", 2020). What is on a cycle can not have happened in
// any order, and the name says which models that contradicts.
//
// Whether there is a cycle of writes (G0), of information (G1c), one without two adjacent read-write edges (what snapshot
// isolation forbids), or any at all, is decided by components alone, in linear time; so verdicts never depend on how long
// is searched. Which of them is the shortest, and whether one has a single read-write edge only, takes a search from each
// edge, which is cut off at VISITS_MAX.

import { componentsOf, type Walk } from './components.ts';
import { ANY_RW, EDGE, type EdgeKind, type Graph, maskOf, ON } from './graph.ts';
import { CycleFinder, type Step } from './shortest-cycle.ts';

export interface Cycle {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** From the worst to the mildest. */
const CLASSES = ['G0', 'G1c', 'G-single', 'G-nonadjacent', 'G2-item'] as const;

type CycleClass = (typeof CLASSES)[number];

/** What is known of the order of transactions, besides what they read and wrote. */
const LEVELS = [
  { mask: 0, isRealTime: false, isLast: false },
  { mask: maskOf(EDGE.process), isRealTime: false, isLast: false },
  { mask: maskOf(EDGE.realTime, EDGE.rwByTime), isRealTime: true, isLast: false },
  // Harder to follow than what a read should have seen: only where nothing else is found.
  {
    mask: maskOf(EDGE.realTime, EDGE.rwByTime, EDGE.wwByTime),
    isRealTime: true,
    isLast: true,
  },
] as const;

const WW = maskOf(EDGE.ww, EDGE.wwByTime);
const WR = maskOf(EDGE.wr);
const TIME = maskOf(EDGE.wwByTime, EDGE.rwByTime);
const PLAIN = maskOf(EDGE.ww, EDGE.wr, EDGE.rw) | ON;

/** Edges that are looked at in search of the shortest cycle of a class. */
const VISITS_MAX = 20_000_000;

/** How to look for a class: cycles that have an edge of `through`, and else only those of `walk`. */
interface Plan {
  readonly name: CycleClass;
  readonly through: number;
  readonly walk: Walk;
  /** What such a cycle is a component of. */
  readonly componentWalk: Walk;
  /** Whether what was found is of the class. */
  readonly fits: (found: CycleClass) => boolean;
}

function plansOf(level: number): Plan[] {
  const writes = { mask: ((WW & PLAIN) | level | ON) & ~ANY_RW, isNonadjacent: false };
  const information = { ...writes, mask: writes.mask | WR };
  const all = { mask: PLAIN | level, isNonadjacent: false };
  const nonadjacent = { ...all, isNonadjacent: true };
  return [
    plan('G0', WW, writes, writes),
    plan('G1c', WR, information, information),
    plan('G-single', ANY_RW, information, all),
    {
      ...plan('G-nonadjacent', ANY_RW, nonadjacent, nonadjacent),
      fits: (one) => one !== 'G2-item',
    },
    plan('G2-item', ANY_RW, all, all),
  ];
}

function plan(name: CycleClass, through: number, walk: Walk, componentWalk: Walk): Plan {
  return { name, through, walk, componentWalk, fits: (found) => found === name };
}

/** The shortest cycle of each class in each component. */
export function findCycles(
  graph: Graph,
  isDirectlyBefore: (first: number, second: number) => boolean,
): Cycle[] {
  const everything = componentsOf(graph, { mask: -1, isNonadjacent: false });
  if (everything.every((component) => component === -1)) return [];
  const finder = new CycleFinder(graph);
  const cycles: Cycle[] = [];
  for (const { mask, isRealTime, isLast } of LEVELS) {
    if (isLast && cycles.length > 0) break;
    for (const one of plansOf(mask)) {
      if (mask !== 0 && cycles.some((known) => isAsBad(known, one.name))) continue;
      const search = new ComponentSearch(
        graph,
        finder,
        one,
        isRealTime ? isDirectlyBefore : () => false,
      );
      for (const steps of search.shortest()) {
        const name = nameOf(steps);
        if (!cycles.some((known) => isSame(known, name, steps))) cycles.push({ name, steps });
      }
    }
  }
  return cycles;
}

/** What takes the order of time to be wrong says nothing new where something as bad is known already. */
function isAsBad({ steps }: Cycle, name: CycleClass): boolean {
  return CLASSES.indexOf(classOf(steps)) <= CLASSES.indexOf(name);
}

function isSame(known: Cycle, name: string, steps: readonly Step[]): boolean {
  const vertices = new Set(known.steps.map(({ from }) => from));
  return known.name === name && steps.some(({ from }) => vertices.has(from));
}

/** One class at one level, component by component. */
class ComponentSearch {
  readonly #graph: Graph;
  readonly #finder: CycleFinder;
  readonly #plan: Plan;
  readonly #isDirectlyBefore: (first: number, second: number) => boolean;

  constructor(
    graph: Graph,
    finder: CycleFinder,
    one: Plan,
    isDirectlyBefore: (first: number, second: number) => boolean,
  ) {
    this.#graph = graph;
    this.#finder = finder;
    this.#plan = one;
    this.#isDirectlyBefore = isDirectlyBefore;
  }

  shortest(): Step[][] {
    const found: Step[][] = [];
    let visitsLeft = VISITS_MAX;
    const component = componentsOf(this.#graph, this.#plan.componentWalk);
    for (const edges of this.#startsOf(component)) {
      const before = this.#finder.visits;
      const best = this.#shortestOf(edges, component, Math.max(visitsLeft, 1));
      visitsLeft -= this.#finder.visits - before;
      if (best !== undefined) found.push(best);
    }
    return found;
  }

  /** Of each component the edges that a cycle of the class goes through. */
  #startsOf(component: Int32Array): Iterable<number[]> {
    const { from, to, kind } = this.#graph;
    const { through, componentWalk } = this.#plan;
    const mask = through & componentWalk.mask;
    const starts = new Map<number, number[]>();
    for (let edge = 0; edge < kind.length; edge++) {
      const bit = 1 << (kind[edge] as number);
      if ((mask & bit) === 0) continue;
      const u = from[edge] as number;
      const v = to[edge] as number;
      const { isNonadjacent } = componentWalk;
      const own = component[isNonadjacent ? 2 * u : u] as number;
      const other = component[isNonadjacent ? 2 * v + ((bit & ANY_RW) === 0 ? 0 : 1) : v] as number;
      if (own === -1 || own !== other) continue;
      const list = starts.get(own);
      if (list === undefined) starts.set(own, [edge]);
      else list.push(edge);
    }
    return starts.values();
  }

  #shortestOf(
    edges: readonly number[],
    component: Int32Array,
    visitsMax: number,
  ): Step[] | undefined {
    const { from, to, kind, label } = this.#graph;
    const { walk, componentWalk, fits } = this.#plan;
    const begin = this.#finder.visits;
    // By far the most usual in real time, and the shortest that there can be: it need not be searched for.
    for (const edge of edges) {
      const step = {
        from: from[edge]!,
        to: to[edge]!,
        kind: kind[edge] as EdgeKind,
        label: label[edge]!,
      };
      if (!this.#isDirectlyBefore(step.to, step.from)) continue;
      const back: Step = { from: step.to, to: step.from, kind: EDGE.realTime, label: -1 };
      if (fits(classOf([step, back]))) return [step, back];
    }
    let best: Step[] | undefined;
    for (const edge of edges) {
      const steps = this.#finder.through(
        edge,
        { walk, component, componentWalk },
        best?.length ?? Number.POSITIVE_INFINITY,
      );
      if (steps !== undefined && fits(classOf(steps))) best = steps;
      if (best?.length === 2 || this.#finder.visits - begin > visitsMax) break;
    }
    return best;
  }
}

function has(steps: readonly Step[], mask: number): boolean {
  return steps.some(({ kind }) => ((1 << kind) & mask) !== 0);
}

function classOf(steps: readonly Step[]): CycleClass {
  const isRw = steps.map(({ kind }) => ((1 << kind) & ANY_RW) !== 0);
  const number = isRw.filter(Boolean).length;
  if (number === 0) return has(steps, WR) ? 'G1c' : 'G0';
  if (number === 1) return 'G-single';
  const isAdjacent = isRw.some((one, i) => one && isRw[(i + 1) % isRw.length] === true);
  return isAdjacent ? 'G2-item' : 'G-nonadjacent';
}

/** What it is, by its own edges. */
function nameOf(steps: readonly Step[]): string {
  const base = classOf(steps);
  if (has(steps, maskOf(EDGE.realTime) | TIME)) return `${base}-realtime`;
  return has(steps, maskOf(EDGE.process)) ? `${base}-process` : base;
}

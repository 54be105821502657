// Random clusters for the simulation of placement, and loads for them.

import { expect } from 'vitest';
import { type ModelCluster, ModelRange, SECOND } from './placement-model.ts';

const MIB = 1024 * 1024;

export interface Shape {
  readonly nodes: number;
  readonly ranges: number;
  readonly localities: number;
  /** All replicas begin on the first nodes. */
  readonly isCrowded: boolean;
  readonly unequal: boolean;
}

export function shapeOf(cluster: ModelCluster): Shape {
  const { random } = cluster;
  const nodes = 3 + random.below(6);
  return {
    nodes,
    ranges: nodes * (4 + random.below(12)),
    localities: random.oneIn(2) ? 0 : 3,
    isCrowded: random.oneIn(2),
    unequal: random.oneIn(3),
  };
}

export function build(cluster: ModelCluster, shape: Shape): void {
  const { random } = cluster;
  for (let node = 1; node <= shape.nodes; node++) {
    cluster.addNode(node, {
      capacity: shape.unequal && node % 2 === 0 ? SECOND / 2 : SECOND,
      locality: shape.localities === 0 ? '' : `zone=${'abc'[node % shape.localities]}`,
    });
  }
  for (let i = 1; i <= shape.ranges; i++) {
    const ids = Array.from({ length: shape.isCrowded ? 3 : shape.nodes }, (_, n) => n + 1);
    const on: number[] = [];
    while (on.length < 3) on.push(...ids.splice(random.below(ids.length), 1));
    cluster.ranges.push(new ModelRange(i, on, random.below(40 * MIB)));
  }
}

/** Zipf-like, drawn anew: so much of what all nodes can do, and no range more than a part of a node. */
export function load(cluster: ModelCluster, share: number, skew: number): void {
  const { ranges, random } = cluster;
  const capacity = [...cluster.nodes.values()].reduce((sum, one) => sum + one.capacity, 0);
  const order = ranges.map((range) => ({ range, at: random.uint32() })).sort((a, b) => a.at - b.at);
  const weights = order.map((_, i) => 1 / (i + 1) ** skew);
  const sum = weights.reduce((a, b) => a + b, 0);
  order.forEach(({ range }, i) => {
    range.load = ((weights[i] as number) / sum) * capacity * share;
  });
}

/** No node is farther from even than a fifth of it, or than the largest of its ranges allows. */
export function requireEven(cluster: ModelCluster): void {
  const { even, busy } = cluster.evenness();
  for (const [node, share] of busy) {
    const one = cluster.nodes.get(node) as { capacity: number };
    const led = cluster.ranges.filter((range) => range.leader === node).map((range) => range.load);
    const smallest = Math.min(...led) / one.capacity;
    // A node whose smallest range is too much to give has nothing that it could give.
    const most = Math.max(1.2 * even, even + 0.02, even + smallest);
    const where = `node ${node} does ${share.toFixed(3)}, even is ${even.toFixed(3)}: ${JSON.stringify([...busy])}`;
    expect(share <= most, where).toBe(true);
  }
}

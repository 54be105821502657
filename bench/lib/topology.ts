// Who leads what while something is measured: a figure of a cluster is worth little without it.

import type { Cluster, ClusterNode } from './cluster.ts';
import { sqlAt } from './processes.ts';

/** Of a table's ranges: how many each node leads, by its id. */
export async function rangesLed(
  node: ClusterNode,
  table: string,
): Promise<ReadonlyMap<number, number>> {
  const led = new Map<number, number>();
  for (const { leaseholder } of await sqlAt(node.sql, [`SHOW RANGES FROM TABLE ${table}`])) {
    const id = Number(leaseholder);
    led.set(id, (led.get(id) ?? 0) + 1);
  }
  return new Map([...led].sort(([a], [b]) => a - b));
}

/** Who leads a table's first range, once somebody says so: a range that was split off a moment ago has nobody yet. */
export async function leaseholderOf({ nodes }: Cluster, table: string): Promise<ClusterNode> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const [range] = await sqlAt((nodes[0] as ClusterNode).sql, [`SHOW RANGES FROM TABLE ${table}`]);
    const found = nodes.find(({ id }) => id === Number(range?.['leaseholder']));
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nobody leads ${table}`);
}

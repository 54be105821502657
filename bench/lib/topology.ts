// Who leads what while something is measured: a figure of a cluster is worth little without it.

import type { ClusterNode } from './cluster.ts';
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

// What `meridian cluster status` and `meridian node list` print: a line for each node.

import type { LocalNodeStatus } from '../node/local-cluster.ts';
import type { NodeStanding } from '../node/placement/node-standing.ts';

const MIB = 1024 * 1024;
const HEADS = ['node', 'pid', 'state', 'sql', 'rpc', 'http', 'ranges', 'leases', 'behind'];
const NODE_HEADS = [
  'node',
  'state',
  'sql',
  'rpc',
  'locality',
  'ranges',
  'leases',
  'MiB',
  'reads/s',
  'writes/s',
  'busy',
];

export function statusTable(nodes: readonly LocalNodeStatus[]): string {
  return table([HEADS, ...nodes.map(rowOf)]);
}

export function nodeTable(nodes: readonly NodeStanding[]): string {
  const number = (value: number | undefined): string =>
    value === undefined ? '-' : String(Math.round(value));
  return table([
    NODE_HEADS,
    ...nodes.map((one) => [
      String(one.nodeId),
      one.state,
      one.sql,
      one.rpc,
      one.locality === '' ? '-' : one.locality,
      number(one.replicas),
      number(one.leases),
      number(one.bytes === undefined ? undefined : one.bytes / MIB),
      number(one.readsPerSecond),
      number(one.writesPerSecond),
      one.busy === undefined ? '-' : `${Math.round(one.busy * 100)}%`,
    ]),
  ]);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows
    .map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function rowOf(one: LocalNodeStatus): string[] {
  const { node, status } = one;
  const ranges = status?.ranges ?? [];
  const led = ranges.filter(({ role }) => role === 'leader');
  return [
    String(node.nodeId),
    one.process === 'gone' ? '-' : String(node.pid),
    stateOf(one),
    node.sql,
    node.rpc,
    node.http,
    status === undefined ? '-' : String(ranges.length),
    status === undefined ? '-' : String(led.length),
    status === undefined ? '-' : behindOf(led),
  ];
}

function stateOf({ node, process, status }: LocalNodeStatus): string {
  if (process === 'paused') return 'paused';
  if (process === 'gone') return node.isStopped ? 'stopped' : 'dead';
  if (status === undefined) return 'no answer';
  return status.reason === 'ok' ? 'running' : status.reason;
}

type Led = readonly {
  readonly followers: readonly { readonly nodeId: number; readonly behind: number }[];
}[];

/** Of what it leads: entries that each other node lacks, of all ranges together. */
function behindOf(led: Led): string {
  const behind = new Map<number, number>();
  for (const { followers } of led) {
    for (const one of followers) {
      behind.set(one.nodeId, (behind.get(one.nodeId) ?? 0) + one.behind);
    }
  }
  const cells = [...behind].sort(([a], [b]) => a - b).map(([node, count]) => `${node}: ${count}`);
  return cells.join(', ') || '-';
}

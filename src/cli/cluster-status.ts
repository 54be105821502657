// What `meridian cluster status` prints: a line for each node.

import type { LocalNodeStatus } from '../node/local-cluster.ts';

const HEADS = ['node', 'pid', 'state', 'sql', 'rpc', 'http', 'range', 'applied', 'behind'];

export function statusTable(nodes: readonly LocalNodeStatus[]): string {
  const rows = [HEADS, ...nodes.map(rowOf)];
  const widths = HEADS.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map((row) => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function rowOf(one: LocalNodeStatus): string[] {
  const { node, status } = one;
  const range = status?.ranges[0];
  const leads = range?.role === 'leader';
  return [
    String(node.nodeId),
    one.process === 'gone' ? '-' : String(node.pid),
    stateOf(one),
    node.sql,
    node.rpc,
    node.http,
    range === undefined ? '-' : leads ? 'leader' : `${range.role} of ${range.leaderNode || '?'}`,
    range === undefined ? '-' : String(range.appliedIndex),
    range === undefined || !leads ? '-' : behindOf(range.followers),
  ];
}

function stateOf({ node, process, status }: LocalNodeStatus): string {
  if (process === 'paused') return 'paused';
  if (process === 'gone') return node.isStopped ? 'stopped' : 'dead';
  if (status === undefined) return 'no answer';
  return status.reason === 'ok' ? 'running' : status.reason;
}

/** Of a leader: what each follower lacks. */
function behindOf(followers: readonly { nodeId: number; behind: number }[]): string {
  return followers.map(({ nodeId, behind }) => `${nodeId}: ${behind}`).join(', ') || '0';
}

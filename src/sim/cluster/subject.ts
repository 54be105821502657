// What a cluster is made of, as the run that puts it through its faults sees it.

import type { Machine } from '../machine.ts';
import { demand } from '../violation.ts';
import type { Life } from '../world.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { Cluster } from './cluster.ts';
import type { Probe, WorkCounts } from './work.ts';

export interface Subject<Node extends ClusterNode> {
  /** How many groups have registers: their numbers begin at 1. */
  readonly groups: number;
  readonly registersPerGroup: number;
  /** Of registers. */
  readonly clients: number;
  readonly elections: number;
  /** Told of each. */
  onElected: (node: number) => void;
  /** A leader is being asked to hand over. */
  onHandOver: (node: number) => void;
  /** Before any node starts. */
  prepare(cluster: Cluster<Node>): Promise<void>;
  /** `broken`: the node can't go on. */
  open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<Node>;
  /** Once all groups take writes, before anything goes wrong. */
  furnish(): Promise<void>;
  /** Besides a register of each group. */
  probes(): readonly Probe[];
  /** Of what is done besides reading and writing registers. */
  readonly counts: WorkCounts;
  /** What must hold at every moment; throws Violation. */
  look(): void;
  /** How often one looks. */
  readonly lookMicros: number;
  /** Things change by themselves between the two, apart from faults. */
  begin(): void;
  pause(): void;
  /** Once all is well: what is unfinished of what was begun; brings it to an end. */
  tidy(): Promise<string | undefined>;
  /** How replicas differ, when nobody asks anything any more; undefined when they are alike. */
  difference(): string | undefined;
  /** How all replicas are now, for people. */
  tell(): string;
  /** Throws Violation when the replicas, once they are alike, can't be right. */
  judge(): Promise<void>;
}

export const REGISTER_CLIENTS = 6;
export const NO_WORK: WorkCounts = { operations: 0, acknowledged: 0, unknown: 0 };

/** P1, seen from outside: the group's lease is not held twice. */
export function demandOneHolder<Node extends ClusterNode>(
  cluster: Cluster<Node>,
  group: number,
): void {
  let holder = 0;
  for (const { node, machine } of cluster.seats) {
    if (node?.holdsLease(group) !== true) continue;
    demand(
      holder === 0,
      `nodes ${holder} and ${machine.node} both hold the lease of group ${group}`,
    );
    holder = machine.node;
  }
}

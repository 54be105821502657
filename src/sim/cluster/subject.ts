// What a cluster is made of, as the run that puts it through its faults sees it.

import type { Machine } from '../machine.ts';
import type { Life } from '../world.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { Cluster } from './cluster.ts';

export interface Subject<Node extends ClusterNode> {
  /** How many groups have registers: their numbers begin at 1. */
  readonly groups: number;
  readonly registersPerGroup: number;
  readonly elections: number;
  /** Told of each. */
  onElected: (node: number) => void;
  /** A leader is being asked to hand over. */
  onHandOver: (node: number) => void;
  /** Before any node starts. */
  prepare(cluster: Cluster<Node>): Promise<void>;
  /** `broken`: the node can't go on. */
  open(machine: Machine, life: Life, broken: (error: Error) => void): Promise<Node>;
  /** Things change by themselves between the two, apart from faults. */
  begin(): void;
  pause(): void;
  /** Once all is well: whether nothing that was begun is unfinished; brings it to an end. */
  tidy(): Promise<boolean>;
  /** How replicas differ, when nobody asks anything any more; undefined when they are alike. */
  difference(): string | undefined;
  /** Throws Violation when the replicas, once they are alike, can't be right. */
  judge(): Promise<void>;
}

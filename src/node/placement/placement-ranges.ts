// A node's ranges as placement handles them.

import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { LoadRates } from '../../ranges/load/load-counts.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { ReplicaStep as HostStep } from '../ranges/range-host.ts';
import type { ReplicaStep } from './placement-driver.ts';
import type { LocalRange } from './placement-node.ts';

/** A range of this node; RangeHost is one. */
export interface HostedRange {
  readonly range: RangeId;
  readonly descriptor: RangeDescriptor;
  readonly isServing: boolean;
  isCaughtUp(node: NodeId): boolean;
  transferTo(node: NodeId): Promise<void>;
  changeReplicas(steps: readonly HostStep[]): Promise<void>;
}

export interface RangeFigures<Host> {
  /** Undefined: nothing was measured. */
  rates(host: Host): LoadRates | undefined;
  bytes(host: Host): number | undefined;
  factor(host: Host): number;
  isDividing(host: Host): boolean;
}

export function* localRanges<Host extends HostedRange>(
  hosts: Iterable<Host>,
  figures: RangeFigures<Host>,
): Generator<LocalRange> {
  for (const host of hosts) yield localRange(host, figures);
}

function localRange<Host extends HostedRange>(host: Host, figures: RangeFigures<Host>): LocalRange {
  const rates = host.isServing ? figures.rates(host) : undefined;
  return {
    range: host.range,
    descriptor: host.descriptor,
    isLeading: host.isServing,
    bytes: figures.bytes(host) ?? 0,
    factor: figures.factor(host),
    isDividing: figures.isDividing(host),
    leadLoad: rates?.work ?? 0,
    followLoad: rates?.followerWork ?? 0,
    readsPerSecond: rates?.reads ?? 0,
    writesPerSecond: rates?.writes ?? 0,
    isCaughtUp: (node) => host.isCaughtUp(node),
    transferTo: (node) => host.transferTo(node),
    changeReplicas: (step) => host.changeReplicas(stepsOf(step)),
  };
}

function stepsOf(step: ReplicaStep): readonly HostStep[] {
  switch (step.kind) {
    case 'addLearner':
    case 'remove':
      return [{ kind: step.kind, node: step.node }];
    case 'promote': {
      const promote = { kind: 'promote', node: step.node } as const;
      if (step.instead === undefined) return [promote];
      return [promote, { kind: 'remove', node: step.instead }];
    }
  }
}

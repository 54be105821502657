// A node's ranges as placement handles them.

import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { LoadRates } from '../../ranges/load/load-counts.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { RangeId } from '../../storage/shard.ts';
import type { ReplicaStep as HostStep } from '../ranges/replica-steps.ts';
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
  for (const host of hosts) yield new HostView(host, figures);
}

/** What nobody asks for is not reckoned: of thousands of ranges most are followed only (bench: many-ranges). */
class HostView<Host extends HostedRange> implements LocalRange {
  readonly isLeading: boolean;
  private readonly host: Host;
  private readonly figures: RangeFigures<Host>;
  private known: LoadRates | undefined;

  constructor(host: Host, figures: RangeFigures<Host>) {
    this.host = host;
    this.figures = figures;
    this.isLeading = host.isServing;
  }

  get range(): RangeId {
    return this.host.range;
  }

  get descriptor(): RangeDescriptor {
    return this.host.descriptor;
  }

  get bytes(): number {
    return this.figures.bytes(this.host) ?? 0;
  }

  get factor(): number {
    return this.figures.factor(this.host);
  }

  get isDividing(): boolean {
    return this.figures.isDividing(this.host);
  }

  get leadLoad(): number {
    return this.rates?.work ?? 0;
  }

  get followLoad(): number {
    return this.rates?.followerWork ?? 0;
  }

  get readsPerSecond(): number {
    return this.rates?.reads ?? 0;
  }

  get writesPerSecond(): number {
    return this.rates?.writes ?? 0;
  }

  isCaughtUp(node: NodeId): boolean {
    return this.host.isCaughtUp(node);
  }

  transferTo(node: NodeId): Promise<void> {
    return this.host.transferTo(node);
  }

  changeReplicas(step: ReplicaStep): Promise<void> {
    return this.host.changeReplicas(stepsOf(step));
  }

  private get rates(): LoadRates | undefined {
    if (this.isLeading) this.known ??= this.figures.rates(this.host);
    return this.known;
  }
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

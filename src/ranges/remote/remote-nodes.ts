// The other nodes, as this one asks their ranges: a stream to each, opened when it is first needed.

import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import type { RangeEndpoint } from '../endpoint.ts';
import type { RemoteNodes } from '../routing/route-table.ts';
import { RemoteRanges } from './remote-range.ts';

export class RemoteRangeNodes implements RemoteNodes {
  private readonly runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'log'>;
  private readonly nodes = new Map<NodeId, RemoteRanges>();

  constructor(runtime: Pick<Runtime, 'network' | 'time' | 'timers' | 'log'>) {
    this.runtime = runtime;
  }

  to(node: NodeId): RangeEndpoint {
    let remote = this.nodes.get(node);
    if (remote === undefined) {
      remote = new RemoteRanges(node, this.runtime);
      this.nodes.set(node, remote);
    }
    return remote;
  }

  /** That this node has asked others for since the start. */
  get requests(): number {
    let requests = 0;
    for (const remote of this.nodes.values()) requests += remote.requests;
    return requests;
  }

  close(): void {
    for (const remote of this.nodes.values()) remote.close();
  }
}

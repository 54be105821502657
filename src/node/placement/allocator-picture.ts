// How full and how busy the nodes are, as decisions of one round see it: each decision changes the picture for those
// after it, so that a round does not send everything to the one node that was the emptiest at its beginning.

import type { NodeId } from '../../runtime/runtime.ts';
import { distance, type Locality } from './locality.ts';
import type { NodeView, PlacementRules, RangeView } from './placement.ts';

/** Load that is less than this share of what a node can do is worth no move. */
const LOAD_SHARE_MIN = 0.01;

export class NodePicture {
  readonly view: NodeView;
  leadLoad: number;
  followLoad: number;
  leases: number;
  replicas: number;
  bytes: number;

  constructor(view: NodeView) {
    this.view = view;
    this.leadLoad = view.leadLoad;
    this.followLoad = view.followLoad;
    this.leases = view.leases;
    this.replicas = view.replicas;
    this.bytes = view.bytes;
  }

  get node(): NodeId {
    return this.view.node;
  }

  get load(): number {
    return this.leadLoad + this.followLoad;
  }

  /** Of what it can do. */
  get busy(): number {
    return this.load / this.view.capacity;
  }

  /** With so much more. */
  busyWith(load: number): number {
    return (this.load + load) / this.view.capacity;
  }

  get isLive(): boolean {
    return this.view.liveness === 'live';
  }

  get isStaying(): boolean {
    return !this.view.isDecommissioning && this.view.liveness !== 'dead';
  }

  /** It may be given leases. */
  get takesLeases(): boolean {
    return this.isLive && !this.view.isDraining && !this.view.isDecommissioning;
  }

  /** It may be given replicas. */
  takes(bytes: number): boolean {
    const gained = Math.max(0, this.bytes - this.view.bytes);
    return this.takesLeases && this.view.roomBytes - gained - bytes > 0;
  }
}

export class Picture {
  readonly rules: PlacementRules;
  readonly nodes: readonly NodePicture[];
  private readonly byId: ReadonlyMap<NodeId, NodePicture>;

  constructor(nodes: readonly NodeView[], rules: PlacementRules) {
    this.rules = rules;
    this.nodes = nodes.map((view) => new NodePicture(view));
    this.byId = new Map(this.nodes.map((one) => [one.node, one]));
  }

  node(id: NodeId): NodePicture | undefined {
    return this.byId.get(id);
  }

  localityOf(id: NodeId): Locality {
    return this.byId.get(id)?.view.locality ?? [];
  }

  /** Nodes are in different places, as far as is known. */
  get hasPlaces(): boolean {
    const [first] = this.nodes;
    return (
      first !== undefined &&
      this.nodes.some(({ view }) => distance(view.locality, first.view.locality) > 0)
    );
  }

  /** Nobody is silent without being given up: what is compared is not about to change by itself. */
  get isCertain(): boolean {
    return this.nodes.every(({ view }) => view.liveness !== 'suspect');
  }

  /** Those among which all is shared. */
  get partners(): readonly NodePicture[] {
    return this.nodes.filter((one) => one.takesLeases);
  }

  /** How busy each would be if load were even. */
  get evenBusy(): number {
    let load = 0;
    let capacity = 0;
    for (const one of this.nodes) {
      if (one.isLive) load += one.load;
      if (one.takesLeases) capacity += one.view.capacity;
    }
    return capacity === 0 ? 0 : load / capacity;
  }

  /** How busy a node may be before it gives load away. */
  get busyMax(): number {
    const even = this.evenBusy;
    return even + Math.max(even * this.rules.loadThreshold, LOAD_SHARE_MIN);
  }

  /** How busy a node may become by what is given to it: halfway to the bound, so that noise alone gives nothing back. */
  get busyFit(): number {
    const even = this.evenBusy;
    return even + Math.max(even * this.rules.loadThreshold, LOAD_SHARE_MIN) / 2;
  }

  /** How busy a node must be for others to keep what they have. Farther from even than the upper bound: a node with
   * too little to do makes nobody wait. */
  get busyMin(): number {
    const even = this.evenBusy;
    return even - 1.5 * Math.max(even * this.rules.loadThreshold, LOAD_SHARE_MIN);
  }

  moveLease(range: RangeView, from: NodeId, to: NodeId): void {
    const loses = this.byId.get(from);
    const gains = this.byId.get(to);
    if (loses !== undefined) {
      loses.leases -= 1;
      loses.leadLoad -= range.leadLoad;
      loses.followLoad += range.followLoad;
    }
    if (gains !== undefined) {
      gains.leases += 1;
      gains.leadLoad += range.leadLoad;
      gains.followLoad -= range.followLoad;
    }
  }

  addReplica(range: RangeView, node: NodeId): void {
    const gains = this.byId.get(node);
    if (gains === undefined) return;
    gains.replicas += 1;
    gains.bytes += range.bytes;
    gains.followLoad += range.followLoad;
  }

  removeReplica(range: RangeView, node: NodeId): void {
    const loses = this.byId.get(node);
    if (loses === undefined) return;
    loses.replicas -= 1;
    loses.bytes -= range.bytes;
    loses.followLoad -= range.followLoad;
  }
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What moves from node to node with the lease. */
export function leaseLoad(range: RangeView): number {
  return Math.max(0, range.leadLoad - range.followLoad);
}

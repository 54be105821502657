// What is known of all nodes: the registry says who there is, reports (node-report.ts) say how they are, and their
// absence says who does not live. A node is dead only when nobody has heard of it for long: a link that is cut between
// two of them kills nobody.

import type { Timestamp } from '../../clock/timestamp.ts';
import type { NodeId, Time } from '../../runtime/runtime.ts';
import { parseLocality } from './locality.ts';
import type { GivenLoad, NodeReport } from './node-report.ts';
import type { Liveness, NodeView } from './placement.ts';
import type { NodeRecord } from './registry.ts';

/** As load.ts's rates follow: what a lease brings shows after so long, but for a third of it. */
const RATE_SECONDS = 3;
/** By then a twentieth is left, and less. */
const GIVEN_MICROS_MAX = 10_000_000;
/** Until something is known of any node. */
const CAPACITY = 1_000_000;
/** Of what a node can do, to what is usual: so much apart they differ, and as little they are alike again. */
const DIFFERENT = 2;
const ALIKE = 1.5;

interface Heard {
  report: NodeReport;
  atMicros: number;
}

export interface NodeStatusParts {
  readonly self: NodeId;
  readonly time: Pick<Time, 'monotonicMicros'>;
  /** Of the registry; this node may be missing from it yet. */
  nodes(): readonly NodeRecord[];
  suspectMicros(): number;
  deadMicros(): number;
}

export class NodeStatuses {
  private readonly parts: NodeStatusParts;
  private readonly heard = new Map<NodeId, Heard>();
  private readonly startedMicros: number;
  /** Nodes that can do more or less than is usual. */
  private readonly different = new Set<NodeId>();
  private own: NodeReport | undefined = undefined;

  constructor(parts: NodeStatusParts) {
    this.parts = parts;
    this.startedMicros = parts.time.monotonicMicros();
  }

  /** Of this node, each second anew. */
  tell(report: NodeReport): void {
    this.own = report;
  }

  /** Of another node. Streams keep order, but an old one may end after a new one has begun. */
  take(report: NodeReport): void {
    const before = this.heard.get(report.node)?.report;
    const isOld = before?.bootId === report.bootId && before.sequence >= report.sequence;
    if (report.node === this.parts.self || isOld) return;
    this.heard.set(report.node, { report, atMicros: this.parts.time.monotonicMicros() });
  }

  report(node: NodeId): NodeReport | undefined {
    return node === this.parts.self ? this.own : this.heard.get(node)?.report;
  }

  /** This node's word on the others, for its report. */
  heardAges(): readonly (readonly [NodeId, number])[] {
    const now = this.parts.time.monotonicMicros();
    return [...this.heard].map(
      ([node, { atMicros }]) => [node, Math.round(now - atMicros)] as const,
    );
  }

  liveness(node: NodeId): Liveness {
    if (node === this.parts.self) return 'live';
    const silent = this.silentMicros(node);
    // Who has not said a word since this node started has nothing that could be compared.
    if (silent < this.parts.suspectMicros()) return this.heard.has(node) ? 'live' : 'suspect';
    return silent < this.parts.deadMicros() ? 'suspect' : 'dead';
  }

  /** Of all nodes that are not dead, as far as they have said (P24). */
  oldestRead(): Timestamp | undefined {
    let oldest: Timestamp | undefined;
    const now = this.parts.time.monotonicMicros();
    for (const { report, atMicros } of this.all()) {
      const { oldestRead } = report;
      if (now - atMicros > this.parts.deadMicros()) continue;
      if (oldestRead !== undefined && (oldest === undefined || oldestRead < oldest)) {
        oldest = oldestRead;
      }
    }
    return oldest;
  }

  views(): readonly NodeView[] {
    return this.parts.nodes().map((record) => this.view(record));
  }

  private view(record: NodeRecord): NodeView {
    const { nodeId, state, locality } = record;
    const report = this.report(nodeId);
    const isGone = state === 'decommissioned';
    return {
      node: nodeId,
      locality: parseLocality(locality),
      liveness: isGone ? 'dead' : this.liveness(nodeId),
      isDraining: report?.isDraining ?? false,
      isDecommissioning: state !== 'active',
      capacity: this.capacityOf(nodeId, report?.capacity ?? 0),
      leadLoad: (report?.leadLoad ?? 0) + this.givenTo(nodeId),
      followLoad: report?.followLoad ?? 0,
      leases: report?.leases ?? 0,
      replicas: report?.replicas ?? 0,
      bytes: this.heldBy(nodeId),
      roomBytes: report?.roomBytes ?? 0,
    };
  }

  /** Nodes of a cluster are mostly alike, and what each learns of itself varies with what it was asked for lately: unless
   * one clearly differs, it is taken to be able to do what is usual. Who has not been busy yet is usual, too: else it
   * would seem to have room without end, only because nobody has asked it for anything. */
  capacityOf(node: NodeId, reported: number): number {
    const usual = this.usualCapacity();
    if (reported === 0) return usual;
    const ratio = Math.max(reported / usual, usual / reported);
    if (ratio >= DIFFERENT) this.different.add(node);
    else if (ratio <= ALIKE) this.different.delete(node);
    return this.different.has(node) ? reported : usual;
  }

  private usualCapacity(): number {
    const known: number[] = [];
    for (const { report } of this.all()) if (report.capacity > 0) known.push(report.capacity);
    known.sort((a, b) => a - b);
    return known[known.length >> 1] ?? CAPACITY;
  }

  /** Nobody has heard of it for so long. */
  private silentMicros(node: NodeId): number {
    const now = this.parts.time.monotonicMicros();
    const own = this.heard.get(node)?.atMicros ?? this.startedMicros;
    let silent = now - own;
    for (const [other, { report, atMicros }] of this.heard) {
      if (other === node) continue;
      const ago = report.heard.find(([heard]) => heard === node)?.[1];
      // What a silent node once said says nothing new: its age counts on.
      if (ago !== undefined) silent = Math.min(silent, ago + now - atMicros);
    }
    return silent;
  }

  /** What was given to the node and does not show in its own rates yet. */
  private givenTo(node: NodeId): number {
    const now = this.parts.time.monotonicMicros();
    let load = 0;
    for (const { report, atMicros } of this.all()) {
      for (const { to, load: given, ageMicros } of report.given) {
        const age = ageMicros + now - atMicros;
        if (to === node) load += given * Math.exp(-age / (RATE_SECONDS * 1e6));
      }
    }
    return load;
  }

  /** As the leaders of its ranges say. */
  heldBy(node: NodeId): number {
    const now = this.parts.time.monotonicMicros();
    let sum = 0;
    for (const { report, atMicros } of this.all()) {
      if (now - atMicros > this.parts.suspectMicros()) continue;
      for (const [holder, bytes] of report.holds) if (holder === node) sum += bytes;
    }
    return sum;
  }

  private *all(): Generator<Heard> {
    if (this.own !== undefined) {
      yield { report: this.own, atMicros: this.parts.time.monotonicMicros() };
    }
    yield* this.heard.values();
  }
}

/** What this node has given away lately. */
export class GivenLoads {
  private readonly time: Pick<Time, 'monotonicMicros'>;
  private entries: { readonly to: NodeId; readonly load: number; readonly atMicros: number }[] = [];

  constructor(time: Pick<Time, 'monotonicMicros'>) {
    this.time = time;
  }

  add(to: NodeId, load: number): void {
    if (load > 0) this.entries.push({ to, load, atMicros: this.time.monotonicMicros() });
  }

  list(): readonly GivenLoad[] {
    const now = this.time.monotonicMicros();
    this.entries = this.entries.filter(({ atMicros }) => now - atMicros < GIVEN_MICROS_MAX);
    return this.entries.map(({ to, load, atMicros }) => {
      return { to, load: Math.round(load), ageMicros: Math.round(now - atMicros) };
    });
  }
}

// How the ranges of a node are looked after: split and merged by themselves, and answered for, here and on other nodes.

import { toHex } from '../../base/bytes.ts';
import type { IntervalClock } from '../../clock/interval-clock.ts';
import { MIN_TIMESTAMP } from '../../clock/timestamp.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { NodeId, Runtime } from '../../runtime/runtime.ts';
import type { TableSettings } from '../../sql/catalog/descriptor.ts';
import type { Span } from '../../storage/engine.ts';
import type { LoadKeeper } from '../load/load-keeper.ts';
import { SplitQueue } from '../load/split-queue.ts';
import type { Neighbour, SplitLimits } from '../load/split-queue-range.ts';
import { limitsFrom } from '../load/split-queue-rules.ts';
import type { Placement } from '../placement/placement-node.ts';
import type { Streams } from '../streams.ts';
import { LedRanges } from './led-ranges.ts';
import { ClusterRanges } from './range-admin.ts';
import { RangeDesk } from './range-desk.ts';
import type { RangeStore } from './range-store.ts';

export interface RangeControlParts {
  readonly nodeId: NodeId;
  readonly runtime: Runtime;
  readonly clock: IntervalClock;
  readonly streams: Streams;
  readonly store: RangeStore;
  readonly keeper: LoadKeeper;
  readonly placement: Pick<Placement, 'views' | 'gave' | 'settings'>;
  /** Of the table whose rows begin with these keys; undefined: it has none of its own. */
  readonly settingsOf: (span: Span) => TableSettings | undefined;
  directory(): Promise<readonly RangeDescriptor[]>;
}

export class RangeControl {
  readonly queue: SplitQueue;
  readonly admin: ClusterRanges;
  private readonly desk: RangeDesk;
  private readonly parts: RangeControlParts;

  /** The settings that these are of. */
  private limitsOf: object | undefined;
  private readonly limitsByTable = new Map<TableSettings | undefined, SplitLimits>();

  constructor(parts: RangeControlParts) {
    const { nodeId, runtime, clock, streams, keeper, placement } = parts;
    const { time, timers, log, random } = runtime;
    this.parts = parts;
    const led = new LedRanges(parts.store, timers);
    this.queue = new SplitQueue({
      self: nodeId,
      time,
      timers,
      log,
      clock,
      keeper,
      ranges: { led: () => led.all(), neighbour: (start) => this.neighbour(start) },
      cluster: placement,
      limits: (span) => this.limits(span),
    });
    this.desk = new RangeDesk({
      self: nodeId,
      runtime,
      streams,
      queue: this.queue,
      led: () => led.all(),
    });
    this.admin = new ClusterRanges({
      self: nodeId,
      timers,
      random: random.fork('scatter'),
      desk: this.desk,
      nodes: () => this.nodes(),
      isLive: (node) =>
        placement.views().some((view) => view.node === node && view.liveness === 'live'),
      leaderOf: (key) => this.leaderOf(key),
      known: (span) => parts.store.known(span),
      directory: () => parts.directory(),
    });
  }

  stop(): void {
    this.queue.stop();
  }

  /** Those that may lead something, and this one. */
  private nodes(): readonly NodeId[] {
    const { nodeId, placement } = this.parts;
    const live = placement
      .views()
      .filter(({ liveness }) => liveness !== 'dead')
      .map(({ node }) => node);
    return live.includes(nodeId) ? live : [nodeId, ...live];
  }

  /** Asked for each range several times a second; most tables have no settings of their own (bench: many-ranges). */
  private limits(span: Span): SplitLimits {
    const { parts } = this;
    const { settings } = parts.placement;
    if (settings.state !== this.limitsOf) {
      this.limitsOf = settings.state;
      this.limitsByTable.clear();
    }
    const table = parts.settingsOf(span);
    let limits = this.limitsByTable.get(table);
    if (limits === undefined) {
      limits = limitsFrom(settings, table);
      this.limitsByTable.set(table, limits);
    }
    return limits;
  }

  private leaderOf(key: Uint8Array): NodeId | undefined {
    const { store, nodeId } = this.parts;
    const host = store.find(key);
    if (host === undefined) return undefined;
    return host.isServing ? nodeId : host.leaderElsewhere;
  }

  private async neighbour(start: Uint8Array): Promise<Neighbour | undefined> {
    const leader = this.leaderOf(start);
    if (leader === undefined) return undefined;
    // What was split by hand stays, and each question is a stream: a table divided into thousands would be asked about
    // for ever (bench: many-ranges).
    const { store, clock } = this.parts;
    const known = store.find(start)?.descriptor.stickyUntil ?? MIN_TIMESTAMP;
    if (known > clock.earliest()) return undefined;
    try {
      const [report] = await this.desk.ask(leader, { kind: 'startingAt', start: toHex(start) });
      return report;
    } catch {
      // It will be asked again.
      return undefined;
    }
  }
}

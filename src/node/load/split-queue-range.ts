// What the split queue asks of the rest of the node.

import type { IntervalClock } from '../../clock/interval-clock.ts';
import type { Timestamp } from '../../clock/timestamp.ts';
import type { RangeDescriptor } from '../../ranges/descriptor.ts';
import type { RangeLoad } from '../../ranges/load/range-load.ts';
import type { Log, NodeId, Time, Timers } from '../../runtime/runtime.ts';
import type { Span } from '../../storage/engine.ts';
import type { NodeView } from '../placement/placement.ts';
import type { LoadKeeper } from './load-keeper.ts';

/** A range that this node leads; RangeHost has it. */
export interface LedRange {
  readonly descriptor: RangeDescriptor;
  readonly load: RangeLoad;
  approximateBytes(): Promise<number>;
  /** A key with about half of the data of `within` on either side; undefined where there is too little. */
  middleKey(within: Span): Promise<Uint8Array | undefined>;
  /** Answers the range that now starts at `at`: led here, and to be asked about at once. */
  split(request: { readonly at: Uint8Array; readonly stickyUntil: Timestamp }): Promise<LedRange>;
  /** With the range to its right. */
  merge(): Promise<void>;
  transferTo(node: NodeId): Promise<void>;
}

/** What is to be known of the range to the right before both are merged; its leader tells. */
export interface Neighbour {
  readonly descriptor: RangeDescriptor;
  readonly bytes: number;
  /** Microseconds of work a second: of the last minute, or of the last seconds if that is more. */
  readonly work: number;
  /** For how long its bounds have been what they are, and it has been led by who leads it. */
  readonly quietMicros: number;
}

export interface SplitQueueRanges {
  /** Those that this node leads and serves. */
  led(): Iterable<LedRange>;
  /** Undefined: nobody tells now. */
  neighbour(start: Uint8Array): Promise<Neighbour | undefined>;
}

export interface SplitQueueCluster {
  /** As far as is known; this node too. */
  views(): readonly NodeView[];
  /** A lease was given to a node, and with it so much work will be. */
  gave(node: NodeId, work: number): void;
}

/** What holds for a range; tables may have their own. */
export interface SplitLimits {
  readonly maxBytes: number;
  readonly splitsByLoad: boolean;
  /** Of what a node can do: while no node has more to do, nothing is split for load. */
  readonly busyShare: number;
  readonly merges: boolean;
  /** Of two ranges together, for them to be merged. */
  readonly mergeBytes: number;
  readonly mergeCooldownMicros: number;
}

export interface SplitQueueParts {
  readonly self: NodeId;
  readonly time: Time;
  readonly timers: Timers;
  readonly log: Log;
  readonly clock: Pick<IntervalClock, 'earliest'>;
  readonly keeper: LoadKeeper;
  readonly ranges: SplitQueueRanges;
  readonly cluster: SplitQueueCluster;
  limits(span: Span): SplitLimits;
}

/** Carried out since the start. */
export interface SplitQueueCounts {
  loadSplits: number;
  frontSplits: number;
  sizeSplits: number;
  merges: number;
  failures: number;
}

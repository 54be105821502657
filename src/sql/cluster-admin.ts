// What statements such as SHOW RANGES and ALTER TABLE … SPLIT AT ask of the cluster around SQL. Keys go in and out as
// bytes: that they are rows of a table is this room's knowledge alone. Node implements the parts; a statement whose part
// is missing answers 0A000. All methods throw DbError.

import type { Timestamp } from '../clock/timestamp.ts';
import type { Span } from '../ranges/api.ts';
import type { NodeId } from '../runtime/runtime.ts';

export interface ClusterAdmin {
  readonly ranges?: RangeAdmin;
  readonly load?: LoadAdmin;
  readonly nodes?: NodeAdmin;
  readonly settings?: SettingAdmin;
}

export interface RangeAdmin {
  /** Those that overlap the span, in key order, in batches of a size that suits who looks them up. */
  list(span: Span): AsyncIterable<readonly RangeInfo[]>;
  /** Makes each key the start of a range, in parallel where that is possible; none comes twice, they ascend. One that is
   * the start of a range already becomes sticky. `stickyUntil`: before that time no merge takes it away. Answers in the
   * order of the keys, each as soon as it is done. */
  split(keys: readonly Uint8Array[], stickyUntil: Timestamp): AsyncIterable<SplitInfo>;
  /** Ranges that start at these keys may be merged again. 22023 when no range starts at one of them. */
  unsplit(keys: readonly Uint8Array[]): AsyncIterable<SplitInfo>;
  /** The same for all ranges that start in the span. */
  unsplitAll(span: Span): AsyncIterable<SplitInfo>;
  /** Gives the leases of the span's ranges to nodes that have replicas, by chance, once; where they belong they go by
   * themselves.
   * Answers each range when it is done. */
  scatter(span: Span): AsyncIterable<RangeInfo>;
}

export interface RangeInfo {
  readonly range: number;
  readonly span: Span;
  readonly replicas: readonly ReplicaInfo[];
  /** Undefined: nobody that is known. */
  readonly leaseholder: NodeId | undefined;
  /** Undefined where the leaseholder has not told yet: also the rates. */
  readonly bytes: number | undefined;
  readonly readsPerSecond: number | undefined;
  readonly writesPerSecond: number | undefined;
  /** 0: it may be merged with what lies left of it. */
  readonly stickyUntil: Timestamp;
}

export interface ReplicaInfo {
  readonly node: NodeId;
  readonly isLearner: boolean;
}

/** Of the range that starts at the key. */
export interface SplitInfo {
  readonly key: Uint8Array;
  readonly range: number;
  readonly stickyUntil: Timestamp;
}

export interface LoadAdmin {
  /** The busiest first. */
  hottest(most: number): Promise<readonly HotRangeInfo[]>;
}

export interface HotRangeInfo extends RangeInfo {
  /** Of one core, in thousandths. */
  readonly cpuMillis: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** Of the range's requests that key takes at least half: no split can help. */
  readonly hotKey: { readonly key: Uint8Array; readonly share: number } | undefined;
}

export interface NodeAdmin {
  list(): Promise<readonly NodeInfo[]>;
}

export interface NodeInfo {
  readonly node: NodeId;
  /** HOST:PORT */
  readonly sql: string;
  readonly rpc: string;
  readonly http: string;
  /** 'region=eu,zone=a' */
  readonly locality: string;
  readonly state: 'live' | 'suspect' | 'dead' | 'draining' | 'decommissioning' | 'decommissioned';
  readonly ranges: number | undefined;
  readonly leases: number | undefined;
  readonly bytes: number | undefined;
  readonly readsPerSecond: number | undefined;
  readonly writesPerSecond: number | undefined;
}

export interface SettingAdmin {
  /** Of the whole cluster; sorted by name. */
  list(): Promise<readonly SettingInfo[]>;
  /** Undefined: the default again. `value` is text as it was written: '64MiB', '5 min', '3', 'on'. 42704 for a name that
   * does not exist, 22023 for a value that it does not take. Resolves when the change is durable. */
  set(name: string, value: string | undefined): Promise<void>;
  /** Those that a table can have for itself (ALTER TABLE … SET). They are kept with the table and found by
   * Catalog.settingsOf. Answers the value as it is to be kept; throws as set() does. */
  checkForTable(name: string, value: string): string;
}

export interface SettingInfo {
  readonly name: string;
  /** As SHOW shows it. */
  readonly value: string;
  readonly defaultValue: string;
  readonly isPerTable: boolean;
  readonly description: string;
}

// What the nodes of a cluster decide together: which nodes there are, which ranges, where replicas and leases are, and what
// the settings say.

import type { NodeId, Runtime } from '../runtime/runtime.ts';
import { indexIdsOf, type TableDescriptor, type TableSettings } from '../sql/catalog/descriptor.ts';
import { indexSpan } from '../sql/catalog/keys.ts';
import type { Span } from '../storage/engine.ts';
import { indexIdOf } from '../storage/page-index.ts';
import type { Addresses } from './bootstrap.ts';
import type { Closing } from './closing.ts';
import type { NodeConfig } from './config.ts';
import type { Foundations } from './foundations.ts';
import type { Keyspace } from './keyspace.ts';
import type { LoadKeeper } from './load/load-keeper.ts';
import { Placement } from './placement/placement-node.ts';
import { localRanges } from './placement/placement-ranges.ts';
import type { NodeRecord } from './placement/registry.ts';
import { parseSetting } from './placement/settings.ts';
import { settingFor } from './placement/settings-store.ts';
import { Collection } from './ranges/collection.ts';
import type { KeepingTable } from './ranges/kept-past.ts';
import { allDescriptors } from './ranges/directory-rows.ts';
import { RangeControl } from './ranges/range-control.ts';
import type { SpaceGuard } from './space-guard.ts';
import type { SqlSide } from './sql-side.ts';

const NOWHERE: Addresses = { rpc: '', sql: '', http: '' };

export interface RuleOptions {
  /** Where others find this node; left out: as its identity has it. */
  readonly addresses?: Addresses;
  /** 'region=eu,zone=a' */
  readonly locality?: string;
  /** The registry was read: who belongs to the cluster, and where. */
  readonly onNodes?: (records: readonly NodeRecord[]) => void;
}

export interface RuleParts {
  readonly runtime: Runtime;
  readonly config: NodeConfig;
  readonly options: RuleOptions;
  readonly foundations: Foundations;
  readonly keyspace: Keyspace;
  readonly sqlSide: SqlSide;
  readonly keeper: LoadKeeper;
  readonly guard: SpaceGuard;
  readonly closing: Closing;
}

export interface Rule {
  readonly placement: Placement;
  readonly control: RangeControl;
  readonly collection: Collection;
}

export function openRule(parts: RuleParts): Rule {
  const { runtime, config, options, foundations, keyspace, sqlSide, keeper, guard } = parts;
  const { catalog, schema } = sqlSide;
  const { hosts, system } = keyspace;
  const { streams, clock, identity } = foundations;
  const { nodeId, clusterId, founders } = identity;
  /** Of the table that the range begins with. */
  const settingsOf = ({ start }: Span): TableSettings | undefined =>
    start.length < 4 ? undefined : catalog.settingsOf(indexIdOf(start, 0));
  const own = identity.members.find((member) => member.nodeId === nodeId);
  const placement: Placement = new Placement({
    runtime,
    streams,
    transactions: system,
    clusterId,
    nodeId,
    founders,
    instanceId: identity.instanceId ?? '',
    addresses: options.addresses ?? own ?? NOWHERE,
    locality: options.locality ?? '',
    ranges: () =>
      localRanges(hosts.all(), {
        rates: ({ load }) => load.rates(),
        bytes: ({ range }) => control.queue.bytesOf(range),
        isDividing: ({ range }) => control.queue.isDividing(range),
        factor: ({ descriptor }) =>
          settingFor('replication.factor', settingsOf(descriptor.span), placement.settings),
      }),
    capacity: () => keeper.learnedCapacity ?? 0,
    tableFactor: () => greatestFactor(catalog.tables()),
    followLoad: () => keeper.nodeLoad().followWork,
    // A node that is given replicas up to its mark would refuse writes at once.
    oldestRead: () => sqlSide.sql.oldestRead(),
    roomBytes: () => Math.max(0, guard.freeBytes - 2 * config.minFreeBytes),
    onNodes: (records) => {
      schema.departed(goneOf(records));
      options.onNodes?.(records);
    },
  });
  parts.closing.add(() => placement.stop());
  const control: RangeControl = new RangeControl({
    nodeId,
    runtime,
    clock,
    streams,
    store: hosts,
    keeper,
    placement,
    settingsOf,
    directory: () => allDescriptors(system),
  });
  parts.closing.add(() => control.stop());
  const collection = new Collection({
    runtime,
    clock,
    store: hosts,
    kept: () => ({
      micros: placement.settings.get('gc.ttl'),
      tables: keepingTables(catalog.tables()),
    }),
    oldestRead: () => placement.statuses.oldestRead(),
  });
  parts.closing.add(() => collection.stop());
  return { placement, control, collection };
}

function greatestFactor(tables: readonly TableDescriptor[]): number {
  const factors = tables.flatMap(({ settings }) => settings.get('replication.factor') ?? []);
  return Math.max(0, ...factors.map((text) => parseSetting('replication.factor', text)));
}

function keepingTables(tables: readonly TableDescriptor[]): readonly KeepingTable[] {
  return tables.flatMap((table) => {
    const text = table.settings.get('gc.ttl');
    if (text === undefined) return [];
    const spans = indexIdsOf(table).map(indexSpan);
    return [{ spans, micros: parseSetting('gc.ttl', text) }];
  });
}

function goneOf(records: readonly NodeRecord[]): readonly NodeId[] {
  return records.filter(({ state }) => state === 'decommissioned').map(({ nodeId }) => nodeId);
}

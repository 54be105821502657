// Statements about ranges, nodes and the settings of the cluster: they ask ClusterAdmin and put what comes back into
// rows. Keys become values and values keys here; nothing else in them is SQL's.

import { DbError, unsupported } from '../../base/errors.ts';
import { MAX_TIMESTAMP } from '../../clock/timestamp.ts';
import type { Datum } from '../../rows/datum.ts';
import { columnType, FLOAT8, INT4, INT8, TEXT } from '../../rows/types.ts';
import type { ResultField, ResultSink } from '../api.ts';
import type { Catalog, CatalogView } from '../catalog/api.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { indexSpan } from '../catalog/keys.ts';
import type { ClusterAdmin, RangeInfo, SplitInfo } from '../cluster-admin.ts';
import type { SessionValues } from '../exec/plan-api.ts';
import type {
  AlterRangesStatement,
  SetClusterStatement,
  ShowClusterStatement,
} from '../parse/ast.ts';
import type { KeyIndex } from './key-columns.ts';
import { keyText, rowKeyText } from './key-text.ts';
import { keysOf, targetIndex } from './targets.ts';

export interface ClusterContext {
  readonly cluster: ClusterAdmin;
  readonly catalog: Catalog;
  readonly view: CatalogView;
  readonly session: SessionValues;
  readonly sink: ResultSink;
  checkCancelled(): void;
}

const HOT_RANGES = 20;

function field(name: string, oid: number): ResultField {
  return { name, type: columnType(oid), tableId: 0, columnNumber: 0 };
}

const BOUNDS = [field('range_id', INT8), field('start_key', TEXT), field('end_key', TEXT)];
const RANGES: readonly ResultField[] = [
  ...BOUNDS,
  field('replicas', TEXT),
  field('learners', TEXT),
  field('leaseholder', INT4),
  field('bytes', INT8),
  field('qps', FLOAT8),
];
const HOT: readonly ResultField[] = [
  ...BOUNDS,
  field('leaseholder', INT4),
  field('reads_per_s', FLOAT8),
  field('writes_per_s', FLOAT8),
  field('bytes_per_s', FLOAT8),
  field('cpu', FLOAT8),
  field('hot_key', TEXT),
  field('hot_key_share', FLOAT8),
];
const NODES: readonly ResultField[] = [
  field('node_id', INT4),
  field('state', TEXT),
  field('sql', TEXT),
  field('rpc', TEXT),
  field('http', TEXT),
  field('locality', TEXT),
  field('ranges', INT8),
  field('leases', INT8),
  field('bytes', INT8),
  field('reads_per_s', FLOAT8),
  field('writes_per_s', FLOAT8),
];
const SETTINGS: readonly ResultField[] = [
  field('name', TEXT),
  field('value', TEXT),
  field('default', TEXT),
  field('source', TEXT),
  field('description', TEXT),
];
const SPLITS: readonly ResultField[] = [field('key', TEXT), field('range_id', INT8)];

export function clusterFields(
  statement: ShowClusterStatement | AlterRangesStatement,
): readonly ResultField[] {
  if (statement.kind === 'alterRanges') return statement.action === 'scatter' ? RANGES : SPLITS;
  switch (statement.what) {
    case 'ranges':
      return RANGES;
    case 'hotRanges':
      return HOT;
    case 'nodes':
      return NODES;
    case 'setting':
      return [field(statement.name ?? 'value', TEXT)];
    case 'settings':
      return SETTINGS;
  }
}

export async function showCluster(
  statement: ShowClusterStatement,
  ctx: ClusterContext,
): Promise<void> {
  const { cluster, view } = ctx;
  const index = statement.target === undefined ? undefined : targetIndex(statement.target, view);
  switch (statement.what) {
    case 'ranges': {
      const { ranges } = cluster;
      if (ranges === undefined) throw unsupported('SHOW RANGES');
      const span = index === undefined ? EVERYTHING : indexSpan(index.id);
      for await (const batch of ranges.list(span)) {
        ctx.checkCancelled();
        for (const range of batch) ctx.sink.tuple(rangeRow(range, index, ctx));
        if (ctx.sink.full) await ctx.sink.drained();
      }
      return;
    }
    case 'hotRanges':
      return await showHotRanges(statement.limit ?? HOT_RANGES, ctx);
    case 'nodes':
      return await showNodes(ctx);
    case 'setting':
      return await showSetting(statement.name ?? '', ctx);
    case 'settings':
      return await showSettings(index?.table, ctx);
  }
}

const EVERYTHING = { start: new Uint8Array(0), end: undefined };

async function showHotRanges(most: number, ctx: ClusterContext): Promise<void> {
  const { load } = ctx.cluster;
  if (load === undefined) throw unsupported('SHOW HOT RANGES');
  for (const range of await load.hottest(most)) {
    const { hotKey } = range;
    ctx.sink.tuple([
      range.range,
      keyText(range.span.start, ctx.catalog),
      keyText(range.span.end, ctx.catalog),
      range.leaseholder ?? null,
      rate(range.readsPerSecond),
      rate(range.writesPerSecond),
      rate(range.bytesPerSecond),
      range.cpuMillis === undefined ? null : Math.round(range.cpuMillis) / 1000,
      hotKey === undefined ? null : keyText(hotKey.key, ctx.catalog),
      hotKey === undefined ? null : Math.round(hotKey.share * 100) / 100,
    ]);
  }
}

async function showNodes(ctx: ClusterContext): Promise<void> {
  const { nodes } = ctx.cluster;
  if (nodes === undefined) throw unsupported('SHOW NODES');
  for (const node of await nodes.list()) {
    ctx.sink.tuple([
      node.node,
      node.state,
      node.sql,
      node.rpc,
      node.http,
      node.locality,
      node.ranges ?? null,
      node.leases ?? null,
      node.bytes ?? null,
      rate(node.readsPerSecond),
      rate(node.writesPerSecond),
    ]);
  }
}

async function showSetting(name: string, ctx: ClusterContext): Promise<void> {
  const { settings } = ctx.cluster;
  if (settings === undefined) throw unsupported('SHOW CLUSTER SETTING');
  const found = (await settings.list()).find((setting) => setting.name === name);
  if (found === undefined) throw unknownSetting(name);
  ctx.sink.tuple([found.value]);
}

/** Of a table: those that it can have for itself. */
async function showSettings(
  table: TableDescriptor | undefined,
  ctx: ClusterContext,
): Promise<void> {
  const { settings } = ctx.cluster;
  if (settings === undefined) throw unsupported('SHOW CLUSTER SETTINGS');
  for (const { name, value, defaultValue, isPerTable, description } of await settings.list()) {
    if (table !== undefined && !isPerTable) continue;
    const own = table?.settings.get(name);
    const source = own !== undefined ? 'table' : value === defaultValue ? 'default' : 'cluster';
    ctx.sink.tuple([name, own ?? value, defaultValue, source, description]);
  }
}

/** Answers the tag. */
export async function setCluster(
  statement: SetClusterStatement,
  cluster: ClusterAdmin,
): Promise<string> {
  if (cluster.settings === undefined) throw unsupported('SET CLUSTER SETTING');
  await cluster.settings.set(statement.name, statement.value);
  return statement.value === undefined ? 'RESET CLUSTER SETTING' : 'SET CLUSTER SETTING';
}

/** Answers the tag. */
export async function alterRanges(
  statement: AlterRangesStatement,
  ctx: ClusterContext,
): Promise<string> {
  const { ranges } = ctx.cluster;
  const { action } = statement;
  const command = action === 'unsplitAll' ? 'UNSPLIT' : action.toUpperCase();
  if (ranges === undefined) throw unsupported(command).at(statement.at + 1);
  const index = targetIndex(statement.target, ctx.view);
  const span = indexSpan(index.id);
  let count = 0;
  if (action === 'scatter') {
    for await (const range of ranges.scatter(span)) {
      await put(rangeRow(range, index, ctx), ctx);
      count++;
    }
    return `${command} ${count}`;
  }
  const keys = keysOf(statement.rows, index, ctx.view, ctx.session);
  const answers: AsyncIterable<SplitInfo> =
    action === 'split'
      ? ranges.split(keys, MAX_TIMESTAMP)
      : action === 'unsplit'
        ? ranges.unsplit(keys)
        : ranges.unsplitAll(span);
  for await (const { key, range } of answers) {
    await put([rowKeyText(key, index), range], ctx);
    count++;
  }
  return `${command} ${count}`;
}

async function put(row: readonly Datum[], ctx: ClusterContext): Promise<void> {
  ctx.checkCancelled();
  ctx.sink.tuple(row);
  if (ctx.sink.full) await ctx.sink.drained();
}

function rangeRow(
  range: RangeInfo,
  index: KeyIndex | undefined,
  { catalog }: ClusterContext,
): readonly Datum[] {
  const { start, end } = range.span;
  const bound = (key: Uint8Array | undefined): string =>
    index === undefined ? keyText(key, catalog) : rowKeyText(key, index);
  const nodes = (areLearners: boolean): string =>
    range.replicas
      .filter(({ isLearner }) => isLearner === areLearners)
      .map(({ node }) => node)
      .sort((a, b) => a - b)
      .join(',');
  const { readsPerSecond, writesPerSecond } = range;
  return [
    range.range,
    bound(start),
    bound(end),
    nodes(false),
    nodes(true),
    range.leaseholder ?? null,
    range.bytes ?? null,
    readsPerSecond === undefined || writesPerSecond === undefined
      ? null
      : rate(readsPerSecond + writesPerSecond),
  ];
}

function rate(perSecond: number | undefined): number | null {
  return perSecond === undefined ? null : Math.round(perSecond * 10) / 10;
}

function unknownSetting(name: string): DbError {
  return new DbError('42704', `unrecognized cluster setting "${name}"`, {
    hint: 'SHOW CLUSTER SETTINGS lists them.',
  });
}

// What serves SQL on a node, doors apart: the catalog with its leases, transactions that keep to them, and the SQL server
// above. SQL is served while the node has a lease on the schema.

import { FIRST_DATA_RANGE } from '../ranges/layout.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Catalog } from '../sql/catalog/api.ts';
import { createCatalog } from '../sql/catalog/catalog.ts';
import type { ClusterAdmin } from '../sql/cluster-admin.ts';
import { createSqlServer, type SqlServerParts } from '../sql/session/server.ts';
import type { Coordinator } from '../txn/transactions.ts';
import type { Breakage } from './breakage.ts';
import type { Closing } from './closing.ts';
import type { Foundations } from './foundations.ts';
import type { Member } from './identity.ts';
import type { Keyspace } from './keyspace.ts';
import { FencedRanges } from './schema/fenced-ranges.ts';
import { SchemaServing } from './schema/schema-serving.ts';
import { notServing, SqlServing } from './schema/sql-serving.ts';

export interface SqlSideParts {
  readonly runtime: Runtime;
  readonly foundations: Foundations;
  readonly keyspace: Keyspace;
  readonly breakage: Breakage;
  readonly closing: Closing;
  /** What answers statements about ranges, nodes and settings: complete before anybody connects. */
  readonly admin: ClusterAdmin;
  members(): readonly Member[];
}

export interface SqlSide {
  readonly catalog: Catalog;
  readonly schema: SchemaServing;
  readonly serving: SqlServing;
  /** Of sessions. */
  readonly transactions: Coordinator;
  readonly sql: SqlServerParts;
  /** The node that leads the schema in place of this one; undefined: this one, or nobody that is known. */
  leaderElsewhere(): Member | undefined;
}

export function openSqlSide(parts: SqlSideParts): SqlSide {
  const { runtime, foundations, keyspace, breakage, closing } = parts;
  const { streams, clock } = foundations;
  const { nodeId } = foundations.identity;
  const { home, system } = keyspace;
  const { time, timers, random, log } = runtime;
  const leaderElsewhere = (): Member | undefined =>
    parts.members().find((member) => member.nodeId === home()?.leaderElsewhere);
  const schema = new SchemaServing({
    nodeId,
    runtime,
    streams,
    transactions: system,
    leads: () => {
      const host = home();
      if (host?.isServing !== true) return false;
      const { lease } = host.group;
      // An only voter leads, whatever its clock says (P7).
      return lease.isAlone || lease.isHeld();
    },
    leader: () => home()?.leaderElsewhere,
    others: () => parts.members().map((node) => node.nodeId),
    onFailure: breakage.broken,
  });
  closing.add(() => schema.cease('the node is stopping'));
  const catalog = createCatalog({
    transactions: system,
    node: nodeId,
    homes: schema,
    clock,
    time,
    timers,
    random,
    log,
    onServing: () => serving.begin(),
    onCeased: () => serving.cease(),
    onFailure: breakage.broken,
  });
  const leases = catalog.schema;
  closing.add(() => leases.stop());
  const transactions = keyspace.newCoordinator(new FencedRanges(keyspace.router, leases), leases);
  const serving = new SqlServing({
    transactions,
    refusal: () =>
      notServing(nodeId, breakage.reason ?? keyspace.hosts.whyBroken, leaderElsewhere()),
  });
  breakage.onBroken(() => serving.cease());
  leases.start();
  followHome(keyspace, schema, catalog);
  const sql = createSqlServer({
    transactions,
    catalog,
    clock,
    time,
    timers,
    random,
    log,
    cluster: parts.admin,
  });
  return { catalog, schema, serving, transactions, sql, leaderElsewhere };
}

/** The schema is given out by the node that leads its range, anew in each term. */
function followHome({ hosts, home }: Keyspace, schema: SchemaServing, catalog: Catalog): void {
  let homeTerm: number | undefined;
  const follow = (): void => {
    const term = home()?.isServing === true ? home()?.group.term : undefined;
    if (term === homeTerm) return;
    if (homeTerm !== undefined) schema.cease('another node leads it');
    homeTerm = term;
    if (term === undefined) return;
    schema.begin();
    catalog.schema.homeMoved();
  };
  hosts.onChange((host) => {
    if (host.range === FIRST_DATA_RANGE) follow();
  });
  follow();
}

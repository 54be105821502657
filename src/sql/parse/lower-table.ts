// CREATE, DROP and TRUNCATE TABLE.

import type { CreateStmt, DropStmt, Node, TruncateStmt } from 'libpg-query';
import type {
  ColumnDefinition,
  CreateTableStatement,
  DropIndexStatement,
  DropSequenceStatement,
  DropTableStatement,
  Name,
  TableConstraint,
  TruncateStatement,
} from './ast.ts';
import { lowerColumn, lowerConstraint, lowerPrimaryKey, type PrimaryKey } from './lower-column.ts';
import { expectNode, locationOf, type Lowering, namesOf, tagOf } from './lower-context.ts';
import { lowerName } from './lower-from.ts';

export function lowerCreateTable(ctx: Lowering, node: CreateStmt): CreateTableStatement {
  const { relation } = node;
  expectNode(relation !== undefined, 'CREATE TABLE without a name');
  refuseTableKind(ctx, node);
  const table = lowerName(ctx, relation);
  const columns: ColumnDefinition[] = [];
  const keys: PrimaryKey[] = [];
  const constraints: TableConstraint[] = [];
  for (const element of node.tableElts ?? []) {
    if ('ColumnDef' in element) {
      columns.push(lowerColumn(ctx, element.ColumnDef, table.name, keys, constraints));
    } else if ('Constraint' in element) {
      if (element.Constraint.contype === 'CONSTR_PRIMARY') {
        keys.push(lowerPrimaryKey(ctx, element.Constraint));
      } else {
        constraints.push(lowerConstraint(ctx, element.Constraint));
      }
    } else if ('TableLikeClause' in element) {
      throw ctx.unsupported('LIKE in CREATE TABLE', element.TableLikeClause.relation?.location);
    } else {
      throw ctx.unsupported(tagOf(element), locationOf(element));
    }
  }
  const [primaryKey] = keys;
  if (keys.length + columns.filter((column) => column.primaryKey).length > 1) {
    const message = `multiple primary keys for table "${table.name}" are not allowed`;
    throw ctx.failAt('42P16', message, keys.at(-1)?.at ?? -1);
  }
  const ifNotExists = node.if_not_exists === true;
  const { statementAt: at } = ctx;
  return { kind: 'createTable', table, ifNotExists, columns, primaryKey, constraints, at };
}

function refuseTableKind(ctx: Lowering, node: CreateStmt): void {
  const location = node.relation?.location;
  const persistence = node.relation?.relpersistence;
  if (persistence === 't') throw ctx.unsupported('a temporary table', location);
  if (persistence === 'u') {
    throw ctx.unsupported('an UNLOGGED table', location);
  }
  if (node.inhRelations !== undefined && node.partbound === undefined) {
    throw ctx.unsupported('INHERITS', location);
  }
  if (node.partbound !== undefined) throw ctx.unsupported('PARTITION OF', location);
  if (node.partspec !== undefined) throw ctx.unsupported('PARTITION BY', node.partspec.location);
  if (node.ofTypename !== undefined) throw ctx.unsupported('CREATE TABLE … OF', location);
  if (node.accessMethod !== undefined) throw ctx.unsupported('USING in CREATE TABLE', location);
  if (node.tablespacename !== undefined) throw ctx.unsupported('TABLESPACE', location);
  if (node.oncommit !== undefined && node.oncommit !== 'ONCOMMIT_NOOP') {
    throw ctx.unsupported('ON COMMIT', location);
  }
  for (const option of node.options ?? []) {
    // How full PostgreSQL leaves its pages has no meaning here, and pgbench always says it.
    if ('DefElem' in option && option.DefElem.defname !== 'fillfactor') {
      const name = option.DefElem.defname ?? '';
      throw ctx.unsupported(`the storage parameter "${name}"`, option.DefElem.location);
    }
  }
}

/** DROP names its objects as lists of strings, without places. */
function dropName(ctx: Lowering, node: Node): Name {
  const path = namesOf('List' in node ? node.List.items : [node]);
  if (path.length > 2) throw ctx.unsupported('a table of another database');
  return { schema: path.length === 2 ? path[0] : undefined, name: path.at(-1) ?? '', at: -1 };
}

export function lowerDrop(
  ctx: Lowering,
  node: DropStmt,
): DropTableStatement | DropIndexStatement | DropSequenceStatement {
  const cascade = node.behavior === 'DROP_CASCADE';
  const ifExists = node.missing_ok === true;
  const names = (): Name[] => (node.objects ?? []).map((object) => dropName(ctx, object));
  if (node.removeType === 'OBJECT_INDEX') {
    const concurrently = node.concurrent === true;
    return { kind: 'dropIndex', indexes: names(), ifExists, cascade, concurrently };
  }
  if (node.removeType === 'OBJECT_SEQUENCE') {
    return { kind: 'dropSequence', sequences: names(), ifExists, cascade };
  }
  if (node.removeType !== 'OBJECT_TABLE') {
    const what = (node.removeType ?? '').replace('OBJECT_', '').replaceAll('_', ' ');
    throw ctx.unsupported(`DROP ${what === 'MATVIEW' ? 'MATERIALIZED VIEW' : what}`);
  }
  return { kind: 'dropTable', tables: names(), ifExists, cascade };
}

export function lowerTruncate(ctx: Lowering, node: TruncateStmt): TruncateStatement {
  // Without foreign keys, CASCADE reaches nothing else. Who adds those adds this.
  const tables = (node.relations ?? []).map((relation) => {
    expectNode('RangeVar' in relation, 'a table was expected');
    return lowerName(ctx, relation.RangeVar);
  });
  return { kind: 'truncate', tables, restartIdentity: node.restart_seqs === true };
}

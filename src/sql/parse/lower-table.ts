// CREATE, DROP, ALTER and TRUNCATE TABLE.

import type {
  AlterTableStmt,
  ColumnDef,
  Constraint,
  CreateStmt,
  DropStmt,
  Node,
  TruncateStmt,
} from 'libpg-query';
import type {
  AlterTableStatement,
  ColumnDefinition,
  CreateTableStatement,
  DropTableStatement,
  Expression,
  Name,
  TableSetting,
  TruncateStatement,
} from './ast.ts';
import { expectNode, locationOf, type Lowering, namesOf, tagOf } from './lower-context.ts';
import { lowerExpression } from './lower-expression.ts';
import { lowerName } from './lower-from.ts';
import { lowerType } from './lower-type.ts';
import { definitions, valueText } from './lower-utility.ts';

type PrimaryKey = NonNullable<CreateTableStatement['primaryKey']>;

const constraints: Readonly<Record<string, string>> = {
  CONSTR_IDENTITY: 'an identity column',
  CONSTR_GENERATED: 'a generated column',
  CONSTR_CHECK: 'a CHECK constraint',
  CONSTR_UNIQUE: 'a UNIQUE constraint',
  CONSTR_EXCLUSION: 'an EXCLUDE constraint',
  CONSTR_FOREIGN: 'a FOREIGN KEY constraint',
  CONSTR_ATTR_DEFERRABLE: 'DEFERRABLE',
  CONSTR_ATTR_DEFERRED: 'INITIALLY DEFERRED',
  CONSTR_ATTR_NOT_ENFORCED: 'NOT ENFORCED',
};

function refuseConstraint(ctx: Lowering, node: Constraint): Error {
  const type = node.contype ?? '';
  return ctx.unsupported(constraints[type] ?? `the constraint ${type}`, node.location);
}

export function lowerCreateTable(ctx: Lowering, node: CreateStmt): CreateTableStatement {
  const { relation } = node;
  expectNode(relation !== undefined, 'CREATE TABLE without a name');
  refuseTableKind(ctx, node);
  const table = lowerName(ctx, relation);
  const columns: ColumnDefinition[] = [];
  const keys: PrimaryKey[] = [];
  for (const element of node.tableElts ?? []) {
    if ('ColumnDef' in element) {
      columns.push(lowerColumn(ctx, element.ColumnDef, table.name, keys));
    } else if ('Constraint' in element) {
      if (element.Constraint.contype !== 'CONSTR_PRIMARY') {
        throw refuseConstraint(ctx, element.Constraint);
      }
      keys.push(lowerPrimaryKey(ctx, element.Constraint));
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
  return { kind: 'createTable', table, ifNotExists, columns, primaryKey, at: ctx.statementAt };
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

function lowerColumn(
  ctx: Lowering,
  node: ColumnDef,
  table: string,
  keys: PrimaryKey[],
): ColumnDefinition {
  const name = node.colname ?? '';
  const at = ctx.at(node.location);
  expectNode(node.typeName !== undefined, 'a column without a type');
  if (node.collClause !== undefined) throw ctx.unsupported('COLLATE', node.collClause.location);
  if (node.storage_name !== undefined) throw ctx.unsupported('STORAGE', node.location);
  if (node.compression !== undefined) throw ctx.unsupported('COMPRESSION', node.location);
  let notNull: boolean | undefined;
  let primaryKey = false;
  let initial: Expression | undefined;
  for (const item of node.constraints ?? []) {
    expectNode('Constraint' in item, 'a constraint was expected');
    const constraint = item.Constraint;
    switch (constraint.contype) {
      case 'CONSTR_NULL':
      case 'CONSTR_NOTNULL': {
        const negated = constraint.contype === 'CONSTR_NOTNULL';
        if (notNull !== undefined && notNull !== negated) {
          const message = `conflicting NULL/NOT NULL declarations for column "${name}" of table "${table}"`;
          throw ctx.fail('42601', message, constraint.location);
        }
        if (constraint.is_no_inherit === true) {
          throw ctx.unsupported('NO INHERIT', constraint.location);
        }
        notNull = negated;
        break;
      }
      case 'CONSTR_DEFAULT':
        if (initial !== undefined) {
          const message = `multiple default values specified for column "${name}" of table "${table}"`;
          throw ctx.fail('42601', message, constraint.location);
        }
        expectNode(constraint.raw_expr !== undefined, 'DEFAULT without a value');
        initial = lowerExpression(ctx, constraint.raw_expr);
        break;
      case 'CONSTR_PRIMARY': {
        const key = lowerPrimaryKey(ctx, constraint);
        // A name, or a second key, only fits the table's list.
        if (key.name === undefined && !primaryKey) primaryKey = true;
        else keys.push({ ...key, columns: [name] });
        break;
      }
      case 'CONSTR_ATTR_NOT_DEFERRABLE':
      case 'CONSTR_ATTR_IMMEDIATE':
      case 'CONSTR_ATTR_ENFORCED':
        break;
      default:
        throw refuseConstraint(ctx, constraint);
    }
  }
  const type = lowerType(ctx, node.typeName);
  return { name, type, notNull: notNull === true, primaryKey, default: initial, at };
}

function lowerPrimaryKey(ctx: Lowering, node: Constraint): PrimaryKey {
  if (node.including !== undefined) throw ctx.unsupported('INCLUDE', node.location);
  if (node.without_overlaps === true) throw ctx.unsupported('WITHOUT OVERLAPS', node.location);
  if (node.deferrable === true) throw ctx.unsupported('DEFERRABLE', node.location);
  if (node.indexspace !== undefined) throw ctx.unsupported('TABLESPACE', node.location);
  if (node.indexname !== undefined) throw ctx.unsupported('USING INDEX', node.location);
  for (const option of node.options ?? []) {
    if ('DefElem' in option && option.DefElem.defname !== 'fillfactor') {
      const name = option.DefElem.defname ?? '';
      throw ctx.unsupported(`the storage parameter "${name}"`, option.DefElem.location);
    }
  }
  return { name: node.conname, columns: namesOf(node.keys), at: ctx.at(node.location) };
}

/** DROP names its objects as lists of strings, without places. */
function dropName(ctx: Lowering, node: Node): Name {
  const path = namesOf('List' in node ? node.List.items : [node]);
  if (path.length > 2) throw ctx.unsupported('a table of another database');
  return { schema: path.length === 2 ? path[0] : undefined, name: path.at(-1) ?? '', at: -1 };
}

export function lowerDrop(ctx: Lowering, node: DropStmt): DropTableStatement {
  if (node.removeType !== 'OBJECT_TABLE') {
    const what = (node.removeType ?? '').replace('OBJECT_', '').replaceAll('_', ' ');
    throw ctx.unsupported(`DROP ${what === 'MATVIEW' ? 'MATERIALIZED VIEW' : what}`);
  }
  return {
    kind: 'dropTable',
    tables: (node.objects ?? []).map((object) => dropName(ctx, object)),
    ifExists: node.missing_ok === true,
    cascade: node.behavior === 'DROP_CASCADE',
  };
}

export function lowerTruncate(ctx: Lowering, node: TruncateStmt): TruncateStatement {
  // Without sequences and foreign keys, RESTART IDENTITY and CASCADE reach nothing else. Who adds those adds these.
  const tables = (node.relations ?? []).map((relation) => {
    expectNode('RangeVar' in relation, 'a table was expected');
    return lowerName(ctx, relation.RangeVar);
  });
  return { kind: 'truncate', tables };
}

export function lowerAlterTable(ctx: Lowering, node: AlterTableStmt): AlterTableStatement {
  const { relation, cmds, objtype } = node;
  expectNode(relation !== undefined, 'ALTER without a name');
  if (objtype !== 'OBJECT_TABLE') {
    const what = (objtype ?? '').replace('OBJECT_', '').replaceAll('_', ' ');
    throw ctx.unsupported(`ALTER ${what === 'MATVIEW' ? 'MATERIALIZED VIEW' : what}`);
  }
  const [first, second] = cmds ?? [];
  expectNode(first !== undefined && 'AlterTableCmd' in first, 'ALTER TABLE without an action');
  if (second !== undefined) throw ctx.unsupported('ALTER TABLE with several actions');
  const { subtype, def } = first.AlterTableCmd;
  if (subtype === 'AT_SetRelOptions' || subtype === 'AT_ResetRelOptions') {
    const isReset = subtype === 'AT_ResetRelOptions';
    expectNode(def !== undefined && 'List' in def, 'a list of settings was expected');
    return {
      kind: 'alterTable',
      table: lowerName(ctx, relation),
      ifExists: node.missing_ok === true,
      action: { kind: 'settings', settings: lowerSettings(ctx, def.List.items ?? [], isReset) },
    };
  }
  if (subtype !== 'AT_AddConstraint' || def === undefined || !('Constraint' in def)) {
    throw ctx.unsupported(`ALTER TABLE … ${spellAction(subtype ?? '')}`);
  }
  if (def.Constraint.contype !== 'CONSTR_PRIMARY') throw refuseConstraint(ctx, def.Constraint);
  return {
    kind: 'alterTable',
    table: lowerName(ctx, relation),
    ifExists: node.missing_ok === true,
    action: { kind: 'addPrimaryKey', ...lowerPrimaryKey(ctx, def.Constraint) },
  };
}

/** SET (range.bytes_max = '16MiB', …): the grammar takes what is before the point for a namespace. */
function lowerSettings(
  ctx: Lowering,
  options: readonly Node[],
  isReset: boolean,
): readonly TableSetting[] {
  return definitions(options).map(({ defnamespace, defname, arg, location }): TableSetting => {
    const name = `${defnamespace === undefined ? '' : `${defnamespace}.`}${defname ?? ''}`;
    const value = isReset ? undefined : arg === undefined ? 'true' : optionText(arg);
    if (!isReset && value === undefined) {
      throw ctx.unsupported(`a value of this kind for "${name}"`, location);
    }
    return { name, value, at: ctx.at(location) };
  });
}

/** A word that the grammar takes for a type (on, off, auto) is its name. */
function optionText(arg: Node): string | undefined {
  if (!('TypeName' in arg)) return valueText(arg);
  return namesOf(arg.TypeName.names).at(-1);
}

/** AT_AddColumn: ADD COLUMN. */
function spellAction(subtype: string): string {
  return subtype
    .replace('AT_', '')
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toUpperCase();
}

// ALTER TABLE and what the grammar makes of its RENAME.

import type { AlterTableCmd, AlterTableStmt, Node, RenameStmt } from 'libpg-query';
import type {
  AlterTableAction,
  AlterTableStatement,
  RenameIndexStatement,
  TableConstraint,
  TableSetting,
} from './ast.ts';
import { lowerColumn, lowerConstraint, lowerPrimaryKey, type PrimaryKey } from './lower-column.ts';
import { expectNode, type Lowering, namesOf } from './lower-context.ts';
import { lowerOptional } from './lower-expression.ts';
import { lowerName } from './lower-from.ts';
import { lowerType } from './lower-type.ts';
import { definitions, valueText } from './lower-utility.ts';

export function lowerAlterTable(ctx: Lowering, node: AlterTableStmt): AlterTableStatement {
  const { relation, cmds, objtype } = node;
  expectNode(relation !== undefined, 'ALTER without a name');
  if (objtype !== 'OBJECT_TABLE') throw refuseObject(ctx, 'ALTER', objtype);
  const table = lowerName(ctx, relation);
  const actions = (cmds ?? []).flatMap((command): AlterTableAction[] => {
    expectNode('AlterTableCmd' in command, 'an action was expected');
    return lowerAction(ctx, command.AlterTableCmd, table.name);
  });
  expectNode(actions.length > 0, 'ALTER TABLE without an action');
  return { kind: 'alterTable', table, ifExists: node.missing_ok === true, actions };
}

function refuseObject(ctx: Lowering, word: string, type: string | undefined): Error {
  const what = (type ?? '').replace('OBJECT_', '').replaceAll('_', ' ');
  return ctx.unsupported(`${word} ${what === 'MATVIEW' ? 'MATERIALIZED VIEW' : what}`);
}

function lowerAction(ctx: Lowering, node: AlterTableCmd, table: string): AlterTableAction[] {
  const { subtype, def, name = '' } = node;
  const ifExists = node.missing_ok === true;
  const cascade = node.behavior === 'DROP_CASCADE';
  switch (subtype) {
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions': {
      expectNode(def !== undefined && 'List' in def, 'a list of settings was expected');
      const isReset = subtype === 'AT_ResetRelOptions';
      return [{ kind: 'settings', settings: lowerSettings(ctx, def.List.items ?? [], isReset) }];
    }
    case 'AT_AddColumn':
      expectNode(def !== undefined && 'ColumnDef' in def, 'a column was expected');
      return addColumn(ctx, def, table, ifExists);
    case 'AT_DropColumn':
      return [{ kind: 'dropColumn', column: name, ifExists, cascade }];
    case 'AT_ColumnDefault':
      return [{ kind: 'setDefault', column: name, default: lowerOptional(ctx, def) }];
    case 'AT_SetNotNull':
    case 'AT_DropNotNull':
      return [{ kind: 'setNotNull', column: name, notNull: subtype === 'AT_SetNotNull' }];
    case 'AT_AlterColumnType': {
      expectNode(def !== undefined && 'ColumnDef' in def, 'a type was expected');
      const { typeName, raw_default: using, collClause, location } = def.ColumnDef;
      if (collClause !== undefined) throw ctx.unsupported('COLLATE', collClause.location);
      expectNode(typeName !== undefined, 'ALTER COLUMN TYPE without a type');
      const type = lowerType(ctx, typeName);
      const at = ctx.at(location);
      return [{ kind: 'alterType', column: name, type, using: lowerOptional(ctx, using), at }];
    }
    case 'AT_AddConstraint':
      expectNode(def !== undefined && 'Constraint' in def, 'a constraint was expected');
      return def.Constraint.contype === 'CONSTR_PRIMARY'
        ? [{ kind: 'addPrimaryKey', ...lowerPrimaryKey(ctx, def.Constraint) }]
        : [{ kind: 'addConstraint', constraint: lowerConstraint(ctx, def.Constraint) }];
    case 'AT_ValidateConstraint':
      return [{ kind: 'validateConstraint', name }];
    case 'AT_DropConstraint':
      return [{ kind: 'dropConstraint', name, ifExists, cascade }];
    default:
      throw ctx.unsupported(`ALTER TABLE … ${spellAction(subtype ?? '')}`);
  }
}

function addColumn(
  ctx: Lowering,
  def: Extract<Node, { ColumnDef: unknown }>,
  table: string,
  ifNotExists: boolean,
): AlterTableAction[] {
  const keys: PrimaryKey[] = [];
  const constraints: TableConstraint[] = [];
  const column = lowerColumn(ctx, def.ColumnDef, table, keys, constraints);
  if (column.primaryKey) keys.push({ name: undefined, columns: [column.name], at: column.at });
  return [
    { kind: 'addColumn', column: { ...column, primaryKey: false }, constraints, ifNotExists },
    ...keys.map((key): AlterTableAction => ({ kind: 'addPrimaryKey', ...key })),
  ];
}

export function lowerRename(
  ctx: Lowering,
  node: RenameStmt,
): AlterTableStatement | RenameIndexStatement {
  const { relation, renameType, relationType, subname = '', newname: to = '' } = node;
  const isOfTable =
    renameType === 'OBJECT_TABLE' ||
    renameType === 'OBJECT_TABCONSTRAINT' ||
    (renameType === 'OBJECT_COLUMN' && relationType === 'OBJECT_TABLE');
  const ifExists = node.missing_ok === true;
  if (renameType === 'OBJECT_INDEX' && relation !== undefined) {
    return { kind: 'renameIndex', index: lowerName(ctx, relation), to, ifExists };
  }
  if (!isOfTable || relation === undefined) {
    const type = renameType === 'OBJECT_COLUMN' ? relationType : renameType;
    throw ctx.unsupported(`${refusedRename(type)} … RENAME`);
  }
  const action: AlterTableAction =
    renameType === 'OBJECT_TABLE'
      ? { kind: 'renameTable', to }
      : renameType === 'OBJECT_COLUMN'
        ? { kind: 'renameColumn', column: subname, to }
        : { kind: 'renameConstraint', name: subname, to };
  return { kind: 'alterTable', table: lowerName(ctx, relation), ifExists, actions: [action] };
}

function refusedRename(type: string | undefined): string {
  const what = (type ?? '').replace('OBJECT_', '').replaceAll('_', ' ');
  return `ALTER ${what === 'MATVIEW' ? 'MATERIALIZED VIEW' : what}`;
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

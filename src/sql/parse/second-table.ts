// The second lowering's CREATE, DROP, ALTER and TRUNCATE TABLE.

import type { ColumnDefinition, CreateTableStatement, Name, Statement } from './ast.ts';
import { lowerSecondType, type SecondExpressions } from './second-expression.ts';
import {
  isTree,
  nameOf,
  optionalText,
  refuseOthers,
  textOf,
  type Tree,
  treeOf,
  treesOf,
} from './second-nodes.ts';
import { Refusal } from './second-text.ts';

const at = -1;

export function lowerSecondDefinition(tree: Tree, expressions: SecondExpressions): Statement {
  switch (tree['type']) {
    case 'create':
      return lowerCreate(tree, expressions);
    case 'drop':
      return lowerDrop(tree);
    case 'alter':
      return lowerAlter(tree);
    case 'truncate':
      refuseOthers(tree, ['type', 'keyword', 'name']);
      return {
        kind: 'truncate',
        tables: treesOf(tree['name']).map(tableName),
        restartIdentity: false,
      };
    default:
      throw new Refusal(String(tree['type']));
  }
}

function tableName(tree: Tree): Name {
  if (isTree(tree['as']) || typeof tree['as'] === 'string') throw new Refusal('an alias');
  return { schema: optionalText(tree['db']), name: textOf(tree['table']), at };
}

function onlyTable(value: unknown): Name {
  const [table, another] = treesOf(value);
  if (table === undefined || another !== undefined) throw new Refusal('several tables');
  return tableName(table);
}

function lowerCreate(tree: Tree, expressions: SecondExpressions): Statement {
  refuseOthers(tree, ['type', 'keyword', 'if_not_exists', 'table', 'create_definitions']);
  if (tree['keyword'] !== 'table') throw new Refusal('CREATE');
  const columns: ColumnDefinition[] = [];
  let primaryKey: CreateTableStatement['primaryKey'];
  for (const definition of treesOf(tree['create_definitions'])) {
    if (definition['resource'] === 'column') columns.push(lowerColumn(definition, expressions));
    else primaryKey = lowerKey(definition);
  }
  return {
    kind: 'createTable',
    table: onlyTable(tree['table']),
    ifNotExists: tree['if_not_exists'] !== null,
    columns,
    primaryKey,
    constraints: [],
    at,
  };
}

function lowerKey(tree: Tree): NonNullable<CreateTableStatement['primaryKey']> {
  refuseOthers(tree, ['constraint', 'definition', 'constraint_type', 'keyword', 'resource']);
  if (textOf(tree['constraint_type']).toLowerCase() !== 'primary key') {
    throw new Refusal('a constraint');
  }
  const columns = treesOf(tree['definition']).map(nameOf);
  return { name: optionalText(tree['constraint']), columns, at };
}

function lowerColumn(tree: Tree, expressions: SecondExpressions): ColumnDefinition {
  refuseOthers(tree, [
    ...['column', 'definition', 'resource', 'default_val', 'nullable', 'primary_key'],
  ]);
  const initial = isTree(tree['default_val']) ? tree['default_val']['value'] : undefined;
  const nullable = isTree(tree['nullable']) ? textOf(tree['nullable']['type']) : '';
  return {
    name: nameOf(tree['column']),
    type: lowerSecondType(treeOf(tree['definition'])),
    notNull: nullable.toLowerCase() === 'not null',
    primaryKey: typeof tree['primary_key'] === 'string',
    default: expressions.optional(initial),
    identity: undefined,
    generated: undefined,
    at,
  };
}

function lowerDrop(tree: Tree): Statement {
  refuseOthers(tree, ['type', 'keyword', 'prefix', 'name']);
  if (tree['keyword'] !== 'table') throw new Refusal('DROP');
  // CASCADE comes as an alias of the last table.
  const tables = treesOf(tree['name']).map(tableName);
  return { kind: 'dropTable', tables, ifExists: tree['prefix'] !== null, cascade: false };
}

function lowerAlter(tree: Tree): Statement {
  refuseOthers(tree, ['type', 'keyword', 'if_exists', 'table', 'expr']);
  const [action, another] = treesOf(tree['expr']);
  if (tree['keyword'] !== 'table' || action === undefined || another !== undefined) {
    throw new Refusal('ALTER');
  }
  refuseOthers(action, ['action', 'create_definitions', 'resource', 'type']);
  if (action['action'] !== 'add') throw new Refusal('ALTER TABLE');
  return {
    kind: 'alterTable',
    table: onlyTable(tree['table']),
    ifExists: tree['if_exists'] !== null,
    actions: [{ kind: 'addPrimaryKey', ...lowerKey(treeOf(action['create_definitions'])) }],
  };
}

// Columns and constraints of CREATE and ALTER TABLE.

import type { ColumnDef, Constraint } from 'libpg-query';
import type { ColumnDefinition, CreateTableStatement, Expression, TableConstraint } from './ast.ts';
import { expectNode, type Lowering, namesOf } from './lower-context.ts';
import { lowerExpression } from './lower-expression.ts';
import { lowerSequenceWords } from './lower-sequence.ts';
import { lowerType } from './lower-type.ts';

export type PrimaryKey = NonNullable<CreateTableStatement['primaryKey']>;

const constraints: Readonly<Record<string, string>> = {
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

/** Its PRIMARY KEY, if that has a name or is a second one, and its other constraints go to the table's. */
export function lowerColumn(
  ctx: Lowering,
  node: ColumnDef,
  table: string,
  keys: PrimaryKey[],
  constraints: TableConstraint[],
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
  let generated: Expression | undefined;
  let identity: ColumnDefinition['identity'];
  const refuseBoth = ({ location }: Constraint): void => {
    if (identity !== undefined && (initial ?? generated) !== undefined) {
      const what =
        initial === undefined ? 'identity and generation expression' : 'default and identity';
      const message = `both ${what} specified for column "${name}" of table "${table}"`;
      throw ctx.fail('42601', message, location);
    }
    if (initial === undefined || generated === undefined) return;
    const message = `both default and generation expression specified for column "${name}" of table "${table}"`;
    throw ctx.fail('42601', message, location);
  };
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
        refuseBoth(constraint);
        break;
      case 'CONSTR_PRIMARY': {
        const key = lowerPrimaryKey(ctx, constraint);
        // A name, or a second key, only fits the table's list.
        if (key.name === undefined && !primaryKey) primaryKey = true;
        else keys.push({ ...key, columns: [name] });
        break;
      }
      case 'CONSTR_GENERATED':
        if (generated !== undefined) {
          const message = `multiple generation clauses specified for column "${name}" of table "${table}"`;
          throw ctx.fail('42601', message, constraint.location);
        }
        generated = lowerGenerated(ctx, constraint);
        refuseBoth(constraint);
        break;
      case 'CONSTR_IDENTITY':
        if (identity !== undefined) {
          const message = `multiple identity specifications for column "${name}" of table "${table}"`;
          throw ctx.fail('42601', message, constraint.location);
        }
        identity = {
          when: constraint.generated_when === 'a' ? 'always' : 'byDefault',
          options: lowerSequenceWords(ctx, constraint.options),
        };
        notNull ??= true;
        refuseBoth(constraint);
        break;
      case 'CONSTR_CHECK':
        constraints.push(lowerConstraint(ctx, constraint));
        break;
      case 'CONSTR_UNIQUE': {
        const unique = lowerConstraint(ctx, constraint);
        constraints.push(unique.kind === 'unique' ? { ...unique, columns: [name] } : unique);
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
  return {
    name,
    type,
    notNull: notNull === true,
    primaryKey,
    default: initial,
    identity,
    generated,
    at,
  };
}

function lowerGenerated(ctx: Lowering, node: Constraint): Expression {
  if (node.generated_kind === 'v')
    throw ctx.unsupported('a virtual generated column', node.location);
  expectNode(node.raw_expr !== undefined, 'GENERATED without an expression');
  return lowerExpression(ctx, node.raw_expr);
}

export function lowerConstraint(ctx: Lowering, node: Constraint): TableConstraint {
  const { conname: name, location } = node;
  const at = ctx.at(location);
  if (node.contype === 'CONSTR_CHECK') {
    if (node.is_no_inherit === true) throw ctx.unsupported('NO INHERIT', location);
    if (node.is_enforced === false) throw ctx.unsupported('NOT ENFORCED', location);
    expectNode(node.raw_expr !== undefined, 'CHECK without an expression');
    const expr = lowerExpression(ctx, node.raw_expr);
    return { kind: 'check', name, expr, notValid: node.skip_validation === true, at };
  }
  if (node.contype === 'CONSTR_UNIQUE') {
    if (node.nulls_not_distinct === true) throw ctx.unsupported('NULLS NOT DISTINCT', location);
    refuseIndexOptions(ctx, node);
    return {
      kind: 'unique',
      name,
      columns: namesOf(node.keys),
      stored: namesOf(node.including),
      at,
    };
  }
  throw refuseConstraint(ctx, node);
}

export function lowerPrimaryKey(ctx: Lowering, node: Constraint): PrimaryKey {
  if (node.including !== undefined) throw ctx.unsupported('INCLUDE', node.location);
  refuseIndexOptions(ctx, node);
  return { name: node.conname, columns: namesOf(node.keys), at: ctx.at(node.location) };
}

function refuseIndexOptions(ctx: Lowering, node: Constraint): void {
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
}

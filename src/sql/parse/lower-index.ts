// CREATE INDEX.

import type { IndexElem, IndexStmt, Node } from 'libpg-query';
import type { CreateIndexStatement, IndexElement } from './ast.ts';
import { expectNode, type Lowering } from './lower-context.ts';
import { lowerExpression, lowerOptional } from './lower-expression.ts';
import { lowerName } from './lower-from.ts';
import { definitions } from './lower-utility.ts';

export function lowerIndex(ctx: Lowering, node: IndexStmt): CreateIndexStatement {
  const { relation } = node;
  expectNode(relation !== undefined, 'CREATE INDEX without a table');
  // Whatever it says, what there is is ordered; of GiST and the like queries would expect more than that.
  if (node.accessMethod !== undefined && node.accessMethod !== 'btree') {
    throw ctx.unsupported(`the index method "${node.accessMethod}"`, relation.location);
  }
  if (node.nulls_not_distinct === true) {
    throw ctx.unsupported('NULLS NOT DISTINCT', relation.location);
  }
  if (node.tableSpace !== undefined) throw ctx.unsupported('TABLESPACE', relation.location);
  for (const { defname = '', location } of definitions(node.options)) {
    if (defname !== 'fillfactor')
      throw ctx.unsupported(`the storage parameter "${defname}"`, location);
  }
  const stored = (node.indexIncludingParams ?? []).map((param) => {
    const { name } = elementOf(param);
    if (name !== undefined) return name;
    throw ctx.fail('0A000', 'expressions are not supported in included columns');
  });
  return {
    kind: 'createIndex',
    name: node.idxname,
    table: lowerName(ctx, relation),
    unique: node.unique === true,
    concurrently: node.concurrent === true,
    ifNotExists: node.if_not_exists === true,
    elements: (node.indexParams ?? []).map((param) => lowerElement(ctx, elementOf(param))),
    stored,
    where: lowerOptional(ctx, node.whereClause),
    at: ctx.statementAt,
  };
}

function elementOf(node: Node): IndexElem {
  expectNode('IndexElem' in node, 'a column of an index was expected');
  return node.IndexElem;
}

function lowerElement(ctx: Lowering, node: IndexElem): IndexElement {
  if (node.collation !== undefined) throw ctx.unsupported('COLLATE in an index');
  if (node.opclass !== undefined) throw ctx.unsupported('an operator class');
  const expr =
    node.expr === undefined
      ? ({ kind: 'column', path: [node.name ?? ''], at: -1 } as const)
      : lowerExpression(ctx, node.expr);
  const nulls = node.nulls_ordering;
  return {
    expr,
    descending: node.ordering === 'SORTBY_DESC',
    nullsFirst:
      nulls === 'SORTBY_NULLS_FIRST' ? true : nulls === 'SORTBY_NULLS_LAST' ? false : undefined,
  };
}

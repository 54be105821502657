// EXPLAIN: the plan as a tree of lines. What is done where the rows are is said beneath the table's line.

import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import { aggregateText, exprText, type Names } from './expr-text.ts';
import type { InsertPlan, Plan, PlanNode, SelectPlan, Subplan, TableNode } from './nodes.ts';
import type { PlanSlot } from './session-functions.ts';
import type { KeyConstraint } from './spans.ts';

interface Line {
  readonly depth: number;
  readonly text: string;
}

function slotText(slot: PlanSlot | undefined): string {
  if (slot === undefined) return '?';
  return slot.kind === 'session' ? `${slot.function.name}()` : slot.name;
}

class Tree {
  readonly lines: Line[] = [];
  readonly #plan: Plan;
  readonly isIndexOnly: (node: TableNode) => boolean;

  constructor(plan: Plan, isIndexOnly: (node: TableNode) => boolean) {
    this.#plan = plan;
    this.isIndexOnly = isIndexOnly;
  }

  names(input: PlanNode | undefined): Names {
    const first = this.#plan.parameterTypes.length;
    return {
      column: (slot) =>
        (input === undefined ? undefined : columnName(input, slot)) ?? `#${slot + 1}`,
      parameter: (index) =>
        index < first ? `$${index + 1}` : slotText(this.#plan.slots[index - first]),
    };
  }

  add(depth: number, text: string): void {
    this.lines.push({ depth, text });
  }

  /** What a node does, said beneath it. */
  note(depth: number, what: string, exprs: readonly Expr[], input: PlanNode | undefined): void {
    if (exprs.length === 0) return;
    const names = this.names(input);
    this.add(depth + 1, `${what}: ${exprs.map((e) => exprText(e, names)).join(', ')}`);
  }

  toStrings(): readonly string[] {
    return this.lines.map(({ depth, text }) => `${'  '.repeat(depth)}${text}`);
  }
}

/** `isIndexOnly`: of what is read through an index, whether no row is looked up. */
export function explainPlan(
  plan: Plan,
  isIndexOnly: (node: TableNode) => boolean,
): readonly string[] {
  const tree = new Tree(plan, isIndexOnly);
  const { statement } = plan;
  switch (statement.kind) {
    case 'select':
      explainNode(tree, 0, statement.input);
      break;
    case 'insert':
      explainInsert(tree, statement);
      break;
    case 'joinedWrite':
      tree.add(
        0,
        `${statement.command === 'update' ? 'Update' : 'Delete'} ${statement.table.name}`,
      );
      explainNode(tree, 1, statement.input);
      break;
    case 'update':
    case 'delete': {
      const { input, residual } = statement;
      const word = statement.kind === 'update' ? 'Update' : 'Delete';
      tree.add(0, `${word} ${input.table.name}`);
      if (residual !== undefined) tree.note(0, 'Filter', [residual], input);
      explainNode(tree, 1, input);
      break;
    }
  }
  plan.shared.forEach((query, i) => {
    tree.add(0, `query ${i + 1} of WITH: once`);
    explainNode(tree, 1, query.input);
  });
  for (const subplan of plan.subplans) explainSubplan(tree, subplan);
  return tree.toStrings();
}

/** How a query inside an expression is answered, behind the plan that has it. */
function explainSubplan(tree: Tree, { run, initial, query, outer, byKey }: Subplan): void {
  const names = tree.names(undefined);
  const parameter = (index: number): string => names.parameter(index);
  const keyed = query.keyed !== undefined && !byKey ? ', or once for all of them by hash' : '';
  const how =
    initial || outer.length === 0
      ? 'once'
      : `for each (${outer.map(parameter).join(', ')})${keyed}`;
  tree.add(0, `${parameter(run)}: ${how}`);
  explainNode(tree, 1, query.input);
}

function explainInsert(tree: Tree, { table, conflict, rows, source }: InsertPlan): void {
  tree.add(0, `Insert into ${table.name}`);
  if (conflict !== undefined) {
    tree.add(1, `On Conflict: ${conflict.kind === 'nothing' ? 'do nothing' : 'update'}`);
  }
  if (rows !== undefined)
    tree.add(1, `Values: ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}`);
  if (source !== undefined) explainNode(tree, 1, source.input);
}

const JOIN_WORDS = { inner: 'Join', left: 'Left Join', full: 'Full Join' } as const;

function explainNode(tree: Tree, depth: number, node: PlanNode): void {
  switch (node.kind) {
    case 'result':
      tree.add(depth, 'Result');
      return;
    case 'table':
      explainTable(tree, depth, node);
      return;
    case 'virtual':
      tree.add(depth, `Virtual Table ${node.virtual.schema}.${node.virtual.name}`);
      return;
    case 'values':
      tree.add(depth, `Values: ${node.rows.length} ${node.rows.length === 1 ? 'row' : 'rows'}`);
      return;
    case 'tableFunction':
      tree.add(depth, `Function ${node.name}`);
      return;
    case 'shared':
      tree.add(depth, `Query ${node.id + 1} of WITH`);
      return;
    case 'working':
      tree.add(depth, 'Rows of the last step');
      return;
    case 'recursive':
      tree.add(depth, `Recursive Union${node.all ? ' All' : ''}`);
      explainNode(tree, depth + 1, node.base);
      explainNode(tree, depth + 1, node.step);
      return;
    case 'lateral':
      tree.add(depth, `Lateral ${node.type === 'left' ? 'Left Join' : 'Join'}`);
      tree.note(depth, 'For each', node.args, node.left);
      if (node.condition !== undefined) tree.note(depth, 'Condition', [node.condition], node);
      explainNode(tree, depth + 1, node.left);
      explainNode(tree, depth + 1, node.right);
      return;
    case 'subquery':
      tree.add(depth, 'Subquery');
      explainNode(tree, depth + 1, node.query.input);
      return;
    case 'filter':
      tree.add(depth, 'Filter');
      tree.note(depth, 'Condition', [node.predicate], node.input);
      explainNode(tree, depth + 1, node.input);
      return;
    case 'join': {
      const how = node.equal.length > 0 ? 'Hash' : 'Nested Loop';
      tree.add(depth, `${how} ${JOIN_WORDS[node.type]}`);
      const equal = node.equal.map(
        ({ left, right }): Expr => ({ kind: 'compare', op: '=', left, right }),
      );
      tree.note(depth, 'On', equal, node);
      if (node.condition !== undefined) tree.note(depth, 'Condition', [node.condition], node);
      explainNode(tree, depth + 1, node.left);
      explainNode(tree, depth + 1, node.right);
      return;
    }
    case 'aggregate': {
      const { input, groupBy, aggregates } = node;
      const how = node.pushed ? ' (partial where the rows are)' : '';
      tree.add(depth, `${groupBy.length > 0 ? 'Group' : 'Aggregate'}${how}`);
      tree.note(depth, 'By', groupBy, input);
      const names = tree.names(input);
      const calls = aggregates.map((call) => aggregateText(call, names));
      if (node.grouping !== undefined) {
        const shown = node.grouping.sets.map(
          (set) => `(${set.map((i) => exprText(groupBy[i] as Expr, names)).join(', ')})`,
        );
        tree.add(depth + 1, `Sets: ${shown.join(', ')}`);
      }
      if (calls.length > 0) tree.add(depth + 1, `Aggregates: ${calls.join(', ')}`);
      explainNode(tree, depth + 1, input);
      return;
    }
    case 'window': {
      tree.add(depth, 'Window');
      const names = tree.names(node.input);
      for (const { partition, keys, calls } of node.windows) {
        const called = calls.map((call) =>
          call.function.kind === 'own' ? call.function.name : call.function.call.kind,
        );
        const by = partition.map((key) => names.column(key.slot));
        const order = keys.map((key) => names.column(key.slot) + (key.descending ? ' DESC' : ''));
        const clauses = [
          by.length > 0 ? `PARTITION BY ${by.join(', ')}` : '',
          order.length > 0 ? `ORDER BY ${order.join(', ')}` : '',
        ].filter((clause) => clause !== '');
        tree.add(depth + 1, `${called.join(', ')} OVER (${clauses.join(' ')})`);
      }
      explainNode(tree, depth + 1, node.input);
      return;
    }
    case 'project':
      explainNode(tree, depth, node.input);
      return;
    case 'distinct':
      tree.add(depth, 'Distinct');
      if (node.keys !== undefined) {
        tree.note(
          depth,
          'On',
          node.keys.map((index) => slotExpr(index, node.types)),
          node.input,
        );
      }
      explainNode(tree, depth + 1, node.input);
      return;
    case 'append':
      tree.add(depth, 'Append');
      for (const input of node.inputs) explainNode(tree, depth + 1, input);
      return;
    case 'matched':
      tree.add(
        depth,
        `Hash ${node.op === 'except' ? 'Except' : 'Intersect'}${node.all ? ' All' : ''}`,
      );
      explainNode(tree, depth + 1, node.left);
      explainNode(tree, depth + 1, node.right);
      return;
    case 'sort': {
      tree.add(depth, 'Sort');
      const names = tree.names(node.input);
      const keys = node.keys.map(
        ({ slot, descending, nullsFirst }) =>
          names.column(slot) +
          (descending ? ' DESC' : '') +
          (nullsFirst === descending ? '' : nullsFirst ? ' NULLS FIRST' : ' NULLS LAST'),
      );
      tree.add(depth + 1, `Key: ${keys.join(', ')}`);
      explainNode(tree, depth + 1, node.input);
      return;
    }
    case 'limit':
      tree.add(depth, 'Limit');
      if (node.limit !== undefined) tree.note(depth, 'Rows', [node.limit], undefined);
      if (node.offset !== undefined) tree.note(depth, 'Offset', [node.offset], undefined);
      explainNode(tree, depth + 1, node.input);
  }
}

function slotExpr(index: number, types: readonly ColumnType[]): Expr {
  return { kind: 'column', type: types[index] as ColumnType, index };
}

function explainTable(tree: Tree, depth: number, node: TableNode): void {
  const { access, table, lock } = node;
  const { index } = access;
  const keys = access.constraints.reduce((n, c) => n * (c.equal?.length ?? 1), 1);
  const some = access.constraints.some((c) => c.equal?.some((value) => value.each) ?? false);
  const points = some ? 'Point Gets' : keys === 1 ? 'Point Get' : `Point Gets (${keys})`;
  const how = access.kind === 'points' ? points : 'Scan';
  const alone = index !== undefined && tree.isIndexOnly(node) ? 'Index Only ' : 'Index ';
  const what = index === undefined ? how : alone + how;
  const using = index === undefined ? '' : ` using ${index.index.name}`;
  tree.add(depth, `${what} ${table.name}${using}${node.reverse ? ' in reverse' : ''}`);
  const local = { ...node, base: 0 };
  const names = tree.names(local);
  if (access.kind === 'spans' && access.constraints.length === 0) {
    tree.add(depth + 1, `Span: the whole ${index === undefined ? 'table' : 'index'}`);
  } else {
    const parts = access.constraints.map((c) => constraintText(node, c, names));
    tree.add(depth + 1, `${access.kind === 'points' ? 'Key' : 'Span'}: ${parts.join(', ')}`);
  }
  if (node.filter !== undefined) tree.note(depth, 'Filter', [node.filter], local);
  if (lock !== undefined) {
    const wait =
      lock.wait === 'block' ? '' : lock.wait === 'nowait' ? ', no wait' : ', skip locked';
    tree.add(depth + 1, `Lock: ${lock.mode}${wait}`);
  }
}

function constraintText(node: TableNode, constraint: KeyConstraint, names: Names): string {
  const { position } = constraint.column;
  const expression = node.access.index?.expressions[-1 - position];
  const column =
    expression === undefined ? names.column(position) : `(${exprText(expression, names)})`;
  const { equal, bounds, isNull } = constraint;
  if (isNull) return `${column} IS NULL`;
  if (equal === undefined && bounds.length === 0) return `${column} IS NOT NULL`;
  if (equal !== undefined) {
    const values = equal.map((v) => {
      const shown = exprText(v.expr, names);
      return v.each === true ? `ANY (${shown})` : shown;
    });
    return values.length === 1 ? `${column} = ${values[0]}` : `${column} IN (${values.join(', ')})`;
  }
  return bounds
    .map(({ op, value }) => `${column} ${op} ${exprText(value.expr, names)}`)
    .join(' AND ');
}

/** What a slot of the node's rows is called. */
function columnName(node: PlanNode, slot: number): string | undefined {
  switch (node.kind) {
    case 'table':
      return node.table.columns.find((c) => c.position === slot - node.base)?.name;
    case 'virtual':
      return node.virtual.columns[slot - node.base]?.name;
    case 'tableFunction':
      return slot === node.base ? node.name : undefined;
    case 'subquery':
      return fieldName(node.query, slot - node.base);
    case 'join':
    case 'lateral':
      return columnName(node.left, slot) ?? columnName(node.right, slot);
    case 'project': {
      const expr = node.exprs[slot];
      return expr?.kind === 'column' ? columnName(node.input, expr.index) : undefined;
    }
    case 'aggregate': {
      const group = node.groupBy[slot];
      return group?.kind === 'column' ? columnName(node.input, group.index) : undefined;
    }
    case 'filter':
    case 'sort':
    case 'distinct':
    case 'limit':
      return columnName(node.input, slot);
    default:
      return undefined;
  }
}

function fieldName(query: SelectPlan, index: number): string | undefined {
  return query.fields[index]?.name;
}

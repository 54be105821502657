// The second front end: node-sql-parser's PostgreSQL grammar, lowered into the same tree, to find what the first lowers
// wrongly (DESIGN.md, section 9). Thin on purpose: what it can't say for certain it refuses, and only tests import it.

import sqlParser from 'node-sql-parser/build/postgresql.js';
import type {
  Assignment,
  FromItem,
  InsertStatement,
  JoinRef,
  Name,
  SelectItem,
  SelectStatement,
  Statement,
} from './ast.ts';
import { SecondExpressions } from './second-expression.ts';
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
import { lowerSecondDefinition } from './second-table.ts';
import { prepareText, Refusal } from './second-text.ts';

const at = -1;

/** Undefined: the second front end can't parse or can't represent the statement. */
export function parseSecond(text: string): Statement | undefined {
  try {
    const { text: prepared, literals } = prepareText(text);
    return new SecondLowering(new SecondExpressions(literals)).statement(astify(prepared));
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function astify(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = new sqlParser.Parser().astify(text);
  } catch (error) {
    throw new Refusal(String(error));
  }
  return Array.isArray(parsed) && parsed.length === 1 ? parsed[0] : parsed;
}

export function secondName(value: unknown): Name {
  const tree = treeOf(value);
  return { schema: optionalText(tree['db']), name: textOf(tree['table']), at };
}

class SecondLowering {
  readonly #expressions: SecondExpressions;

  constructor(expressions: SecondExpressions) {
    this.#expressions = expressions;
  }

  statement(value: unknown): Statement {
    const tree = treeOf(value);
    switch (tree['type']) {
      case 'select':
        return this.#select(tree);
      case 'insert':
        return this.#insert(tree);
      case 'update':
        return this.#update(tree);
      case 'delete':
        return this.#delete(tree);
      default:
        return lowerSecondDefinition(tree, this.#expressions);
    }
  }

  #items(value: unknown): readonly SelectItem[] {
    return treesOf(value).map((item) => ({
      expr: this.#expressions.lower(item['expr']),
      alias: optionalText(item['as']),
    }));
  }

  #select(tree: Tree): SelectStatement {
    refuseOthers(tree, [
      ...['type', 'distinct', 'columns', 'into', 'from', 'where', 'groupby', 'having', 'orderby'],
      ...['limit', 'parentheses'],
    ]);
    refuseOthers(treeOf(tree['into']), []);
    const groups = isTree(tree['groupby']) ? tree['groupby'] : {};
    refuseOthers(groups, ['columns']);
    const [limit, offset] = this.#limits(tree['limit']);
    return {
      kind: 'select',
      distinct: this.#distinct(treeOf(tree['distinct'])),
      items: this.#items(tree['columns']),
      from: this.#from(treesOf(tree['from'])),
      values: undefined,
      where: this.#expressions.optional(tree['where']),
      groupBy: this.#expressions.list(groups['columns']),
      having: this.#expressions.optional(tree['having']),
      orderBy: this.#expressions.orderBy(tree['orderby']),
      limit,
      offset,
      locking: undefined,
      at,
    };
  }

  #distinct(tree: Tree): boolean {
    refuseOthers(tree, ['type']);
    const type = optionalText(tree['type']);
    if (type !== undefined && type !== 'DISTINCT') throw new Refusal(type);
    return type !== undefined;
  }

  #limits(value: unknown): [SelectStatement['limit'], SelectStatement['offset']] {
    if (!isTree(value)) return [undefined, undefined];
    const [first, second] = this.#expressions.list(value['value']);
    // OFFSET alone comes as one value, and as a separator.
    if (value['seperator'] === 'offset' && second === undefined) return [undefined, first];
    return [first, second];
  }

  /** A flat list, where an item with `join` is joined to what came before it. */
  #from(items: readonly Tree[]): readonly FromItem[] {
    const from: FromItem[] = [];
    for (const item of items) {
      const table = this.#table(item);
      const join = optionalText(item['join']);
      const left = join === undefined ? undefined : from.pop();
      from.push(left === undefined ? table : this.#join(textOf(join), left, table, item));
    }
    return from;
  }

  #table(item: Tree): FromItem {
    const alias = optionalText(item['as']);
    // It takes t AS x (a, b) for one long name.
    if (alias?.includes('(') === true) throw new Refusal('column aliases');
    if (!isTree(item['expr'])) {
      refuseOthers(item, ['db', 'table', 'as', 'join', 'on', 'using']);
      return { kind: 'table', table: secondName(item), alias };
    }
    refuseOthers(item, ['expr', 'as', 'join', 'on', 'using']);
    const query = this.#select(treeOf(item['expr']['ast']));
    return { kind: 'subquery', query, lateral: false, alias, columnAliases: undefined, at };
  }

  #join(join: string, left: FromItem, right: FromItem, item: Tree): JoinRef {
    const type = /^(INNER|LEFT|RIGHT|FULL|CROSS)/.exec(join)?.[0]?.toLowerCase();
    if (type === undefined) throw new Refusal(join);
    return {
      kind: 'join',
      type: type as JoinRef['type'],
      left,
      right,
      on: this.#expressions.optional(item['on']),
      using: item['using'] === undefined ? undefined : treesOf(item['using']).map(nameOf),
      natural: false,
      at,
    };
  }

  #returning(value: unknown): readonly SelectItem[] | undefined {
    return isTree(value) ? this.#items(value['columns']) : undefined;
  }

  #target(value: unknown): { table: Name; alias: string | undefined } {
    const [target, another] = treesOf(value);
    if (target === undefined || another !== undefined) throw new Refusal('several tables');
    return { table: secondName(target), alias: optionalText(target['as']) };
  }

  #insert(tree: Tree): InsertStatement {
    refuseOthers(tree, [
      ...['type', 'table', 'columns', 'values', 'prefix', 'conflict', 'returning'],
    ]);
    const columns = tree['columns'] === null ? undefined : (tree['columns'] as readonly unknown[]);
    const source = treeOf(tree['values']);
    return {
      kind: 'insert',
      ...this.#target(tree['table']),
      columns: columns?.map((column) => ({ name: nameOf(column), at })),
      source: source['type'] === 'values' ? this.#values(source) : this.#select(source),
      onConflict: isTree(tree['conflict']) ? this.#conflict(tree['conflict']) : undefined,
      returning: this.#returning(tree['returning']),
      at,
    };
  }

  #values(tree: Tree): SelectStatement {
    return {
      kind: 'select',
      distinct: false,
      items: [],
      from: [],
      values: treesOf(tree['values']).map((row) => this.#expressions.list(row['value'])),
      where: undefined,
      groupBy: [],
      having: undefined,
      orderBy: [],
      limit: undefined,
      offset: undefined,
      locking: undefined,
      at,
    };
  }

  #conflict(tree: Tree): NonNullable<InsertStatement['onConflict']> {
    const target = isTree(tree['target']) ? tree['target'] : undefined;
    const action = treeOf(treeOf(tree['action'])['expr']);
    const update = action['type'] === 'update';
    if (!update && action['value'] !== 'nothing') throw new Refusal('ON CONFLICT');
    return {
      elements:
        target === undefined
          ? undefined
          : treesOf(target['expr']).map((one) => ({ kind: 'column', path: [nameOf(one)], at })),
      predicate: undefined,
      constraint: undefined,
      action: update ? 'update' : 'nothing',
      set: update ? this.#assignments(action['set']) : [],
      where: this.#expressions.optional(action['where']),
      at,
    };
  }

  #assignments(value: unknown): readonly Assignment[] {
    return treesOf(value).map((assignment) => {
      if (assignment['table'] !== null) throw new Refusal('a qualified column in SET');
      const column = nameOf(assignment['column']);
      return { column, value: this.#expressions.lower(assignment['value']), at };
    });
  }

  #update(tree: Tree): Statement {
    refuseOthers(tree, ['type', 'table', 'set', 'where', 'returning']);
    return {
      kind: 'update',
      ...this.#target(tree['table']),
      set: this.#assignments(tree['set']),
      where: this.#expressions.optional(tree['where']),
      returning: this.#returning(tree['returning']),
      at,
    };
  }

  #delete(tree: Tree): Statement {
    refuseOthers(tree, ['type', 'table', 'from', 'where', 'returning']);
    return {
      kind: 'delete',
      ...this.#target(tree['from']),
      where: this.#expressions.optional(tree['where']),
      returning: this.#returning(tree['returning']),
      at,
    };
  }
}

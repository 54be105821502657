// The second lowering's expressions and types. Offsets are unknown (-1) throughout.

import type { Expression, LiteralValue, OrderItem, TypeName } from './ast.ts';
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
import { literalBase, Refusal } from './second-text.ts';

const at = -1;

const specials: ReadonlySet<string> = new Set([
  ...['current_date', 'current_time', 'current_timestamp', 'localtime', 'localtimestamp'],
  ...['current_role', 'current_user', 'session_user', 'user', 'current_catalog', 'current_schema'],
]);

const binaryNames: Readonly<Record<string, string>> = {
  LIKE: '~~',
  'NOT LIKE': '!~~',
  ILIKE: '~~*',
  'NOT ILIKE': '!~~*',
  '!=': '<>',
};

export class SecondExpressions {
  readonly #literals: readonly LiteralValue[];

  constructor(literals: readonly LiteralValue[]) {
    this.#literals = literals;
  }

  optional(value: unknown): Expression | undefined {
    return value === null || value === undefined ? undefined : this.lower(value);
  }

  list(value: unknown): readonly Expression[] {
    return treesOf(value).map((item) => this.lower(item));
  }

  lower(value: unknown): Expression {
    const tree = treeOf(value);
    switch (tree['type']) {
      case 'expr':
        return this.lower(tree['expr']);
      case 'null':
        return { kind: 'literal', value: { type: 'null' }, at };
      case 'bool':
        return { kind: 'literal', value: { type: 'bool', value: tree['value'] === true }, at };
      case 'var':
        return this.#parameter(tree);
      case 'column_ref':
        return this.#column(tree);
      case 'star':
        return { kind: 'star', table: undefined, at };
      case 'unary_expr':
        return this.#unary(tree);
      case 'binary_expr':
        return this.#binary(tree);
      case 'function':
        return this.#function(tree);
      case 'aggr_func':
        return this.#aggregate(tree);
      case 'cast':
        return this.#cast(tree);
      case 'case':
        return this.#case(tree);
      case 'expr_list':
        return this.#only(tree);
      default:
        throw new Refusal(`the node ${String(tree['type'])}`);
    }
  }

  orderBy(value: unknown): readonly OrderItem[] {
    return treesOf(value).map((item) => {
      const nulls = optionalText(item['nulls'])?.toLowerCase();
      return {
        expr: this.lower(item['expr']),
        descending: item['type'] === 'DESC',
        nullsFirst: nulls === undefined ? undefined : nulls.endsWith('first'),
      };
    });
  }

  /** Brackets around one expression. */
  #only(tree: Tree): Expression {
    const items = this.list(tree['value']);
    const [only] = items;
    if (items.length !== 1 || only === undefined) throw new Refusal('a row');
    return only;
  }

  #parameter(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'name', 'prefix', 'parentheses']);
    const number = tree['name'];
    if (tree['prefix'] !== '$' || typeof number !== 'number') throw new Refusal('a variable');
    if (number <= literalBase) return { kind: 'parameter', index: number - 1, at };
    const literal = this.#literals[number - literalBase - 1];
    if (literal === undefined) throw new Refusal('a literal that is not there');
    return { kind: 'literal', value: literal, at };
  }

  #column(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'schema', 'table', 'column', 'parentheses']);
    const table = tree['table'] === null ? undefined : nameOf(tree['table']);
    if (tree['column'] === '*') return { kind: 'star', table, at };
    const column = nameOf(tree['column']);
    const quoted = isTree(tree['column']) && treeOf(tree['column']['expr'])['type'] !== 'default';
    if (table === undefined && !quoted) {
      if (column === 'default') return { kind: 'default', at };
      if (specials.has(column)) return { kind: 'special', name: column, at };
    }
    const path = table === undefined ? [column] : [table, column];
    if (isTree(tree['schema']) || typeof tree['schema'] === 'string') {
      path.unshift(nameOf(tree['schema']));
    }
    return { kind: 'column', path, at };
  }

  #unary(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'operator', 'expr', 'parentheses']);
    const op = textOf(tree['operator']);
    const arg = this.lower(tree['expr']);
    if (op === 'NOT') return { kind: 'not', arg, at };
    if (op === '-' && arg.kind === 'literal') {
      const { value } = arg;
      if (value.type === 'integer' || value.type === 'decimal') {
        const text = value.text.startsWith('-') ? value.text.slice(1) : `-${value.text}`;
        return { kind: 'literal', value: { type: value.type, text }, at };
      }
    }
    return { kind: 'unary', op, arg, at };
  }

  #binary(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'operator', 'left', 'right', 'parentheses']);
    const op = textOf(tree['operator']);
    const left = this.lower(tree['left']);
    const right = treeOf(tree['right']);
    const negated = op.startsWith('NOT ') || op === 'IS NOT';
    switch (op) {
      case 'AND':
      case 'OR': {
        const kind = op === 'AND' ? 'and' : 'or';
        const last = this.lower(right);
        // As PostgreSQL: a chain is one list, a bracket on its right is not.
        return { kind, args: left.kind === kind ? [...left.args, last] : [left, last], at };
      }
      case 'IS':
      case 'IS NOT':
        return this.#is(left, right, negated);
      case 'IN':
      case 'NOT IN':
        return { kind: 'in', negated, arg: left, list: this.list(right['value']), at };
      case 'BETWEEN':
      case 'NOT BETWEEN': {
        const [low, high] = this.list(right['value']);
        if (low === undefined || high === undefined) throw new Refusal('BETWEEN');
        return { kind: 'between', negated, symmetric: false, arg: left, low, high, at };
      }
      default:
        return {
          kind: 'binary',
          op: binaryNames[op] ?? op,
          left,
          right: this.lower(right),
          at,
        };
    }
  }

  #is(arg: Expression, right: Tree, negated: boolean): Expression {
    if (right['type'] === 'null') return { kind: 'is', test: 'null', negated, arg, at };
    if (right['type'] !== 'bool') throw new Refusal('IS');
    return { kind: 'is', test: right['value'] === true ? 'true' : 'false', negated, arg, at };
  }

  #function(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'name', 'args', 'parentheses']);
    const path = treeOf(tree['name']);
    const names = treesOf(path['name']).map(nameOf);
    const schema = path['schema'] === undefined ? undefined : nameOf(path['schema']);
    const [name] = names;
    if (names.length !== 1 || name === undefined) throw new Refusal('a qualified function');
    if (!isTree(tree['args'])) {
      if (specials.has(name.toLowerCase())) {
        return { kind: 'special', name: name.toLowerCase(), at };
      }
      throw new Refusal(name);
    }
    const args = this.list(tree['args']['value']);
    const [first, second] = args;
    if (schema === undefined && first !== undefined) {
      if (name === 'not' && second === undefined) return { kind: 'not', arg: first, at };
      if (name === 'coalesce') return { kind: 'coalesce', args, at };
      if (name === 'nullif' && second !== undefined) {
        return { kind: 'nullif', left: first, right: second, at };
      }
    }
    return this.#call(schema, name, args, false, false, undefined);
  }

  #call(
    schema: string | undefined,
    name: string,
    args: readonly Expression[],
    star: boolean,
    distinct: boolean,
    filter: Expression | undefined,
  ): Expression {
    return { kind: 'function', schema, name, args, star, distinct, filter, orderBy: [], at };
  }

  #aggregate(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'name', 'args', 'filter', 'parentheses']);
    const args = treeOf(tree['args']);
    refuseOthers(args, ['expr', 'distinct']);
    const name = textOf(tree['name']).toLowerCase();
    const filter = isTree(tree['filter']) ? this.lower(tree['filter']['where']) : undefined;
    const arg = treeOf(args['expr']);
    const star = arg['type'] === 'star';
    const list = star ? [] : [this.lower(arg)];
    return this.#call(undefined, name, list, star, args['distinct'] === 'DISTINCT', filter);
  }

  #cast(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'keyword', 'expr', 'symbol', 'target', 'parentheses']);
    const [target, another] = treesOf(tree['target']);
    if (target === undefined || another !== undefined) throw new Refusal('a cast');
    return { kind: 'cast', arg: this.lower(tree['expr']), type: lowerSecondType(target), at };
  }

  #case(tree: Tree): Expression {
    refuseOthers(tree, ['type', 'expr', 'args', 'parentheses']);
    const branches = treesOf(tree['args']);
    const otherwise = branches.find((branch) => branch['type'] === 'else');
    return {
      kind: 'case',
      operand: this.optional(tree['expr']),
      whens: branches
        .filter((branch) => branch['type'] === 'when')
        .map((branch) => ({
          when: this.lower(branch['cond']),
          result: this.lower(branch['result']),
        })),
      otherwise: otherwise === undefined ? undefined : this.lower(otherwise['result']),
      at,
    };
  }
}

/** The key words among the types, as PostgreSQL's grammar names them. */
const keywordTypes: Readonly<Record<string, string>> = {
  int: 'int4',
  integer: 'int4',
  smallint: 'int2',
  bigint: 'int8',
  real: 'float4',
  float: 'float8',
  'double precision': 'float8',
  decimal: 'numeric',
  numeric: 'numeric',
  varchar: 'varchar',
  'character varying': 'varchar',
  char: 'bpchar',
  character: 'bpchar',
  boolean: 'bool',
  timestamp: 'timestamp',
  time: 'time',
  interval: 'interval',
  json: 'json',
};

export function lowerSecondType(tree: Tree): TypeName {
  refuseOthers(tree, ['dataType', 'length', 'scale', 'suffix', 'parentheses']);
  const spelled = textOf(tree['dataType']).toLowerCase();
  const suffix = Array.isArray(tree['suffix']) ? tree['suffix'].join(' ').toLowerCase() : '';
  const keyword = keywordTypes[spelled];
  const modifiers = [tree['length'], tree['scale']].filter((size) => typeof size === 'number');
  if (keyword === 'bpchar' && modifiers.length === 0) modifiers.push(1);
  if (!['', 'with time zone', 'without time zone'].includes(suffix)) throw new Refusal(suffix);
  return {
    schema: keyword === undefined ? undefined : 'pg_catalog',
    name: (keyword ?? spelled) + (suffix === 'with time zone' ? 'tz' : ''),
    modifiers,
    array: false,
    at,
  };
}

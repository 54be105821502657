// The names that a query's expressions may use: the tables of its FROM and their columns, found as PostgreSQL finds
// them, with its complaints.

import { DbError } from '../../base/errors.ts';
import type { Expr } from '../../rows/expr.ts';
import type { ColumnType } from '../../rows/types.ts';
import type { TableDescriptor } from '../catalog/descriptor.ts';
import { positionOf } from '../types/names.ts';

export interface ScopeColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly slot: number;
  /** 0 when it is not a column of a table. */
  readonly tableId: number;
  /** 1-based. */
  readonly columnNumber: number;
  /** The hidden key, or a column of the system's: not in *. */
  readonly hidden: boolean;
  /** Hidden, and yet it may be named. */
  readonly isSystem?: boolean;
  /** What it is where it is no slot: the common column of a FULL JOIN. */
  readonly merged?: Expr;
}

export function columnExpr({ type, slot, merged }: ScopeColumn): Expr {
  return merged ?? { kind: 'column', type, index: slot };
}

export interface ScopeRelation {
  /** It has single values and not rows. */
  readonly isValue?: boolean;
  readonly alias: string;
  /** Of the table's own name, while no alias hides it. */
  readonly schema: string | undefined;
  /** What an alias hides, for a hint. */
  readonly tableName: string | undefined;
  readonly columns: readonly ScopeColumn[];
  readonly table: TableDescriptor | undefined;
}

export class Scope {
  readonly relations: readonly ScopeRelation[];
  /** What `*` and unqualified names see, in order: JOIN USING leaves each common column once. */
  readonly visible: readonly ScopeColumn[];

  constructor(relations: readonly ScopeRelation[], visible?: readonly ScopeColumn[]) {
    this.relations = relations;
    this.visible =
      visible ?? relations.flatMap((relation) => relation.columns.filter((c) => !c.hidden));
    const seen = new Set<string>();
    for (const { alias } of relations) {
      if (alias !== '' && seen.has(alias)) {
        throw new DbError('42712', `table name "${alias}" specified more than once`);
      }
      seen.add(alias);
    }
  }

  /** Undefined: no column of this name (and no error if `optional`). */
  find(name: string, at: number): ScopeColumn | undefined {
    let found: ScopeColumn | undefined;
    for (const column of this.visible) {
      if (column.name !== name || column.slot === found?.slot) continue;
      if (found !== undefined) {
        throw new DbError('42702', `column reference "${name}" is ambiguous`, positionOf(at));
      }
      found = column;
    }
    return found ?? this.#systemColumn(name);
  }

  #systemColumn(name: string): ScopeColumn | undefined {
    for (const { columns } of this.relations) {
      const found = columns.find((c) => c.isSystem === true && c.name === name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** As column(), but undefined where the name may be one of a query around. */
  tryColumn(path: readonly string[], at: number): ScopeColumn | undefined {
    if (path.length === 1) return this.find(path[0] as string, at);
    return this.#named(path.slice(0, -1)) === undefined ? undefined : this.column(path, at);
  }

  /** a, t.a or s.t.a; throws 42703, 42P01, 42702. */
  column(path: readonly string[], at: number): ScopeColumn {
    const name = path[path.length - 1] as string;
    if (path.length === 1) {
      const found = this.find(name, at) ?? this.#valueOf(name);
      if (found === undefined) throw this.#unknownColumn(name, at);
      return found;
    }
    const relation = this.relation(path.slice(0, -1), at);
    const matches = relation.columns.filter(
      (c) => c.name === name && (!c.hidden || c.isSystem === true),
    );
    const [found] = matches;
    if (matches.length > 1) {
      throw new DbError('42702', `column reference "${name}" is ambiguous`, positionOf(at));
    }
    if (found === undefined) {
      const shown = `${relation.alias}.${name}`;
      throw new DbError('42703', `column ${shown} does not exist`, positionOf(at));
    }
    return found;
  }

  /** A function in FROM that answers single values is its value, whatever its column is called. */
  #valueOf(name: string): ScopeColumn | undefined {
    return this.relations.find((r) => r.isValue === true && r.alias === name)?.columns[0];
  }

  /** t or s.t (or database.s.t). */
  relation(path: readonly string[], at: number): ScopeRelation {
    const found = this.#named(path);
    if (found !== undefined) return found;
    const name = path[path.length - 1] as string;
    const renamed = this.relations.find((r) => r.tableName === name && r.alias !== name);
    if (renamed !== undefined) {
      throw new DbError('42P01', `invalid reference to FROM-clause entry for table "${name}"`, {
        hint: `Perhaps you meant to reference the table alias "${renamed.alias}".`,
        ...positionOf(at),
      });
    }
    throw new DbError('42P01', `missing FROM-clause entry for table "${name}"`, positionOf(at));
  }

  #named(path: readonly string[]): ScopeRelation | undefined {
    const name = path[path.length - 1] as string;
    const schema = path.length > 1 ? path[path.length - 2] : undefined;
    return this.relations.find(
      (r) => r.alias === name && (schema === undefined || schema === r.schema),
    );
  }

  #unknownColumn(name: string, at: number): DbError {
    const near = this.#similar(name);
    return new DbError('42703', `column "${name}" does not exist`, {
      ...(near === undefined
        ? {}
        : { hint: `Perhaps you meant to reference the column "${near}".` }),
      ...positionOf(at),
    });
  }

  /** The one column whose name is a typing error away. */
  #similar(name: string): string | undefined {
    let best: string | undefined;
    // PostgreSQL's own bound: at most 3 edits and at most half of the letters.
    let bound = Math.min(4, Math.floor(name.length / 2) + 1);
    for (const relation of this.relations) {
      for (const column of relation.columns) {
        if (column.hidden) continue;
        const distance = editDistance(name, column.name);
        if (distance < bound) {
          bound = distance;
          best = relation.alias === '' ? column.name : `${relation.alias}.${column.name}`;
        } else if (distance === bound) {
          best = undefined;
        }
      }
    }
    return best;
  }
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3 || a.length > 64 || b.length > 64) return 99;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** A table's relation; its slots are storage positions from `base`. */
export function tableRelation(
  table: TableDescriptor,
  alias: string | undefined,
  base: number,
  columnAliases: readonly string[] = [],
): ScopeRelation {
  let visible = 0;
  const shown = alias ?? table.name;
  const columns = table.columns.map((column): ScopeColumn => {
    const name = column.hidden ? column.name : (columnAliases[visible++] ?? column.name);
    return {
      name,
      type: column.type,
      slot: base + column.position,
      tableId: table.id,
      columnNumber: column.id,
      hidden: column.hidden,
    };
  });
  if (columnAliases.length > visible) {
    throw new DbError(
      '42P10',
      `table "${shown}" has ${visible} columns available but ${columnAliases.length} columns specified`,
    );
  }
  return {
    alias: shown,
    schema: alias === undefined ? table.schema : undefined,
    tableName: table.name,
    columns,
    table,
  };
}

/** A relation whose columns are given: a query in FROM, VALUES, a virtual table. */
export function derivedRelation(
  alias: string,
  names: readonly string[],
  types: readonly ColumnType[],
  base: number,
  columnAliases: readonly string[] = [],
): ScopeRelation {
  if (columnAliases.length > names.length) {
    throw new DbError(
      '42P10',
      `table "${alias}" has ${names.length} columns available but ${columnAliases.length} columns specified`,
    );
  }
  return {
    alias,
    schema: undefined,
    tableName: undefined,
    columns: names.map((name, i) => ({
      name: columnAliases[i] ?? name,
      type: types[i] as ColumnType,
      slot: base + i,
      tableId: 0,
      columnNumber: 0,
      hidden: false,
    })),
    table: undefined,
  };
}

// Random queries over three small tables with NULLs and duplicates: joins, subqueries, set operations, grouping,
// windows, WITH. Every query orders all of its columns, so that two servers can be compared row by row.

import type { SeededRandom } from '../../../src/sim/random.ts';

/** Tables, and for each its columns of type int; `t` of type text is in all. */
const TABLES = ['a', 'b', 'c'] as const;
const COLUMNS = ['id', 'x', 'y'] as const;

export function schema(random: SeededRandom): string[] {
  return TABLES.flatMap((table) => {
    const rows = Array.from({ length: 4 + random.below(8) }, (_, i) => {
      const value = (): string => (random.below(4) === 0 ? 'NULL' : String(random.below(6)));
      const text = random.below(5) === 0 ? 'NULL' : `'${'pqr'.charAt(random.below(3))}'`;
      return `(${i + 1}, ${value()}, ${value()}, ${text})`;
    });
    return [
      `CREATE TABLE ${table} (id int PRIMARY KEY, x int, y int, t text)`,
      `INSERT INTO ${table} VALUES ${rows.join(', ')}`,
    ];
  });
}

interface Source {
  readonly sql: string;
  /** What it offers: qualified columns of type int. */
  readonly ints: readonly string[];
}

export class QueryMaker {
  readonly #random: SeededRandom;
  #names = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  query(): string {
    const kind = this.#below(10);
    const body =
      kind < 2
        ? this.#setOperation(2)
        : kind < 4
          ? this.#grouped(1, [])
          : kind < 6
            ? this.#windowed()
            : this.#plain(2, [], 2);
    const order = ' ORDER BY 1, 2';
    if (this.#below(6) > 0) return body + order;
    const name = this.#name();
    return `WITH ${name}(p, q) AS (${body}) SELECT m.p, n.q FROM ${name} m JOIN ${name} n ON m.p = n.q${order}`;
  }

  #below(n: number): number {
    return this.#random.below(n);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #name(): string {
    return `r${++this.#names}`;
  }

  /** `outer`: columns of the queries around. */
  #source(depth: number, outer: readonly string[]): Source {
    const one = this.#item(depth, outer);
    if (this.#below(2) === 0) return one;
    const other = this.#item(depth, outer);
    const ints = [...one.ints, ...other.ints];
    const kind = this.#pick(['JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN', 'JOIN']);
    if (kind === 'CROSS JOIN') return { sql: `${one.sql} CROSS JOIN ${other.sql}`, ints };
    const equal = `${this.#pick(one.ints)} = ${this.#pick(other.ints)}`;
    const more =
      kind !== 'FULL JOIN' && this.#below(3) === 0 ? ` AND ${this.#condition(0, ints, [])}` : '';
    return { sql: `${one.sql} ${kind} ${other.sql} ON ${equal}${more}`, ints };
  }

  #item(depth: number, outer: readonly string[]): Source {
    const name = this.#name();
    if (depth > 0 && this.#below(4) === 0) {
      const inner =
        this.#below(3) === 0 ? this.#grouped(depth - 1, []) : this.#plain(depth - 1, [], 2);
      return { sql: `(${inner}) ${name}(p, q)`, ints: [`${name}.p`, `${name}.q`] };
    }
    void outer;
    return {
      sql: `${this.#pick(TABLES)} ${name}`,
      ints: COLUMNS.map((column) => `${name}.${column}`),
    };
  }

  #plain(depth: number, outer: readonly string[], width: number): string {
    const source = this.#source(depth, outer);
    const columns = Array.from({ length: width }, () => this.#value(depth, source.ints, outer));
    const distinct = this.#below(5) === 0 ? 'DISTINCT ' : '';
    const where =
      this.#below(4) === 0 ? '' : ` WHERE ${this.#condition(depth, source.ints, outer)}`;
    return `SELECT ${distinct}${columns.join(', ')} FROM ${source.sql}${where}`;
  }

  #value(depth: number, ints: readonly string[], outer: readonly string[]): string {
    switch (this.#below(depth > 0 ? 8 : 5)) {
      case 0:
        return String(this.#below(6));
      case 1:
        return `coalesce(${this.#pick(ints)}, ${this.#below(4)})`;
      case 2:
        return `${this.#pick(ints)} + ${this.#pick([...ints, ...outer])}`;
      case 5:
        return `(${this.#scalar(depth - 1, [...ints, ...outer])})`;
      case 6:
        return `CASE WHEN ${this.#condition(depth - 1, ints, outer)} THEN ${this.#pick(ints)} END`;
      default:
        return this.#pick(ints);
    }
  }

  /** One row at most. */
  #scalar(depth: number, outer: readonly string[]): string {
    const source = this.#source(depth, outer);
    const aggregate = this.#pick(['max', 'min', 'count', 'sum']);
    // Of its own columns: else it would be the outer query's aggregate.
    const sum = `${aggregate}(${this.#pick(source.ints)})::int`;
    const where =
      this.#below(5) === 0 ? '' : ` WHERE ${this.#correlated(depth, source.ints, outer)}`;
    return `SELECT ${sum} FROM ${source.sql}${where}`;
  }

  #correlated(depth: number, ints: readonly string[], outer: readonly string[]): string {
    const equal = `${this.#pick(ints)} ${this.#pick(['=', '=', '=', '<', '<>'])} ${this.#pick(outer)}`;
    return this.#below(2) === 0 ? equal : `${equal} AND ${this.#condition(depth, ints, outer)}`;
  }

  #condition(depth: number, ints: readonly string[], outer: readonly string[]): string {
    const all = [...ints, ...outer];
    const left = this.#pick(ints);
    switch (this.#below(depth > 0 ? 12 : 6)) {
      case 0:
        return `${left} IS ${this.#pick(['', 'NOT '])}NULL`;
      case 1:
        return `${left} IN (${this.#below(5)}, ${this.#below(5)}, ${this.#pick(['NULL', '3'])})`;
      case 2:
        return `(${left}, ${this.#pick(ints)}) ${this.#pick(['<', '=', '>='])} (${this.#pick(all)}, ${this.#below(5)})`;
      case 6:
      case 7: {
        const source = this.#source(depth - 1, []);
        const where = this.#correlated(depth - 1, source.ints, all);
        return `${this.#pick(['', 'NOT '])}EXISTS (SELECT 1 FROM ${source.sql} WHERE ${where})`;
      }
      case 8:
      case 9: {
        const word = this.#pick(['IN', 'NOT IN', '= ANY', '> ANY', '<= ALL', '<> ALL']);
        return `${left} ${word} (${this.#plain(depth - 1, this.#below(2) === 0 ? all : [], 1)})`;
      }
      case 10:
        return `(${this.#condition(depth - 1, ints, outer)} ${this.#pick(['AND', 'OR'])} NOT ${this.#condition(depth - 1, ints, outer)})`;
      case 11:
        return `${left} ${this.#pick(['=', '<', '>='])} (${this.#scalar(depth - 1, all)})`;
      default:
        return `${left} ${this.#pick(['=', '<', '>', '<>'])} ${this.#pick(all)}`;
    }
  }

  #grouped(depth: number, outer: readonly string[]): string {
    const source = this.#source(depth, outer);
    const [one, two, three] = [0, 1, 2].map(() => this.#pick(source.ints)) as [
      string,
      string,
      string,
    ];
    const where =
      this.#below(2) === 0 ? '' : ` WHERE ${this.#condition(depth, source.ints, outer)}`;
    const aggregate = this.#pick([
      'count(*)',
      `sum(${two})::int`,
      `max(${two})`,
      `count(DISTINCT ${two})::int`,
      `sum(${two}) FILTER (WHERE ${three} > 1)::int`,
    ]);
    const by = this.#pick([
      one,
      one,
      `ROLLUP (${one})`,
      `CUBE (${one}, ${three})`,
      `${one}, ROLLUP (${three})`,
    ]);
    const having = this.#below(3) === 0 ? ' HAVING count(*) > 1' : '';
    return `SELECT ${one}, ${aggregate.includes('::') || aggregate.startsWith('max') ? aggregate : `${aggregate}::int`} FROM ${source.sql}${where} GROUP BY ${by}${having}`;
  }

  #windowed(): string {
    const source = this.#source(1, []);
    const [one, two] = [this.#pick(source.ints), this.#pick(source.ints)];
    const partition = this.#below(2) === 0 ? '' : `PARTITION BY ${this.#pick(source.ints)} `;
    const every = source.ints.join(', ');
    const bound = (): string => this.#pick(['1 PRECEDING', 'CURRENT ROW', 'UNBOUNDED PRECEDING']);
    const end = (): string => this.#pick(['CURRENT ROW', '2 FOLLOWING', 'UNBOUNDED FOLLOWING']);
    const exclude = this.#pick(['', '', ' EXCLUDE CURRENT ROW', ' EXCLUDE TIES', ' EXCLUDE GROUP']);
    const mode = this.#pick(['ROWS', 'GROUPS', 'RANGE']);
    // RANGE with an offset takes one column; peers make no difference to what is asked for there.
    const order = mode === 'ROWS' ? every : one;
    const descending = mode === 'ROWS' ? '' : this.#pick(['', ' DESC', ' NULLS FIRST']);
    const frame = `${partition}ORDER BY ${order}${descending} ${mode} BETWEEN ${bound()} AND ${end()}${exclude}`;
    const call =
      mode === 'ROWS'
        ? this.#pick([
            `sum(${two}) OVER (${frame})::int`,
            `first_value(${two}) OVER (${frame})`,
            `nth_value(${two}, 2) OVER (${frame})`,
            `lag(${two}, 1, -1) OVER (${partition}ORDER BY ${every})`,
            `row_number() OVER (${partition}ORDER BY ${every})::int`,
            `ntile(3) OVER (${partition}ORDER BY ${every})`,
          ])
        : this.#pick([
            `sum(${two}) OVER (${frame})::int`,
            `count(${two}) OVER (${frame})::int`,
            `rank() OVER (${partition}ORDER BY ${one}${descending})::int`,
            `dense_rank() OVER (${partition}ORDER BY ${one}${descending})::int`,
          ]);
    return `SELECT ${one}, ${call} FROM ${source.sql}`;
  }

  #setOperation(depth: number): string {
    const side = (): string =>
      depth > 1 && this.#below(4) === 0
        ? `(${this.#setOperation(depth - 1)})`
        : `(${this.#plain(1, [], 2)})`;
    const word = this.#pick([
      'UNION',
      'UNION ALL',
      'INTERSECT',
      'INTERSECT ALL',
      'EXCEPT',
      'EXCEPT ALL',
    ]);
    return `${side()} ${word} ${side()}`;
  }
}

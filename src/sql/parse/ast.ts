// Our own syntax tree, which every lowering produces and nothing beyond sql/parse needs to know a parser for. Frozen
// plain data; `at` is the 0-based offset in UTF-16 units into the statement's text, -1 when unknown.

export type Statement =
  | SelectStatement
  | InsertStatement
  | UpdateStatement
  | DeleteStatement
  | CreateTableStatement
  | DropTableStatement
  | AlterTableStatement
  | TruncateStatement
  | CreateIndexStatement
  | DropIndexStatement
  | RenameIndexStatement
  | CreateSequenceStatement
  | AlterSequenceStatement
  | DropSequenceStatement
  | TransactionStatement
  | SetStatement
  | ShowStatement
  | ResetStatement
  | ExplainStatement
  | CopyStatement
  | MaintenanceStatement
  | DeallocateStatement
  | DiscardStatement
  | ShowClusterStatement
  | AlterRangesStatement
  | SetClusterStatement
  | ReadAtStatement;

export interface Name {
  readonly schema: string | undefined;
  readonly name: string;
  readonly at: number;
}

export interface TypeName {
  /** As PostgreSQL's catalog names it: int4, varchar, timestamptz, … */
  readonly schema: string | undefined;
  readonly name: string;
  /** varchar(20): [20]; numeric(10,2): [10, 2]. */
  readonly modifiers: readonly number[];
  readonly array: boolean;
  readonly at: number;
}

export type Expression =
  | { readonly kind: 'literal'; readonly value: LiteralValue; readonly at: number }
  /** $1 is index 0; literals that the fingerprint took out follow the statement's own parameters. */
  | { readonly kind: 'parameter'; readonly index: number; readonly at: number }
  /** a, t.a, s.t.a; '*' is kind star. */
  | { readonly kind: 'column'; readonly path: readonly string[]; readonly at: number }
  | { readonly kind: 'star'; readonly table: string | undefined; readonly at: number }
  | { readonly kind: 'unary'; readonly op: string; readonly arg: Expression; readonly at: number }
  /** Arithmetic, comparison, ||, LIKE family ('~~', '!~~', '~~*', '!~~*'), regular expressions ('~', …), … */
  | {
      readonly kind: 'binary';
      readonly op: string;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | { readonly kind: 'and' | 'or'; readonly args: readonly Expression[]; readonly at: number }
  | { readonly kind: 'not'; readonly arg: Expression; readonly at: number }
  | {
      readonly kind: 'is';
      readonly test: 'null' | 'true' | 'false' | 'unknown';
      readonly negated: boolean;
      readonly arg: Expression;
      readonly at: number;
    }
  | {
      readonly kind: 'isDistinct';
      readonly negated: boolean;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | {
      readonly kind: 'in';
      readonly negated: boolean;
      readonly arg: Expression;
      readonly list: readonly Expression[];
      readonly at: number;
    }
  | {
      readonly kind: 'between';
      readonly negated: boolean;
      readonly symmetric: boolean;
      readonly arg: Expression;
      readonly low: Expression;
      readonly high: Expression;
      readonly at: number;
    }
  | {
      readonly kind: 'cast';
      readonly arg: Expression;
      readonly type: TypeName;
      readonly at: number;
    }
  | {
      readonly kind: 'case';
      readonly operand: Expression | undefined;
      readonly whens: readonly { readonly when: Expression; readonly result: Expression }[];
      readonly otherwise: Expression | undefined;
      readonly at: number;
    }
  | { readonly kind: 'coalesce'; readonly args: readonly Expression[]; readonly at: number }
  | {
      readonly kind: 'nullif';
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | {
      readonly kind: 'function';
      readonly schema: string | undefined;
      readonly name: string;
      readonly args: readonly Expression[];
      /** count(*) */
      readonly star: boolean;
      readonly distinct: boolean;
      readonly filter: Expression | undefined;
      readonly orderBy: readonly OrderItem[];
      /** ORDER BY stands in WITHIN GROUP. */
      readonly withinGroup?: boolean;
      readonly over?: WindowDefinition;
      readonly at: number;
    }
  /** ARRAY[…]; items of nested constructors are such again. */
  | { readonly kind: 'array'; readonly items: readonly Expression[]; readonly at: number }
  /** a[1], a[1:2], a[:][2] */
  | {
      readonly kind: 'subscript';
      readonly arg: Expression;
      readonly indices: readonly Subscript[];
      readonly at: number;
    }
  /** x op ANY (array), x op ALL (array). */
  | {
      readonly kind: 'quantified';
      readonly op: string;
      readonly quantifier: 'any' | 'all';
      readonly left: Expression;
      readonly array: Expression;
      readonly at: number;
    }
  /** (SELECT …), ARRAY(SELECT …), EXISTS (…); `left op ANY (…)`, `left op ALL (…)`, where `left` may be a row. */
  | {
      readonly kind: 'subquery';
      readonly form: 'scalar' | 'array' | 'exists' | 'any' | 'all';
      readonly query: SelectStatement;
      readonly left: Expression | undefined;
      readonly op: string | undefined;
      readonly at: number;
    }
  /** (a, b) and ROW(a, b). */
  | { readonly kind: 'row'; readonly args: readonly Expression[]; readonly at: number }
  /** GROUPING(a, b). */
  | { readonly kind: 'grouping'; readonly args: readonly Expression[]; readonly at: number }
  /** current_timestamp, current_date, current_user, … */
  | { readonly kind: 'special'; readonly name: string; readonly at: number }
  /** DEFAULT in VALUES and SET. */
  | { readonly kind: 'default'; readonly at: number };

/** A slice's bounds may be left out; a plain subscript is its `upper`. */
export interface Subscript {
  readonly isSlice: boolean;
  readonly lower: Expression | undefined;
  readonly upper: Expression | undefined;
}

export type LiteralValue =
  | { readonly type: 'null' }
  | { readonly type: 'bool'; readonly value: boolean }
  /** Digits, as written (PostgreSQL reads it as int4, int8 or numeric by size). */
  | { readonly type: 'integer'; readonly text: string }
  /** With a point or exponent. */
  | { readonly type: 'decimal'; readonly text: string }
  | { readonly type: 'string'; readonly value: string };

export interface OrderItem {
  readonly expr: Expression;
  readonly descending: boolean;
  /** Undefined: PostgreSQL's default (last when ascending). */
  readonly nullsFirst: boolean | undefined;
}

export type FrameBound =
  | { readonly kind: 'unbounded' }
  | { readonly kind: 'currentRow' }
  | { readonly kind: 'preceding' | 'following'; readonly offset: Expression };

export interface WindowFrame {
  readonly mode: 'rows' | 'range' | 'groups';
  readonly start: FrameBound;
  readonly end: FrameBound;
  readonly exclude: 'none' | 'currentRow' | 'group' | 'ties';
}

/** OVER (…), OVER name, and the definitions of WINDOW. */
export interface WindowDefinition {
  /** Of WINDOW name AS, or OVER name. */
  readonly name: string | undefined;
  /** The window that this one continues: (name ORDER BY …). */
  readonly base: string | undefined;
  readonly partitionBy: readonly Expression[];
  readonly orderBy: readonly OrderItem[];
  /** Undefined: RANGE from the partition's beginning to the current row's peers. */
  readonly frame: WindowFrame | undefined;
  readonly at: number;
}

/** GROUP BY ROLLUP (a, b), CUBE (…), GROUPING SETS (…), and () in them. */
export interface GroupingSet {
  readonly kind: 'groupingSet';
  readonly form: 'rollup' | 'cube' | 'sets' | 'empty';
  readonly items: readonly GroupItem[];
  readonly at: number;
}

export type GroupItem = Expression | GroupingSet;

export interface CommonTable {
  readonly name: string;
  readonly columns: readonly string[] | undefined;
  readonly query: SelectStatement | InsertStatement | UpdateStatement | DeleteStatement;
  /** Undefined: as the planner likes. */
  readonly materialized: boolean | undefined;
  readonly at: number;
}

export interface WithClause {
  readonly recursive: boolean;
  readonly tables: readonly CommonTable[];
}

export interface SetOperation {
  readonly op: 'union' | 'intersect' | 'except';
  readonly all: boolean;
  readonly left: SelectStatement;
  readonly right: SelectStatement;
}

export type SelectItem = { readonly expr: Expression; readonly alias: string | undefined };

export type FromItem = TableRef | JoinRef | SubqueryRef | FunctionRef;

export interface TableRef {
  readonly kind: 'table';
  readonly table: Name;
  readonly alias: string | undefined;
  /** t AS a (x, y): new names for the first columns. */
  readonly columnAliases?: readonly string[];
}

export interface JoinRef {
  readonly kind: 'join';
  /** 'cross' has neither condition; a right join is lowered as it is written. */
  readonly type: 'inner' | 'left' | 'right' | 'full' | 'cross';
  readonly left: FromItem;
  readonly right: FromItem;
  readonly on: Expression | undefined;
  readonly using: readonly string[] | undefined;
  readonly natural: boolean;
  readonly at: number;
}

/** (SELECT …) AS alias (columns). */
export interface SubqueryRef {
  readonly kind: 'subquery';
  readonly query: SelectStatement;
  readonly lateral: boolean;
  readonly alias: string | undefined;
  readonly columnAliases: readonly string[] | undefined;
  readonly at: number;
}

/** generate_series(1, 10) AS alias (column). `call` is kind function. */
export interface FunctionRef {
  readonly kind: 'functionTable';
  readonly call: Expression;
  readonly ordinality?: boolean;
  readonly lateral: boolean;
  readonly alias: string | undefined;
  readonly columnAliases: readonly string[] | undefined;
  readonly at: number;
}

export interface SelectStatement {
  readonly kind: 'select';
  readonly with?: WithClause;
  /** In place of items and from. */
  readonly setOperation?: SetOperation;
  readonly distinct: boolean;
  readonly distinctOn?: readonly Expression[];
  readonly items: readonly SelectItem[];
  /** Several are a cross join; what can't be planned yet is refused by the planner. */
  readonly from: readonly FromItem[];
  /** VALUES lists in place of items and from. */
  readonly values: readonly (readonly Expression[])[] | undefined;
  readonly where: Expression | undefined;
  readonly groupBy: readonly GroupItem[];
  /** GROUP BY DISTINCT: of equal grouping sets only one. */
  readonly groupDistinct?: boolean;
  readonly having: Expression | undefined;
  readonly windows?: readonly WindowDefinition[];
  readonly orderBy: readonly OrderItem[];
  readonly limit: Expression | undefined;
  readonly withTies?: boolean;
  readonly offset: Expression | undefined;
  readonly locking:
    | { readonly strength: 'update' | 'share'; readonly wait: 'block' | 'nowait' | 'skip' }
    | undefined;
  readonly at: number;
}

export interface Assignment {
  readonly column: string;
  readonly value: Expression;
  readonly at: number;
}

export interface InsertStatement {
  readonly kind: 'insert';
  readonly with?: WithClause;
  readonly table: Name;
  readonly alias: string | undefined;
  readonly columns: readonly { readonly name: string; readonly at: number }[] | undefined;
  /** OVERRIDING SYSTEM VALUE, or USER VALUE. */
  readonly overriding?: 'system' | 'user';
  /** Undefined: DEFAULT VALUES. A select whose `values` is set is the usual case. */
  readonly source: SelectStatement | undefined;
  readonly onConflict:
    | {
        /** Columns, or expressions of an index. */
        readonly elements: readonly Expression[] | undefined;
        /** The predicate of a partial index. */
        readonly predicate: Expression | undefined;
        readonly constraint: string | undefined;
        readonly action: 'nothing' | 'update';
        readonly set: readonly Assignment[];
        readonly where: Expression | undefined;
        readonly at: number;
      }
    | undefined;
  readonly returning: readonly SelectItem[] | undefined;
  readonly at: number;
}

export interface UpdateStatement {
  readonly kind: 'update';
  readonly with?: WithClause;
  readonly from?: readonly FromItem[];
  readonly table: Name;
  readonly alias: string | undefined;
  readonly set: readonly Assignment[];
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[] | undefined;
  readonly at: number;
}

export interface DeleteStatement {
  readonly kind: 'delete';
  readonly with?: WithClause;
  readonly using?: readonly FromItem[];
  readonly table: Name;
  readonly alias: string | undefined;
  readonly where: Expression | undefined;
  readonly returning: readonly SelectItem[] | undefined;
  readonly at: number;
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: TypeName;
  readonly notNull: boolean;
  readonly primaryKey: boolean;
  readonly default: Expression | undefined;
  readonly identity:
    | { readonly when: 'always' | 'byDefault'; readonly options: SequenceWords }
    | undefined;
  /** GENERATED ALWAYS AS (…) STORED. */
  readonly generated: Expression | undefined;
  readonly at: number;
}

export type TableConstraint =
  | {
      readonly kind: 'check';
      readonly name: string | undefined;
      readonly expr: Expression;
      /** NOT VALID. */
      readonly notValid: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'unique';
      readonly name: string | undefined;
      readonly columns: readonly string[];
      readonly stored: readonly string[];
      readonly at: number;
    };

export interface CreateTableStatement {
  readonly kind: 'createTable';
  readonly table: Name;
  readonly ifNotExists: boolean;
  readonly columns: readonly ColumnDefinition[];
  readonly primaryKey:
    | {
        readonly name: string | undefined;
        readonly columns: readonly string[];
        readonly at: number;
      }
    | undefined;
  /** Those of columns too. */
  readonly constraints: readonly TableConstraint[];
  readonly at: number;
}

export interface DropTableStatement {
  readonly kind: 'dropTable';
  readonly tables: readonly Name[];
  readonly ifExists: boolean;
  readonly cascade: boolean;
}

export interface AlterTableStatement {
  readonly kind: 'alterTable';
  readonly table: Name;
  readonly ifExists: boolean;
  /** In the order in which they are written; at least one. */
  readonly actions: readonly AlterTableAction[];
}

export type AlterTableAction =
  | {
      readonly kind: 'addPrimaryKey';
      readonly name: string | undefined;
      readonly columns: readonly string[];
      readonly at: number;
    }
  | { readonly kind: 'settings'; readonly settings: readonly TableSetting[] }
  | {
      readonly kind: 'addColumn';
      readonly column: ColumnDefinition;
      readonly constraints: readonly TableConstraint[];
      readonly ifNotExists: boolean;
    }
  | {
      readonly kind: 'dropColumn';
      readonly column: string;
      readonly ifExists: boolean;
      readonly cascade: boolean;
    }
  /** Without a default: DROP DEFAULT. */
  | {
      readonly kind: 'setDefault';
      readonly column: string;
      readonly default: Expression | undefined;
    }
  | { readonly kind: 'setNotNull'; readonly column: string; readonly notNull: boolean }
  | {
      readonly kind: 'alterType';
      readonly column: string;
      readonly type: TypeName;
      readonly using: Expression | undefined;
      readonly at: number;
    }
  | { readonly kind: 'addConstraint'; readonly constraint: TableConstraint }
  | {
      readonly kind: 'dropConstraint';
      readonly name: string;
      readonly ifExists: boolean;
      readonly cascade: boolean;
    }
  | { readonly kind: 'validateConstraint'; readonly name: string }
  | { readonly kind: 'renameColumn'; readonly column: string; readonly to: string }
  | { readonly kind: 'renameTable'; readonly to: string }
  | { readonly kind: 'renameConstraint'; readonly name: string; readonly to: string };

/** `value` undefined: RESET. */
export interface TableSetting {
  readonly name: string;
  readonly value: string | undefined;
  readonly at: number;
}

export interface TruncateStatement {
  readonly kind: 'truncate';
  readonly tables: readonly Name[];
  readonly restartIdentity: boolean;
}

/** What of a sequence is said; numbers as they are written, null for NO MINVALUE and NO MAXVALUE. */
export interface SequenceWords {
  readonly type?: TypeName;
  readonly increment?: string;
  readonly min?: string | null;
  readonly max?: string | null;
  readonly start?: string;
  readonly cache?: string;
  readonly cycle?: boolean;
  /** ALTER … RESTART [WITH]; null: at its start. */
  readonly restart?: string | null;
  /** Table and column; null: NONE. */
  readonly owner?: { readonly table: Name; readonly column: string } | null;
}

export interface CreateSequenceStatement {
  readonly kind: 'createSequence';
  readonly sequence: Name;
  readonly ifNotExists: boolean;
  readonly words: SequenceWords;
}

export interface AlterSequenceStatement {
  readonly kind: 'alterSequence';
  readonly sequence: Name;
  readonly ifExists: boolean;
  readonly words: SequenceWords;
}

export interface DropSequenceStatement {
  readonly kind: 'dropSequence';
  readonly sequences: readonly Name[];
  readonly ifExists: boolean;
  readonly cascade: boolean;
}

export interface IndexElement {
  /** Of kind column where it is one alone. */
  readonly expr: Expression;
  readonly descending: boolean;
  readonly nullsFirst: boolean | undefined;
}

export interface CreateIndexStatement {
  readonly kind: 'createIndex';
  readonly name: string | undefined;
  readonly table: Name;
  readonly unique: boolean;
  readonly concurrently: boolean;
  readonly ifNotExists: boolean;
  readonly elements: readonly IndexElement[];
  /** INCLUDE or STORING. */
  readonly stored: readonly string[];
  readonly where: Expression | undefined;
  readonly at: number;
}

export interface DropIndexStatement {
  readonly kind: 'dropIndex';
  readonly indexes: readonly Name[];
  readonly ifExists: boolean;
  readonly cascade: boolean;
  readonly concurrently: boolean;
}

export interface RenameIndexStatement {
  readonly kind: 'renameIndex';
  readonly index: Name;
  readonly to: string;
  readonly ifExists: boolean;
}

export type AsOfBound = 'exact' | 'follower' | 'maxStaleness' | 'minTimestamp';

/** AS OF SYSTEM TIME; `text`: what stands in it, of those that have something. */
export interface AsOf {
  readonly bound: AsOfBound;
  readonly text: string;
  readonly at: number;
}

/** SET TRANSACTION AS OF SYSTEM TIME. */
export interface ReadAtStatement {
  readonly kind: 'readAt';
  readonly asOf: AsOf;
}

export interface TransactionStatement {
  readonly kind: 'transaction';
  readonly action: 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollbackTo';
  /** START TRANSACTION, which is BEGIN with another tag. */
  readonly start: boolean;
  readonly savepoint: string | undefined;
  readonly isolation: string | undefined;
  readonly readOnly: boolean | undefined;
  readonly chain: boolean;
  /** Of BEGIN. */
  readonly asOf?: AsOf;
}

export interface SetStatement {
  readonly kind: 'set';
  readonly local: boolean;
  /** Lower case; 'timezone', 'transaction_isolation', … */
  readonly name: string;
  /** Undefined: TO DEFAULT. Several for search_path and the like. */
  readonly values: readonly string[] | undefined;
}

export interface ShowStatement {
  readonly kind: 'show';
  /** Lower case; 'all' is SHOW ALL. */
  readonly name: string;
}

export interface ResetStatement {
  readonly kind: 'reset';
  readonly name: string;
}

export interface ExplainStatement {
  readonly kind: 'explain';
  readonly analyze: boolean;
  readonly verbose: boolean;
  readonly statement: Statement;
  readonly asOf?: AsOf;
}

export interface CopyStatement {
  readonly kind: 'copy';
  readonly table: Name | undefined;
  /** COPY (SELECT …) TO. */
  readonly query: SelectStatement | undefined;
  readonly columns: readonly string[] | undefined;
  readonly direction: 'from' | 'to';
  /** Lower-case names with their values as written; format, delimiter, null, header, quote, escape, freeze, … */
  readonly options: Readonly<Record<string, string>>;
  readonly at: number;
}

export interface MaintenanceStatement {
  readonly kind: 'maintenance';
  readonly command: 'vacuum' | 'analyze';
  readonly tables: readonly Name[];
}

export interface DeallocateStatement {
  readonly kind: 'deallocate';
  /** Undefined: ALL. */
  readonly name: string | undefined;
}

export interface DiscardStatement {
  readonly kind: 'discard';
  readonly target: 'all' | 'plans' | 'sequences' | 'temp';
}

/** Whose ranges; an index without its table is looked for by its name. */
export type RangeTarget =
  | { readonly kind: 'table'; readonly table: Name }
  | {
      readonly kind: 'index';
      readonly table: Name | undefined;
      readonly index: string;
      readonly at: number;
    };

/** What of the cluster is shown. */
export interface ShowClusterStatement {
  readonly kind: 'showCluster';
  readonly what: 'ranges' | 'hotRanges' | 'nodes' | 'setting' | 'settings';
  readonly target: RangeTarget | undefined;
  /** Of the one setting. */
  readonly name: string | undefined;
  readonly limit: number | undefined;
}

export interface AlterRangesStatement {
  readonly kind: 'alterRanges';
  readonly target: RangeTarget;
  readonly action: 'split' | 'unsplit' | 'unsplitAll' | 'scatter';
  readonly rows: readonly (readonly Expression[])[];
  readonly at: number;
}

export interface SetClusterStatement {
  readonly kind: 'setCluster';
  readonly name: string;
  /** Undefined: DEFAULT. */
  readonly value: string | undefined;
}

// Statements that PostgreSQL's grammar doesn't have: about ranges, nodes and the settings of the cluster. The lexer finds
// them in the text; what they are made of is read here, and VALUES by PostgreSQL's grammar. The rest of the text goes to
// that grammar with blanks in their place, so that all offsets stay.

import { DbError } from '../../base/errors.ts';
import type {
  AlterRangesStatement,
  Expression,
  Name,
  RangeTarget,
  SetClusterStatement,
  ShowClusterStatement,
} from './ast.ts';
import {
  DECIMAL,
  DOLLAR_STRING,
  END,
  ESCAPE_STRING,
  INTEGER,
  Lexer,
  OPERATOR,
  QUOTED_IDENTIFIER,
  STRING,
  SYMBOL,
  WORD,
} from './lexer.ts';
import { characterPosition } from './position.ts';
import { unquote } from './strings.ts';

export type ClusterStatement = ShowClusterStatement | AlterRangesStatement | SetClusterStatement;

export interface FoundStatement {
  readonly statement: ClusterStatement;
  readonly start: number;
  readonly length: number;
}

export interface FoundStatements {
  /** The text without them. */
  readonly rest: string;
  readonly found: readonly FoundStatement[];
}

/** VALUES (…), (…) from `at` to `end` of a text of the same offsets. */
export type ParseRows = (text: string) => readonly (readonly Expression[])[];

const HINT = /\b(?:ranges?|nodes|cluster|split|unsplit|scatter)\b/i;
const NOTHING: readonly FoundStatement[] = [];

/** Throws DbError for one that is begun and not right. */
export function findClusterStatements(text: string, parseRows: ParseRows): FoundStatements {
  if (!HINT.test(text)) return { rest: text, found: NOTHING };
  const found: FoundStatement[] = [];
  const lexer = new Lexer();
  lexer.reset(text);
  let rest = text;
  lexer.next();
  while (lexer.kind !== END) {
    const { start } = lexer;
    const statement = new StatementReader(lexer, parseRows).statement();
    if (statement === undefined) {
      skipStatement(lexer, start);
      continue;
    }
    let end = lexer.start;
    while (end > start && /\s/.test(text.charAt(end - 1))) end--;
    found.push({ statement, start, length: end - start });
    rest = rest.slice(0, start) + ' '.repeat(lexer.start - start) + rest.slice(lexer.start);
    if (lexer.kind !== END) lexer.next();
  }
  return { rest, found };
}

/** Behind the semicolon that ends the statement at `start`. */
function skipStatement(lexer: Lexer, start: number): void {
  lexer.end = start;
  lexer.next();
  let depth = 0;
  while (lexer.kind !== END) {
    const c = lexer.kind === SYMBOL ? lexer.text.charAt(lexer.start) : '';
    lexer.next();
    if (c === '(') depth++;
    else if (c === ')') depth--;
    else if (c === ';' && depth <= 0) return;
  }
}

class StatementReader {
  readonly #lexer: Lexer;
  readonly #parseRows: ParseRows;

  constructor(lexer: Lexer, parseRows: ParseRows) {
    this.#lexer = lexer;
    this.#parseRows = parseRows;
  }

  /** Undefined: it is none of these. Else the lexer stands on what ends it. */
  statement(): ClusterStatement | undefined {
    const statement = this.#read();
    if (statement !== undefined && !this.#atEnd()) throw this.#syntaxError();
    return statement;
  }

  #read(): ClusterStatement | undefined {
    if (this.#takes('show')) return this.#show();
    if (this.#takes('set')) return this.#takesClusterSetting() ? this.#set() : undefined;
    if (this.#takes('reset')) return this.#takesClusterSetting() ? this.#reset() : undefined;
    if (this.#takes('alter')) return this.#alter();
    return undefined;
  }

  #show(): ShowClusterStatement | undefined {
    const { start } = this.#lexer;
    if (this.#takes('ranges')) {
      const target = this.#takes('from') ? this.#target() : undefined;
      return { kind: 'showCluster', what: 'ranges', target, name: undefined, limit: undefined };
    }
    if (this.#takes('hot')) {
      this.#needs('ranges');
      const limit = this.#takes('limit') ? this.#count() : undefined;
      return { kind: 'showCluster', what: 'hotRanges', target: undefined, name: undefined, limit };
    }
    const plain = { kind: 'showCluster', target: undefined, name: undefined, limit: undefined };
    if (this.#takes('nodes')) return { ...plain, kind: 'showCluster', what: 'nodes' };
    const all = this.#takes('all');
    if (!this.#takes('cluster')) {
      // SHOW ALL, or a setting of the session.
      this.#backTo(start);
      return undefined;
    }
    if (!all && this.#takes('setting')) {
      return { ...plain, kind: 'showCluster', what: 'setting', name: this.#setting() };
    }
    this.#needs('settings');
    const target = this.#takes('from') ? this.#target() : undefined;
    return { ...plain, kind: 'showCluster', what: 'settings', target };
  }

  #takesClusterSetting(): boolean {
    return this.#takes('cluster') && this.#takes('setting');
  }

  #set(): SetClusterStatement {
    const name = this.#setting();
    const { kind, start } = this.#lexer;
    const isEqual = kind === OPERATOR && this.#lexer.text.slice(start, this.#lexer.end) === '=';
    if (isEqual) this.#lexer.next();
    else this.#needs('to');
    const value = this.#takes('default') ? undefined : this.#value();
    return { kind: 'setCluster', name, value };
  }

  #reset(): SetClusterStatement {
    return { kind: 'setCluster', name: this.#setting(), value: undefined };
  }

  #alter(): AlterRangesStatement | undefined {
    const { kind } = this.#lexer;
    if (kind !== WORD) return undefined;
    const word = this.#lexer.word();
    if (word !== 'table' && word !== 'index') return undefined;
    const target = this.#tryTarget();
    if (target === undefined) return undefined;
    const { start } = this.#lexer;
    if (this.#takes('split')) {
      this.#needs('at');
      return { kind: 'alterRanges', target, action: 'split', rows: this.#rows(), at: start };
    }
    if (this.#takes('unsplit')) {
      if (this.#takes('all')) {
        return { kind: 'alterRanges', target, action: 'unsplitAll', rows: [], at: start };
      }
      this.#needs('at');
      return { kind: 'alterRanges', target, action: 'unsplit', rows: this.#rows(), at: start };
    }
    if (this.#takes('scatter')) {
      return { kind: 'alterRanges', target, action: 'scatter', rows: [], at: start };
    }
    return undefined;
  }

  /** TABLE and INDEX with what can't be a target is PostgreSQL's grammar's to complain of. */
  #tryTarget(): RangeTarget | undefined {
    try {
      return this.#target();
    } catch (error) {
      if (error instanceof DbError) return undefined;
      throw error;
    }
  }

  /** TABLE [schema.]table, INDEX [[schema.]table@]index. */
  #target(): RangeTarget {
    if (this.#takes('table')) {
      return { kind: 'table', table: this.#name() };
    }
    this.#needs('index');
    const first = this.#name();
    const { kind, start, end, text } = this.#lexer;
    if (kind === OPERATOR && text.slice(start, end) === '@') {
      this.#lexer.next();
      const at = this.#lexer.start;
      return { kind: 'index', table: first, index: this.#identifier(), at };
    }
    return { kind: 'index', table: undefined, index: first.name, at: first.at };
  }

  #name(): Name {
    const at = this.#lexer.start;
    const first = this.#identifier();
    if (!this.#takesSymbol('.')) return { schema: undefined, name: first, at };
    return { schema: first, name: this.#identifier(), at };
  }

  #identifier(): string {
    const { kind, start, end, text } = this.#lexer;
    if (kind === WORD) {
      const word = this.#lexer.word();
      this.#lexer.next();
      return word;
    }
    if (kind !== QUOTED_IDENTIFIER) throw this.#syntaxError();
    this.#lexer.next();
    return text.slice(start + 1, end - 1).replaceAll('""', '"');
  }

  /** Words with points between them. */
  #setting(): string {
    let name = this.#identifier();
    while (this.#takesSymbol('.')) name += `.${this.#identifier()}`;
    return name;
  }

  /** A string, a number with its sign, or a word. */
  #value(): string {
    const { text } = this.#lexer;
    let sign = '';
    if (this.#lexer.kind === OPERATOR && text.slice(this.#lexer.start, this.#lexer.end) === '-') {
      sign = '-';
      this.#lexer.next();
    }
    const { kind, start, end } = this.#lexer;
    const source = text.slice(start, end);
    switch (kind) {
      case INTEGER:
      case DECIMAL:
        this.#lexer.next();
        return sign + source;
      case STRING:
      case ESCAPE_STRING:
      case DOLLAR_STRING:
        if (sign !== '') throw this.#syntaxError();
        this.#lexer.next();
        return unquote(source);
      case WORD:
        if (sign !== '') throw this.#syntaxError();
        this.#lexer.next();
        return source;
      default:
        throw this.#syntaxError();
    }
  }

  #count(): number {
    const { kind, start, end, text } = this.#lexer;
    const count = Number(text.slice(start, end));
    if (kind !== INTEGER || !Number.isSafeInteger(count)) throw this.#syntaxError();
    this.#lexer.next();
    return count;
  }

  /** VALUES and all up to the end of the statement. */
  #rows(): readonly (readonly Expression[])[] {
    const { text, start } = this.#lexer;
    if (!this.#takes('values')) throw this.#syntaxError();
    const rows = this.#lexer;
    let depth = 0;
    while (rows.kind !== END) {
      const c = rows.kind === SYMBOL ? text.charAt(rows.start) : '';
      if (c === '(') depth++;
      else if (c === ')') depth--;
      else if (c === ';' && depth <= 0) break;
      rows.next();
    }
    return this.#parseRows(' '.repeat(start) + text.slice(start, rows.start));
  }

  /** Steps over the word when it stands here. */
  #takes(word: string): boolean {
    const { kind, start, end } = this.#lexer;
    if (kind !== WORD || !this.#lexer.is(start, end, word)) return false;
    this.#lexer.next();
    return true;
  }

  #takesSymbol(symbol: string): boolean {
    const { kind, start, end, text } = this.#lexer;
    if (kind !== SYMBOL || text.slice(start, end) !== symbol) return false;
    this.#lexer.next();
    return true;
  }

  #needs(word: string): void {
    if (!this.#takes(word)) throw this.#syntaxError();
  }

  #backTo(start: number): void {
    this.#lexer.end = start;
    this.#lexer.next();
  }

  #atEnd(): boolean {
    const { kind, start, text } = this.#lexer;
    return kind === END || (kind === SYMBOL && text.charAt(start) === ';');
  }

  /** As PostgreSQL's grammar says it. */
  #syntaxError(): DbError {
    const { kind, start, end, text } = this.#lexer;
    const message =
      kind === END
        ? 'syntax error at end of input'
        : `syntax error at or near "${text.slice(start, end)}"`;
    return new DbError('42601', message, { position: characterPosition(text, start) });
  }
}

// AS OF SYSTEM TIME, which PostgreSQL's grammar doesn't have: behind the FROM of a SELECT, in BEGIN, and in SET
// TRANSACTION. It is found by the lexer and read here; the rest goes to that grammar with blanks in its place (in the
// last two with READ ONLY, for that is what such a transaction is), so that all offsets stay.

import { DbError } from '../../base/errors.ts';
import type { AsOf, AsOfBound, Statement } from './ast.ts';
import {
  DOLLAR_STRING,
  END,
  ESCAPE_STRING,
  INTEGER,
  Lexer,
  STRING,
  SYMBOL,
  WORD,
} from './lexer.ts';
import { characterPosition } from './position.ts';
import { unquote } from './strings.ts';

export interface FoundAsOf {
  /** The text without them. */
  readonly rest: string;
  /** In the order of the text; at most one in a statement. */
  readonly found: readonly AsOf[];
}

const HINT = /\bsystem\s+time\b/i;
const CLAUSE = ['of', 'system', 'time'];
const NOTHING: readonly AsOf[] = [];
const QUERIES: ReadonlySet<string> = new Set(['select', 'explain']);
const BEGINNINGS: ReadonlySet<string> = new Set(['begin', 'start', 'set']);
/** What may come behind it in a SELECT. */
const FOLLOWERS: ReadonlySet<string> = new Set([
  ...['where', 'group', 'having', 'window', 'order', 'limit', 'offset', 'fetch', 'for'],
]);
const BOUNDS: ReadonlyMap<string, AsOfBound> = new Map([
  ['follower_read_timestamp', 'follower'],
  ['with_max_staleness', 'maxStaleness'],
  ['with_min_timestamp', 'minTimestamp'],
]);

/** Throws DbError for one that is not right. */
export function findAsOf(text: string): FoundAsOf {
  if (!HINT.test(text)) return { rest: text, found: NOTHING };
  const found: AsOf[] = [];
  const lexer = new Lexer();
  lexer.reset(text);
  let rest = text;
  let depth = 0;
  /** Of the statement: its first word, and whether its FROM has come. */
  let first: string | undefined;
  let hasFrom = false;
  let hasClause = false;
  for (lexer.next(); lexer.kind !== END; ) {
    const { kind, start } = lexer;
    if (kind === SYMBOL) {
      const c = text.charAt(start);
      if (c === '(') depth++;
      else if (c === ')') depth--;
      else if (c === ';' && depth <= 0) {
        first = undefined;
        hasFrom = false;
        hasClause = false;
      }
    } else if (kind === WORD) {
      first ??= lexer.word();
      if (depth === 0 && lexer.is(start, lexer.end, 'from')) hasFrom = true;
      if (lexer.is(start, lexer.end, 'as') && takesClause(lexer)) {
        if (depth > 0) {
          throw misplaced(text, start, 'Say it of the whole statement, outside all parentheses.');
        }
        const isQuery = QUERIES.has(first);
        if (!isQuery && !BEGINNINGS.has(first)) throw misplaced(text, start, WHERE);
        if (hasClause || (isQuery && !hasFrom)) throw syntaxError(text, start, 'AS');
        hasClause = true;
        const asOf = readOperand(lexer, start);
        if (isQuery && !mayFollow(lexer)) throw unexpected(lexer);
        found.push(asOf);
        const length = lexer.start - start;
        const filled = isQuery ? '' : 'READ ONLY';
        rest = rest.slice(0, start) + filled.padEnd(length) + rest.slice(start + length);
        continue;
      }
    }
    lexer.next();
  }
  return { rest, found };
}

/** The statement with its clause; `asOf` stands apart where a plan is made of the statement. */
export function withAsOf(
  statement: Statement,
  asOf: AsOf,
  text: string,
): { readonly statement: Statement; readonly asOf: AsOf | undefined } {
  switch (statement.kind) {
    case 'select':
      return { statement, asOf };
    case 'explain':
      if (statement.statement.kind !== 'select') break;
      return { statement: { ...statement, asOf }, asOf: undefined };
    case 'transaction':
      if (statement.action !== 'begin') break;
      if (statement.readOnly === false) {
        throw new DbError('25006', 'a transaction that reads the past is read-only', {
          position: characterPosition(text, asOf.at),
        });
      }
      return { statement: { ...statement, asOf }, asOf: undefined };
    case 'set':
      if (statement.name !== 'transaction_read_only' || !statement.local) break;
      return { statement: { kind: 'readAt', asOf }, asOf: undefined };
    default:
  }
  throw misplaced(text, asOf.at, WHERE);
}

/** Steps over OF SYSTEM TIME behind AS; else stays. */
function takesClause(lexer: Lexer): boolean {
  const { start } = lexer;
  for (const word of CLAUSE) {
    lexer.next();
    if (lexer.kind === WORD && lexer.is(lexer.start, lexer.end, word)) continue;
    lexer.end = start;
    lexer.next();
    return false;
  }
  lexer.next();
  return true;
}

function readOperand(lexer: Lexer, at: number): AsOf {
  const { kind, text, start, end } = lexer;
  const source = text.slice(start, end);
  if (isString(kind)) {
    lexer.next();
    return { bound: 'exact', text: unquote(source), at };
  }
  if (kind === INTEGER) {
    lexer.next();
    return { bound: 'exact', text: source, at };
  }
  const bound = kind === WORD ? BOUNDS.get(lexer.word()) : undefined;
  if (bound === undefined) throw unexpected(lexer);
  lexer.next();
  takeSymbol(lexer, '(');
  let argument = '';
  if (bound !== 'follower') {
    if (!isString(lexer.kind)) throw unexpected(lexer);
    argument = unquote(text.slice(lexer.start, lexer.end));
    lexer.next();
  }
  takeSymbol(lexer, ')');
  return { bound, text: argument, at };
}

function isString(kind: number): boolean {
  return kind === STRING || kind === ESCAPE_STRING || kind === DOLLAR_STRING;
}

function takeSymbol(lexer: Lexer, symbol: string): void {
  const { kind, text, start, end } = lexer;
  if (kind !== SYMBOL || text.slice(start, end) !== symbol) throw unexpected(lexer);
  lexer.next();
}

function mayFollow(lexer: Lexer): boolean {
  const { kind, text, start } = lexer;
  if (kind === END) return true;
  if (kind === SYMBOL) return text.charAt(start) === ';';
  return kind === WORD && FOLLOWERS.has(lexer.word());
}

function unexpected({ kind, text, start, end }: Lexer): DbError {
  return kind === END
    ? new DbError('42601', 'syntax error at end of input', {
        hint: HOW,
        position: characterPosition(text, start),
      })
    : syntaxError(text, start, text.slice(start, end));
}

function syntaxError(text: string, start: number, near: string): DbError {
  return new DbError('42601', `syntax error at or near "${near}"`, {
    hint: HOW,
    position: characterPosition(text, start),
  });
}

const HOW =
  "SELECT … FROM t AS OF SYSTEM TIME '-10s' WHERE …; also a timestamp, follower_read_timestamp(), with_max_staleness('10s') and with_min_timestamp('…').";

const WHERE = 'It belongs behind the FROM of a SELECT, or in BEGIN.';

function misplaced(text: string, at: number, hint: string): DbError {
  return new DbError('42601', 'AS OF SYSTEM TIME can not stand here', {
    hint,
    position: characterPosition(text, at),
  });
}

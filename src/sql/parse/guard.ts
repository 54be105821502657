// What a text must satisfy before PostgreSQL's grammar sees it: its parser and everything after it recurse, so depth is
// bounded here, by counting what can nest and what can chain. The count is an upper bound of the tree's depth for every
// text that the grammar accepts, and for every accepted beginning of one that it refuses.

import { DbError } from '../../base/errors.ts';
import { END, Lexer, OPERATOR, SYMBOL, TYPECAST, WORD } from './lexer.ts';
import { characterPosition } from './position.ts';

/** Of a simple query's whole text, in UTF-16 units. */
export const textLengthMax: number = 8 * 1024 * 1024;
/** Bounds the time that one text can take: PostgreSQL's parser does about a million tokens a second here. */
export const tokensMax = 250_000;
/** Parentheses, brackets, CASE, operators, casts, joins and set operations, summed along any path into the statement.
 * The parser's WebAssembly overflows at about twice as many subqueries (libpg-query 18.1.5, Node's default stack). */
export const depthMax = 500;
/** PostgreSQL's scanner takes quadratic time for comments that begin within comments. */
export const commentDepthMax = 50;
/** Operands of AND and OR, which make lists and not chains. */
export const termsMax = 10_000;

const CHAIN = 1;
/** Chains across commas too: SELECT a, b UNION SELECT c, d UNION … */
const LONG_CHAIN = 2;
const LIST = 3;
const OPEN_CASE = 4;
const CLOSE_CASE = 5;
const words: ReadonlyMap<string, number> = new Map([
  ...['not', 'collate', 'at', 'is', 'isnull', 'notnull', 'like', 'ilike', 'similar', 'between'].map(
    (word): [string, number] => [word, CHAIN],
  ),
  ...['in', 'operator', 'overlaps', 'escape'].map((word): [string, number] => [word, CHAIN]),
  ...['union', 'intersect', 'except', 'join'].map((word): [string, number] => [word, LONG_CHAIN]),
  ['and', LIST],
  ['or', LIST],
  ['case', OPEN_CASE],
  ['end', CLOSE_CASE],
]);
const longestWord: number = Math.max(...[...words.keys()].map((word) => word.length));
const surrogate = /\p{Surrogate}/u;

export function tooComplex(message: string, position?: number): DbError {
  return new DbError('54001', message, position === undefined ? {} : { position });
}

/** Throws DbError unless the text is safe to parse. */
export function guard(text: string): void {
  if (text.length > textLengthMax) {
    throw new DbError('54000', `a query of more than ${textLengthMax} characters`, {
      hint: 'Send values as parameters, or many rows by COPY.',
    });
  }
  // Both would be cut or changed on the way into the parser.
  if (text.includes('\0')) throw badText('0x00');
  if (surrogate.test(text)) throw badText('a lone surrogate');
  // What has fewer characters than that can't nest deeper.
  if (text.length > depthMax) new DepthCounter(text).run();
}

function badText(what: string): DbError {
  return new DbError('22021', `invalid byte sequence for encoding "UTF8": ${what}`);
}

class DepthCounter {
  readonly #text: string;
  readonly #lexer = new Lexer();
  /** For each open bracket or CASE: its opening character (0 for CASE) and the two chains inside it. */
  readonly #opened: number[] = [0];
  readonly #chains: number[] = [0];
  readonly #longChains: number[] = [0];
  #level = 0;
  #depth = 0;
  #terms = 0;

  constructor(text: string) {
    this.#text = text;
    this.#lexer.reset(text);
  }

  run(): void {
    const lexer = this.#lexer;
    let afterPoint = false;
    let tokens = 0;
    for (;;) {
      const kind = lexer.next();
      this.#checkComments();
      if (kind === END) return;
      if (++tokens > tokensMax) {
        throw new DbError('54000', `a query of more than ${tokensMax} words and symbols`, {
          position: this.#position(),
          hint: 'Send it in parts, or many rows by COPY.',
        });
      }
      let point = false;
      if (kind === OPERATOR || kind === TYPECAST) {
        this.#chain(this.#chains);
      } else if (kind === SYMBOL) {
        const c = this.#text.charCodeAt(lexer.start);
        point = c === 46;
        this.#symbol(c);
      } else if (kind === WORD && lexer.end - lexer.start <= longestWord) {
        this.#word(words.get(lexer.word()), afterPoint);
      }
      afterPoint = point;
      if (this.#depth > depthMax) {
        throw tooComplex(
          `the statement nests or chains more than ${depthMax} parentheses, operators and casts`,
          this.#position(),
        );
      }
      if (this.#terms > termsMax) {
        throw tooComplex(
          `the statement combines more than ${termsMax} conditions with AND and OR`,
          this.#position(),
        );
      }
    }
  }

  #checkComments(): void {
    if (this.#lexer.commentDepth <= commentDepthMax) return;
    const position = characterPosition(this.#text, this.#lexer.commentStart);
    throw tooComplex(`comments nest more than ${commentDepthMax} levels`, position);
  }

  #position(): number {
    return characterPosition(this.#text, this.#lexer.start);
  }

  #symbol(c: number): void {
    switch (c) {
      case 40:
      case 91:
        this.#open(c);
        break;
      case 41:
      case 93:
        this.#closeBracket();
        break;
      case 44:
        this.#clear(this.#chains);
        break;
      case 59:
        while (this.#level > 0) this.#close();
        this.#clear(this.#chains);
        this.#clear(this.#longChains);
        this.#terms = 0;
        break;
      default:
        break;
    }
  }

  #word(meaning: number | undefined, afterPoint: boolean): void {
    switch (meaning) {
      case CHAIN:
        this.#chain(this.#chains);
        break;
      case LONG_CHAIN:
        this.#chain(this.#longChains);
        break;
      case LIST:
        this.#terms++;
        this.#clear(this.#chains);
        break;
      case OPEN_CASE:
        this.#open(0);
        break;
      case CLOSE_CASE:
        // END may also be a column's label, but not directly inside a CASE, unless behind a point.
        if (!afterPoint && this.#level > 0 && this.#opened[this.#level] === 0) this.#close();
        break;
      default:
        break;
    }
  }

  #chain(chains: number[]): void {
    chains[this.#level] = (chains[this.#level] as number) + 1;
    this.#depth++;
  }

  #clear(chains: number[]): void {
    this.#depth -= chains[this.#level] as number;
    chains[this.#level] = 0;
  }

  #open(character: number): void {
    this.#level++;
    this.#opened[this.#level] = character;
    this.#chains[this.#level] = 0;
    this.#longChains[this.#level] = 0;
    this.#depth++;
  }

  #close(): void {
    this.#clear(this.#chains);
    this.#clear(this.#longChains);
    this.#level--;
    this.#depth--;
  }

  #closeBracket(): void {
    while (this.#level > 0 && this.#opened[this.#level] === 0) this.#close();
    if (this.#level > 0) this.#close();
  }
}

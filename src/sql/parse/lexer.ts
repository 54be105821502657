// PostgreSQL's lexical rules as a cursor: `next()` steps to a token and leaves its kind and place in fields, so that
// going over a statement allocates nothing (bench: micro, fingerprint). It never throws: what PostgreSQL's own scanner
// would refuse is an `invalid` token, and PostgreSQL's grammar then says what is wrong with it.

export const END = 0;
/** A key word or an unquoted identifier. */
export const WORD = 1;
export const QUOTED_IDENTIFIER = 2;
/** Decimal, hexadecimal, octal or binary digits. */
export const INTEGER = 3;
/** With a point or an exponent. */
export const DECIMAL = 4;
/** '…' with nothing but doubled quotes in it to decode. */
export const STRING = 5;
/** E'…'. */
export const ESCAPE_STRING = 6;
/** $$…$$ or $tag$…$tag$. */
export const DOLLAR_STRING = 7;
/** B'…', X'…', U&'…', U&"…": whatever else has a prefix. */
export const PREFIXED = 8;
/** $1. */
export const PARAMETER = 9;
/** One or more operator characters, by PostgreSQL's rule for a trailing + or -. */
export const OPERATOR = 10;
/** ( ) [ ] , ; . : and the pairs := and .. */
export const SYMBOL = 11;
/** :: */
export const TYPECAST = 12;
/** Unterminated, or junk after a number. */
export const INVALID = 13;

export type TokenKind = number;

// What a character may begin, by its code; everything beyond ASCII belongs to identifiers.
const SPACE = 1;
const LETTER = 2;
const DIGIT = 3;
const OPERATOR_CHARACTER = 4;
const PUNCTUATION = 5;
const classes = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') classes[c.charCodeAt(0)] = SPACE;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') {
  classes[c.charCodeAt(0)] = LETTER;
}
for (const c of '0123456789') classes[c.charCodeAt(0)] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') classes[c.charCodeAt(0)] = OPERATOR_CHARACTER;
for (const c of '()[],;.:') classes[c.charCodeAt(0)] = PUNCTUATION;

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 39;
const DOUBLE_QUOTE = 34;
const DOLLAR = 36;
const AMPERSAND = 38;
const STAR = 42;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const SLASH = 47;
const COLON = 58;
const BACKSLASH = 92;
const UNDERSCORE = 95;

function isIdentifierPart(c: number): boolean {
  if (c >= 128) return true;
  const kind = classes[c];
  return kind === LETTER || kind === DIGIT || c === DOLLAR;
}

function isLetter(c: number): boolean {
  return c >= 128 || classes[c] === LETTER;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

export class Lexer {
  text = '';
  /** Of the current token, in UTF-16 units. */
  start = 0;
  end = 0;
  kind: TokenKind = END;
  /** A comment lies between this token and the one before; it begins at `commentStart`. */
  comment = false;
  commentStart = 0;
  /** A line ended between this token and the one before: two strings then are one. */
  newline = false;

  reset(text: string): void {
    this.text = text;
    this.start = 0;
    this.end = 0;
    this.kind = END;
    this.comment = false;
    this.newline = false;
  }

  next(): TokenKind {
    const text = this.text;
    this.comment = false;
    this.newline = false;
    let at = this.end;
    let c = text.charCodeAt(at);
    // NaN at the end of the text fails every comparison.
    while (c <= 32 || c === MINUS || c === SLASH) {
      if (c === 32) {
        at++;
      } else if (c <= 32) {
        if (classes[c] !== SPACE) break;
        if (c === NEWLINE || c === RETURN) this.newline = true;
        at++;
      } else {
        const after = this.#skipComment(at, c);
        if (after === at) break;
        if (!this.comment) this.commentStart = at;
        this.comment = true;
        if (after < 0) return this.#token(INVALID, at, text.length);
        at = after;
      }
      c = text.charCodeAt(at);
    }
    if (isLetter(c)) return this.#word(at, c);
    switch (classes[c]) {
      case DIGIT:
        return this.#number(at);
      case OPERATOR_CHARACTER:
        return this.#operator(at);
      case PUNCTUATION:
        return this.#punctuation(at, c);
      default:
        break;
    }
    if (c === QUOTE) return this.#quoted(STRING, at, at + 1, QUOTE);
    if (c === DOUBLE_QUOTE) return this.#quoted(QUOTED_IDENTIFIER, at, at + 1, DOUBLE_QUOTE);
    if (c === DOLLAR) return this.#dollar(at);
    if (at >= text.length) return this.#token(END, at, at);
    return this.#token(INVALID, at, at + 1);
  }

  /** The current token's text as PostgreSQL folds key words. */
  word(): string {
    return this.text.slice(this.start, this.end).toLowerCase();
  }

  #token(kind: TokenKind, start: number, end: number): TokenKind {
    this.start = start;
    this.end = end;
    this.kind = kind;
    return kind;
  }

  /** The offset behind the comment at `at`, `at` when there is none, -1 when it does not end. */
  #skipComment(at: number, c: number): number {
    const text = this.text;
    const second = text.charCodeAt(at + 1);
    if (c === MINUS) {
      if (second !== MINUS) return at;
      let end = at + 2;
      for (; end < text.length; end++) {
        const here = text.charCodeAt(end);
        if (here === NEWLINE || here === RETURN) break;
      }
      return end;
    }
    if (second !== STAR) return at;
    let depth = 1;
    let end = at + 2;
    while (depth > 0) {
      if (end >= text.length) return -1;
      const here = text.charCodeAt(end);
      const next = text.charCodeAt(end + 1);
      if (here === STAR && next === SLASH) {
        depth--;
        end += 2;
      } else if (here === SLASH && next === STAR) {
        depth++;
        end += 2;
      } else {
        end++;
      }
    }
    return end;
  }

  #word(at: number, first: number): TokenKind {
    const text = this.text;
    let end = at + 1;
    let c = text.charCodeAt(end);
    // Written out: this loop runs over most characters of most statements.
    while (c >= 128 || classes[c] === LETTER || classes[c] === DIGIT || c === DOLLAR) {
      c = text.charCodeAt(++end);
    }
    if (end === at + 1 && (c === QUOTE || c === AMPERSAND)) {
      const lower = first | 32;
      if (c === QUOTE) {
        if (lower === 101) return this.#escapeString(at, end + 1);
        if (lower === 98 || lower === 120) return this.#quoted(PREFIXED, at, end + 1, QUOTE);
      } else if (lower === 117) {
        const quote = text.charCodeAt(end + 1);
        if (quote === QUOTE || quote === DOUBLE_QUOTE) {
          return this.#quoted(PREFIXED, at, end + 2, quote);
        }
      }
    }
    return this.#token(WORD, at, end);
  }

  #quoted(kind: TokenKind, start: number, from: number, quote: number): TokenKind {
    const text = this.text;
    let at = from;
    for (; at < text.length; at++) {
      if (text.charCodeAt(at) !== quote) continue;
      if (text.charCodeAt(at + 1) !== quote) return this.#token(kind, start, at + 1);
      at++;
    }
    return this.#token(INVALID, start, text.length);
  }

  #escapeString(start: number, from: number): TokenKind {
    const text = this.text;
    let at = from;
    for (; at < text.length; at++) {
      const c = text.charCodeAt(at);
      if (c === BACKSLASH) {
        at++;
      } else if (c === QUOTE) {
        if (text.charCodeAt(at + 1) !== QUOTE) return this.#token(ESCAPE_STRING, start, at + 1);
        at++;
      }
    }
    return this.#token(INVALID, start, text.length);
  }

  /** $1, $$…$$ or $tag$…$tag$. */
  #dollar(start: number): TokenKind {
    const text = this.text;
    let at = start + 1;
    let c = text.charCodeAt(at);
    if (isDigit(c)) {
      while (isDigit(c)) c = text.charCodeAt(++at);
      return this.#token(isLetter(c) ? INVALID : PARAMETER, start, at);
    }
    if (isLetter(c)) {
      while (isLetter(c) || isDigit(c)) c = text.charCodeAt(++at);
    }
    if (c !== DOLLAR) return this.#token(INVALID, start, start + 1);
    const tag = text.slice(start, at + 1);
    const close = text.indexOf(tag, at + 1);
    if (close < 0) return this.#token(INVALID, start, text.length);
    return this.#token(DOLLAR_STRING, start, close + tag.length);
  }

  #digits(at: number): number {
    let end = at;
    let c = this.text.charCodeAt(end);
    while (isDigit(c) || (c === UNDERSCORE && isDigit(this.text.charCodeAt(end + 1)))) {
      c = this.text.charCodeAt(++end);
    }
    return end;
  }

  /** Begins with a digit, or a point with a digit behind it. */
  #number(start: number): TokenKind {
    const text = this.text;
    let kind = INTEGER;
    let at = this.#digits(start);
    const radix = at === start + 1 ? text.charCodeAt(at) | 32 : 0;
    if (text.charCodeAt(start) === 48 && (radix === 120 || radix === 111 || radix === 98)) {
      do at++;
      while (isIdentifierPart(text.charCodeAt(at)));
      const digits = { 120: /^0x(_?[0-9a-f])+$/i, 111: /^0o(_?[0-7])+$/i, 98: /^0b(_?[01])+$/i };
      const valid = digits[radix].test(text.slice(start, at));
      return this.#token(valid ? INTEGER : INVALID, start, at);
    }
    if (text.charCodeAt(at) === POINT && text.charCodeAt(at + 1) !== POINT) {
      kind = DECIMAL;
      at = this.#digits(at + 1);
    }
    if ((text.charCodeAt(at) | 32) === 101) {
      const sign = text.charCodeAt(at + 1);
      const from = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
      if (isDigit(text.charCodeAt(from))) {
        kind = DECIMAL;
        at = this.#digits(from);
      }
    }
    if (isLetter(text.charCodeAt(at))) {
      do at++;
      while (isIdentifierPart(text.charCodeAt(at)));
      return this.#token(INVALID, start, at);
    }
    return this.#token(kind, start, at);
  }

  #punctuation(at: number, c: number): TokenKind {
    const second = this.text.charCodeAt(at + 1);
    if (c === POINT) {
      if (isDigit(second)) return this.#number(at);
      if (second === POINT) return this.#token(SYMBOL, at, at + 2);
    } else if (c === COLON) {
      if (second === COLON) return this.#token(TYPECAST, at, at + 2);
      if (second === 61) return this.#token(SYMBOL, at, at + 2);
    }
    return this.#token(SYMBOL, at, at + 1);
  }

  #operator(start: number): TokenKind {
    const text = this.text;
    let end = start;
    // ~ ! @ # ^ & | ` ? % allow a multi-character operator to end in + or -.
    let special = false;
    for (;;) {
      const c = text.charCodeAt(end);
      if (!(c < 128) || classes[c] !== OPERATOR_CHARACTER) break;
      const second = text.charCodeAt(end + 1);
      if ((c === SLASH && second === STAR) || (c === MINUS && second === MINUS)) break;
      if (!(c === PLUS || c === MINUS || c === STAR || c === SLASH || (c >= 60 && c <= 62))) {
        special = true;
      }
      end++;
    }
    if (!special) {
      while (end > start + 1) {
        const last = text.charCodeAt(end - 1);
        if (last !== PLUS && last !== MINUS) break;
        end--;
      }
    }
    return this.#token(OPERATOR, start, end);
  }
}

/** Space between tokens that the lexer skips, for those who look at a text between two of them. */
export function isSpace(c: number): boolean {
  return c === 32 || (c >= TAB && c <= RETURN);
}

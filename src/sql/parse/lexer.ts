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

// What a character may begin; everything beyond ASCII belongs to identifiers.
const SPACE = 1;
const LETTER = 2;
const DIGIT = 3;
const OPERATOR_CHARACTER = 4;
const PUNCTUATION = 5;
const NOT_ASCII = 255;
const classes: Uint8Array = new Uint8Array(256);
for (const c of ' \t\n\r\f\v') classes[c.charCodeAt(0)] = SPACE;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') {
  classes[c.charCodeAt(0)] = LETTER;
}
classes[NOT_ASCII] = LETTER;
for (const c of '0123456789') classes[c.charCodeAt(0)] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') classes[c.charCodeAt(0)] = OPERATOR_CHARACTER;
for (const c of '()[],;.:') classes[c.charCodeAt(0)] = PUNCTUATION;
/** 1 for what may stand in an identifier. */
const parts: Uint8Array = classes.map((kind) => (kind === LETTER || kind === DIGIT ? 1 : 0));
parts[36] = 1;

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

function codeAt(codes: Uint8Array, at: number): number {
  return codes[at] as number;
}

function isIdentifierPart(c: number): boolean {
  return parts[c] === 1;
}

function isLetter(c: number): boolean {
  return classes[c] === LETTER;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

const encoder = new TextEncoder();
/** No look at the next characters goes further beyond the end. */
const codesBehind = 4;

export class Lexer {
  text = '';
  /** Of the current token, in UTF-16 units. */
  start = 0;
  end = 0;
  kind: TokenKind = END;
  /** A comment lies between this token and the one before; it begins at `commentStart`. */
  comment = false;
  commentStart = 0;
  /** The deepest nesting of comments so far. */
  commentDepth = 0;
  /** A line ended between this token and the one before: two strings then are one. */
  newline = false;

  /** One code for each UTF-16 unit, with 255 for all beyond ASCII, and zeros behind: reading bytes is several times
   * as fast as charCodeAt. */
  #codes: Uint8Array = new Uint8Array(1024);

  reset(text: string): void {
    this.text = text;
    this.#fill(text);
    this.rewind();
  }

  /** Back to the beginning of the same text. */
  rewind(): void {
    this.start = 0;
    this.end = 0;
    this.kind = END;
    this.comment = false;
    this.commentDepth = 0;
    this.newline = false;
  }

  #fill(text: string): void {
    if (this.#codes.length < text.length + codesBehind) {
      this.#codes = new Uint8Array(text.length + 1024 + codesBehind);
    }
    const codes = this.#codes;
    const { read, written } = encoder.encodeInto(text, codes);
    if (read !== text.length || written !== read) {
      for (let i = 0; i < text.length; i++) {
        const c = text.charCodeAt(i);
        codes[i] = c < 128 ? c : NOT_ASCII;
      }
    }
    for (let i = 0; i < codesBehind; i++) codes[text.length + i] = 0;
  }

  next(): TokenKind {
    const codes = this.#codes;
    this.comment = false;
    this.newline = false;
    let at = this.end;
    let c = codeAt(codes, at);
    while (c <= 32 || c === MINUS || c === SLASH) {
      if (c === 32) {
        at++;
      } else if (c <= 32) {
        if (classes[c] !== SPACE) break; // 0 at the end, too
        if (c === NEWLINE || c === RETURN) this.newline = true;
        at++;
      } else {
        const after = this.#skipComment(at, c);
        if (after === at) break;
        if (!this.comment) this.commentStart = at;
        this.comment = true;
        if (after < 0) return this.#token(INVALID, at, this.text.length);
        at = after;
      }
      c = codeAt(codes, at);
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
    if (at >= this.text.length) return this.#token(END, at, at);
    return this.#token(INVALID, at, at + 1);
  }

  /** The current token's text as PostgreSQL folds key words. */
  word(): string {
    return this.text.slice(this.start, this.end).toLowerCase();
  }

  /** Whether the word from start to end is `word`, given in lower case. */
  is(start: number, end: number, word: string): boolean {
    if (end - start !== word.length) return false;
    for (let i = 0; i < word.length; i++) {
      if ((codeAt(this.#codes, start + i) | 32) !== word.charCodeAt(i)) return false;
    }
    return true;
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
    const codes = this.#codes;
    const second = codeAt(codes, at + 1);
    if (c === MINUS) {
      if (second !== MINUS) return at;
      let end = at + 2;
      for (; end < text.length; end++) {
        const here = codeAt(codes, end);
        if (here === NEWLINE || here === RETURN) break;
      }
      return end;
    }
    if (second !== STAR) return at;
    let depth = 1;
    let end = at + 2;
    while (depth > 0) {
      if (depth > this.commentDepth) this.commentDepth = depth;
      if (end >= text.length) return -1;
      const here = codeAt(codes, end);
      const next = codeAt(codes, end + 1);
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
    const codes = this.#codes;
    let end = at + 1;
    let c = codeAt(codes, end);
    while (parts[c] === 1) c = codeAt(codes, ++end);
    if (end === at + 1 && (c === QUOTE || c === AMPERSAND)) {
      const lower = first | 32;
      if (c === QUOTE) {
        if (lower === 101) return this.#escapeString(at, end + 1);
        if (lower === 98 || lower === 120) return this.#bits(at, end + 1);
      } else if (lower === 117) {
        const quote = codeAt(codes, end + 1);
        if (quote === QUOTE || quote === DOUBLE_QUOTE) {
          return this.#quoted(PREFIXED, at, end + 2, quote);
        }
      }
    }
    return this.#token(WORD, at, end);
  }

  #quoted(kind: TokenKind, start: number, from: number, quote: number): TokenKind {
    const text = this.text;
    const codes = this.#codes;
    let at = from;
    for (; at < text.length; at++) {
      if (codeAt(codes, at) !== quote) continue;
      if (codeAt(codes, at + 1) !== quote) return this.#token(kind, start, at + 1);
      at++;
    }
    return this.#token(INVALID, start, text.length);
  }

  /** B'…' or X'…': a quote always ends it. */
  #bits(start: number, from: number): TokenKind {
    const close = this.text.indexOf("'", from);
    if (close < 0) return this.#token(INVALID, start, this.text.length);
    return this.#token(PREFIXED, start, close + 1);
  }

  #escapeString(start: number, from: number): TokenKind {
    const text = this.text;
    const codes = this.#codes;
    let at = from;
    for (; at < text.length; at++) {
      const c = codeAt(codes, at);
      if (c === BACKSLASH) {
        at++;
      } else if (c === QUOTE) {
        if (codeAt(codes, at + 1) !== QUOTE) return this.#token(ESCAPE_STRING, start, at + 1);
        at++;
      }
    }
    return this.#token(INVALID, start, text.length);
  }

  /** $1, $$…$$ or $tag$…$tag$. */
  #dollar(start: number): TokenKind {
    const text = this.text;
    const codes = this.#codes;
    let at = start + 1;
    let c = codeAt(codes, at);
    if (isDigit(c)) {
      while (isDigit(c)) c = codeAt(codes, ++at);
      return this.#token(isLetter(c) ? INVALID : PARAMETER, start, at);
    }
    if (isLetter(c)) {
      while (isLetter(c) || isDigit(c)) c = codeAt(codes, ++at);
    }
    if (c !== DOLLAR) return this.#token(INVALID, start, start + 1);
    const tag = text.slice(start, at + 1);
    const close = text.indexOf(tag, at + 1);
    if (close < 0) return this.#token(INVALID, start, text.length);
    return this.#token(DOLLAR_STRING, start, close + tag.length);
  }

  #digits(at: number): number {
    const codes = this.#codes;
    let end = at;
    let c = codeAt(codes, end);
    while (isDigit(c) || (c === UNDERSCORE && isDigit(codeAt(codes, end + 1)))) {
      c = codeAt(codes, ++end);
    }
    return end;
  }

  /** Begins with a digit, or a point with a digit behind it. */
  #number(start: number): TokenKind {
    const text = this.text;
    const codes = this.#codes;
    let kind = INTEGER;
    let at = this.#digits(start);
    const radix = at === start + 1 ? codeAt(codes, at) | 32 : 0;
    if (codeAt(codes, start) === 48 && (radix === 120 || radix === 111 || radix === 98)) {
      do at++;
      while (isIdentifierPart(codeAt(codes, at)));
      const digits = { 120: /^0x(_?[0-9a-f])+$/i, 111: /^0o(_?[0-7])+$/i, 98: /^0b(_?[01])+$/i };
      const valid = digits[radix].test(text.slice(start, at));
      return this.#token(valid ? INTEGER : INVALID, start, at);
    }
    if (codeAt(codes, at) === POINT && codeAt(codes, at + 1) !== POINT) {
      kind = DECIMAL;
      at = this.#digits(at + 1);
    }
    if ((codeAt(codes, at) | 32) === 101) {
      const sign = codeAt(codes, at + 1);
      const from = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
      if (isDigit(codeAt(codes, from))) {
        kind = DECIMAL;
        at = this.#digits(from);
      }
    }
    if (isLetter(codeAt(codes, at))) {
      do at++;
      while (isIdentifierPart(codeAt(codes, at)));
      return this.#token(INVALID, start, at);
    }
    return this.#token(kind, start, at);
  }

  #punctuation(at: number, c: number): TokenKind {
    const codes = this.#codes;
    const second = codeAt(codes, at + 1);
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
    const codes = this.#codes;
    let end = start;
    // ~ ! @ # ^ & | ` ? % allow a multi-character operator to end in + or -.
    let special = false;
    for (;;) {
      const c = codeAt(codes, end);
      if (classes[c] !== OPERATOR_CHARACTER) break;
      const second = codeAt(codes, end + 1);
      if ((c === SLASH && second === STAR) || (c === MINUS && second === MINUS)) break;
      if (!(c === PLUS || c === MINUS || c === STAR || c === SLASH || (c >= 60 && c <= 62))) {
        special = true;
      }
      end++;
    }
    if (!special) {
      while (end > start + 1) {
        const last = codeAt(codes, end - 1);
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

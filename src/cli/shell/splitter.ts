// Cuts text into statements as it is typed or read: a semicolon ends one unless it stands in a string, a quoted name,
// a dollar quote, a comment or parentheses.

export class StatementSplitter {
  #text = '';
  #at = 0;
  #depth = 0;
  #comments = 0;
  /** What we are inside of: '' is plain, '--' and '/*' are comments, "e'" a string with escapes, else what ends it. */
  #inside = '';

  /** Statements that `more` completes, without their semicolons. */
  push(more: string): string[] {
    this.#text += more;
    const done: string[] = [];
    for (let end = this.#next(); end >= 0; end = this.#next()) {
      const statement = this.#text.slice(0, end).trim();
      this.#text = this.#text.slice(end + 1);
      this.#at = 0;
      this.#depth = 0;
      if (statement !== '') done.push(statement);
    }
    return done;
  }

  /** The statement that has begun and not ended. */
  get rest(): string {
    return this.#text.trim();
  }

  /** Nothing has begun: backslash commands are read here. */
  get idle(): boolean {
    return this.rest === '' && this.#inside === '';
  }

  /** What the prompt says: '=' ready, '-' in a statement, or the quote that is open. */
  get promptMark(): string {
    if (this.idle) return '=';
    switch (this.#inside) {
      case '':
      case '--':
        return this.#depth > 0 ? '(' : '-';
      case "e'":
        return "'";
      case '/*':
        return '*';
      case "'":
      case '"':
        return this.#inside;
      default:
        return '$';
    }
  }

  reset(): void {
    this.#text = '';
    this.#at = 0;
    this.#depth = 0;
    this.#comments = 0;
    this.#inside = '';
  }

  /** Offset of the semicolon that ends the statement; -1 while there is none. */
  #next(): number {
    const text = this.#text;
    while (this.#at < text.length) {
      if (this.#inside !== '') {
        if (!this.#leave(text)) return -1;
        continue;
      }
      const c = text[this.#at] as string;
      const two = text.slice(this.#at, this.#at + 2);
      // What may be the first half of a comment's or a dollar quote's beginning waits for the rest.
      if ((c === '-' || c === '/' || c === '$') && mayGrow(text.slice(this.#at, this.#at + 70)))
        return -1;
      if (two === '--' || two === '/*') {
        this.#inside = two;
        this.#comments = 1;
        this.#at += 2;
      } else if (c === "'" || c === '"') {
        const before = text[this.#at - 1];
        this.#inside = c === "'" && (before === 'e' || before === 'E') ? "e'" : c;
        this.#at += 1;
      } else if (c === '$') {
        const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(
          text.slice(this.#at, this.#at + 70),
        );
        const wordBefore = /[\w$]/.test(text[this.#at - 1] ?? ' ');
        if (tag !== null && !wordBefore) this.#inside = tag[0];
        this.#at += tag === null || wordBefore ? 1 : tag[0].length;
      } else if (c === ';' && this.#depth <= 0) {
        const end = this.#at;
        return end;
      } else {
        if (c === '(') this.#depth += 1;
        if (c === ')') this.#depth -= 1;
        this.#at += 1;
      }
    }
    return -1;
  }

  /** Moves past the end of what we are inside of; false when it is not there yet. */
  #leave(text: string): boolean {
    switch (this.#inside) {
      case '--': {
        const end = text.indexOf('\n', this.#at);
        return this.#left(end, 1);
      }
      case '/*':
        return this.#leaveComment(text);
      case "e'":
        for (; this.#at < text.length; this.#at++) {
          if (text[this.#at] === '\\') this.#at += 1;
          else if (text[this.#at] === "'") return this.#left(this.#at, 1);
        }
        return false;
      default:
        return this.#left(text.indexOf(this.#inside, this.#at), this.#inside.length);
    }
  }

  #left(end: number, length: number): boolean {
    if (end < 0) {
      // A dollar tag may have arrived in part: look at its last characters again.
      this.#at = Math.max(this.#at, this.#text.length - this.#inside.length + 1);
      return false;
    }
    this.#at = end + length;
    this.#inside = '';
    return true;
  }

  #leaveComment(text: string): boolean {
    for (; this.#at < text.length - 1; this.#at++) {
      const two = text.slice(this.#at, this.#at + 2);
      if (two === '/*') {
        this.#comments += 1;
        this.#at += 1;
      } else if (two === '*/') {
        this.#comments -= 1;
        if (this.#comments === 0) return this.#left(this.#at, 2);
        this.#at += 1;
      }
    }
    return false;
  }
}

/** Whether the text ends in what more text could make the beginning of a comment or of a dollar quote. */
function mayGrow(rest: string): boolean {
  return /^(?:[-/]|\$[\w\u0080-\uffff]*)$/.test(rest);
}

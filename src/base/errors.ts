// Errors that a user can see. Each has a stable SQLSTATE code and says what, where and what to do.

export interface DbErrorFields {
  readonly detail?: string;
  readonly hint?: string;
  /** Where it happened, when that is not a place in the statement: 'COPY t, line 3'. */
  readonly context?: string;
  /** 1-based offset in characters into the statement's text. */
  readonly position?: number;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
}

/** An expected failure, told to the user: never a broken invariant (that is an AssertionError). */
export class DbError extends Error {
  override readonly name = 'DbError';
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly fields: DbErrorFields;

  constructor(code: string, message: string, fields: DbErrorFields = {}) {
    super(message);
    this.code = code;
    this.fields = fields;
  }

  /** The same error pointing at a place in the statement, unless it already points at one. */
  at(position: number | undefined): DbError {
    if (position === undefined || this.fields.position !== undefined) return this;
    return new DbError(this.code, this.message, { ...this.fields, position });
  }
}

/** What is not built answers with this, never with a silent no-op. */
export function unsupported(what: string, position?: number, hint?: string): DbError {
  return new DbError('0A000', `${what} is not supported`, {
    ...(position === undefined ? {} : { position }),
    ...(hint === undefined ? {} : { hint }),
  });
}

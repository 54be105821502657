// COPY's options, checked as PostgreSQL checks them.

import { utf8 } from '../../base/bytes.ts';
import { DbError, unsupported } from '../../base/errors.ts';
import type { CopyStatement } from '../parse/ast.ts';
import { readBoolean } from '../settings/kinds.ts';

export interface CopyOptions {
  readonly csv: boolean;
  /** One byte each. */
  readonly delimiter: number;
  readonly quote: number;
  readonly escape: number;
  readonly null: Uint8Array;
  readonly header: 'none' | 'skip' | 'match';
  /** FORCE_QUOTE *. */
  readonly forceQuote: boolean;
}

const KNOWN: ReadonlySet<string> = new Set([
  ...[
    'format',
    'delimiter',
    'null',
    'header',
    'quote',
    'escape',
    'encoding',
    'freeze',
    'force_quote',
  ],
]);
const LATER: ReadonlySet<string> = new Set([
  'force_not_null',
  'force_null',
  'default',
  'on_error',
  'log_verbosity',
]);

export function copyOptions(statement: CopyStatement): CopyOptions {
  const { options, direction } = statement;
  for (const name of Object.keys(options)) {
    if (LATER.has(name)) throw unsupported(`COPY option ${name.toUpperCase()}`);
    if (!KNOWN.has(name)) throw new DbError('42601', `option "${name}" not recognized`);
  }
  const csv = isCsv(options['format']);
  const { delimiter = csv ? ',' : '\t', null: nullText = csv ? '' : '\\N' } = options;
  const { quote = '"' } = options;
  const { escape = quote } = options;
  oneByte(delimiter, 'delimiter');
  checkNewlines(delimiter, nullText);
  if (!csv && '\\.abcdefghijklmnopqrstuvwxyz0123456789'.includes(delimiter)) {
    throw new DbError('22023', `COPY delimiter cannot be "${delimiter}"`);
  }
  if (!csv && options['quote'] !== undefined) throw csvOnly('quote');
  oneByte(quote, 'quote');
  if (csv && delimiter === quote) {
    throw new DbError('22023', 'COPY delimiter and quote must be different');
  }
  if (!csv && options['escape'] !== undefined) throw csvOnly('escape');
  oneByte(escape, 'escape');
  if (!csv && options['force_quote'] !== undefined) throw csvOnly('force quote');
  if (options['force_quote'] !== undefined && direction === 'from') {
    throw new DbError('0A000', 'COPY force quote only available using COPY TO');
  }
  if (nullText.includes(delimiter)) {
    throw new DbError('0A000', 'COPY delimiter must not appear in the NULL specification');
  }
  if (csv && nullText.includes(quote)) {
    throw new DbError('0A000', 'CSV quote character must not appear in the NULL specification');
  }
  checkEncoding(options['encoding']);
  if (options['freeze'] !== undefined) flag('freeze', options['freeze']);
  return {
    csv,
    delimiter: delimiter.charCodeAt(0),
    quote: quote.charCodeAt(0),
    escape: escape.charCodeAt(0),
    null: utf8(nullText),
    header: headerOf(options['header'], direction),
    forceQuote: options['force_quote'] !== undefined,
  };
}

function isCsv(format: string | undefined): boolean {
  switch (format?.toLowerCase()) {
    case undefined:
    case 'text':
      return false;
    case 'csv':
      return true;
    case 'binary':
      throw unsupported('COPY in binary format', undefined, 'Use text or csv.');
    default:
      throw new DbError('22023', `COPY format "${format}" not recognized`);
  }
}

function oneByte(value: string, what: string): void {
  if (utf8(value).length === 1) return;
  throw new DbError('0A000', `COPY ${what} must be a single one-byte character`);
}

function checkNewlines(delimiter: string, nullText: string): void {
  if (/[\r\n]/.test(delimiter)) {
    throw new DbError('22023', 'COPY delimiter cannot be newline or carriage return');
  }
  if (/[\r\n]/.test(nullText)) {
    throw new DbError('22023', 'COPY null representation cannot use newline or carriage return');
  }
}

function csvOnly(what: string): DbError {
  return new DbError('0A000', `COPY ${what} available only in CSV mode`);
}

function checkEncoding(encoding: string | undefined): void {
  const bare = encoding?.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (bare === undefined || bare === 'utf8' || bare === 'unicode') return;
  throw new DbError('22023', 'argument to option "encoding" must be a valid encoding name', {
    hint: 'The only encoding is UTF8.',
  });
}

function flag(name: string, value: string): boolean {
  const read = readBoolean(value);
  if (read === undefined) throw new DbError('42601', `${name} requires a Boolean value`);
  return read;
}

function headerOf(value: string | undefined, direction: 'from' | 'to'): CopyOptions['header'] {
  if (value === undefined) return 'none';
  if (value.toLowerCase() === 'match') {
    if (direction === 'from') return 'match';
    throw new DbError('0A000', 'cannot use "match" with HEADER in COPY TO');
  }
  const read = readBoolean(value);
  if (read === undefined) throw new DbError('42601', 'header requires a Boolean value or "match"');
  return read ? 'skip' : 'none';
}

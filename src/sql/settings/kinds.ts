// Kinds of settings: how a value is read, checked and shown, with PostgreSQL's complaints. Values are kept as the text
// that SHOW prints.

import { utf8 } from '../../base/bytes.ts';
import { DbError, type DbErrorFields, unsupported } from '../../base/errors.ts';

export interface Kind {
  /** The canonical text. Throws DbError 22023. */
  read(name: string, text: string): string;
  /** search_path takes a list; the rest one value. */
  readonly list?: boolean;
}

export function invalidValue(name: string, text: string, fields: DbErrorFields = {}): DbError {
  return new DbError('22023', `invalid value for parameter "${name}": "${text}"`, fields);
}

/** Any unambiguous beginning of true, false, yes, no, on, off; 1 and 0. */
export function readBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (word === '') return undefined;
  if ('true'.startsWith(word) || 'yes'.startsWith(word) || word === 'on' || word === '1')
    return true;
  if ('false'.startsWith(word) || 'no'.startsWith(word) || word === 'off' || word === '0')
    return false;
  return word === 'of' ? false : undefined;
}

export const BOOLEAN: Kind = {
  read(name, text) {
    const value = readBoolean(text);
    if (value === undefined) {
      throw new DbError('22023', `parameter "${name}" requires a Boolean value`);
    }
    return value ? 'on' : 'off';
  },
};

export const STRING: Kind = { read: (_, text) => text };

/** As PostgreSQL shortens and cleans it for its logs. */
export const APPLICATION_NAME: Kind = {
  read: (_, text) =>
    Array.from(utf8(text), (byte) => (byte < 32 || byte > 126 ? '?' : String.fromCharCode(byte)))
      .slice(0, 63)
      .join(''),
};

/** `notBuilt` are those of the words that PostgreSQL has and this database has not. */
export function oneOf(words: readonly string[], notBuilt: readonly string[] = []): Kind {
  return {
    read(name, text) {
      const word = text.toLowerCase();
      if (notBuilt.includes(word)) throw unsupported(`${name} = ${word}`);
      if (words.includes(word)) return word;
      throw invalidValue(name, text, { hint: `Available values: ${words.join(', ')}.` });
    },
  };
}

/** A Boolean of which only one value is built. */
export function only(value: 'on' | 'off'): Kind {
  return {
    read(name, text) {
      const read = BOOLEAN.read(name, text);
      if (read !== value) throw unsupported(`${name} = ${read}`);
      return read;
    },
  };
}

const TIME_UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const TIME_HINT = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".';

/** Milliseconds, shown in the largest unit that divides them. */
export function milliseconds(min: number, max: number): Kind {
  return {
    read(name, text) {
      const match = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([a-zA-Z]*)\s*$/.exec(text);
      if (match === null) throw invalidValue(name, text);
      const unit = match[2] as string;
      const factor =
        unit === '' ? 1 : unit === 'us' ? 0.001 : TIME_UNITS.find(([word]) => word === unit)?.[1];
      if (factor === undefined) throw invalidValue(name, text, { hint: TIME_HINT });
      const value = Math.round(Number(match[1]) * factor);
      if (!(value >= min && value <= max)) throw outOfRange(name, `${value} ms`, min, max);
      return showMilliseconds(value);
    },
  };
}

function showMilliseconds(value: number): string {
  if (value === 0) return '0';
  for (const [unit, factor] of TIME_UNITS) {
    if (value % factor === 0) return `${value / factor}${unit}`;
  }
  return `${value}ms`;
}

/** Of what milliseconds() made. */
export function readMicros(shown: string): number {
  const match = /^(-?\d+)([a-z]*)$/.exec(shown);
  if (match === null) return 0;
  const factor = TIME_UNITS.find(([word]) => word === match[2])?.[1] ?? 1;
  return Number(match[1]) * factor * 1000;
}

export function integer(min: number, max: number): Kind {
  return {
    read(name, text) {
      if (!/^\s*[+-]?\d+(\.\d*)?\s*$/.test(text)) throw invalidValue(name, text);
      const value = Math.round(Number(text));
      if (value < min || value > max) throw outOfRange(name, String(value), min, max);
      return String(value);
    },
  };
}

export function real(min: number, max: number): Kind {
  return {
    read(name, text) {
      const value = Number(text);
      if (text.trim() === '' || Number.isNaN(value)) throw invalidValue(name, text);
      if (value < min || value > max) throw outOfRange(name, String(value), min, max);
      return String(value);
    },
  };
}

/** Memory: kept as it was written, since nothing here is sized by it. */
export const MEMORY: Kind = {
  read(name, text) {
    const match = /^\s*(-?\d+)\s*(B|kB|MB|GB|TB)?\s*$/.exec(text);
    if (match === null) {
      throw invalidValue(name, text, {
        hint: 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".',
      });
    }
    return `${match[1]}${match[2] ?? 'kB'}`;
  },
};

function outOfRange(name: string, value: string, min: number, max: number): DbError {
  return new DbError(
    '22023',
    `${value} is outside the valid range for parameter "${name}" (${min} .. ${max})`,
  );
}

export const UTF8_ONLY: Kind = {
  read(name, text) {
    const bare = text.toLowerCase().replace(/[^a-z0-9]/g, '');
    if (bare === 'utf8' || bare === 'unicode') return 'UTF8';
    throw invalidValue(name, text, { hint: 'The only encoding is UTF8.' });
  },
};

const DATE_ORDERS: ReadonlySet<string> = new Set([
  'mdy',
  'us',
  'noneuro',
  'noneuropean',
  'default',
]);
const OTHER_DATE_STYLES: ReadonlySet<string> = new Set([
  ...['postgres', 'sql', 'german', 'dmy', 'ymd', 'euro', 'european'],
]);

export const DATE_STYLE: Kind = {
  list: true,
  read(name, text) {
    for (const part of text.split(',')) {
      const word = part.trim().toLowerCase();
      if (word === 'iso' || DATE_ORDERS.has(word)) continue;
      if (OTHER_DATE_STYLES.has(word)) throw unsupported(`DateStyle other than ISO, MDY`);
      throw invalidValue(name, text, { detail: `Unrecognized key word: "${part.trim()}".` });
    }
    return 'ISO, MDY';
  },
};

export const ISOLATION_LEVELS: readonly string[] = [
  ...['serializable', 'repeatable read', 'read committed', 'read uncommitted'],
];

/** Always serializable: a lower level is upgraded, which settings.ts tells once. */
export const ISOLATION: Kind = {
  read(name, text) {
    const level = text.toLowerCase();
    if (ISOLATION_LEVELS.includes(level)) return 'serializable';
    throw invalidValue(name, text, { hint: `Available values: ${ISOLATION_LEVELS.join(', ')}.` });
  },
};

/** Schemas; kept as written, quoted where an identifier needs it. */
export const SEARCH_PATH: Kind = { list: true, read: (_, text) => text };

/** What can only be what it is. */
export const FIXED: Kind = {
  read(name) {
    throw new DbError('55P02', `parameter "${name}" cannot be changed`);
  },
};

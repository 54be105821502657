// Dates and times from text, in the forms that PostgreSQL reads with DateStyle "ISO, MDY": ISO 8601, compact digits,
// month names, month/day/year, Julian days, BC, am/pm, fixed offsets and the usual zone abbreviations. Words that
// depend on when they are read ('now', 'today') are the session's business.

import { DbError, unsupported } from '../base/errors.ts';
import {
  DATE_END,
  daysFromCivil,
  daysInMonth,
  EPOCH_JULIAN_DAY,
  FIRST_DAY,
  joinTimestamp,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  TIMESTAMP_END_DAY,
} from './calendar.ts';

export type DateTimeKind = 'date' | 'time' | 'timestamp' | 'timestamp with time zone';

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH_NAMES = [
  ...['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september'],
  ...['october', 'november', 'december'],
];
const WEEKDAY = /^(sun|mon|tues?|wed(nes)?|thu(rs?)?|fri|sat(ur)?)(day)?$/;

/** Hours east of Greenwich of the abbreviations in PostgreSQL's default set that mean one thing only. */
const ZONES: Readonly<Record<string, number>> = {
  ...{
    z: 0,
    zulu: 0,
    utc: 0,
    gmt: 0,
    ut: 0,
    uct: 0,
    wet: 0,
    bst: 1,
    cet: 1,
    cest: 2,
    eet: 2,
    eest: 3,
    msk: 3,
  },
  ...{
    est: -5,
    edt: -4,
    cst: -6,
    cdt: -5,
    mst: -7,
    mdt: -6,
    pst: -8,
    pdt: -7,
    akst: -9,
    akdt: -8,
    hst: -10,
  },
  ...{ jst: 9, kst: 9, aest: 10, aedt: 11, nzst: 12, nzdt: 13 },
};

interface Fields {
  year: number | undefined;
  month: number | undefined;
  day: number | undefined;
  /** Time of day in microseconds, up to 24:00:00. */
  time: number | undefined;
  /** Microseconds east of Greenwich. */
  zone: number | undefined;
  bc: boolean;
  /** The year had two digits: it is of this or the last century, unless BC. */
  shortYear: boolean;
  /** Set in place of year, month, day. */
  julianDay: number | undefined;
}

interface Parsed {
  /** Undefined when the text has none. */
  readonly days: number | undefined;
  readonly micros: number | undefined;
  readonly zone: number | undefined;
  readonly special: 'epoch' | 'infinity' | '-infinity' | undefined;
}

class Reader {
  private readonly text: string;
  private readonly kind: DateTimeKind;

  constructor(text: string, kind: DateTimeKind) {
    this.text = text;
    this.kind = kind;
  }

  invalid(): DbError {
    return new DbError('22007', `invalid input syntax for type ${this.kind}: "${this.text}"`);
  }

  fieldOutOfRange(hint = false): DbError {
    return new DbError(
      '22008',
      `date/time field value out of range: "${this.text}"`,
      hint ? { hint: 'Perhaps you need a different "datestyle" setting.' } : {},
    );
  }

  outOfRange(): DbError {
    return new DbError(
      '22008',
      `${this.kind === 'date' ? 'date' : 'timestamp'} out of range: "${this.text}"`,
    );
  }

  parse(): Parsed {
    const text = this.text.trim().toLowerCase();
    switch (text) {
      case 'epoch':
      case 'infinity':
      case '-infinity':
        return { days: undefined, micros: undefined, zone: undefined, special: text };
      case '+infinity':
        return { days: undefined, micros: undefined, zone: undefined, special: 'infinity' };
      case 'now':
      case 'today':
      case 'tomorrow':
      case 'yesterday':
        throw unsupported(`the date/time input "${text}"`, undefined, 'Use now() or current_date.');
    }
    const fields: Fields = {
      year: undefined,
      month: undefined,
      day: undefined,
      time: undefined,
      zone: undefined,
      bc: false,
      shortYear: false,
      julianDay: undefined,
    };
    let rest = text;
    while (rest !== '') rest = this.field(rest, fields).replace(/^[\s,]+/, '');
    return { days: this.day(fields), micros: fields.time, zone: fields.zone, special: undefined };
  }

  /** Takes one field off the front. */
  private field(text: string, fields: Fields): string {
    const date =
      fields.month === undefined && fields.julianDay === undefined
        ? this.date(text, fields)
        : undefined;
    if (date !== undefined) return date;
    if (fields.month !== undefined && fields.year === undefined && fields.time !== undefined) {
      const year = this.lateYear(text, fields);
      if (year !== undefined) return year;
    }
    const time = fields.time === undefined ? this.time(text, fields) : undefined;
    if (time !== undefined) return time;
    const zone =
      (fields.time ?? fields.month) !== undefined && fields.zone === undefined
        ? this.offset(text, fields)
        : undefined;
    if (zone !== undefined) return zone;
    return this.word(text, fields);
  }

  private date(text: string, fields: Fields): string | undefined {
    let match =
      /^(\d{3,})-(\d{1,2})-(\d{1,2})(?!\d)/.exec(text) ??
      /^(\d{4,})[/.](\d{1,2})[/.](\d{1,2})(?!\d)/.exec(text);
    if (match !== null) {
      setDate(fields, match[1], match[2], match[3]);
      // 2024-01-02T03:04
      return text.slice(match[0].length).replace(/^t(?=\d)/, '');
    }
    match = /^(\d{1,2})[/-](\d{1,2})[/-](\d{1,})(?!\d)/.exec(text);
    if (match !== null) {
      setDate(fields, match[3], match[1], match[2]);
      return text.slice(match[0].length);
    }
    match = /^(\d{4,})(\d{2})(\d{2})(?=$|[\st])/.exec(text);
    if (match !== null) {
      setDate(fields, match[1], match[2], match[3]);
      return text.slice(match[0].length).replace(/^t(?=\d)/, '');
    }
    match = /^j(\d+)(?!\d)/.exec(text);
    if (match !== null) {
      fields.julianDay = Number(match[1]);
      return text.slice(match[0].length);
    }
    return this.namedDate(text, fields);
  }

  /** Tue Jan 2 03:04:05 2024: the year comes last. */
  private lateYear(text: string, fields: Fields): string | undefined {
    const match = /^(\d{4,})(?!\d)/.exec(text);
    if (match === null) return undefined;
    fields.year = Number(match[1]);
    return text.slice(match[0].length);
  }

  /** Jan 8 1999, 8 Jan 1999, 1999-Jan-08, January 8, 1999. */
  private namedDate(text: string, fields: Fields): string | undefined {
    const monthFirst = /^([a-z]{3,9})[\s.-]*(\d{1,2})[\s,-]+(\d{2,})(?![\d:])/.exec(text);
    const dayFirst = /^(\d{1,2})[\s-]*([a-z]{3,9})[\s,.-]*(\d{2,})(?![\d:])/.exec(text);
    const yearFirst = /^(\d{4,})[\s-]*([a-z]{3,9})[\s.-]*(\d{1,2})(?![\d:])/.exec(text);
    const withoutYear = /^([a-z]{3,9})[\s.-]*(\d{1,2})(?=\s+\d{1,2}:)/.exec(text);
    const [match, year, month, day] =
      yearFirst !== null
        ? [yearFirst, yearFirst[1], yearFirst[2], yearFirst[3]]
        : dayFirst !== null
          ? [dayFirst, dayFirst[3], dayFirst[2], dayFirst[1]]
          : monthFirst !== null
            ? [monthFirst, monthFirst[3], monthFirst[1], monthFirst[2]]
            : withoutYear !== null
              ? [withoutYear, '', withoutYear[1], withoutYear[2]]
              : [undefined, undefined, undefined, undefined];
    if (match === undefined || month === undefined) return undefined;
    const number = monthNumber(month);
    if (number === undefined) return undefined;
    setDate(fields, year, String(number), day);
    return text.slice(match[0].length);
  }

  private time(text: string, fields: Fields): string | undefined {
    const match =
      /^t?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d*)?)?(?![\d:])/.exec(text) ??
      /^t?(\d{2})(\d{2})(?:(\d{2})(\.\d*)?)?(?=$|[\sz+-])/.exec(text);
    if (match === null) return undefined;
    let rest = text.slice(match[0].length);
    let hours = Number(match[1]);
    const minutes = Number(match[2]);
    const seconds = Number(match[3] ?? 0);
    const half = /^\s*(am|pm)\b/.exec(rest);
    if (half !== null) {
      if (hours > 12) throw this.fieldOutOfRange();
      hours = (hours % 12) + (half[1] === 'pm' ? 12 : 0);
      rest = rest.slice(half[0].length);
    }
    const fraction = Math.round(
      Number(`0${match[4] ?? ''}0`.replace(/^0\./, '0.')) * MICROS_PER_SECOND,
    );
    const time =
      hours * MICROS_PER_HOUR +
      minutes * MICROS_PER_MINUTE +
      seconds * MICROS_PER_SECOND +
      fraction;
    if (hours > 24 || minutes > 59 || seconds > 60 || time > MICROS_PER_DAY)
      throw this.fieldOutOfRange();
    fields.time = time;
    return rest;
  }

  private offset(text: string, fields: Fields): string | undefined {
    const match =
      /^([+-])(\d{1,2})(?::(\d{1,2})(?::(\d{1,2}))?)?(?![\d:])/.exec(text) ??
      /^([+-])(\d{2})(\d{2})(\d{2})?(?!\d)/.exec(text);
    if (match === null) return undefined;
    const hours = Number(match[2]);
    const minutes = Number(match[3] ?? 0);
    const seconds = Number(match[4] ?? 0);
    if (hours > 15 || minutes > 59 || seconds > 59) {
      throw new DbError('22009', `time zone displacement out of range: "${this.text}"`);
    }
    const offset =
      hours * MICROS_PER_HOUR + minutes * MICROS_PER_MINUTE + seconds * MICROS_PER_SECOND;
    fields.zone = match[1] === '-' ? -offset : offset;
    return text.slice(match[0].length);
  }

  private word(text: string, fields: Fields): string {
    const match = /^[a-z]+(?:\/[a-z_/]+)?/.exec(text);
    if (match === null) throw this.invalid();
    const word = match[0];
    const rest = text.slice(word.length);
    if (word === 'bc') fields.bc = true;
    else if (word === 'ad') fields.bc = false;
    else if (ZONES[word] !== undefined && fields.zone === undefined)
      fields.zone = ZONES[word] * MICROS_PER_HOUR;
    else if (word.includes('/'))
      throw unsupported(`the time zone "${word}" in a value`, undefined, 'Use a fixed offset.');
    else if (!WEEKDAY.test(word)) throw this.invalid();
    return rest;
  }

  private day(fields: Fields): number | undefined {
    if (fields.julianDay !== undefined) return fields.julianDay - EPOCH_JULIAN_DAY;
    const { month, day } = fields;
    let { year } = fields;
    if (year === undefined || month === undefined || day === undefined) return undefined;
    // 1970 to 2069.
    if (fields.shortYear && !fields.bc) year += year < 70 ? 2000 : 1900;
    if (fields.bc) {
      if (year === 0) throw this.fieldOutOfRange();
      year = 1 - year;
    } else if (year === 0) {
      throw this.fieldOutOfRange();
    }
    if (month < 1 || month > 12 || day < 1 || day > 31) throw this.fieldOutOfRange(true);
    if (day > daysInMonth(year, month)) throw this.fieldOutOfRange();
    return daysFromCivil(year, month, day);
  }
}

function setDate(fields: Fields, year = '', month = '', day = ''): void {
  fields.year = year === '' ? undefined : Number(year);
  fields.shortYear = year.length === 2;
  fields.month = Number(month);
  fields.day = Number(day);
}

function monthNumber(word: string): number | undefined {
  const short = MONTHS.indexOf(word === 'sept' ? 'sep' : word);
  const long = MONTH_NAMES.indexOf(word);
  return short >= 0 ? short + 1 : long >= 0 ? long + 1 : undefined;
}

export function parseDate(text: string): number {
  const reader = new Reader(text, 'date');
  const { days, special } = reader.parse();
  if (special !== undefined) return specialValue(special, -10957);
  if (days === undefined) throw reader.invalid();
  if (days < FIRST_DAY || days >= DATE_END) throw reader.outOfRange();
  return days;
}

export function parseTime(text: string): number {
  const reader = new Reader(text, 'time');
  const { micros, special } = reader.parse();
  if (special !== undefined || micros === undefined) throw reader.invalid();
  return micros;
}

export function parseTimestamp(text: string): number | bigint {
  return parseInstant(text, 'timestamp');
}

/** A text without an offset is in UTC. */
export function parseTimestampTz(text: string): number | bigint {
  return parseInstant(text, 'timestamp with time zone');
}

function parseInstant(
  text: string,
  kind: 'timestamp' | 'timestamp with time zone',
): number | bigint {
  const reader = new Reader(text, kind);
  const { days, micros = 0, zone = 0, special } = reader.parse();
  if (special !== undefined) return specialValue(special, -946_684_800_000_000);
  if (days === undefined) throw reader.invalid();
  if (days < FIRST_DAY - 1 || days > TIMESTAMP_END_DAY) throw reader.outOfRange();
  // An offset without meaning for a timestamp without time zone is ignored, as PostgreSQL does.
  const value = joinTimestamp(days, kind === 'timestamp' ? micros : micros - zone);
  if (!timestampInRange(value)) throw reader.outOfRange();
  return value;
}

const TIMESTAMP_FIRST = BigInt(FIRST_DAY) * 86_400_000_000n;
const TIMESTAMP_END = BigInt(TIMESTAMP_END_DAY) * 86_400_000_000n;

/** Whether a finite value is a timestamp that PostgreSQL could hold. */
export function timestampInRange(value: number | bigint): boolean {
  return value >= TIMESTAMP_FIRST && value < TIMESTAMP_END;
}

function specialValue(special: 'epoch' | 'infinity' | '-infinity', epoch: number): number {
  return special === 'epoch'
    ? epoch
    : special === 'infinity'
      ? Number.POSITIVE_INFINITY
      : Number.NEGATIVE_INFINITY;
}

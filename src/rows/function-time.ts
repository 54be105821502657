// Dates and times: arithmetic with days and intervals, parts, truncation. Instants with time zone are taken in UTC.

import { DbError } from '../base/errors.ts';
import {
  civilFromDays,
  daysFromCivil,
  dayOfWeek,
  daysInMonth,
  EPOCH_JULIAN_DAY,
  joinTimestamp,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  splitTimestamp,
  UNIX_EPOCH_DISTANCE,
} from './calendar.ts';
import { checkDate, dateToTimestamp, timestampToDate } from './casts.ts';
import { timestampInRange } from './datetime-parse.ts';
import { Decimal } from './decimal.ts';
import { scalar, type ScalarFunction } from './function-types.ts';
import { Interval, twoDigits } from './interval.ts';
import { sqlTypeName } from './type-names.ts';
import {
  DATE,
  FLOAT8,
  INT4,
  INTERVAL,
  NUMERIC,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
} from './types.ts';

export type Instant = number | bigint;

function isInfinite(value: Instant): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
}

function checkedInstant(value: Instant): Instant {
  if (!timestampInRange(value)) throw new DbError('22008', 'timestamp out of range');
  return value;
}

function addDays(date: number, days: number): number {
  return Number.isFinite(date) ? checkDate(date + days) : date;
}

function subtractDates(a: number, b: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) {
    throw new DbError('22008', 'cannot subtract infinite dates');
  }
  return a - b;
}

/** Months first (clipped to the month's last day), then days, then microseconds. */
export function addInterval(value: Instant, interval: Interval): Instant {
  if (isInfinite(value)) return value;
  let { days, micros } = splitTimestamp(value);
  if (interval.months !== 0) {
    const { year, month, day } = civilFromDays(days);
    const total = year * 12 + month - 1 + interval.months;
    const newYear = Math.floor(total / 12);
    const newMonth = total - newYear * 12 + 1;
    days = daysFromCivil(newYear, newMonth, Math.min(day, daysInMonth(newYear, newMonth)));
  }
  days += interval.days;
  const whole = Math.floor(interval.micros / MICROS_PER_DAY);
  micros += interval.micros - whole * MICROS_PER_DAY;
  return checkedInstant(joinTimestamp(days + whole, micros));
}

function subtractInstants(a: Instant, b: Instant): Interval {
  if (isInfinite(a) || isInfinite(b)) {
    throw new DbError('22008', 'cannot subtract infinite timestamps');
  }
  const difference = BigInt(a) - BigInt(b);
  const days = difference / 86_400_000_000n;
  return new Interval(0, Number(days), Number(difference - days * 86_400_000_000n));
}

export function atTime(date: number, time: number): Instant {
  const midnight = dateToTimestamp(date);
  return isInfinite(midnight) ? midnight : checkedInstant(joinTimestamp(date, time));
}

function addToTime(time: number, interval: Interval): number {
  const micros = (time + (interval.micros % MICROS_PER_DAY)) % MICROS_PER_DAY;
  return micros < 0 ? micros + MICROS_PER_DAY : micros;
}

interface Moment {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly days: number;
  readonly micros: number;
}

function momentOf(value: Instant): Moment {
  const { days, micros } = splitTimestamp(value);
  const { year, month, day } = civilFromDays(days);
  return { year, month, day, days, micros };
}

/** Monday of ISO week 1. */
function isoYearStart(year: number): number {
  const january4 = daysFromCivil(year, 1, 4);
  return january4 - ((dayOfWeek(january4) + 6) % 7);
}

function isoYear(days: number, year: number): number {
  if (days >= isoYearStart(year + 1)) return year + 1;
  return days < isoYearStart(year) ? year - 1 : year;
}

/** The week by ISO 8601, and the year that it is of. */
export function isoWeekOf(days: number, year: number): { year: number; week: number } {
  const of = isoYear(days, year);
  return { year: of, week: Math.floor((days - isoYearStart(of)) / 7) + 1 };
}

const integer = (value: number): Decimal => Decimal.fromInteger(value);
const scaled = (micros: number | bigint, digits: number): Decimal =>
  Decimal.of(BigInt(micros), digits);

/** Year 0 is 1 BC, which parts count as -1. */
function shownYear(year: number): number {
  return year > 0 ? year : year - 1;
}

function clockPart(field: string, micros: number): Decimal | undefined {
  const inMinute = micros % MICROS_PER_MINUTE;
  switch (field) {
    case 'hour':
    case 'hours':
      return integer(Math.floor(micros / MICROS_PER_HOUR));
    case 'minute':
    case 'minutes':
      return integer(Math.floor(micros / MICROS_PER_MINUTE) % 60);
    case 'second':
    case 'seconds':
      return scaled(inMinute, 6);
    case 'millisecond':
    case 'milliseconds':
      return scaled(inMinute, 3);
    case 'microsecond':
    case 'microseconds':
      return integer(inMinute);
    default:
      return undefined;
  }
}

function datePart(field: string, moment: Moment): Decimal | undefined {
  const { year, month, day, days } = moment;
  switch (field) {
    case 'year':
    case 'years':
      return integer(shownYear(year));
    case 'month':
    case 'months':
      return integer(month);
    case 'day':
    case 'days':
      return integer(day);
    case 'quarter':
      return integer(Math.floor((month - 1) / 3) + 1);
    case 'dow':
      return integer(dayOfWeek(days));
    case 'isodow':
      return integer(((dayOfWeek(days) + 6) % 7) + 1);
    case 'doy':
      return integer(days - daysFromCivil(year, 1, 1) + 1);
    case 'week':
      return integer(isoWeekOf(days, year).week);
    case 'isoyear':
      return integer(shownYear(isoYear(days, year)));
    case 'decade':
      return integer(Math.floor(year / 10));
    case 'century':
      return integer(year > 0 ? Math.ceil(year / 100) : -Math.ceil((1 - year) / 100));
    case 'millennium':
      return integer(year > 0 ? Math.ceil(year / 1000) : -Math.ceil((1 - year) / 1000));
    default:
      return undefined;
  }
}

const GROWING = new Set([
  ...['year', 'decade', 'century', 'millennium', 'julian', 'isoyear', 'epoch'],
  ...['years', 'decades', 'centuries', 'millennia'],
]);

const KNOWN = new Set([
  ...GROWING,
  ...['timezone', 'timezone_hour', 'timezone_minute', 'week', 'quarter', 'dow', 'isodow', 'doy'],
  ...['month', 'months', 'day', 'days', 'hour', 'hours', 'minute', 'minutes', 'second', 'seconds'],
  ...['millisecond', 'milliseconds', 'microsecond', 'microseconds'],
]);

function unrecognizedUnit(field: string, oid: number): DbError {
  return new DbError(
    '22023',
    `unit "${field}" not recognized for type ${sqlTypeName({ oid, modifier: -1 })}`,
  );
}

/** Two errors: a unit that the type lacks, and none at all. */
function unknownUnit(field: string, oid: number): DbError {
  return KNOWN.has(field) ? unsupportedUnit(field, oid) : unrecognizedUnit(field, oid);
}

function unsupportedUnit(field: string, oid: number): DbError {
  return new DbError(
    '0A000',
    `unit "${field}" not supported for type ${sqlTypeName({ oid, modifier: -1 })}`,
  );
}

function extractInstant(name: string, value: Instant, oid: number): Decimal | null {
  const field = name.toLowerCase();
  if (isInfinite(value)) {
    if (!KNOWN.has(field)) throw unknownUnit(field, oid);
    if (!GROWING.has(field)) return null;
    return value > 0 ? Decimal.INFINITY : Decimal.NEGATIVE_INFINITY;
  }
  if (field === 'epoch') return scaled(BigInt(value) + BigInt(UNIX_EPOCH_DISTANCE), 6);
  const moment = momentOf(value);
  if (field === 'julian') {
    const fraction = integer(moment.micros).div(integer(MICROS_PER_DAY));
    return integer(moment.days + EPOCH_JULIAN_DAY).add(fraction);
  }
  if (oid === TIMESTAMPTZ && /^timezone(_hour|_minute)?$/.test(field)) return integer(0);
  const part = clockPart(field, moment.micros) ?? datePart(field, moment);
  if (part === undefined) throw unknownUnit(field, oid);
  return part;
}

function extractDate(name: string, value: number): Decimal | null {
  const field = name.toLowerCase();
  if (clockPart(field, 0) !== undefined) throw unsupportedUnit(field, DATE);
  if (!Number.isFinite(value)) return extractInstant(field, value, DATE);
  if (field === 'epoch') return integer(value * 86400 + UNIX_EPOCH_DISTANCE / MICROS_PER_SECOND);
  if (field === 'julian') return integer(value + EPOCH_JULIAN_DAY);
  const part = datePart(field, { ...civilFromDays(value), days: value, micros: 0 });
  if (part === undefined) throw unknownUnit(field, DATE);
  return part;
}

function extractTime(name: string, value: number): Decimal {
  const field = name.toLowerCase();
  const part = field === 'epoch' ? scaled(value, 6) : clockPart(field, value);
  if (part === undefined) throw unknownUnit(field, TIME);
  return part;
}

function extractInterval(name: string, value: Interval): Decimal {
  const field = name.toLowerCase();
  const sign = value.micros < 0 ? -1 : 1;
  const clock = clockPart(field, Math.abs(value.micros));
  if (clock !== undefined) return sign < 0 ? clock.neg() : clock;
  const years = Math.trunc(value.months / 12);
  switch (field) {
    case 'year':
    case 'years':
      return integer(years);
    case 'month':
    case 'months':
      return integer(value.months % 12);
    case 'day':
    case 'days':
      return integer(value.days);
    case 'quarter':
      return integer(Math.trunc((value.months % 12) / 3) + 1);
    case 'decade':
      return integer(Math.trunc(years / 10));
    case 'century':
      return integer(Math.trunc(years / 100));
    case 'millennium':
      return integer(Math.trunc(years / 1000));
    case 'epoch': {
      // A year counts as 365.25 days.
      const seconds =
        BigInt(years) * 31_557_600n + BigInt((value.months % 12) * 30 + value.days) * 86_400n;
      return scaled(seconds * 1_000_000n + BigInt(value.micros), 6);
    }
    default:
      throw unknownUnit(field, INTERVAL);
  }
}

function truncate(name: string, value: Instant, oid: number): Instant {
  if (isInfinite(value)) return value;
  const field = name.toLowerCase();
  const { year, month, days, micros } = momentOf(value);
  const cut = (unit: number): Instant => joinTimestamp(days, micros - (micros % unit));
  const start = (y: number, m = 1): Instant =>
    checkedInstant(joinTimestamp(daysFromCivil(y, m, 1), 0));
  switch (field) {
    case 'microseconds':
      return value;
    case 'milliseconds':
      return cut(1000);
    case 'second':
      return cut(MICROS_PER_SECOND);
    case 'minute':
      return cut(MICROS_PER_MINUTE);
    case 'hour':
      return cut(MICROS_PER_HOUR);
    case 'day':
      return joinTimestamp(days, 0);
    case 'week':
      return joinTimestamp(days - ((dayOfWeek(days) + 6) % 7), 0);
    case 'month':
      return start(year, month);
    case 'quarter':
      return start(year, month - ((month - 1) % 3));
    case 'year':
      return start(year);
    case 'decade':
      return start(Math.floor(year / 10) * 10);
    case 'century':
      return start(Math.floor((year - 1) / 100) * 100 + 1);
    case 'millennium':
      return start(Math.floor((year - 1) / 1000) * 1000 + 1);
    case 'dow':
    case 'isodow':
    case 'doy':
      throw unrecognizedUnit(field, oid);
    default:
      throw unknownUnit(field, oid);
  }
}

/** extract() is exact, date_part() a float. */
function parts(
  oid: number,
  extract: (field: string, value: never) => Decimal | null,
): readonly ScalarFunction[] {
  const body = extract as (field: string, value: unknown) => Decimal | null;
  return [
    scalar('extract', [TEXT, oid], NUMERIC, body),
    scalar('date_part', [TEXT, oid], FLOAT8, (field: string, value: unknown) => {
      const part = body(field, value);
      return part === null ? null : part.toNumber();
    }),
  ];
}

function instants(oid: number): readonly ScalarFunction[] {
  return [
    scalar('+', [oid, INTERVAL], oid, addInterval),
    scalar('+', [INTERVAL, oid], oid, (a: Interval, b: Instant) => addInterval(b, a)),
    scalar('-', [oid, INTERVAL], oid, (a: Instant, b: Interval) => addInterval(a, b.neg())),
    scalar('-', [oid, oid], INTERVAL, subtractInstants),
    scalar('date_trunc', [TEXT, oid], oid, (field: string, value: Instant) =>
      truncate(field, value, oid),
    ),
    ...parts(oid, (field: string, value: Instant) => extractInstant(field, value, oid)),
  ];
}

function makeDate(year: number, month: number, day: number): number {
  const civilYear = year < 0 ? year + 1 : year;
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(civilYear, month)) {
    throw new DbError(
      '22008',
      `date field value out of range: ${year}-${twoDigits(month)}-${twoDigits(day)}`,
    );
  }
  return checkDate(daysFromCivil(civilYear, month, day));
}

function toTimestamp(seconds: number): Instant {
  if (Number.isNaN(seconds)) throw new DbError('22008', 'timestamp cannot be NaN');
  if (!Number.isFinite(seconds)) return seconds;
  if (Math.abs(seconds) > 1e14) throw new DbError('22008', `timestamp out of range: "${seconds}"`);
  const shifted = Math.round(
    (seconds - UNIX_EPOCH_DISTANCE / MICROS_PER_SECOND) * MICROS_PER_SECOND,
  );
  return checkedInstant(Number.isSafeInteger(shifted) ? shifted : BigInt(shifted));
}

export const timeFunctions: readonly ScalarFunction[] = [
  ...instants(TIMESTAMP),
  ...instants(TIMESTAMPTZ),
  scalar('+', [DATE, INT4], DATE, addDays),
  scalar('+', [INT4, DATE], DATE, (a: number, b: number) => addDays(b, a)),
  scalar('-', [DATE, INT4], DATE, (a: number, b: number) => addDays(a, -b)),
  scalar('-', [DATE, DATE], INT4, subtractDates),
  scalar('+', [DATE, INTERVAL], TIMESTAMP, (a: number, b: Interval) =>
    addInterval(dateToTimestamp(a), b),
  ),
  scalar('+', [INTERVAL, DATE], TIMESTAMP, (a: Interval, b: number) =>
    addInterval(dateToTimestamp(b), a),
  ),
  scalar('-', [DATE, INTERVAL], TIMESTAMP, (a: number, b: Interval) =>
    addInterval(dateToTimestamp(a), b.neg()),
  ),
  scalar('+', [DATE, TIME], TIMESTAMP, atTime),
  scalar('+', [TIME, INTERVAL], TIME, addToTime),
  scalar('-', [TIME, INTERVAL], TIME, (a: number, b: Interval) => addToTime(a, b.neg())),
  scalar('-', [TIME, TIME], INTERVAL, (a: number, b: number) => new Interval(0, 0, a - b)),
  scalar('+', [INTERVAL, INTERVAL], INTERVAL, (a: Interval, b: Interval) => a.add(b)),
  scalar('-', [INTERVAL, INTERVAL], INTERVAL, (a: Interval, b: Interval) => a.add(b.neg())),
  scalar('-', [INTERVAL], INTERVAL, (a: Interval) => a.neg()),
  scalar('*', [INTERVAL, FLOAT8], INTERVAL, (a: Interval, b: number) => a.mul(b)),
  scalar('*', [FLOAT8, INTERVAL], INTERVAL, (a: number, b: Interval) => b.mul(a)),
  scalar('/', [INTERVAL, FLOAT8], INTERVAL, (a: Interval, b: number) => {
    if (b === 0) throw new DbError('22012', 'division by zero');
    return a.div(b);
  }),
  scalar('extract', [TEXT, DATE], NUMERIC, extractDate),
  scalar('date_part', [TEXT, DATE], FLOAT8, (field: string, value: number) => {
    const part = extractInstant(field, dateToTimestamp(value), TIMESTAMP);
    return part === null ? null : part.toNumber();
  }),
  ...parts(TIME, extractTime),
  ...parts(INTERVAL, extractInterval),
  scalar('make_date', [INT4, INT4, INT4], DATE, makeDate),
  scalar('to_timestamp', [FLOAT8], TIMESTAMPTZ, toTimestamp),
  scalar('date', [TIMESTAMP], DATE, timestampToDate),
  scalar('date', [TIMESTAMPTZ], DATE, timestampToDate),
];

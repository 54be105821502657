// More of dates and times: age, bins, values from their parts, justified intervals, AT TIME ZONE, OVERLAPS.

import { DbError } from '../base/errors.ts';
import {
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  joinTimestamp,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  splitTimestamp,
} from './calendar.ts';
import { compareDatums, type Datum } from './datum.ts';
import { timestampInRange } from './datetime-parse.ts';
import { addInterval, atTime } from './function-time.ts';
import { scalar, type ScalarFunction, withNulls } from './function-types.ts';
import { formatInterval, Interval, twoDigits } from './interval.ts';
import { timeZone } from './time-zone.ts';
import { BOOL, DATE, FLOAT8, INT4, INTERVAL, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ } from './types.ts';

type Instant = number | bigint;

function isInfinite(value: Instant): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
}

function outOfRange(): DbError {
  return new DbError('22008', 'timestamp out of range');
}

function checked(value: Instant): Instant {
  if (!isInfinite(value) && !timestampInRange(value)) throw outOfRange();
  return value;
}

/** In years, months, days and the rest, by the calendar: timestamp_age() of timestamp.c. */
function age(a: Instant, b: Instant): Interval {
  if (isInfinite(a) || isInfinite(b)) throw outOfRange();
  const isNegative = a < b;
  const x = fieldsOf(a);
  const y = fieldsOf(b);
  const sign = isNegative ? -1 : 1;
  let years = (x.year - y.year) * sign;
  let months = (x.month - y.month) * sign;
  let days = (x.day - y.day) * sign;
  let micros = (x.micros - y.micros) * sign;
  while (micros < 0) {
    micros += MICROS_PER_DAY;
    days--;
  }
  // A borrowed month is as long as that of the earlier one.
  const { year, month } = isNegative ? x : y;
  while (days < 0) {
    days += daysInMonth(year, month);
    months--;
  }
  while (months < 0) {
    months += 12;
    years--;
  }
  return new Interval(sign * (years * 12 + months), sign * days, sign * micros);
}

function fieldsOf(value: Instant): { year: number; month: number; day: number; micros: number } {
  const { days, micros } = splitTimestamp(value);
  return { ...civilFromDays(days), micros };
}

function bin(stride: Interval, value: Instant, origin: Instant): Instant {
  if (isInfinite(value)) return value;
  if (isInfinite(origin)) throw new DbError('22008', 'origin out of range');
  if (stride.months !== 0) {
    throw new DbError(
      '0A000',
      'timestamps cannot be binned into intervals containing months or years',
    );
  }
  const step = BigInt(stride.days) * BigInt(MICROS_PER_DAY) + BigInt(stride.micros);
  if (step <= 0n) throw new DbError('22008', 'stride must be greater than zero');
  const distance = BigInt(value) - BigInt(origin);
  let count = distance / step;
  if (distance % step < 0n) count--;
  return narrowed(BigInt(origin) + count * step);
}

function narrowed(value: bigint): Instant {
  const small = Number(value);
  return checked(Number.isSafeInteger(small) ? small : value);
}

function clockOf(hour: number, minute: number, second: number, what: string): number {
  const isWrong =
    Number.isNaN(second) ||
    hour < 0 ||
    minute < 0 ||
    minute > 59 ||
    second < 0 ||
    second > 60 ||
    hour > 24 ||
    (hour === 24 && (minute > 0 || second > 0));
  if (isWrong) {
    const shown = `${hour}:${twoDigits(minute)}:${padSeconds(second)}`;
    throw new DbError('22008', `${what} field value out of range: ${shown}`);
  }
  return (
    hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + Math.round(second * MICROS_PER_SECOND)
  );
}

function padSeconds(second: number): string {
  const text = String(second);
  return second < 10 && second >= 0 ? `0${text}` : text;
}

function makeTimestamp(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): Instant {
  const civilYear = year < 0 ? year + 1 : year;
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(civilYear, month)) {
    throw new DbError(
      '22008',
      `date field value out of range: ${year}-${twoDigits(month)}-${twoDigits(day)}`,
    );
  }
  const clock = clockOf(hour, minute, second, 'time');
  const value = joinTimestamp(daysFromCivil(civilYear, month, day), clock);
  if (!timestampInRange(value)) {
    const shown = `${year}-${twoDigits(month)}-${twoDigits(day)} ${hour}:${twoDigits(minute)}:${padSeconds(second)}`;
    throw new DbError('22008', `timestamp out of range: ${shown}`);
  }
  return value;
}

function makeInterval(...parts: (number | undefined)[]): Interval {
  const [years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts;
  if (!Number.isFinite(seconds)) throw new DbError('22008', 'interval out of range');
  const micros =
    hours * MICROS_PER_HOUR + minutes * MICROS_PER_MINUTE + Math.round(seconds * MICROS_PER_SECOND);
  return new Interval(years * 12 + months, weeks * 7 + days, micros);
}

/** Full days of 24 hours go from the hours to the days. */
function justifyHours({ months, days, micros }: Interval): Interval {
  const whole = Math.trunc(micros / MICROS_PER_DAY);
  let [d, rest] = [days + whole, micros - whole * MICROS_PER_DAY];
  if (d > 0 && rest < 0) {
    rest += MICROS_PER_DAY;
    d--;
  } else if (d < 0 && rest > 0) {
    rest -= MICROS_PER_DAY;
    d++;
  }
  return new Interval(months, d, rest);
}

/** Full months of 30 days go from the days to the months. */
function justifyDays({ months, days, micros }: Interval): Interval {
  const whole = Math.trunc(days / 30);
  let [m, rest] = [months + whole, days - whole * 30];
  if (m > 0 && rest < 0) {
    rest += 30;
    m--;
  } else if (m < 0 && rest > 0) {
    rest -= 30;
    m++;
  }
  return new Interval(m, rest, micros);
}

function justifyInterval(value: Interval): Interval {
  let { months, days, micros } = value;
  // Days first, where they have the hours' sign.
  if ((days > 0 && micros > 0) || (days < 0 && micros < 0)) {
    const whole = Math.trunc(days / 30);
    days -= whole * 30;
    months += whole;
  }
  const wholeDays = Math.trunc(micros / MICROS_PER_DAY);
  micros -= wholeDays * MICROS_PER_DAY;
  days += wholeDays;
  const wholeMonths = Math.trunc(days / 30);
  days -= wholeMonths * 30;
  months += wholeMonths;
  if (months > 0 && (days < 0 || (days === 0 && micros < 0))) {
    days += 30;
    months--;
  } else if (months < 0 && (days > 0 || (days === 0 && micros > 0))) {
    days -= 30;
    months++;
  }
  if (days > 0 && micros < 0) {
    micros += MICROS_PER_DAY;
    days--;
  } else if (days < 0 && micros > 0) {
    micros -= MICROS_PER_DAY;
    days++;
  }
  return new Interval(months, days, micros);
}

const MONTHS_OF: ReadonlyMap<string, number> = new Map([
  ['millennium', 12_000],
  ['century', 1200],
  ['decade', 120],
  ['year', 12],
  ['quarter', 3],
  ['month', 1],
]);

const MICROS_OF: ReadonlyMap<string, number> = new Map([
  ['hour', MICROS_PER_HOUR],
  ['minute', MICROS_PER_MINUTE],
  ['second', MICROS_PER_SECOND],
  ['milliseconds', 1000],
  ['microseconds', 1],
]);

function truncateInterval(unit: string, { months, days, micros }: Interval): Interval {
  const field = unit.toLowerCase();
  const ofMonths = MONTHS_OF.get(field);
  if (ofMonths !== undefined) {
    return new Interval(Math.trunc(months / ofMonths) * ofMonths, 0, 0);
  }
  if (field === 'day') return new Interval(months, days, 0);
  const ofMicros = MICROS_OF.get(field);
  if (ofMicros !== undefined) {
    return new Interval(months, days, Math.trunc(micros / ofMicros) * ofMicros);
  }
  if (field === 'week') {
    throw new DbError('0A000', 'unit "week" not supported for type interval', {
      detail: 'Months usually have fractional weeks.',
    });
  }
  throw new DbError('22023', `unit "${unit}" not recognized for type interval`);
}

/** A zone that is an interval must be of hours and less. */
function offsetOf(zone: Interval): number {
  if (zone.months !== 0 || zone.days !== 0) {
    const shown = formatInterval(zone);
    throw new DbError('22023', `interval time zone "${shown}" must not include months or days`);
  }
  return zone.micros;
}

function shifted(value: Instant, micros: number): Instant {
  if (isInfinite(value)) return value;
  return narrowed(BigInt(value) + BigInt(micros));
}

function toLocal(zone: string, value: Instant): Instant {
  const found = timeZone(zone);
  return isInfinite(value) ? value : checked(found.local(value));
}

function toInstant(zone: string, value: Instant): Instant {
  const found = timeZone(zone);
  return isInfinite(value) ? value : checked(found.instant(value));
}

/** (a, b) OVERLAPS (c, d), in either order; NULLs as the standard has them: overlaps_timestamp() of timestamp.c. */
function overlaps(oid: number): (...ends: Datum[]) => Datum {
  const less = (a: Datum, b: Datum): boolean => compareDatums(oid, a, b) < 0;
  return (...ends) => {
    let [start1, end1, start2, end2] = ends as [Datum, Datum, Datum, Datum];
    if (start1 === null || (end1 !== null && less(end1, start1))) [start1, end1] = [end1, start1];
    if (start1 === null) return null;
    if (start2 === null || (end2 !== null && less(end2, start2))) [start2, end2] = [end2, start2];
    if (start2 === null) return null;
    if (less(start2, start1)) {
      if (end2 === null) return null;
      if (less(start1, end2)) return true;
      return end1 === null ? null : false;
    }
    if (less(start1, start2)) {
      if (end1 === null) return null;
      if (less(start2, end1)) return true;
      return end2 === null ? null : false;
    }
    return end1 === null || end2 === null ? null : true;
  };
}

/** With an interval in place of an end. */
function overlapsFor(oid: number): readonly ScalarFunction[] {
  const test = overlaps(oid);
  const end = (start: Datum, length: Datum): Datum =>
    start === null || length === null ? null : addInterval(start as Instant, length as Interval);
  return [
    withNulls('overlaps', [oid, oid, oid, oid], BOOL, test as never),
    withNulls(
      'overlaps',
      [oid, INTERVAL, oid, INTERVAL],
      BOOL,
      (a: Datum, b: Datum, c: Datum, d: Datum) => test(a, end(a, b), c, end(c, d)),
    ),
    withNulls(
      'overlaps',
      [oid, oid, oid, INTERVAL],
      BOOL,
      (a: Datum, b: Datum, c: Datum, d: Datum) => test(a, b, c, end(c, d)),
    ),
    withNulls(
      'overlaps',
      [oid, INTERVAL, oid, oid],
      BOOL,
      (a: Datum, b: Datum, c: Datum, d: Datum) => test(a, end(a, b), c, d),
    ),
  ];
}

const TIMESTAMP_PARTS = [INT4, INT4, INT4, INT4, INT4, FLOAT8];
const INTERVAL_PARTS = [INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8];

const zoned: readonly ScalarFunction[] = [
  scalar('timezone', [TEXT, TIMESTAMPTZ], TIMESTAMP, toLocal),
  scalar('timezone', [TEXT, TIMESTAMP], TIMESTAMPTZ, toInstant),
  scalar('timezone', [INTERVAL, TIMESTAMPTZ], TIMESTAMP, (zone: Interval, value: Instant) =>
    shifted(value, offsetOf(zone)),
  ),
  scalar('timezone', [INTERVAL, TIMESTAMP], TIMESTAMPTZ, (zone: Interval, value: Instant) =>
    shifted(value, -offsetOf(zone)),
  ),
  scalar('make_timestamptz', [...TIMESTAMP_PARTS], TIMESTAMPTZ, makeTimestamp),
  scalar(
    'make_timestamptz',
    [...TIMESTAMP_PARTS, TEXT],
    TIMESTAMPTZ,
    (y: number, mo: number, d: number, h: number, mi: number, s: number, zone: string) =>
      toInstant(zone, makeTimestamp(y, mo, d, h, mi, s)),
  ),
];

const finite = (value: Instant): boolean => !isInfinite(value);

export const dateFunctions: readonly ScalarFunction[] = [
  ...zoned,
  scalar('age', [TIMESTAMP, TIMESTAMP], INTERVAL, age),
  scalar('age', [TIMESTAMPTZ, TIMESTAMPTZ], INTERVAL, age),
  scalar('date_bin', [INTERVAL, TIMESTAMP, TIMESTAMP], TIMESTAMP, bin),
  scalar('date_bin', [INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ], TIMESTAMPTZ, bin),
  scalar('date_trunc', [TEXT, INTERVAL], INTERVAL, truncateInterval),
  scalar('make_timestamp', TIMESTAMP_PARTS, TIMESTAMP, makeTimestamp),
  scalar('make_time', [INT4, INT4, FLOAT8], TIME, (h: number, m: number, s: number) =>
    clockOf(h, m, s, 'time'),
  ),
  ...INTERVAL_PARTS.map((_, i) =>
    scalar('make_interval', INTERVAL_PARTS.slice(0, i + 1), INTERVAL, makeInterval),
  ),
  scalar('make_interval', [], INTERVAL, makeInterval),
  scalar('justify_hours', [INTERVAL], INTERVAL, justifyHours),
  scalar('justify_days', [INTERVAL], INTERVAL, justifyDays),
  scalar('justify_interval', [INTERVAL], INTERVAL, justifyInterval),
  scalar('isfinite', [DATE], BOOL, finite),
  scalar('isfinite', [TIMESTAMP], BOOL, finite),
  scalar('isfinite', [TIMESTAMPTZ], BOOL, finite),
  scalar('isfinite', [INTERVAL], BOOL, () => true),
  ...overlapsFor(TIMESTAMP),
  ...overlapsFor(TIMESTAMPTZ),
  withNulls('overlaps', [TIME, TIME, TIME, TIME], BOOL, overlaps(TIME) as never),
  scalar('+', [TIME, DATE], TIMESTAMP, (time: number, date: number) => atTime(date, time)),
];

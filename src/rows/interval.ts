// PostgreSQL's interval: months, days and microseconds, kept apart because a month has no fixed length.

import { DbError } from '../base/errors.ts';
import { MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND } from './calendar.ts';

export class Interval {
  readonly months: number;
  readonly days: number;
  /** A safe integer: about 285 years. */
  readonly micros: number;

  constructor(months: number, days: number, micros: number) {
    if (!isInt4(months) || !isInt4(days) || !Number.isSafeInteger(micros)) {
      throw new DbError('22008', 'interval out of range');
    }
    // No negative zeros.
    this.months = months + 0;
    this.days = days + 0;
    this.micros = micros + 0;
  }

  /** What intervals are compared by: a month counts as 30 days, a day as 24 hours. */
  spanMicros(): bigint {
    return BigInt(this.months * 30 + this.days) * 86_400_000_000n + BigInt(this.micros);
  }

  neg(): Interval {
    return new Interval(-this.months, -this.days, -this.micros);
  }

  add(other: Interval): Interval {
    return new Interval(
      this.months + other.months,
      this.days + other.days,
      this.micros + other.micros,
    );
  }

  mul(factor: number): Interval {
    return this.scaled((count) => count * factor);
  }

  div(divisor: number): Interval {
    return this.scaled((count) => count / divisor);
  }

  /** Fractions of months go to days and those of days to microseconds, rounded as PostgreSQL's interval_mul does. */
  private scaled(scale: (count: number) => number): Interval {
    const months = Math.trunc(scale(this.months));
    let days = Math.trunc(scale(this.days));
    const monthRest = roundTo((scale(this.months) - months) * 30, 6);
    const monthDays = Math.trunc(monthRest);
    let seconds = roundTo((scale(this.days) - days + monthRest - monthDays) * 86400, 6);
    if (Math.abs(seconds) >= 86400) {
      days += Math.trunc(seconds / 86400);
      seconds -= Math.trunc(seconds / 86400) * 86400;
    }
    return new Interval(months, days + monthDays, halfEven(scale(this.micros) + seconds * 1e6));
  }
}

/** As rint(). */
function halfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function isInt4(value: number): boolean {
  return Number.isInteger(value) && value >= -2147483648 && value <= 2147483647;
}

function roundTo(value: number, digits: number): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

export function compareIntervals(a: Interval, b: Interval): number {
  const x = a.spanMicros();
  const y = b.spanMicros();
  return x < y ? -1 : x > y ? 1 : 0;
}

/** IntervalStyle postgres. */
export function formatInterval(value: Interval): string {
  const parts: string[] = [];
  const years = Math.trunc(value.months / 12);
  const months = value.months % 12;
  let negativeBefore = false;
  const field = (count: number, unit: string): void => {
    if (count === 0) return;
    // A positive field after a negative one says its sign.
    const sign = negativeBefore && count > 0 ? '+' : '';
    parts.push(`${sign}${count} ${unit}${count === 1 ? '' : 's'}`);
    negativeBefore = count < 0;
  };
  field(years, 'year');
  field(months, 'mon');
  field(value.days, 'day');
  if (value.micros !== 0 || parts.length === 0) {
    const sign = value.micros < 0 ? '-' : negativeBefore ? '+' : '';
    parts.push(sign + formatClock(Math.abs(value.micros)));
  }
  return parts.join(' ');
}

/** hh:mm:ss[.ffffff] without trailing zeros; hours may have more digits. */
export function formatClock(micros: number): string {
  const hours = Math.floor(micros / MICROS_PER_HOUR);
  const minutes = Math.floor(micros / MICROS_PER_MINUTE) % 60;
  const seconds = Math.floor(micros / MICROS_PER_SECOND) % 60;
  const fraction = micros % MICROS_PER_SECOND;
  const clock = `${twoDigits(hours)}:${twoDigits(minutes)}:${twoDigits(seconds)}`;
  return fraction === 0
    ? clock
    : `${clock}.${fraction.toString().padStart(6, '0').replace(/0+$/, '')}`;
}

export function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

/** Months, days or microseconds in one of the unit. */
const UNITS: ReadonlyMap<string, readonly ['months' | 'days' | 'micros', number]> = new Map([
  ...unit('months', 12000, 'millennium', 'millennia', 'mil', 'mils'),
  ...unit('months', 1200, 'century', 'centuries', 'cent', 'c'),
  ...unit('months', 120, 'decade', 'decades', 'dec', 'decs'),
  ...unit('months', 12, 'year', 'years', 'y', 'yr', 'yrs'),
  ...unit('months', 1, 'month', 'months', 'mon', 'mons'),
  ...unit('days', 7, 'week', 'weeks', 'w'),
  ...unit('days', 1, 'day', 'days', 'd'),
  ...unit('micros', MICROS_PER_HOUR, 'hour', 'hours', 'h', 'hr', 'hrs'),
  ...unit('micros', MICROS_PER_MINUTE, 'minute', 'minutes', 'm', 'min', 'mins'),
  ...unit('micros', MICROS_PER_SECOND, 'second', 'seconds', 's', 'sec', 'secs'),
  ...unit('micros', 1000, 'millisecond', 'milliseconds', 'ms', 'msec', 'msecs'),
  ...unit('micros', 1, 'microsecond', 'microseconds', 'us', 'usec', 'usecs'),
]);

function unit(
  field: 'months' | 'days' | 'micros',
  count: number,
  ...names: string[]
): [string, readonly ['months' | 'days' | 'micros', number]][] {
  return names.map((name) => [name, [field, count]]);
}

const QUANTITY = /^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:\s*([a-zA-Z]+)|(?![\d:.-]))/;
const CLOCK = /^\s*([+-])?(\d+):(\d{1,2})(?::(\d{1,2}(?:\.\d+)?))?(?!\d)/;
const YEAR_MONTH = /^\s*([+-])?(\d+)-(\d{1,2})(?!\d)/;
const ISO = /^([+-]?\d+(?:\.\d*)?)([A-Z])/;

/** Accepts PostgreSQL's verbose and traditional styles, the SQL standard's and ISO 8601's with designators. */
export function parseInterval(text: string): Interval {
  const sum = new Sum();
  const trimmed = text.trim();
  if (/^P/i.test(trimmed)) parseIso(trimmed.slice(1).toUpperCase(), sum, text);
  else parseVerbose(trimmed, sum, text);
  return sum.interval();
}

/** Adds quantities up; fractions of a unit spill into the next smaller one. */
class Sum {
  private months = 0;
  private days = 0;
  private micros = 0;

  add(count: number, field: 'months' | 'days' | 'micros', perUnit: number): void {
    const amount = count * perUnit;
    const whole = field === 'micros' ? Math.round(amount) : Math.trunc(roundTo(amount, 9));
    const rest = field === 'micros' ? 0 : roundTo(amount - whole, 9);
    this[field] += whole;
    if (rest === 0) return;
    if (field === 'months') this.add(rest, 'days', 30);
    else this.add(rest, 'micros', 86_400_000_000);
  }

  negate(): void {
    this.months = -this.months;
    this.days = -this.days;
    this.micros = -this.micros;
  }

  interval(): Interval {
    return new Interval(this.months, this.days, this.micros);
  }
}

function invalid(text: string): DbError {
  return new DbError('22007', `invalid input syntax for type interval: "${text}"`);
}

function parseVerbose(trimmed: string, sum: Sum, original: string): void {
  let rest = trimmed.replace(/^@\s*/, '');
  if (rest === '') throw invalid(original);
  let ago = false;
  while (rest !== '') {
    const clock = CLOCK.exec(rest);
    const yearMonth = clock === null ? YEAR_MONTH.exec(rest) : null;
    const quantity = clock === null && yearMonth === null ? QUANTITY.exec(rest) : null;
    if (clock !== null) {
      const sign = clock[1] === '-' ? -1 : 1;
      if (Number(clock[3]) > 59 || Number(clock[4] ?? 0) >= 61) throw outOfRange(original);
      sum.add(sign * Number(clock[2]), 'micros', MICROS_PER_HOUR);
      sum.add(sign * Number(clock[3]), 'micros', MICROS_PER_MINUTE);
      sum.add(sign * Number(clock[4] ?? 0), 'micros', MICROS_PER_SECOND);
      rest = rest.slice(clock[0].length);
    } else if (yearMonth !== null) {
      const sign = yearMonth[1] === '-' ? -1 : 1;
      if (Number(yearMonth[3]) > 11) throw outOfRange(original);
      sum.add(sign * (Number(yearMonth[2]) * 12 + Number(yearMonth[3])), 'months', 1);
      rest = rest.slice(yearMonth[0].length);
    } else if (quantity !== null) {
      rest = addQuantity(quantity, rest, sum, original);
    } else if (/^\s*ago\s*$/i.test(rest) && rest !== trimmed) {
      ago = true;
      rest = '';
    } else {
      throw invalid(original);
    }
  }
  if (ago) sum.negate();
}

function addQuantity(match: RegExpExecArray, text: string, sum: Sum, original: string): string {
  const count = Number(match[1]);
  let rest = text.slice(match[0].length);
  if (match[2] === undefined) {
    // A bare number before a time of day counts days, otherwise (at the end) seconds.
    if (CLOCK.test(rest)) sum.add(count, 'days', 1);
    else if (rest.trim() === '') sum.add(count, 'micros', MICROS_PER_SECOND);
    else throw invalid(original);
    return rest;
  }
  const found = UNITS.get(match[2].toLowerCase());
  if (found === undefined) throw invalid(original);
  sum.add(count, found[0], found[1]);
  rest = rest.replace(/^,/, '');
  return rest;
}

function parseIso(body: string, sum: Sum, original: string): void {
  let rest = body;
  let inTime = false;
  if (rest === '' || rest === 'T') throw invalid(original);
  while (rest !== '') {
    if (rest.startsWith('T') && !inTime) {
      inTime = true;
      rest = rest.slice(1);
      continue;
    }
    const match = ISO.exec(rest);
    if (match === null) throw invalid(original);
    const count = Number(match[1]);
    switch (`${inTime ? 'T' : ''}${match[2]}`) {
      case 'Y':
        sum.add(count, 'months', 12);
        break;
      case 'M':
        sum.add(count, 'months', 1);
        break;
      case 'W':
        sum.add(count, 'days', 7);
        break;
      case 'D':
        sum.add(count, 'days', 1);
        break;
      case 'TH':
        sum.add(count, 'micros', MICROS_PER_HOUR);
        break;
      case 'TM':
        sum.add(count, 'micros', MICROS_PER_MINUTE);
        break;
      case 'TS':
        sum.add(count, 'micros', MICROS_PER_SECOND);
        break;
      default:
        throw invalid(original);
    }
    rest = rest.slice(match[0].length);
  }
}

function outOfRange(text: string): DbError {
  return new DbError('22008', `interval field value out of range: "${text}"`);
}

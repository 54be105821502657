// The proleptic Gregorian calendar in days since 2000-01-01, PostgreSQL's epoch. Year 0 is 1 BC.

export const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_MINUTE = 60_000_000;
export const MICROS_PER_HOUR = 3_600_000_000;
export const MICROS_PER_DAY = 86_400_000_000;
/** 2000-01-01 as a Julian day. */
export const EPOCH_JULIAN_DAY = 2_451_545;
/** Microseconds from 1970-01-01 to 2000-01-01. */
export const UNIX_EPOCH_DISTANCE = 946_684_800_000_000;

/** 4714-11-24 BC, the first day of dates and timestamps. */
export const FIRST_DAY: number = -EPOCH_JULIAN_DAY;

export interface CivilDate {
  year: number;
  /** 1 to 12 */
  month: number;
  /** 1 to 31 */
  day: number;
}

/** Howard Hinnant's days_from_civil, shifted from 1970 to 2000. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468 - 10957;
}

export function civilFromDays(days: number): CivilDate {
  const z = days + 10957 + 719468;
  const era = Math.floor(z / 146097);
  const dayOfEra = z - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36524) -
      Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  };
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** The days after the last date (5874897-12-31) and the last timestamp (294276-12-31). */
export const DATE_END: number = daysFromCivil(5874898, 1, 1);
export const TIMESTAMP_END_DAY: number = daysFromCivil(294277, 1, 1);

const LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (LENGTHS[month - 1] as number);
}

/** 0 is Sunday. */
export function dayOfWeek(days: number): number {
  return (((days + 6) % 7) + 7) % 7;
}

export interface SplitTimestamp {
  days: number;
  /** Since midnight. */
  micros: number;
}

/** A finite timestamp datum as day and time of day. */
export function splitTimestamp(value: number | bigint): SplitTimestamp {
  if (typeof value === 'number') {
    // The quotient may be rounded up to the next day.
    let days = Math.floor(value / MICROS_PER_DAY);
    if (days * MICROS_PER_DAY > value) days--;
    return { days, micros: value - days * MICROS_PER_DAY };
  }
  let days = value / 86_400_000_000n;
  if (days * 86_400_000_000n > value) days -= 1n;
  return { days: Number(days), micros: Number(value - days * 86_400_000_000n) };
}

/** The inverse: a number while it is safe. */
export function joinTimestamp(days: number, micros: number): number | bigint {
  const value = days * MICROS_PER_DAY + micros;
  if (Number.isSafeInteger(value)) return value;
  return BigInt(days) * 86_400_000_000n + BigInt(micros);
}

// Dates and times as text, DateStyle ISO; instants with time zone in UTC.

import type { ByteWriter } from '../base/bytes.ts';
import {
  type CivilDate,
  civilFromDays,
  MICROS_PER_DAY,
  MICROS_PER_SECOND,
  splitTimestamp,
} from './calendar.ts';
import { formatClock, twoDigits } from './interval.ts';
import { put2, put4 } from './put-number.ts';
import { writeAscii } from './utf8.ts';

function civil(days: number): { text: string; era: string } {
  const { year, month, day } = civilFromDays(days);
  const shown = year > 0 ? year : 1 - year;
  const text = `${shown.toString().padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`;
  return { text, era: year > 0 ? '' : ' BC' };
}

export function formatDate(days: number): string {
  if (days === Number.POSITIVE_INFINITY) return 'infinity';
  if (days === Number.NEGATIVE_INFINITY) return '-infinity';
  const { text, era } = civil(days);
  return text + era;
}

export function formatTime(micros: number): string {
  return formatClock(micros);
}

export function formatTimestamp(value: number | bigint, zone = ''): string {
  if (value === Number.POSITIVE_INFINITY) return 'infinity';
  if (value === Number.NEGATIVE_INFINITY) return '-infinity';
  const { days, micros } = splitTimestamp(value);
  const { text, era } = civil(days);
  return `${text} ${formatClock(micros)}${zone}${era}`;
}

/** What putTimestamp() takes at most, with a zone of three characters. */
export const TIMESTAMP_BYTES_MAX = 32;

/** Rows of a result tend to be of few days. */
let lastDays = Number.NaN;
let lastDate: CivilDate = { year: 0, month: 0, day: 0 };

/** Puts formatTimestamp() where there is room, for years of four digits; answers where it ended, or -1. */
export function putTimestamp(
  out: Uint8Array,
  at: number,
  value: number | bigint,
  isInZone: boolean,
): number {
  if (typeof value === 'bigint' || !Number.isFinite(value)) return -1;
  // The quotient may be rounded up to the next day.
  let days = Math.floor(value / MICROS_PER_DAY);
  if (days * MICROS_PER_DAY > value) days--;
  if (days !== lastDays) {
    lastDate = civilFromDays(days);
    lastDays = days;
  }
  const { year, month, day } = lastDate;
  if (year < 1 || year > 9999) return -1;
  const micros = value - days * MICROS_PER_DAY;
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  let end = put4(out, at, year);
  out[end] = 45;
  end = put2(out, end + 1, month);
  out[end] = 45;
  end = put2(out, end + 1, day);
  out[end] = 32;
  end = put2(out, end + 1, hours);
  out[end] = 58;
  end = put2(out, end + 1, minutes - hours * 60);
  out[end] = 58;
  end = put2(out, end + 1, seconds - minutes * 60);
  const fraction = micros - seconds * MICROS_PER_SECOND;
  if (fraction !== 0) {
    out[end] = 46;
    const front = (fraction / 100) | 0;
    end = put2(out, put4(out, end + 1, front), fraction - front * 100);
    while (out[end - 1] === 48) end--;
  }
  if (!isInZone) return end;
  out[end] = 43;
  return put2(out, end + 1, 0);
}

/** Appends formatTimestamp(), or formatTimestampTz(). */
export function writeTimestampText(
  writer: ByteWriter,
  value: number | bigint,
  isInZone: boolean,
): void {
  writer.reserve(TIMESTAMP_BYTES_MAX);
  const end = putTimestamp(writer.bytes, writer.length, value, isInZone);
  if (end >= 0) writer.length = end;
  else writeAscii(writer, isInZone ? formatTimestampTz(value) : formatTimestamp(value));
}

export function formatTimestampTz(value: number | bigint): string {
  return formatTimestamp(value, '+00');
}

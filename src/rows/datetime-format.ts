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
import { writeAscii, writeDigits } from './utf8.ts';

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

/** Rows of a result tend to be of few days. */
let lastDays = Number.NaN;
let lastDate: CivilDate = { year: 0, month: 0, day: 0 };

/** Appends formatTimestamp(), for years of four digits without a string in between. */
export function writeTimestampText(writer: ByteWriter, value: number | bigint, zone: string): void {
  if (typeof value === 'bigint' || !Number.isFinite(value)) {
    writeAscii(writer, formatTimestamp(value, zone));
    return;
  }
  // The quotient may be rounded up to the next day.
  let days = Math.floor(value / MICROS_PER_DAY);
  if (days * MICROS_PER_DAY > value) days--;
  if (days !== lastDays) {
    lastDate = civilFromDays(days);
    lastDays = days;
  }
  const { year, month, day } = lastDate;
  if (year < 1 || year > 9999) {
    writeAscii(writer, formatTimestamp(value, zone));
    return;
  }
  const micros = value - days * MICROS_PER_DAY;
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  const minutes = (seconds / 60) | 0;
  const hours = (minutes / 60) | 0;
  writer.reserve(32);
  writeDigits(writer, year, 4);
  writer.bytes[writer.length++] = 45;
  writeDigits(writer, month, 2);
  writer.bytes[writer.length++] = 45;
  writeDigits(writer, day, 2);
  writer.bytes[writer.length++] = 32;
  writeDigits(writer, hours, 2);
  writer.bytes[writer.length++] = 58;
  writeDigits(writer, minutes - hours * 60, 2);
  writer.bytes[writer.length++] = 58;
  writeDigits(writer, seconds - minutes * 60, 2);
  const fraction = micros - seconds * MICROS_PER_SECOND;
  if (fraction !== 0) {
    writer.bytes[writer.length++] = 46;
    writeDigits(writer, fraction, 6);
    while (writer.bytes[writer.length - 1] === 48) writer.length--;
  }
  writeAscii(writer, zone);
}

export function formatTimestampTz(value: number | bigint): string {
  return formatTimestamp(value, '+00');
}

// Dates and times as text, DateStyle ISO; instants with time zone in UTC.

import { civilFromDays, splitTimestamp } from './calendar.ts';
import { formatClock, twoDigits } from './interval.ts';

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

export function formatTimestampTz(value: number | bigint): string {
  return formatTimestamp(value, '+00');
}

// Time zones: UTC, fixed offsets, and regions by the platform's own zone data.

import { type Kind, invalidValue } from './kinds.ts';

const OFFSET_MINUTES_MAX = 24 * 60 * 7;
/** Offsets change at most this often within the data. */
const CACHE_MICROS = 15 * 60 * 1_000_000;
/** POSIX: a name, then hours *west* of Greenwich. */
const POSIX = /^(<[A-Za-z0-9:+-]+>|[A-Za-z]{3,})([+-]?\d{1,3})(?::(\d{2}))?(?::\d{2})?$/;
const BARE_OFFSET = /^([+-]\d{1,2}):(\d{2})$/;

export const TIME_ZONE: Kind = {
  read(name, text) {
    const zone = canonicalZone(text);
    if (zone === undefined) throw invalidValue(name, text);
    return zone;
  },
};

function canonicalZone(text: string): string | undefined {
  const upper = text.toUpperCase();
  if (upper === 'UTC' || upper === 'GMT' || upper === 'ETC/UTC' || upper === 'ZULU') {
    return upper === 'ETC/UTC' ? 'Etc/UTC' : upper === 'ZULU' ? 'Zulu' : upper;
  }
  // A bare number is hours *east*, unlike POSIX.
  if (/^\s*[+-]?\d+(\.\d*)?\s*$/.test(text)) return fixedZone(Number(text) * 60);
  if (fixedOffset(text) !== undefined) return text;
  return regionName(text);
}

function fixedZone(eastMinutes: number): string | undefined {
  if (Math.abs(eastMinutes) > OFFSET_MINUTES_MAX) return undefined;
  const size = Math.abs(eastMinutes);
  const hours = String(Math.floor(size / 60)).padStart(2, '0');
  const minutes = size % 60 === 0 ? '' : `:${String(Math.floor(size % 60)).padStart(2, '0')}`;
  const east = eastMinutes < 0 ? '-' : '+';
  const west = eastMinutes < 0 ? '+' : '-';
  return `<${east}${hours}${minutes}>${west}${hours}${minutes}`;
}

/** Minutes east. */
function fixedOffset(zone: string): number | undefined {
  const match = POSIX.exec(zone);
  const bare = match === null ? BARE_OFFSET.exec(zone) : undefined;
  const hours = match?.[2] ?? bare?.[1];
  if (hours === undefined) return undefined;
  const minutes = Number(match?.[3] ?? bare?.[2] ?? 0);
  const size = Math.abs(Number(hours)) * 60 + minutes;
  if (size > OFFSET_MINUTES_MAX) return undefined;
  return hours.startsWith('-') ? size : -size;
}

function regionName(text: string): string | undefined {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(text)) return undefined;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: text });
    // Cased as it is written in the data, not as the client wrote it.
    return text
      .split('/')
      .map((part) => (part === part.toLowerCase() ? capitalized(part) : part))
      .join('/');
  } catch {
    return undefined;
  }
}

function capitalized(part: string): string {
  return part.replace(
    /(^|_)([a-z])/g,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

/** Answers offsets of one zone. */
export class ZoneOffsets {
  readonly #fixed: number | undefined;
  readonly #format: Intl.DateTimeFormat | undefined;
  #cachedFrom = Number.NaN;
  #cached = 0;

  constructor(zone: string) {
    this.#fixed = isUtc(zone) ? 0 : fixedOffset(zone);
    if (this.#fixed === undefined) {
      this.#format = new Intl.DateTimeFormat('en-US', {
        timeZone: zone,
        hourCycle: 'h23',
        era: 'short',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    }
  }

  get isUtc(): boolean {
    return this.#fixed === 0;
  }

  /** Minutes to add to UTC at an instant. */
  minutesAt(micros: number): number {
    if (this.#fixed !== undefined) return this.#fixed;
    const from = Math.floor(micros / CACHE_MICROS) * CACHE_MICROS;
    if (from !== this.#cachedFrom) {
      this.#cached = this.#look(from / 1000);
      this.#cachedFrom = from;
    }
    return this.#cached;
  }

  #look(millis: number): number {
    const fields: Record<string, string> = {};
    const parts = (this.#format as Intl.DateTimeFormat).formatToParts(new Date(millis));
    for (const { type, value } of parts) fields[type] = value;
    const year = Number(fields['year']);
    const local = new Date(0);
    local.setUTCFullYear(
      fields['era'] === 'BC' ? 1 - year : year,
      Number(fields['month']) - 1,
      Number(fields['day']),
    );
    local.setUTCHours(Number(fields['hour']), Number(fields['minute']), Number(fields['second']));
    return Math.round((local.getTime() - millis) / 60_000);
  }
}

function isUtc(zone: string): boolean {
  return zone === 'UTC' || zone === 'GMT' || zone === 'Etc/UTC' || zone === 'Zulu';
}

// Time zones: UTC, fixed offsets, abbreviations that mean one offset, and regions by the platform's own zone data.

import { DbError } from '../base/errors.ts';
import { MICROS_PER_SECOND, UNIX_EPOCH_DISTANCE } from './calendar.ts';

/** Offsets change at most this often within the data. */
const STEP_MILLIS = 15 * 60 * 1000;
/** Beyond what the platform's dates can say, rules repeat with the calendar, every 400 years. */
const MILLIS_MAX = 8_000_000_000_000_000;
const CYCLE_MILLIS = 12_622_780_800_000;
const KNOWN_OFFSETS_MAX = 10_000;
const DAY_SECONDS = 86_400;
const ZONES_MAX = 100;

/** Hours east of Greenwich. */
const ABBREVIATIONS: Readonly<Record<string, number>> = {
  ...{ z: 0, zulu: 0, utc: 0, gmt: 0, ut: 0, uct: 0, wet: 0, west: 1, bst: 1, cet: 1, cest: 2 },
  ...{ mez: 1, mesz: 2, eet: 2, eest: 3, msk: 3, est: -5, edt: -4, cst: -6, cdt: -5, mst: -7 },
  ...{ mdt: -6, pst: -8, pdt: -7, akst: -9, akdt: -8, hst: -10, jst: 9, kst: 9, aest: 10 },
  ...{ aedt: 11, nzst: 12, nzdt: 13, ist: 2 },
};

/** POSIX: a name, then hours west of Greenwich. */
const POSIX = /^(?:<[A-Za-z0-9:+-]+>|[A-Za-z]{3,})([+-]?)(\d{1,3})(?::(\d{2}))?(?::(\d{2}))?$/;
const BARE = /^([+-])(\d{1,2})(?::?(\d{2}))?$/;

/** Seconds east of a zone that is written as an offset. */
function fixedOffset(zone: string): number | undefined {
  const posix = POSIX.exec(zone);
  const match = posix ?? BARE.exec(zone);
  if (match === null) return undefined;
  const size = Number(match[2]) * 3600 + Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0);
  return match[1] === '-' ? size : -size;
}

export class TimeZone {
  readonly #fixed: number | undefined;
  readonly #format: Intl.DateTimeFormat | undefined;
  /** By the number of the step since 1970. */
  readonly #known = new Map<number, number>();

  constructor(fixed: number | undefined, format: Intl.DateTimeFormat | undefined) {
    this.#fixed = fixed;
    this.#format = format;
  }

  /** Seconds to add to UTC at an instant (microseconds since 2000). */
  offsetAt(micros: number | bigint): number {
    if (this.#fixed !== undefined) return this.#fixed;
    let millis = Math.floor((Number(micros) + UNIX_EPOCH_DISTANCE) / 1000);
    if (millis > MILLIS_MAX) millis -= CYCLE_MILLIS;
    const step = Math.floor(millis / STEP_MILLIS);
    let offset = this.#known.get(step);
    if (offset === undefined) {
      offset = this.#look(step * STEP_MILLIS);
      if (this.#known.size >= KNOWN_OFFSETS_MAX) this.#known.clear();
      this.#known.set(step, offset);
    }
    return offset;
  }

  /** The wall clock at an instant. */
  local(micros: number | bigint): number | bigint {
    return shifted(micros, this.offsetAt(micros));
  }

  /** The instant of a wall clock. One that is skipped counts as before the change, one that comes twice as after it. */
  instant(local: number | bigint): number | bigint {
    if (this.#fixed !== undefined) return shifted(local, -this.#fixed);
    const before = this.offsetAt(shifted(local, -DAY_SECONDS));
    const after = this.offsetAt(shifted(local, DAY_SECONDS));
    const early = shifted(local, -before);
    if (before === after) return early;
    const late = shifted(local, -after);
    if (this.offsetAt(late) === after) return late;
    return early;
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
    return Math.round((local.getTime() - millis) / 1000);
  }
}

function shifted(micros: number | bigint, seconds: number): number | bigint {
  if (typeof micros === 'bigint') return micros + BigInt(seconds) * 1_000_000n;
  return micros + seconds * MICROS_PER_SECOND;
}

const zones = new Map<string, TimeZone>();

/** Throws DbError 22023 for a name that means none. */
export function timeZone(name: string): TimeZone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = made(name);
    if (zones.size >= ZONES_MAX) zones.clear();
    zones.set(name, zone);
  }
  return zone;
}

function made(name: string): TimeZone {
  const hours = ABBREVIATIONS[name.toLowerCase()];
  const fixed = hours === undefined ? fixedOffset(name) : hours * 3600;
  if (fixed !== undefined) return new TimeZone(fixed, undefined);
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    return new TimeZone(undefined, format);
  } catch {
    throw new DbError('22023', `time zone "${name}" not recognized`);
  }
}

// Templates of dates and times: to_char(), to_date(), to_timestamp() (PostgreSQL's manual, 9.8). What a template may hold
// and is not here (names to be read, zones, TM) is refused.

import { DbError, unsupported } from '../base/errors.ts';
import {
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  dayOfWeek,
  EPOCH_JULIAN_DAY,
  joinTimestamp,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  splitTimestamp,
} from './calendar.ts';
import { isoWeekOf } from './function-time.ts';

const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September'],
  ...['October', 'November', 'December'],
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const ROMAN = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI', 'XII'];

/** Longer ones first. */
const KEYWORDS = [
  ...['A.D.', 'A.M.', 'B.C.', 'P.M.', 'MONTH', 'Month', 'month', 'SSSSS', 'Y,YYY', 'HH12', 'HH24'],
  ...['IYYY', 'YYYY', 'IDDD', 'SSSS', 'a.d.', 'a.m.', 'b.c.', 'p.m.', 'DAY', 'Day', 'day', 'DDD'],
  ...['FF1', 'FF2', 'FF3', 'FF4', 'FF5', 'FF6', 'IYY', 'MON', 'Mon', 'mon', 'TZH', 'TZM', 'YYY'],
  ...['AD', 'AM', 'BC', 'CC', 'DD', 'DY', 'Dy', 'dy', 'FX', 'HH', 'ID', 'IW', 'IY', 'MI', 'MM'],
  ...['MS', 'OF', 'PM', 'RM', 'rm', 'SS', 'TZ', 'tz', 'US', 'WW', 'YY', 'ad', 'am', 'bc', 'pm'],
  ...['D', 'I', 'J', 'Q', 'W', 'Y'],
];

/** Words that are the same in any case. */
const ANY_CASE: ReadonlySet<string> = new Set(
  KEYWORDS.filter((word) => !/^(month|mon|day|dy|rm|tz|[ap]\.?m\.?|[ab]\.?[dc]\.?)$/i.test(word)),
);

interface Part {
  /** Undefined: text as it stands. */
  readonly keyword: string | undefined;
  readonly text: string;
  /** FM: without padding. */
  readonly fill: boolean;
  readonly ordinal: '' | 'TH' | 'th';
}

const templates = new Map<string, readonly Part[]>();
const TEMPLATES_MAX = 100;

function partsOf(template: string): readonly Part[] {
  let parts = templates.get(template);
  if (parts === undefined) {
    parts = read(template);
    if (templates.size >= TEMPLATES_MAX) templates.clear();
    templates.set(template, parts);
  }
  return parts;
}

function read(template: string): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  while (at < template.length) {
    const start = at;
    let fill = false;
    for (;;) {
      const prefix = template.slice(at, at + 2).toUpperCase();
      if (prefix === 'FM') fill = true;
      else if (prefix === 'TM') throw unsupported('TM in a template');
      else break;
      at += 2;
    }
    const keyword = keywordAt(template, at);
    if (keyword !== undefined) {
      if (keyword === 'FX') throw unsupported('FX in a template');
      at += keyword.length;
      const suffix = template.slice(at, at + 2);
      const ordinal = suffix === 'TH' || suffix === 'th' ? suffix : '';
      at += ordinal.length;
      if (/^sp$/i.test(template.slice(at, at + 2))) throw unsupported('SP in a template');
      parts.push({ keyword, text: '', fill, ordinal });
      continue;
    }
    if (at > start && at >= template.length) break;
    let text = '';
    if (template[at] === '"') {
      for (at++; at < template.length && template[at] !== '"'; at++) {
        if (template[at] === '\\' && at + 1 < template.length) at++;
        text += template[at];
      }
      at++;
    } else {
      if (template[at] === '\\' && template[at + 1] === '"') at++;
      text = String.fromCodePoint(template.codePointAt(at) as number);
      at += text.length;
    }
    parts.push({ keyword: undefined, text, fill: false, ordinal: '' });
  }
  return parts;
}

function keywordAt(template: string, at: number): string | undefined {
  for (const keyword of KEYWORDS) {
    const here = template.slice(at, at + keyword.length);
    if (here === keyword) return keyword;
    if (ANY_CASE.has(keyword) && here.toUpperCase() === keyword) return keyword;
  }
  return undefined;
}

interface Moment {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly days: number;
  readonly micros: number;
  readonly isZoned: boolean;
}

export function formatTemplate(
  value: number | bigint,
  template: string,
  isZoned: boolean,
): string | null {
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
  if (template === '') return null;
  const { days, micros } = splitTimestamp(value);
  const moment = { ...civilFromDays(days), days, micros, isZoned };
  return partsOf(template)
    .map((part) => (part.keyword === undefined ? part.text : shown(part.keyword, part, moment)))
    .join('');
}

function shown(keyword: string, { fill, ordinal }: Part, moment: Moment): string {
  const { year, month, day, days, micros, isZoned } = moment;
  const number = (value: number, width: number): string => {
    const text = fill ? String(value) : padded(value, width);
    return text + ordinalOf(value, ordinal);
  };
  const word = (name: string, width: number): string => {
    const cased =
      keyword === keyword.toUpperCase()
        ? name.toUpperCase()
        : keyword === keyword.toLowerCase()
          ? name.toLowerCase()
          : name;
    return fill ? cased : cased.padEnd(width);
  };
  const hour = Math.floor(micros / MICROS_PER_HOUR);
  const inSecond = micros % MICROS_PER_SECOND;
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  const shownYear = year > 0 ? year : 1 - year;
  const week = isoWeekOf(days, year);
  const isoYear = week.year > 0 ? week.year : 1 - week.year;
  const lower = keyword.toLowerCase();
  switch (lower) {
    case 'hh':
    case 'hh12':
      return number(hour % 12 === 0 ? 12 : hour % 12, 2);
    case 'hh24':
      return number(hour, 2);
    case 'mi':
      return number(Math.floor(micros / MICROS_PER_MINUTE) % 60, 2);
    case 'ss':
      return number(seconds % 60, 2);
    case 'ms':
      return number(Math.floor(inSecond / 1000), 3);
    case 'us':
      return number(inSecond, 6);
    case 'ff1':
    case 'ff2':
    case 'ff3':
    case 'ff4':
    case 'ff5':
    case 'ff6': {
      const digits = Number(lower[2]);
      return number(Math.floor(inSecond / 10 ** (6 - digits)), digits);
    }
    case 'ssss':
    case 'sssss':
      return String(seconds) + ordinalOf(seconds, ordinal);
    case 'am':
    case 'pm':
    case 'a.m.':
    case 'p.m.':
      return halfOf(keyword, hour >= 12 ? 'P' : 'A', 'M');
    case 'ad':
    case 'bc':
    case 'a.d.':
    case 'b.c.':
      return halfOf(keyword, year > 0 ? 'A' : 'B', year > 0 ? 'D' : 'C');
    case 'y,yyy': {
      const thousands = Math.floor(shownYear / 1000);
      return `${thousands},${padded(shownYear - thousands * 1000, 3)}${ordinalOf(shownYear, ordinal)}`;
    }
    case 'yyyy':
      return number(shownYear, 4);
    case 'yyy':
      return number(shownYear % 1000, 3);
    case 'yy':
      return number(shownYear % 100, 2);
    case 'y':
      return number(shownYear % 10, 1);
    case 'iyyy':
      return number(isoYear, 4);
    case 'iyy':
      return number(isoYear % 1000, 3);
    case 'iy':
      return number(isoYear % 100, 2);
    case 'i':
      return number(isoYear % 10, 1);
    case 'month':
      return word(MONTHS[month - 1] as string, 9);
    case 'mon':
      return word((MONTHS[month - 1] as string).slice(0, 3), 0);
    case 'mm':
      return number(month, 2);
    case 'day':
      return word(DAYS[dayOfWeek(days)] as string, 9);
    case 'dy':
      return word((DAYS[dayOfWeek(days)] as string).slice(0, 3), 0);
    case 'ddd':
      return number(days - daysFromCivil(year, 1, 1) + 1, 3);
    case 'iddd':
      return number((week.week - 1) * 7 + ((dayOfWeek(days) + 6) % 7) + 1, 3);
    case 'dd':
      return number(day, 2);
    case 'd':
      return number(dayOfWeek(days) + 1, 1);
    case 'id':
      return number(((dayOfWeek(days) + 6) % 7) + 1, 1);
    case 'w':
      return number(Math.floor((day - 1) / 7) + 1, 1);
    case 'ww':
      return number(Math.floor((days - daysFromCivil(year, 1, 1)) / 7) + 1, 2);
    case 'iw':
      return number(week.week, 2);
    case 'cc':
      return number(year > 0 ? Math.ceil(year / 100) : -Math.ceil(shownYear / 100), 2);
    case 'j':
      return number(days + EPOCH_JULIAN_DAY, 1);
    case 'q':
      return number(Math.floor((month - 1) / 3) + 1, 1);
    case 'rm':
      return word(ROMAN[month - 1] as string, 4);
    case 'tz':
      return isZoned ? (keyword === 'tz' ? 'utc' : 'UTC') : '';
    case 'tzh':
      return isZoned ? '+00' : '';
    case 'tzm':
      return isZoned ? '00' : '';
    default:
      return isZoned ? '+00' : '';
  }
}

function padded(value: number, width: number): string {
  const digits = String(Math.abs(value)).padStart(width, '0');
  return value < 0 ? `-${digits}` : digits;
}

/** As the keyword spells it: in capitals or not, with points or not. */
function halfOf(keyword: string, first: string, second: string): string {
  const text = keyword.includes('.') ? `${first}.${second}.` : first + second;
  return keyword === keyword.toLowerCase() ? text.toLowerCase() : text;
}

function ordinalOf(value: number, kind: '' | 'TH' | 'th'): string {
  if (kind === '') return '';
  const tens = Math.floor(Math.abs(value) / 10) % 10;
  const suffix = tens === 1 ? 'th' : (['th', 'st', 'nd', 'rd'][Math.abs(value) % 10] ?? 'th');
  return kind === 'TH' ? suffix.toUpperCase() : suffix;
}

/** What a template reads, as to_timestamp() and to_date() need it. */
const READ: Readonly<Record<string, number>> = {
  yyyy: 4,
  mm: 2,
  dd: 2,
  hh24: 2,
  hh: 2,
  hh12: 2,
  mi: 2,
  ss: 2,
  ms: 3,
  us: 6,
  ddd: 3,
};

/** Numbers, names of months, and what stands between them. Throws 22007, 22008. */
export function parseTemplate(text: string, template: string): number | bigint {
  const found = new Map<string, number>();
  const parts = partsOf(template);
  let at = 0;
  parts.forEach((part, i) => {
    const keyword = part.keyword?.toLowerCase();
    if (keyword === undefined) {
      // A separator stands for any, or for none.
      if (/[A-Za-z0-9]/.test(part.text)) at += part.text.length;
      else if (at < text.length && !/[A-Za-z0-9]/.test(text[at] as string)) at++;
      return;
    }
    while (/\s/.test(text[at] ?? '')) at++;
    if (at >= text.length) return;
    if (keyword === 'mon' || keyword === 'month') {
      at = readMonth(text, at, keyword === 'mon', found);
      return;
    }
    if (/^[ap]\.?m\.?$/.test(keyword)) {
      const half = /^[ap]\.?m\.?/i.exec(text.slice(at));
      if (half === null) throw invalidValue(text.slice(at, at + 2), part.keyword as string);
      found.set('pm', /^p/i.test(half[0]) ? 1 : 0);
      at += half[0].length;
      return;
    }
    const width = READ[keyword];
    if (width === undefined) throw unsupported(`${part.keyword} in a template that is read`);
    const next = parts[i + 1];
    // What digits follow at once ends them; else as many as there are.
    const isLimited = next?.keyword !== undefined;
    const digits = new RegExp(`^\\d${isLimited && !part.fill ? `{1,${width}}` : '+'}`).exec(
      text.slice(at),
    );
    if (digits === null) throw invalidValue(text.slice(at, at + width), part.keyword as string);
    const value = Number(digits[0]);
    const scaled = keyword === 'ms' || keyword === 'us';
    found.set(keyword, scaled ? Number(digits[0].padEnd(width, '0').slice(0, width)) : value);
    at += digits[0].length;
  });
  return momentOf(found, text);
}

function readMonth(text: string, at: number, short: boolean, found: Map<string, number>): number {
  const rest = text.slice(at).toLowerCase();
  const month = MONTHS.findIndex((name) =>
    rest.startsWith(short ? name.slice(0, 3).toLowerCase() : name.toLowerCase()),
  );
  if (month < 0) throw invalidValue(text.slice(at, at + (short ? 3 : 9)), short ? 'Mon' : 'Month');
  found.set('mm', month + 1);
  return at + (short ? 3 : (MONTHS[month] as string).length);
}

function invalidValue(value: string, keyword: string): DbError {
  return new DbError('22007', `invalid value "${value}" for "${keyword}"`, {
    detail: 'Value must be an integer.',
  });
}

function momentOf(found: ReadonlyMap<string, number>, text: string): number | bigint {
  const get = (name: string, otherwise: number): number => found.get(name) ?? otherwise;
  const outOfRange = (): DbError =>
    new DbError('22008', `date/time field value out of range: "${text}"`);
  const year = get('yyyy', 0);
  const civilYear = year === 0 ? 0 : year;
  const month = get('mm', 1);
  const day = get('dd', 1);
  let hour = get('hh24', get('hh', get('hh12', 0)));
  if (found.has('pm') || found.has('hh12') || found.has('hh')) {
    if (!found.has('hh24') && (hour < 1 || hour > 12)) {
      throw new DbError('22007', `hour "${hour}" is invalid for the 12-hour clock`, {
        hint: 'Use the 24-hour clock, or give an hour between 1 and 12.',
      });
    }
    if (get('pm', 0) === 1 && hour < 12) hour += 12;
    else if (get('pm', 0) === 0 && hour === 12) hour = 0;
  }
  const [minute, second] = [get('mi', 0), get('ss', 0)];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(civilYear, month)) throw outOfRange();
  if (hour > 23 || minute > 59 || second > 59) throw outOfRange();
  const dayNumber = found.has('ddd')
    ? daysFromCivil(civilYear, 1, get('ddd', 1))
    : daysFromCivil(civilYear, month, day);
  const micros =
    hour * MICROS_PER_HOUR +
    minute * MICROS_PER_MINUTE +
    second * MICROS_PER_SECOND +
    get('ms', 0) * 1000 +
    get('us', 0);
  return joinTimestamp(dayNumber, micros);
}

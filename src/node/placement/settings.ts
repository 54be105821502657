// What can be set for the whole cluster, and for a table: names, kinds, defaults, bounds. Why each default is what it is
// stands in docs/operations.md. Values are kept as text, as they are shown.

import { DbError } from '../../base/errors.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export type SettingKind = 'bytes' | 'duration' | 'whole' | 'share' | 'switch';

export interface SettingDefinition {
  readonly kind: SettingKind;
  /** Bytes, microseconds, a number, a share of 1, or 0 and 1. */
  readonly defaultValue: number;
  readonly least: number;
  readonly most: number;
  readonly isPerTable?: boolean;
  /** Why a value within the bounds is wrong all the same. */
  readonly wrong?: (value: number) => string | undefined;
  readonly description: string;
}

export type SettingName =
  | 'gc.ttl'
  | 'node.dead_after'
  | 'node.suspect_after'
  | 'range.bytes_max'
  | 'range.merge'
  | 'range.merge_after'
  | 'range.merge_bytes'
  | 'range.split_by_load'
  | 'range.split_load'
  | 'rebalance.bytes_threshold'
  | 'rebalance.count_threshold'
  | 'rebalance.enabled'
  | 'rebalance.lease_cooldown'
  | 'rebalance.load_threshold'
  | 'rebalance.replica_cooldown'
  | 'rebalance.replicas_at_once'
  | 'replication.factor'
  | 'snapshot.bytes_per_second';

export const SETTINGS: Readonly<Record<SettingName, SettingDefinition>> = {
  'gc.ttl': {
    kind: 'duration',
    defaultValue: HOUR,
    least: 1 * SECOND,
    most: 24 * 365 * HOUR,
    isPerTable: true,
    description: 'the past can be read for so long; then old versions of rows are removed',
  },
  'node.dead_after': {
    kind: 'duration',
    defaultValue: 5 * MINUTE,
    least: 5 * SECOND,
    most: 24 * HOUR,
    description: 'a node that nobody has heard of for so long is dead: its replicas are replaced',
  },
  'node.suspect_after': {
    kind: 'duration',
    defaultValue: 3 * SECOND,
    least: 2 * SECOND,
    most: 60 * SECOND,
    description: 'a node that nobody has heard of for so long is given nothing',
  },
  'range.bytes_max': {
    kind: 'bytes',
    defaultValue: 64 * MIB,
    least: 64 * KIB,
    most: 8 * GIB,
    isPerTable: true,
    description: 'a range that is larger is split',
  },
  'range.merge': {
    kind: 'switch',
    defaultValue: 1,
    least: 0,
    most: 1,
    description: 'neighbours that are small and cold are merged',
  },
  'range.merge_after': {
    kind: 'duration',
    defaultValue: 5 * MINUTE,
    least: 1 * SECOND,
    most: 24 * HOUR,
    description: 'neighbours must have been small and cold for so long before they are merged',
  },
  'range.merge_bytes': {
    kind: 'bytes',
    defaultValue: 16 * MIB,
    least: 0,
    most: 4 * GIB,
    isPerTable: true,
    description: 'two neighbours are merged only when they have no more than this together',
  },
  'range.split_by_load': {
    kind: 'switch',
    defaultValue: 1,
    least: 0,
    most: 1,
    isPerTable: true,
    description: 'ranges with much to do are split',
  },
  'range.split_load': {
    kind: 'share',
    defaultValue: 0.1,
    least: 0.01,
    most: 1,
    isPerTable: true,
    description: 'busy ranges are split once some node has this share of what it can do to do',
  },
  'rebalance.bytes_threshold': {
    kind: 'share',
    defaultValue: 0.1,
    least: 0.02,
    most: 1,
    description: 'nodes may hold so much more or less than the mean before replicas are moved',
  },
  'rebalance.count_threshold': {
    kind: 'share',
    defaultValue: 0.05,
    least: 0.02,
    most: 1,
    description: 'nodes may have so many more or fewer replicas, or leases, than the mean',
  },
  'rebalance.enabled': {
    kind: 'switch',
    defaultValue: 1,
    least: 0,
    most: 1,
    description: 'leases and replicas are moved for balance; repairs are made in any case',
  },
  'rebalance.lease_cooldown': {
    kind: 'duration',
    defaultValue: 10 * SECOND,
    least: 0,
    most: HOUR,
    description: 'a lease that was moved stays for so long',
  },
  'rebalance.load_threshold': {
    kind: 'share',
    defaultValue: 0.1,
    least: 0.02,
    most: 1,
    description: 'nodes may have so much more or less to do than even before leases are moved',
  },
  'rebalance.replica_cooldown': {
    kind: 'duration',
    defaultValue: 30 * SECOND,
    least: 0,
    most: HOUR,
    description: 'replicas of a range that were moved stay for so long',
  },
  'rebalance.replicas_at_once': {
    kind: 'whole',
    defaultValue: 2,
    least: 1,
    most: 64,
    description: 'a node adds so many replicas to ranges that it leads at the same time',
  },
  'replication.factor': {
    kind: 'whole',
    defaultValue: 3,
    least: 1,
    most: 9,
    isPerTable: true,
    wrong: (value) =>
      value % 2 === 0
        ? 'an even number survives no more failures than the odd one below'
        : undefined,
    description: 'voting replicas of each range; fewer only while there are fewer nodes',
  },
  'snapshot.bytes_per_second': {
    kind: 'bytes',
    defaultValue: 24 * MIB,
    least: MIB,
    most: 4 * GIB,
    description: 'a node sends no more of snapshots to others, so that clients keep their share',
  },
};

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS).sort() as SettingName[];

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** DbError 42704 when there is none of the name. */
export function requireSetting(name: string): SettingName {
  if (isSettingName(name)) return name;
  throw new DbError('42704', `there is no cluster setting "${name}"`, {
    hint: 'SHOW ALL CLUSTER SETTINGS lists them.',
  });
}

export function parseSetting(name: SettingName, text: string): number {
  const definition = SETTINGS[name];
  const value = PARSERS[definition.kind](text.trim());
  const bounds = `from ${formatSetting(name, definition.least)} to ${formatSetting(name, definition.most)}`;
  if (value === undefined) {
    throw new DbError('22023', `${name} takes ${KINDS[definition.kind]}, not '${text}'`, {
      hint:
        definition.kind === 'switch'
          ? 'on or off'
          : `${bounds}; for example ${formatSetting(name, definition.defaultValue)}`,
    });
  }
  if (value < definition.least || value > definition.most) {
    throw new DbError('22023', `${name} is ${bounds}, not '${text}'`);
  }
  const wrong = definition.wrong?.(value);
  if (wrong !== undefined) throw new DbError('22023', `${name} can't be '${text}': ${wrong}`);
  return value;
}

/** parseSetting takes it back. */
export function formatSetting(name: SettingName, value: number): string {
  switch (SETTINGS[name].kind) {
    case 'bytes':
      return inUnits(value, BYTE_UNITS, '');
    case 'duration':
      return inUnits(value, DURATION_UNITS, ' ');
    case 'whole':
      return String(value);
    case 'share':
      return `${Number((value * 100).toFixed(4))}%`;
    case 'switch':
      return value === 0 ? 'off' : 'on';
  }
}

const KINDS: Readonly<Record<SettingKind, string>> = {
  bytes: 'a size',
  duration: 'a time',
  whole: 'a whole number',
  share: 'a share',
  switch: 'on or off',
};

type Units = readonly (readonly [string, number])[];

const BYTE_UNITS: Units = [
  ['GiB', GIB],
  ['MiB', MIB],
  ['KiB', KIB],
  ['B', 1],
];
const DURATION_UNITS: Units = [
  ['h', HOUR],
  ['min', MINUTE],
  ['s', SECOND],
  ['ms', 1000],
];
/** Other spellings, in lower case. */
const ALIASES: Readonly<Record<string, string>> = {
  gb: 'GiB',
  mb: 'MiB',
  kb: 'KiB',
  hour: 'h',
  hours: 'h',
  m: 'min',
  minute: 'min',
  minutes: 'min',
  sec: 's',
  second: 's',
  seconds: 's',
};

const PARSERS: Readonly<Record<SettingKind, (text: string) => number | undefined>> = {
  bytes: (text) => quantity(text, BYTE_UNITS, 1),
  duration: (text) => quantity(text, DURATION_UNITS, SECOND),
  whole: (text) => (/^\d{1,9}$/.test(text) ? Number(text) : undefined),
  share: (text) => {
    const match = /^(\d{1,9}(?:\.\d{1,9})?)(\s*%)?$/.exec(text);
    if (match === null) return undefined;
    return match[2] === undefined ? Number(match[1]) : Number(match[1]) / 100;
  },
  switch: (text) => {
    const word = text.toLowerCase();
    if (['on', 'true', 'yes', '1'].includes(word)) return 1;
    return ['off', 'false', 'no', '0'].includes(word) ? 0 : undefined;
  },
};

function quantity(text: string, units: Units, unitless: number): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(text);
  if (match === null) return undefined;
  const [, digits, word = ''] = match;
  const lower = word.toLowerCase();
  const unit =
    word === ''
      ? unitless
      : units.find(([name]) => name === ALIASES[lower] || name.toLowerCase() === lower)?.[1];
  return unit === undefined ? undefined : Math.round(Number(digits) * unit);
}

function inUnits(value: number, units: Units, space: string): string {
  for (const [name, size] of units) {
    if (value >= size && value % size === 0) return `${value / size}${space}${name}`;
  }
  const [name, size] = units.at(-1) as readonly [string, number];
  return `${value / size}${space}${name}`;
}

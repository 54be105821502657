// Functions whose answer comes from the session or the moment, not from their arguments: now(), current_user,
// random(), … Binding turns each call into a parameter behind the statement's own (a slot), which execution fills:
// stable ones once for each execution, volatile ones for each row. So expressions stay pure, also in the shards.

import { DbError } from '../../base/errors.ts';
import { ArrayOf } from '../../rows/array.ts';
import { castDatum } from '../../rows/casts.ts';
import { type Datum, normalizeInt8 } from '../../rows/datum.ts';
import type { Expr } from '../../rows/expr.ts';
import {
  arrayOf,
  type ColumnType,
  columnType,
  DATE,
  FLOAT8,
  INT4,
  INT8,
  NAME,
  TEXT,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
} from '../../rows/types.ts';
import type { CatalogView } from '../catalog/api.ts';
import type { SessionValues } from '../exec/plan-api.ts';

export interface SessionFunction {
  readonly name: string;
  readonly type: ColumnType;
  readonly volatile: boolean;
  /** Its evaluation may throw a Suspension, and counts: once for each row that has it. */
  readonly waits: boolean;
  readonly argOids: readonly number[];
  /** How many of the arguments may be left out. */
  readonly optional: number;
  /** `catalog`: of a statement; defaults and checks of a table have none. */
  evaluate(session: SessionValues, args: readonly Datum[], catalog?: CatalogView): Datum;
}

export interface SessionCall {
  readonly kind: 'session';
  readonly function: SessionFunction;
  /** Without columns. */
  readonly args: readonly Expr[];
}

/** A place among the parameters that execution fills otherwise: with a query's answer, or a column of the query around. */
export interface ReservedSlot {
  readonly kind: 'reserved';
  /** For EXPLAIN. */
  readonly name: string;
  readonly type: ColumnType;
  /** Filled before anything is read. */
  readonly initial: boolean;
}

export type PlanSlot = SessionCall | ReservedSlot;

const EPOCH_2000_MICROS = 946_684_800_000_000;
const TIMESTAMPTZ_TYPE = columnType(TIMESTAMPTZ);
const TIMESTAMP_TYPE = columnType(TIMESTAMP);
const NAME_ARRAY = arrayOf(NAME) as number;
const DATE_TYPE = columnType(DATE);

function define(
  name: string,
  oid: number,
  evaluate: (session: SessionValues, args: readonly Datum[]) => Datum,
  options: {
    volatile?: boolean;
    waits?: boolean;
    argOids?: readonly number[];
    optional?: number;
  } = {},
): SessionFunction {
  return {
    name,
    type: columnType(oid),
    volatile: options.volatile ?? options.waits ?? false,
    waits: options.waits ?? false,
    argOids: options.argOids ?? [],
    optional: options.optional ?? 0,
    evaluate,
  };
}

const transactionTime = (s: SessionValues): Datum => s.transactionMicros - EPOCH_2000_MICROS;

/** Wall time in the session's zone. */
function localMicros(s: SessionValues): number {
  const micros = s.transactionMicros;
  return micros - EPOCH_2000_MICROS + s.zoneOffsetMinutes(micros) * 60_000_000;
}

const FUNCTIONS: readonly SessionFunction[] = [
  define('now', TIMESTAMPTZ, transactionTime),
  define('current_timestamp', TIMESTAMPTZ, transactionTime),
  define('transaction_timestamp', TIMESTAMPTZ, transactionTime),
  define('statement_timestamp', TIMESTAMPTZ, (s) => s.statementMicros - EPOCH_2000_MICROS),
  define('clock_timestamp', TIMESTAMPTZ, (s) => s.clockMicros() - EPOCH_2000_MICROS, {
    volatile: true,
  }),
  define('localtimestamp', TIMESTAMP, localMicros),
  define('current_date', DATE, (s) =>
    castDatum(TIMESTAMP_TYPE, DATE_TYPE, localMicros(s), 'explicit'),
  ),
  define('timeofday', TEXT, (s) => castTimeOfDay(s), { volatile: true }),
  define('random', FLOAT8, randomFloat, { volatile: true }),
  define('gen_random_uuid', UUID, randomUuid, { volatile: true }),
  define('current_user', NAME, (s) => s.currentUser),
  define('current_role', NAME, (s) => s.currentUser),
  define('user', NAME, (s) => s.currentUser),
  define('session_user', NAME, (s) => s.sessionUser),
  define('current_database', NAME, (s) => s.database),
  define('current_catalog', NAME, (s) => s.database),
  define('current_schema', NAME, (s) => s.searchPath[0] ?? null),
  define('version', TEXT, (s) => s.version),
  define('pg_backend_pid', INT4, (s) => s.backendPid),
  define('current_setting', TEXT, currentSetting, { argOids: [TEXT, 16], optional: 1 }),
  define('nextval', INT8, (s, [name]) => sequenceNumber(name, (n) => s.sequences.nextval(n)), {
    waits: true,
    argOids: [TEXT],
  }),
  define('setval', INT8, setSequence, { waits: true, argOids: [TEXT, INT8, 16], optional: 1 }),
  define('currval', INT8, (s, [name]) => sequenceNumber(name, (n) => s.sequences.currval(n)), {
    waits: true,
    argOids: [TEXT],
  }),
  define('lastval', INT8, (s) => normalizeInt8(s.sequences.lastval()), { waits: true }),
  define('inet_server_addr', TEXT, () => null),
  define('current_schemas', NAME_ARRAY, currentSchemas, { argOids: [16] }),
  define('pg_is_in_recovery', 16, () => false),
];

const BY_NAME: ReadonlyMap<string, SessionFunction> = new Map(FUNCTIONS.map((f) => [f.name, f]));

export const sessionFunctionNames: readonly string[] = [...BY_NAME.keys()];

export function sessionFunction(name: string): SessionFunction | undefined {
  return BY_NAME.get(name);
}

function sequenceNumber(name: Datum | undefined, ask: (name: string) => bigint): Datum {
  return typeof name === 'string' ? normalizeInt8(ask(name)) : null;
}

function setSequence(s: SessionValues, [name, value, isCalled = true]: readonly Datum[]): Datum {
  if (typeof name !== 'string' || value === null || isCalled === null) return null;
  const set = BigInt(value as number | bigint);
  return normalizeInt8(s.sequences.setval(name, set, isCalled === true));
}

/** 53 bits, as PostgreSQL's. */
function randomFloat(s: SessionValues): Datum {
  const high = s.uint32() >>> 6;
  const low = s.uint32() >>> 5;
  return (high * 134_217_728 + low) / 9_007_199_254_740_992;
}

/** Version 4: random but for the six bits that say so. */
function randomUuid(s: SessionValues): Datum {
  const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
  const a = hex(s.uint32());
  const b = hex((s.uint32() & 0xffff0fff) | 0x00004000);
  const c = hex((s.uint32() & 0x3fffffff) | 0x80000000);
  const d = hex(s.uint32());
  return `${a}-${b.slice(0, 4)}-${b.slice(4)}-${c.slice(0, 4)}-${c.slice(4)}${d}`;
}

function currentSetting(s: SessionValues, args: readonly Datum[]): Datum {
  const [name, missingOk] = args;
  if (typeof name !== 'string') return null;
  const value = s.setting(name.toLowerCase());
  if (value !== undefined) return value;
  if (missingOk === true) return null;
  throw new DbError('42704', `unrecognized configuration parameter "${name}"`);
}

function currentSchemas(s: SessionValues, [withImplicit]: readonly Datum[]): Datum {
  if (withImplicit === null) return null;
  const implicit =
    s.searchPath.includes('pg_catalog') || withImplicit !== true ? [] : ['pg_catalog'];
  return ArrayOf.of<Datum>(NAME, [...implicit, ...s.searchPath]);
}

function castTimeOfDay(s: SessionValues): Datum {
  const micros = s.clockMicros() - EPOCH_2000_MICROS;
  return castDatum(TIMESTAMPTZ_TYPE, columnType(TEXT), micros, 'explicit');
}

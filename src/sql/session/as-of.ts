// Which time AS OF SYSTEM TIME means, when its statement begins.

import { equalBytes } from '../../base/bytes.ts';
import { DbError } from '../../base/errors.ts';
import { MAX_TIMESTAMP, type Timestamp } from '../../clock/timestamp.ts';
import { UNIX_EPOCH_DISTANCE } from '../../rows/calendar.ts';
import { parseTimestampTz } from '../../rows/datetime-parse.ts';
import { addInterval } from '../../rows/function-time.ts';
import { Interval } from '../../rows/interval.ts';
import { parseText } from '../../rows/text-format.ts';
import { columnType, INTERVAL } from '../../rows/types.ts';
import type { Snapshot, Transactions } from '../../txn/api.ts';
import { descriptorKey, indexSpan } from '../catalog/keys.ts';
import { indexIdsOf, type TableDescriptor } from '../catalog/descriptor.ts';
import type { AsOf } from '../parse/ast.ts';

/** Before the present: by then every replica that keeps up can answer (docs/sql.md). */
const FOLLOWER_LAG_MICROS = 1_000_000;
const INTERVAL_TYPE = columnType(INTERVAL);

/** `tables`: what will be read; undefined for a whole transaction, of which that is not known. */
export function openAsOf(
  asOf: AsOf,
  transactions: Transactions,
  tables: readonly TableDescriptor[] | undefined,
): Snapshot {
  const { bound, text } = asOf;
  const present = transactions.snapshot().timestamp;
  switch (bound) {
    case 'exact':
      return transactions.snapshot(exactTime(text, present));
    case 'follower':
      return transactions.snapshot((present - FOLLOWER_LAG_MICROS) as Timestamp);
    case 'maxStaleness':
      return within(before(present, staleness(text)), bound, transactions, tables);
    case 'minTimestamp':
      return within(exactTime(text, present), bound, transactions, tables);
  }
}

/** Rows of then may be read by the schema of now only where that is the same: what has proved to be so is remembered for
 * as long as the descriptor is. */
const SAME_SINCE = new WeakMap<TableDescriptor, Timestamp>();

/** Throws DbError when one of the tables was made or changed since; undefined: none was, as was known. */
export function demandSameTables(
  snapshot: Snapshot,
  tables: readonly TableDescriptor[],
  transactions: Transactions,
): Promise<void> | undefined {
  const { timestamp } = snapshot;
  const open = tables.filter((table) => (SAME_SINCE.get(table) ?? MAX_TIMESTAMP) > timestamp);
  return open.length === 0 ? undefined : proveSame(snapshot, open, transactions);
}

async function proveSame(
  snapshot: Snapshot,
  tables: readonly TableDescriptor[],
  transactions: Transactions,
): Promise<void> {
  const keys = tables.map(({ id }) => descriptorKey(id));
  const [then, now] = await Promise.all([
    snapshot.getMany(keys),
    transactions.snapshot().getMany(keys),
  ]);
  for (let i = 0; i < tables.length; i++) {
    const table = tables[i] as TableDescriptor;
    const [before, after] = [then[i], now[i]];
    if (before === undefined || after === undefined || !equalBytes(before, after)) {
      throw new DbError('55000', `table "${table.name}" was made or changed after that time`, {
        hint: 'The past is read by the schema of now: ask for a later time.',
        table: table.name,
      });
    }
    SAME_SINCE.set(table, snapshot.timestamp);
  }
}

function within(
  oldest: Timestamp,
  bound: AsOf['bound'],
  transactions: Transactions,
  tables: readonly TableDescriptor[] | undefined,
): Snapshot {
  if (tables === undefined) {
    const name = bound === 'maxStaleness' ? 'with_max_staleness' : 'with_min_timestamp';
    throw new DbError('0A000', `${name}() is for single statements`, {
      hint: 'A transaction needs one time from its beginning: follower_read_timestamp(), for one.',
    });
  }
  const spans = tables.flatMap((table) => indexIdsOf(table).map(indexSpan));
  return transactions.nearestSnapshot(oldest, spans);
}

/** '-10s', a timestamp, or microseconds since 1970. */
function exactTime(text: string, present: Timestamp): Timestamp {
  const trimmed = text.trim();
  if (/^\d{1,16}$/.test(trimmed)) return Number(trimmed) as Timestamp;
  if (/^[-+]/.test(trimmed)) {
    const interval = intervalOf(trimmed);
    return before(present, interval.neg());
  }
  const value = parseTimestampTz(trimmed);
  if (typeof value === 'bigint' || !Number.isFinite(value)) throw unreadable(text);
  return atLeastZero(value + UNIX_EPOCH_DISTANCE);
}

function staleness(text: string): Interval {
  const interval = intervalOf(text);
  const { micros, days, months } = interval;
  if (micros < 0 || days < 0 || months < 0) {
    throw new DbError('22023', `a staleness can not be negative: "${text}"`);
  }
  return interval;
}

function intervalOf(text: string): Interval {
  const value = parseText(INTERVAL_TYPE, text);
  if (!(value instanceof Interval)) throw unreadable(text);
  return value;
}

function before(present: Timestamp, interval: Interval): Timestamp {
  const moved = addInterval(present - UNIX_EPOCH_DISTANCE, interval.neg());
  if (typeof moved === 'bigint' || !Number.isFinite(moved)) throw unreadable('the interval');
  return atLeastZero(moved + UNIX_EPOCH_DISTANCE);
}

function atLeastZero(micros: number): Timestamp {
  return Math.max(0, micros) as Timestamp;
}

function unreadable(text: string): DbError {
  return new DbError('22023', `no time that can be read at: "${text}"`);
}

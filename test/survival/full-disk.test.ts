// A disk that fills up: writes are refused with 53100 while there is still room for what must go on, reads go on,
// writing resumes when space returns, and nothing acknowledged is lost. The quota counts RocksDB's files, too.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../dist/src/node/config.js';
import { type Database, openDatabase } from '../../dist/src/node/database.js';
import { EmbeddedSession } from '../../dist/src/node/embedded.js';
import { createNodeRuntime } from '../../dist/src/runtime/node/node-runtime.js';
import { shardWorkerEntry } from '../../dist/src/storage/shard-entry.js';
import { temporaryDirectory } from '../support/node-process.ts';

const MIB = 1024 * 1024;
const SEGMENT_BYTES = 1 * MIB;
/** More than a fast writer and the flush that it causes take between two looks. */
const MIN_FREE_BYTES = 24 * MIB;

let directory: ReturnType<typeof temporaryDirectory>;
let quotaBytes: number;
let broken: Error | undefined;
let database: Database;

async function open(): Promise<Database> {
  const path = `${directory.path}/data`;
  const runtime = createNodeRuntime({
    logLevel: 'error',
    quota: { directory: path, bytes: () => quotaBytes },
  });
  const config = {
    ...defaultConfig(path),
    logSegmentBytes: SEGMENT_BYTES,
    minFreeBytes: MIN_FREE_BYTES,
  };
  return await openDatabase(runtime, config, {
    shardEntry: shardWorkerEntry,
    broken: (error) => {
      broken = error;
    },
  });
}

beforeEach(async () => {
  directory = temporaryDirectory();
  quotaBytes = 64 * MIB;
  broken = undefined;
  database = await open();
});

afterEach(async () => {
  await database.close();
  directory.remove();
});

/** One row. Answers the SQLSTATE. */
async function insert(session: EmbeddedSession, ids: number[]): Promise<string> {
  const id = ids.length;
  try {
    await session.query("INSERT INTO t VALUES ($1, repeat('x', 100000))", [id]);
  } catch (error) {
    return (error as { code: string }).code;
  }
  ids.push(id);
  return '00000';
}

/** Inserts until the node refuses. Answers the SQLSTATE. */
async function fill(session: EmbeddedSession, ids: number[]): Promise<string> {
  for (;;) {
    const code = await insert(session, ids);
    if (code !== '00000') return code;
  }
}

async function freeBytes(): Promise<number> {
  const gauge = (await database.metrics()).find(({ name }) => name === 'free_bytes');
  return gauge?.value as number;
}

describe('a full disk', () => {
  it('refuses writes before the end, serves reads, and takes writes again with space', async () => {
    const session = new EmbeddedSession(database.sql);
    await session.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
    const ids: number[] = [];
    for (let round = 0; round < 2; round++) {
      expect(await fill(session, ids)).toBe('53100');
      expect(await freeBytes()).toBeGreaterThan(0);
      expect(database.health().status).toMatch(/disk/);
      // Reads, in transactions and of every row.
      expect(
        (await session.query('SELECT count(*) AS c, sum(length(v)) AS bytes FROM t')).rows,
      ).toEqual([{ c: ids.length, bytes: ids.length * 100_000 }]);
      await session.query('BEGIN');
      await session.query('SELECT v FROM t WHERE id = 0');
      await session.query('COMMIT');
      // Flushes may have freed a little meanwhile; then the end comes again.
      expect(await fill(session, ids)).toBe('53100');

      quotaBytes += 32 * MIB;
      // The node looks at its disk by itself. A refusal comes within a turn: the node needs turns of its own.
      const before = ids.length;
      while (ids.length === before) {
        await new Promise((resolve) => setImmediate(resolve));
        expect(await insert(session, ids)).toMatch(/^(00000|53100)$/);
      }
    }
    expect(broken).toBeUndefined();
    await session.close();
    await database.close();

    database = await open();
    const again = new EmbeddedSession(database.sql);
    const { rows } = await again.query('SELECT id FROM t ORDER BY id');
    expect(rows.map((row) => row['id'])).toEqual(ids);
    await again.close();
  });

  it('that is full at a start still serves reads', async () => {
    const session = new EmbeddedSession(database.sql);
    await session.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
    const ids: number[] = [];
    expect(await fill(session, ids)).toBe('53100');
    await session.close();
    await database.close();

    database = await open();
    const again = new EmbeddedSession(database.sql);
    expect(await fill(again, ids)).toBe('53100');
    expect((await again.query('SELECT count(*) AS c FROM t')).rows).toEqual([{ c: ids.length }]);
    await again.close();
    expect(broken).toBeUndefined();
  });
});

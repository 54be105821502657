// A node's database at its edges: starts that were cut off, disks that fail, stops that do not go as they should.

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/node/config.ts';
import { type Database, openDatabase } from '../../src/node/database.ts';
import { EmbeddedSession } from '../../src/node/embedded.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { FileError, type Files, type Runtime } from '../../src/runtime/runtime.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { createMemoryDisk, type MemoryDisk } from '../../src/storage/memory-engine.ts';
import { shardEntry } from '../../src/storage/shard-entry.ts';

let directory: string;
let disk: MemoryDisk;
/** Writes to files whose path has this in it fail. */
let failing: string | undefined;
let flushFails: boolean;
let broken: Error[];

beforeEach(() => {
  directory = join(fs.mkdtempSync(join(tmpdir(), 'meridian-database-')), 'data');
  disk = createMemoryDisk();
  failing = undefined;
  flushFails = false;
  broken = [];
});
afterEach(() => fs.rmSync(join(directory, '..'), { recursive: true, force: true }));

function filesThatFail(files: Files): Files {
  return {
    ...files,
    open: async (path, options) => {
      const file = await files.open(path, options);
      const writeSynced = file.writeSynced.bind(file);
      file.writeSynced = (offset, bytes) =>
        failing !== undefined && path.includes(failing)
          ? Promise.reject(new FileError('io', path, `${path}: input/output error`))
          : writeSynced(offset, bytes);
      return file;
    },
  };
}

async function openEngine(): Promise<Engine> {
  const engine = await disk.open();
  const flush = engine.flush.bind(engine);
  engine.flush = () =>
    flushFails
      ? Promise.reject(new FileError('io', 'shard-0', 'shard-0: input/output error'))
      : flush();
  return engine;
}

function open(): Promise<Database> {
  const node = createNodeRuntime({ logLevel: 'silent', threads: 'inline' });
  const runtime: Runtime = { ...node, files: filesThatFail(node.files) };
  return openDatabase(
    runtime,
    { ...defaultConfig(directory), cacheBytes: 1 << 20 },
    {
      shardEntry: shardEntry(openEngine),
      broken: (error) => broken.push(error),
    },
  );
}

describe('a first start that was cut off', () => {
  it.each([
    ['before its identity was written', ['meridian.lock']],
    ['while its identity was being written', ['meridian.lock', 'node.json.new']],
  ])('%s is begun again', async (_when, names) => {
    fs.mkdirSync(directory, { recursive: true });
    for (const name of names) fs.writeFileSync(join(directory, name), '{"form');
    const database = await open();
    await database.close();
    expect(JSON.parse(fs.readFileSync(join(directory, 'node.json'), 'utf8'))).toMatchObject({
      formatVersion: 3,
      shards: 1,
    });
  });

  it('does not take a directory of something else for its own', async () => {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(join(directory, 'thesis.tex'), 'x');
    await expect(open()).rejects.toMatchObject({ code: '58P01' });
  });

  it('says so when the identity is not one', async () => {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(join(directory, 'node.json'), 'null\n');
    await expect(open()).rejects.toMatchObject({ code: 'XX001' });
  });
});

describe('P35: a log that can not be written', () => {
  it('ends a start with an error, which does not wait for ever', async () => {
    failing = '/log/';
    // The segment's header is written before anything may fail for P35's reason.
    fs.mkdirSync(directory, { recursive: true });
    await expect(open()).rejects.toThrow('input/output error');
    failing = undefined;
    await (await open()).close();
  });

  it('ends a start whose election can not be logged', async () => {
    await (await open()).close();
    failing = '/log/';
    await expect(open()).rejects.toThrow('input/output error');
    expect(broken.length).toBe(1);
    failing = undefined;
    await (await open()).close();
  });

  it('leaves nobody waiting: neither for locks nor for the outcome of a write', async () => {
    const database = await open();
    const writer = new EmbeddedSession(database.sql);
    const behind = new EmbeddedSession(database.sql);
    const reader = new EmbeddedSession(database.sql);
    await writer.query('CREATE TABLE t (id int PRIMARY KEY, v int)');
    await writer.query('INSERT INTO t VALUES (1, 1)');
    failing = '/log/';
    const answers = await Promise.all(
      [
        writer.query('UPDATE t SET v = 2 WHERE id = 1'),
        behind.query('UPDATE t SET v = v + 1 WHERE id = 1'),
        reader.query('SELECT v FROM t WHERE id = 1'),
      ].map((query) => query.then(() => 'done').catch((error: { code: string }) => error.code)),
    );
    expect(broken.length).toBe(1);
    expect(answers[0]).toBe('40003');
    expect(answers[1]).toMatch(/^(40001|40003|57P03)$/);
    expect(database.health().serving).toBe(false);
    // From now on nothing is served, neither new writes nor what is in memory.
    await expect(reader.query('SELECT v FROM t WHERE id = 1')).rejects.toMatchObject({
      code: '57P03',
    });
    await database.close();
  });
});

describe('a stop', () => {
  it('lets go of the directory even when the last flush fails', async () => {
    const database = await open();
    await new EmbeddedSession(database.sql).query('CREATE TABLE t (id int PRIMARY KEY)');
    flushFails = true;
    await expect(database.close()).rejects.toThrow('input/output error');
    flushFails = false;
    const again = await open();
    const { rows } = await new EmbeddedSession(again.sql).query('SELECT count(*) AS n FROM t');
    expect(rows).toEqual([{ n: 0 }]);
    await again.close();
  });

  it('lets go of the directory even when the log can not be closed', async () => {
    const database = await open();
    failing = '/log/';
    await expect(database.close()).rejects.toThrow('input/output error');
    failing = undefined;
    await (await open()).close();
  });
});

// Files that changed behind the node's back: it refuses to start, or to answer, and says which file it is; it never
// answers wrongly.

import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';

const ROWS = 2000;

let directory: ReturnType<typeof temporaryDirectory>;
let data: string;
let node: NodeProcess;

beforeEach(() => {
  directory = temporaryDirectory();
  data = join(directory.path, 'data');
});

afterEach(async () => {
  await node.signal('SIGKILL');
  directory.remove();
});

async function start(): Promise<void> {
  node = new NodeProcess(data, await nodePorts());
  await node.ready();
}

async function query(text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: node.url });
  // A node that meets damage while it answers may end.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A node with a table and rows, ended with `signal`. */
async function filled(signal: NodeJS.Signals): Promise<void> {
  await start();
  await query('CREATE TABLE t (id int PRIMARY KEY, v text)');
  await query(
    `INSERT INTO t SELECT n, repeat('x', 100) || n FROM generate_series(1, ${ROWS}) AS g (n)`,
  );
  await query("UPDATE t SET v = 'changed' WHERE id = 1");
  await node.signal(signal);
}

/** Starts a node that must refuse to. Answers what it said. */
async function refusal(): Promise<string> {
  node = new NodeProcess(data, await nodePorts());
  expect(await node.exited()).toBe(1);
  return node.output;
}

function change(
  path: string,
  offset: number,
  bytes: (old: Buffer) => Buffer,
  length: number,
): void {
  const file = openSync(path, 'r+');
  const old = Buffer.alloc(length);
  readSync(file, old, 0, length, offset);
  writeSync(file, bytes(old), 0, length, offset);
  closeSync(file);
}

const flipped = (old: Buffer): Buffer => Buffer.from(old.map((byte) => byte ^ 0x10));

describe('the log', () => {
  it('with a changed byte below the synced watermark stops the start, naming file and offset', async () => {
    await filled('SIGKILL');
    const path = join(data, 'log', 'raft-0000000001.log');
    // In the first record of the first batch.
    change(path, 64 + 40, flipped, 1);
    const said = await refusal();
    expect(said).toContain(`the log file ${path} is damaged at offset`);
    expect(said).toMatch(/backup/);
  });

  it('of a newer format version is refused with both versions', async () => {
    await filled('SIGTERM');
    const path = join(data, 'log', 'raft-0000000001.log');
    change(path, 8, () => Buffer.from([99, 0, 0, 0]), 4);
    const said = await refusal();
    expect(said).toContain(path);
    expect(said).toContain('format version 99');
    expect(said).toMatch(/reads format version 2 and older/);
  });
});

describe('node.json', () => {
  const path = (): string => join(data, 'node.json');

  it('of a newer format version is refused with both versions', async () => {
    await filled('SIGTERM');
    const identity = JSON.parse(readFileSync(path(), 'utf8')) as object;
    writeFileSync(path(), JSON.stringify({ ...identity, formatVersion: 99 }));
    expect(await refusal()).toMatch(/format version 99, this program knows versions up to \d/);
  });

  it('that is no JSON is refused by name', async () => {
    await filled('SIGTERM');
    writeFileSync(path(), '{"formatVersion": 1,');
    expect(await refusal()).toContain(path());
  });
});

describe('the bound of the clock', () => {
  it('with both records changed stops the start, naming the file', async () => {
    await filled('SIGTERM');
    const path = join(data, 'clock-bound');
    change(path, 8, flipped, 4);
    change(path, 4096 + 8, flipped, 4);
    expect(await refusal()).toContain(path);
  });
});

describe('a table file of RocksDB', () => {
  it.each([0.02, 0.3, 0.6, 0.9])(
    'changed at %d of its length is named, and no answer is wrong',
    async (part) => {
      await filled('SIGTERM');
      const shard = join(data, 'shard-0');
      const tables = readdirSync(shard).filter((name) => name.endsWith('.sst'));
      expect(tables.length).toBeGreaterThan(0);
      const sizes = tables.map((name) => statSync(join(shard, name)).size);
      const largest = tables[sizes.indexOf(Math.max(...sizes))] as string;
      change(join(shard, largest), Math.floor(part * Math.max(...sizes)), flipped, 64);

      node = new NodeProcess(data, await nodePorts());
      const started = await node.ready().then(
        () => true,
        () => false,
      );
      if (!started) {
        expect(await node.exited()).toBe(1);
        // RocksDB blames its manifest for properties of a table that are damaged.
        expect(node.output).toMatch(new RegExp(`${largest}|RocksDB at ${shard}: .*MANIFEST-`));
        return;
      }
      let complaint = '';
      try {
        await query('SELECT id, v FROM t');
      } catch (error) {
        complaint = (error as Error).message + node.output;
      }
      expect(complaint).toContain(largest);
    },
  );
});

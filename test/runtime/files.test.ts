import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFiles } from '../../src/runtime/node/files.ts';
import { type Files, FileError, type OpenFile } from '../../src/runtime/runtime.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (found: Uint8Array | undefined): string | undefined =>
  found === undefined ? undefined : new TextDecoder().decode(found);

let root: string;
let files: Files;
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'meridian-files-'));
  files = createFiles();
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

async function withFile(name: string, use: (file: OpenFile) => Promise<void>): Promise<void> {
  const file = await files.open(join(root, name), { create: true });
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

describe('an open file', () => {
  it.each(['write', 'writeSynced'] as const)('reads back what %s wrote', async (write) => {
    await withFile('a', async (file) => {
      await file[write](0, bytes('hello world'));
      await file[write](6, bytes('there'));
      // A view within a larger buffer.
      await file[write](11, bytes('--!--').subarray(2, 3));
      await file.sync();
      expect(text(await file.read(0, 12))).toBe('hello there!');
      expect(await file.size()).toBe(12);
    });
    expect(fs.readFileSync(join(root, 'a'), 'utf8')).toBe('hello there!');
  });

  it('reads less only at the end, and nothing beyond', async () => {
    await withFile('a', async (file) => {
      await file.write(0, bytes('12345'));
      expect(text(await file.read(3, 10))).toBe('45');
      expect(await file.read(5, 1)).toEqual(new Uint8Array(0));
      expect(await file.read(99, 1)).toEqual(new Uint8Array(0));
      expect(await file.read(0, 0)).toEqual(new Uint8Array(0));
    });
  });

  it('hands out plain arrays, whose slice() copies', async () => {
    await withFile('a', async (file) => {
      await file.write(0, bytes('12345'));
      expect((await file.read(0, 5)).constructor).toBe(Uint8Array);
    });
    expect((await files.read(join(root, 'a')))?.constructor).toBe(Uint8Array);
  });

  it('writes nothing, and far beyond its end', async () => {
    await withFile('a', async (file) => {
      await file.write(0, new Uint8Array(0));
      expect(await file.size()).toBe(0);
      await file.writeSynced(1_000_000, bytes('x'));
      expect(await file.read(999_999, 2)).toEqual(Uint8Array.of(0, 120));
    });
  });

  it('is zero-filled by preallocate, which keeps what is there and never shrinks', async () => {
    await withFile('a', async (file) => {
      await file.write(0, bytes('abc'));
      await file.preallocate(700_001);
      expect(await file.size()).toBe(700_001);
      const all = await file.read(0, 800_000);
      expect(text(all.subarray(0, 3))).toBe('abc');
      expect(all.subarray(3).every((byte) => byte === 0)).toBe(true);
      await file.preallocate(10);
      expect(await file.size()).toBe(700_001);
    });
    // Zeros on the disk, not a hole: 512-byte blocks.
    expect(fs.statSync(join(root, 'a')).blocks * 512).toBeGreaterThanOrEqual(700_000);
  });

  it('is cut by truncate', async () => {
    await withFile('a', async (file) => {
      await file.write(0, bytes('12345'));
      await file.truncate(2);
      expect(text(await file.read(0, 5))).toBe('12');
    });
  });

  it('is made only when asked, and not emptied when it is there', async () => {
    const path = join(root, 'a');
    const missing = files.open(path, { create: false });
    await expect(missing).rejects.toMatchObject({ name: 'FileError', kind: 'missing', path });
    await withFile('a', (file) => file.write(0, bytes('kept')));
    await withFile('a', async (file) => expect(text(await file.read(0, 9))).toBe('kept'));
  });

  it('fails with a FileError after close', async () => {
    const file = await files.open(join(root, 'a'), { create: true });
    await file.close();
    const uses = [() => file.read(0, 1), () => file.writeSynced(0, bytes('x')), () => file.size()];
    for (const use of uses) {
      await expect(use()).rejects.toBeInstanceOf(FileError);
    }
  });
});

describe('files', () => {
  it('are replaced whole, also by many at once, leaving nothing behind', async () => {
    const path = join(root, 'a');
    await files.replace(path, bytes('old'));
    const contents = ['one', 'two', 'three'];
    await Promise.all(contents.map((content) => files.replace(path, bytes(content))));
    expect(text(await files.read(path))).toBe('three');
    expect(await files.list(root)).toEqual(['a']);
  });

  it('are undefined, empty or nothing when they are missing', async () => {
    const path = join(root, 'none');
    expect(await files.read(path)).toBeUndefined();
    expect(await files.list(path)).toEqual([]);
    await files.remove(path);
  });

  it('are listed in order', async () => {
    for (const name of ['b', 'a', '10', '9']) fs.writeFileSync(join(root, name), '');
    expect(await files.list(root)).toEqual(['10', '9', 'a', 'b']);
  });

  it('live in directories that are made with their parents and removed with their contents', async () => {
    const deep = join(root, 'x/y/z');
    await files.makeDirectory(deep);
    await files.makeDirectory(deep);
    await files.replace(join(deep, 'a'), bytes('1'));
    await files.syncDirectory(deep);
    await files.remove(join(root, 'x'));
    expect(await files.list(root)).toEqual([]);
  });

  it('fail with what, where and why', async () => {
    const path = join(root, 'a');
    fs.writeFileSync(path, '');
    const inside = join(path, 'b');
    await expect(files.read(inside)).rejects.toMatchObject({
      kind: 'io',
      path: inside,
      message: expect.stringMatching(/\/a\/b: ENOTDIR: not a directory/),
    });
    await expect(files.list(path)).rejects.toMatchObject({ kind: 'io', path });
    await expect(files.syncDirectory(join(root, 'none'))).rejects.toMatchObject({
      kind: 'missing',
    });
  });

  it('know how much room there is', async () => {
    expect(await files.freeBytes(root)).toBeGreaterThan(0);
  });
});

describe('a quota', () => {
  let quotaBytes: number;
  beforeEach(() => {
    quotaBytes = 10_000;
    files = createFiles({ directory: root, bytes: () => quotaBytes });
  });

  it('counts what anybody has written', async () => {
    expect(await files.freeBytes(root)).toBe(10_000);
    fs.mkdirSync(join(root, 'rocksdb'));
    fs.writeFileSync(join(root, 'rocksdb/000001.sst'), new Uint8Array(6000));
    expect(await files.freeBytes(root)).toBe(4000);
    await withFile('a', async (file) => {
      await file.write(0, new Uint8Array(3000));
      expect(await files.freeBytes(root)).toBe(1000);
    });
    fs.rmSync(join(root, 'rocksdb'), { recursive: true });
    expect(await files.freeBytes(root)).toBe(7000);
  });

  it('fills the disk for what grows, not for what is overwritten, until room returns', async () => {
    await withFile('a', async (file) => {
      await file.preallocate(9000);
      await file.writeSynced(8000, new Uint8Array(1000));
      const tooMuch = [
        () => file.writeSynced(8000, new Uint8Array(3000)),
        () => file.preallocate(12_000),
        () => files.replace(join(root, 'b'), new Uint8Array(1001)),
      ];
      for (const work of tooMuch) {
        await expect(work()).rejects.toMatchObject({ name: 'FileError', kind: 'full' });
      }
      expect(await files.freeBytes(root)).toBe(1000);
      expect(await file.size()).toBe(9000);
      quotaBytes = 20_000;
      await file.writeSynced(8000, new Uint8Array(3000));
      expect(await files.freeBytes(root)).toBe(9000);
    });
  });
});

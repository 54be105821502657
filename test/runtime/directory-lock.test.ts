import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createFiles } from '../../src/runtime/node/files.ts';

const compiled = resolve(import.meta.dirname, '../../dist/src/runtime/node/files.js');
const holder = join(import.meta.dirname, 'fixtures/lock-holder.mjs');

let root: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'meridian-lock-'));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  fs.rmSync(root, { recursive: true, force: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A process that tries to lock; its first line says how that went. */
async function start(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [holder, compiled, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString().trimEnd() };
}

it('is refused while another process holds it, by name, and free once that was killed', async () => {
  const first = await start();
  expect(first.said).toBe('locked');
  const refusal = `locked: ${root} is in use by process ${first.child.pid}`;
  expect((await start()).said).toBe(refusal);
  await expect(createFiles().lockDirectory(root)).rejects.toMatchObject({
    name: 'FileError',
    kind: 'locked',
    path: root,
    message: refusal.slice('locked: '.length),
  });
  await kill(first.child);
  expect((await start()).said).toBe('locked');
});

it('has one winner when many start at once after a kill -9', async () => {
  await kill((await start()).child);
  const all = await Promise.all(Array.from({ length: 5 }, start));
  const said = all.map((one) => one.said.replace(/ by .*/, ''));
  expect(said.toSorted()).toEqual(['locked', ...Array(4).fill(`locked: ${root} is in use`)]);
});

it('is exclusive within a process too, until it is disposed', async () => {
  const files = createFiles();
  const lock = await files.lockDirectory(root);
  const again = files.lockDirectory(`${root}/.`);
  await expect(again).rejects.toMatchObject({ kind: 'locked' });
  lock[Symbol.dispose]();
  (await files.lockDirectory(root))[Symbol.dispose]();
});

it('is of a directory that exists', async () => {
  const missing = createFiles().lockDirectory(join(root, 'none'));
  await expect(missing).rejects.toMatchObject({ kind: 'missing' });
});

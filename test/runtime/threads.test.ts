// One suite for real threads and for inline ones. Real threads run compiled code, so all of it comes from dist/.
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import type { Port, Threads, WorkerEntry, WorkerMain } from '../../src/runtime/runtime.ts';
import { createLog } from '../../dist/src/runtime/node/log.js';
import { createInlineThreads, createThreads } from '../../dist/src/runtime/node/threads.js';
import { NodeTimers } from '../../dist/src/runtime/node/timers.js';

const repository = resolve(import.meta.dirname, '../..');
const module = pathToFileURL(join(import.meta.dirname, 'fixtures/echo-worker.mjs'));
const { default: inline } = (await import(module.href)) as { default: WorkerMain };
const entry: WorkerEntry = { name: 'echo', module, inline };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (message: Uint8Array): string => new TextDecoder().decode(message);

function nextMessage(port: Port): Promise<Uint8Array> {
  return new Promise((done) => {
    port.onMessage(done);
  });
}

function ending(port: Port): Promise<Error | undefined> {
  return new Promise((done) => {
    port.onClose(done);
  });
}

const kinds: readonly [string, Threads][] = [
  ['real threads', createThreads(createLog('silent'))],
  ['inline threads', createInlineThreads(new NodeTimers())],
];

describe.each(kinds)('%s', (kind, threads) => {
  it('gives the worker a clone of the data', async () => {
    const data = { shard: 3, keys: [1, 2] };
    const port = threads.start(entry, data);
    data.keys.push(3);
    port.post(bytes('data'));
    expect(JSON.parse(text(await nextMessage(port)))).toEqual({ shard: 3, keys: [1, 2] });
    await port.close();
  });

  it('carries messages both ways, in order, none lost, also those before there was a handler', async () => {
    const port = threads.start(entry, undefined);
    port.post(bytes('burst'));
    port.post(bytes('end'));
    // By now some may have come.
    await new Promise((done) => setImmediate(done));
    const numbers: number[] = [];
    await new Promise<void>((done) => {
      port.onMessage((message) => {
        if (message.length === 3) done();
        else numbers.push((message[0] as number) + 256 * (message[1] as number));
      });
    });
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    await port.close();
  });

  it('sends exactly the view that it was given', async () => {
    const port = threads.start(entry, undefined);
    const whole = bytes('0123456789');
    const echoes: Uint8Array[] = [];
    const all = new Promise<void>((done) => {
      port.onMessage((message) => {
        if (echoes.push(message) === 3) done();
      });
    });
    port.post(whole.subarray(2, 5));
    port.post(Buffer.from('pooled'));
    port.post(bytes('owned'));
    await all;
    expect(echoes.map(text)).toEqual(['234', 'pooled', 'owned']);
    expect(text(whole)).toBe('0123456789');
    // Nothing came along that was not asked for.
    if (kind === 'real threads') {
      expect(echoes.map((echo) => echo.buffer.byteLength)).toEqual([3, 6, 5]);
      expect(echoes.map((echo) => echo.constructor.name)).toEqual(Array(3).fill('Uint8Array'));
    }
    await port.close();
  });

  it('closes: what was posted is delivered first, the last answers are heard, the worker ends', async () => {
    const port = threads.start(entry, undefined);
    const heard: string[] = [];
    port.onMessage((message) => heard.push(text(message)));
    port.onClose(() => heard.push('closed'));
    port.post(bytes('one'));
    port.post(bytes('two'));
    const closing = port.close();
    port.post(bytes('too late'));
    await closing;
    await port.close();
    expect(heard).toEqual(['one', 'two', 'bye']);
  });

  it.each(['return', 'close'])('says when the worker is through: %s', async (how) => {
    const port = threads.start(entry, undefined);
    const end = ending(port);
    port.post(bytes(how));
    expect(await end).toBeUndefined();
    await port.close();
  });

  it('says that the worker died of a rejection, also to who asks later', async () => {
    const port = threads.start(entry, undefined);
    port.post(bytes('reject'));
    expect((await ending(port))?.message).toBe('rejected by the worker');
    expect((await ending(port))?.message).toBe('rejected by the worker');
    port.post(bytes('into the void'));
    await port.close();
  });
});

describe('a real thread', () => {
  const threads = kinds[0]?.[1] as Threads;

  it.each([
    ['throw', 'thrown by the worker'],
    ['exit', 'exited with code: 3'],
  ])('that dies of %s says so', async (how, message) => {
    const port = threads.start(entry, undefined);
    port.post(bytes(how));
    expect((await ending(port))?.message).toContain(message);
    await port.close();
  });

  it('whose module is missing says so', async () => {
    const missing = new URL('no-such-worker.mjs', module);
    const port = threads.start({ ...entry, module: missing }, undefined);
    expect((await ending(port))?.message).toContain('no-such-worker.mjs');
    await port.close();
  });

  it('takes a large buffer over instead of copying it', async () => {
    const port = threads.start(entry, undefined);
    const owned = new Uint8Array(100_000).fill(7);
    port.post(owned);
    expect(owned.byteLength).toBe(0);
    const echo = await nextMessage(port);
    expect(equalBytes(echo, new Uint8Array(100_000).fill(7))).toBe(true);
    await port.close();
  });

  it('does not keep the process alive once it is closed', () => {
    const script = `
      import { createNodeRuntime } from '${join(repository, 'dist/src/runtime/node/node-runtime.js')}';
      const { threads } = createNodeRuntime();
      const port = threads.start({ name: 'echo', module: new URL('${module.href}') }, undefined);
      port.post(new TextEncoder().encode('hello'));
      await new Promise((done) => port.onMessage(done));
      await port.close();
      console.log('closed');
    `;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect([run.stderr, run.stdout, run.status]).toEqual(['', 'closed\n', 0]);
  });
});

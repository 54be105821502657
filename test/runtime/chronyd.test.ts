import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../bench/lib/processes.ts';
import { chronyd } from '../../src/runtime/node/chronyd.ts';
import { createLog } from '../../src/runtime/node/log.ts';
import { createNodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { PolledBound } from '../../src/runtime/node/polled-bound.ts';
import type { Time } from '../../src/runtime/runtime.ts';
import { SEQUENCE, trackingReply } from './fixtures/tracking.ts';

const EVERY = 1_000_000;
/** Of the superuser, who does not listen there. */
const DEAF_PORT = 1;

const timeOf = (port: number): Time =>
  createNodeRuntime({ clock: { kind: 'chrony', everyMicros: EVERY, port }, logLevel: 'silent' })
    .time;

describe('a node without chronyd', () => {
  it('does not start, and says what to do', async () => {
    const { time } = createNodeRuntime({
      clock: { kind: 'chrony', everyMicros: EVERY, port: DEAF_PORT },
    });
    await expect(time.ready?.()).rejects.toMatchObject({
      code: '57P03',
      message:
        "chronyd does not vouch for this machine's clock: nothing listens on UDP 127.0.0.1:1",
      fields: { hint: expect.stringContaining('chronyc waitsync') },
    });
    expect(time.wall().problem).toContain('nothing listens');
  });
});

describe('a chronyd that the test plays', () => {
  let socket: Socket;
  let port = 0;
  /** What it answers; nothing: it is silent. */
  let fields: Parameters<typeof trackingReply>[0] | undefined;
  const heard: Buffer[] = [];

  beforeAll(async () => {
    socket = createSocket('udp4', (message, { port: from }) => {
      heard.push(message);
      if (fields === undefined) return;
      socket.send(
        trackingReply({ sequence: message.readUInt32BE(8), ...fields }),
        from,
        '127.0.0.1',
      );
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    port = socket.address().port;
  });
  afterEach(() => {
    heard.length = 0;
  });
  afterAll(() => {
    socket.close();
  });

  it('vouches for the wall of a node', async () => {
    fields = { offset: -0.002, delay: 0.004, dispersion: 0.001 };
    const time = timeOf(port);
    await time.ready?.();
    expect(heard).toHaveLength(1);
    const { earliestMicros, latestMicros, problem } = time.wall();
    expect(problem).toBeUndefined();
    expect(latestMicros - earliestMicros).toBeGreaterThanOrEqual(2 * 5_000);
    expect(earliestMicros).toBeLessThan(Date.now() * 1000);
  });

  it('is not believed when it is not synchronised', async () => {
    fields = { leap: 3, stratum: 0, reference: 0 };
    await expect(timeOf(port).ready?.()).rejects.toThrow('it is not synchronised');
  });

  it('is not believed when it answers another request', async () => {
    fields = { sequence: SEQUENCE };
    await expect(timeOf(port).ready?.()).rejects.toThrow('another request');
  });

  it('is not waited for in vain', async () => {
    fields = undefined;
    await expect(timeOf(port).ready?.()).rejects.toThrow('no answer');
  });

  it('may fall silent, and speak again', async () => {
    fields = { dispersion: 0.001 };
    const lines: string[] = [];
    const log = createLog('info', (line) => lines.push(line));
    const bound = new PolledBound(chronyd({ everyMicros: EVERY, port }), log);
    await bound.learn();
    fields = { status: 1 };
    await bound.learn();
    await bound.learn();
    expect(lines).toEqual([
      expect.stringMatching(/warn {2}chronyd does not vouch for the clock .*refused to answer/),
    ]);
    expect(bound.atMicros(performance.now() * 1000)).toBeLessThan(Infinity);
    fields = { dispersion: 0.002 };
    await bound.learn();
    expect(lines.slice(1).map((line) => line.slice(25).trimEnd())).toEqual([
      'warn  chronyd vouches for the clock again',
    ]);
  });
});

const CHRONYD = ['chronyd', '/usr/sbin/chronyd'].find(
  (command) => spawnSync(command, ['--version']).status === 0,
);

describe.runIf(CHRONYD)(
  CHRONYD ? 'a real chronyd' : 'a real chronyd (skipped: not installed)',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'meridian-chrony-'));
    const children: ChildProcess[] = [];
    afterAll(async () => {
      await Promise.all(children.map(kill));
      rmSync(directory, { recursive: true });
    });

    async function kill(child: ChildProcess): Promise<void> {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }

    /** It leaves the machine's clock alone. Resolves when it has logged `line`, and answers. */
    async function start(name: string, config: readonly string[], line: string): Promise<number> {
      const port = await freePort();
      const file = join(directory, `${name}.conf`);
      const own = [
        `cmdport ${port}`,
        'bindcmdaddress 127.0.0.1',
        'bindcmdaddress /',
        `pidfile ${join(directory, name)}.pid`,
      ];
      writeFileSync(file, [...own, ...config, ''].join('\n'));
      const child = spawn(
        CHRONYD as string,
        ['-x', '-d', '-U', '-u', userInfo().username, '-f', file],
        {
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      children.push(child);
      let said = '';
      await new Promise<void>((ready, failed) => {
        child.stderr.on('data', (chunk: Buffer) => {
          said += chunk.toString();
          if (said.includes(line)) ready();
        });
        child.once('close', () => failed(new Error(`chronyd ended: ${said}`)));
      });
      const daemon = chronyd({ everyMicros: EVERY, port });
      const isDeaf = (error: Error): boolean => error.message.includes('nothing listens');
      while (child.exitCode === null && (await daemon.ask().then(() => false, isDeaf)));
      return port;
    }

    const STARTED = 'Disabled control of system clock';

    it('that is its own reference is exact', async () => {
      const time = timeOf(await start('local', ['local stratum 8', 'port 0'], STARTED));
      await time.ready?.();
      const { earliestMicros, latestMicros, problem } = time.wall();
      expect(problem).toBeUndefined();
      expect(earliestMicros).toBeLessThan((Date.now() + 1) * 1000);
      expect(latestMicros - earliestMicros).toBeLessThan(1_000_000);
    });

    it('that follows another one knows how far off it may be', async () => {
      const ntp = await freePort();
      const source = ['local stratum 8', `port ${ntp}`, 'bindaddress 127.0.0.1', 'allow 127.0.0.1'];
      await start('source', source, STARTED);
      const server = `server 127.0.0.1 port ${ntp} iburst minpoll 0 maxpoll 0`;
      const port = await start('follower', [server, 'port 0'], 'Selected source');
      const answer = await chronyd({ everyMicros: EVERY, port }).ask();
      if (answer.kind !== 'vouched') throw new Error(answer.reason);
      expect(answer.vouched.boundMicros).toBeGreaterThan(0);
      expect(answer.vouched.boundMicros).toBeLessThan(1_000_000);
      await timeOf(port).ready?.();
    });

    it('that follows nobody vouches for nothing', async () => {
      const port = await start('alone', ['port 0'], STARTED);
      await expect(timeOf(port).ready?.()).rejects.toThrow('it is not synchronised');
    });
  },
);

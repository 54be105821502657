// A cluster under kills, pauses, cuts, splits and changes of its nodes: a short run of `npm run chaos`, which says what it checks.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { moreSeeds } from '../support/depth.ts';
import { temporaryDirectory } from '../support/node-process.ts';

const CHAOS = fileURLToPath(new URL('../../dist/bench/chaos.js', import.meta.url));
const SECONDS = 8;
/** How fast a cluster recovers is a question of the machine, and for the long run by hand. */
const RECOVERY_SECONDS = 600;

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGTERM');
});

function chaos(directory: string): Promise<{ readonly code: number | null; readonly out: string }> {
  const running = spawn(
    process.execPath,
    [
      CHAOS,
      ...['--seconds', String(SECONDS), '--seed', '3', '--clients', '6'],
      ...['--recovery-seconds', String(RECOVERY_SECONDS), '--dir', directory],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child = running;
  let out = '';
  const keep = (chunk: Buffer): void => {
    out += chunk.toString();
  };
  running.stdout.on('data', keep);
  running.stderr.on('data', keep);
  return new Promise((resolve, reject) => {
    running.once('error', reject);
    running.once('close', (code) => resolve({ code, out }));
  });
}

// It takes a minute: CI has that (test/support/depth.ts).
describe.skipIf(moreSeeds === undefined)('a cluster of processes', () => {
  it('breaks no invariant under kills, pauses and cuts', async () => {
    const directory = temporaryDirectory();
    try {
      const { code, out } = await chaos(directory.path);
      expect(out).toContain('every link goes through its proxy');
      expect(out).toContain('verdict        no invariant broken');
      expect(code).toBe(0);
    } finally {
      directory.remove();
    }
  }, 400_000);
});

// What transactions of real clients saw while nodes were killed, paused and cut off: a short run of `npm run chaos --
// --histories N`, which says what it checks.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { moreSeeds } from '../support/depth.ts';
import { temporaryDirectory } from '../support/node-process.ts';

const CHAOS = fileURLToPath(new URL('../../dist/bench/chaos.js', import.meta.url));
const TRANSACTIONS = 60;
const suites = process.env['MERIDIAN_SUITES'];
if (suites === undefined)
  console.log('skipped: histories of processes (MERIDIAN_SUITES is not set)');

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGTERM');
});

function histories(
  directory: string,
): Promise<{ readonly code: number | null; readonly out: string }> {
  const running = spawn(
    process.execPath,
    [CHAOS, '--histories', String(TRANSACTIONS), '--seed', '4', '--dir', directory],
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

// It takes two minutes: CI has them (test/support/depth.ts).
describe.skipIf(moreSeeds === undefined || suites === undefined)('histories of processes', () => {
  it('are strictly serializable under faults, and show none of the anomalies', async () => {
    const directory = temporaryDirectory();
    try {
      const { code, out } = await histories(directory.path);
      expect(out).toContain('hermitage: 15 of 15 prevented');
      expect(out.match(/VALID as strict-serializable/g)).toHaveLength(4);
      expect(out).toContain('verdict: every history holds');
      expect(code).toBe(0);
    } finally {
      directory.remove();
    }
  }, 400_000);
});

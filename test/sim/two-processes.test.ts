// A run is a function of its seed: two processes of the built command agree on everything that happened.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CLI } from '../support/node-process.ts';

const run = promisify(execFile);

/** What it printed, without how long it took. */
async function simulate(...options: string[]): Promise<string[]> {
  const { stdout } = await run(process.execPath, [CLI, 'simulate', ...options]);
  return stdout
    .split('\n')
    .map((line) => line.replace(/; \d+ operations a simulated second, .*$/, ''));
}

describe('meridian simulate', () => {
  it('prints the same trace for the same seed in two processes', async () => {
    // The second process has run another seed before: nothing of it may be left.
    const [alone, second] = await Promise.all([
      simulate('--nodes', '1', '--seed', '42', '--seconds', '5'),
      simulate('--nodes', '1', '--seed', '41', '--seeds', '2', '--seconds', '5'),
    ]);
    const line = alone.find((text) => text.startsWith('seed 42:'));
    expect(line).toMatch(/trace [0-9a-f]{16}$/);
    expect(second).toContain(line);
  });

  it('prints the same trace for the same cluster in two processes', async () => {
    const [alone, second] = await Promise.all([
      simulate('raft', '--seed', '42', '--seconds', '2', '--nodes', '3', '--whole'),
      simulate('raft', '--seed', '41', '--seeds', '2', '--seconds', '2', '--nodes', '3', '--whole'),
    ]);
    const line = alone.find((text) => text.startsWith('seed 42:'));
    expect(line).toMatch(/trace [0-9a-f]{16}$/);
    expect(second).toContain(line);
  });

  it('prints the same trace for the same whole database in two processes', async () => {
    const [alone, second] = await Promise.all([
      simulate('database', '--seed', '42', '--seconds', '1'),
      simulate('database', '--seed', '41', '--seeds', '2', '--seconds', '1'),
    ]);
    const line = alone.find((text) => text.startsWith('seed 42:'));
    expect(line).toMatch(/trace [0-9a-f]{16}$/);
    expect(second).toContain(line);
  });

  it('says how to run a failing seed again, and fails', async () => {
    const failing = simulate(
      '--nodes',
      '1',
      '--seed',
      '1',
      '--seconds',
      '60',
      '--bug',
      'ranges.release-before-visible',
    );
    await expect(failing).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /^FAILED seed 1, [\s\S]*\nagain: meridian simulate database --seed 1 --seconds 60 --nodes 1 --shards 1 --bug ranges.release-before-visible\n/,
      ) as string,
    });
  });

  it('knows no other bugs than it lists', async () => {
    const wrong = simulate('--seed', '1', '--bug', 'raft.ack-before-sink');
    await expect(wrong).rejects.toMatchObject({ code: 2 });
    expect((await simulate('--help')).join('\n')).toContain('raft.ack-before-sync');
  });
});

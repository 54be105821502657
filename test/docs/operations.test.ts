// docs/operations.md against the program: each option and each metric is there, and nothing else is.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start } from '../../src/cli/start.ts';
import { HelpAsked } from '../../src/cli/usage.ts';
import { DEFAULT_TRANSACTION_SETTINGS } from '../../src/txn/settings.ts';
import { NodeProcess, nodePorts, temporaryDirectory } from '../support/node-process.ts';
import { found, readText, tableRows } from './document.ts';

const document = readText('docs/operations.md');

async function optionsOfStart(): Promise<readonly string[]> {
  const asked = await start(['--help']).catch((error: unknown) => error);
  if (!(asked instanceof HelpAsked)) throw new Error('start --help did not ask for help');
  return [...Object.keys(asked.spec.options), 'help'];
}

describe('docs/operations.md', () => {
  const directory = temporaryDirectory();
  let node: NodeProcess;
  let metrics = '';

  beforeAll(async () => {
    node = new NodeProcess(directory.path, await nodePorts());
    await node.ready();
    metrics = await (await fetch(`http://127.0.0.1:${node.ports.http}/metrics`)).text();
  });

  afterAll(async () => {
    await node.signal('SIGTERM');
    directory.remove();
  });

  it('has every option of meridian start, and no other', async () => {
    const documented = tableRows(document, /^`--/).map(
      ([cell = '']) => found(cell, /`--([\w-]+)/g)[0],
    );
    expect(new Set(documented)).toEqual(new Set(await optionsOfStart()));
  });

  it('has every metric with its type, and no other', () => {
    const documented = tableRows(document, /^`meridian_/).map(
      ([name = '', type = '']) => `${name.slice(1, -1)} ${type}`,
    );
    const served = found(metrics, /^# TYPE (.+)$/gm);
    expect(served.length).toBeGreaterThan(10);
    expect(new Set(documented)).toEqual(new Set(served));
  });

  it('states the times that transactions have', () => {
    const { longestMicros, lockTimeoutMicros, commitDeadlineMicros } = DEFAULT_TRANSACTION_SETTINGS;
    const value = (first: RegExp): string => tableRows(document, first)[0]?.[1] ?? '';
    expect(value(/^a transaction may be open for$/)).toMatch(`${longestMicros / 1e6} s,`);
    expect(value(/^a lock is waited for$/)).toMatch(`${lockTimeoutMicros / 1e6} s,`);
    expect(value(/^a commit may take/)).toMatch(`${commitDeadlineMicros / 1e6} s,`);
    expect(value(/^ids of commits are remembered \(P20\)$/)).toMatch(
      `D, ${commitDeadlineMicros / 1e6} s after`,
    );
  });
});

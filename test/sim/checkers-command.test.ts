// `meridian check` as people run it: what it prints, and what its exit code says.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, runCommand, temporaryDirectory } from '../support/node-process.ts';
import { historyText } from './history-text.ts';

const GOOD = historyText('p0 0-1: append x 1', 'p1 2-3: r x [1]');
const STALE = historyText('p0 0-1: append x 1', 'p1 2-3: r x []', 'p1 4-5: r x [1]');

describe('meridian check', () => {
  let folder: { readonly path: string; remove(): void };
  const file = (name: string): string => join(folder.path, name);

  beforeAll(() => {
    folder = temporaryDirectory();
    writeFileSync(file('good.json'), GOOD);
    writeFileSync(file('stale.json'), STALE);
    writeFileSync(file('cut.json'), GOOD.slice(0, -20));
    const bank = [
      { type: 'invoke', process: 0, f: 'txn', value: ['read'] },
      { type: 'ok', process: 0, f: 'txn', value: { 0: 40, 1: 60 } },
    ];
    writeFileSync(file('bank.json'), JSON.stringify(bank));
  });

  afterAll(() => folder.remove());

  it('says what is valid', async () => {
    const { code, out } = await runCommand('check', file('good.json'));
    expect(out).toBe(
      `${file('good.json')}: append, 2 transactions: 2 acknowledged, 0 failed, 0 of unknown outcome
VALID as strict-serializable (strict-serializable yes, serializable yes, snapshot-isolation yes)
`,
    );
    expect(code).toBe(0);
  });

  it('shows what is not, and judges every file', async () => {
    const { code, out } = await runCommand('check', file('stale.json'), file('good.json'));
    expect(out).toContain(
      `NOT VALID as strict-serializable (strict-serializable no, serializable yes, snapshot-isolation yes)
G-single-realtime: something was read that should already have been overwritten (read skew), judged by who was answered before whom began:
  T1 (process 1, events 2 to 3): r x []
    T1 found key x empty before T2 appended 1
  T2 (process 0, events 0 to 1): append x 1
    T2 was acknowledged before T1 began
  T1 again
`,
    );
    expect(out).toContain('good.json: append');
    expect(code).toBe(1);
  });

  it('asks for no more than the model that it is told', async () => {
    const { code, out } = await runCommand('check', '--model', 'serializable', file('stale.json'));
    expect(out).toContain('\nVALID as serializable (strict-serializable no');
    expect(code).toBe(0);
  });

  it('knows what a bank holds when it is told', async () => {
    expect((await runCommand('check', file('bank.json'), '--total', '100')).code).toBe(0);
    expect((await runCommand('check', file('bank.json'), '--total', '99')).code).toBe(1);
  });

  it('names the file and the event of what is no history', async () => {
    const { code, err } = await runCommand('check', file('stale.json'), file('cut.json'));
    expect(err).toMatch(/^meridian: .*cut\.json: event 3: no JSON/);
    expect(code).toBe(2);
    const other = await runCommand('check', '--workload', 'set', file('good.json'));
    expect(other.err).toMatch(/good\.json: event 0: f 'txn' is neither add nor read/);
    expect(other.code).toBe(2);
  });

  it.each([
    ['no file', [], /wants FILE\.\.\./],
    ['a file that is not there', ['nowhere.json'], /nowhere\.json/],
    ['an unknown model', ['--model', 'strict', 'x.json'], /--model takes strict-serializable, /],
    ['an unknown workload', ['--workload', 'queue', 'x.json'], /--workload takes append, /],
    ['a total that is none', ['--total', 'all', 'x.json'], /--total takes a whole number/],
  ])('is used wrongly with %s', async (_what, args, message) => {
    const { code, err } = await runCommand('check', ...args);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  it('reads standard input', async () => {
    const child = spawn(process.execPath, [CLI, 'check', '-']);
    let out = '';
    child.stdout.on('data', (part: Buffer) => {
      out += part.toString();
    });
    child.stdin.end(STALE);
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(out).toMatch(/^standard input: append, 3 transactions/);
    expect(code).toBe(1);
  });

  it('is told of by the help', async () => {
    expect((await runCommand('--help')).out).toMatch(/meridian check +\S/);
    const { code, out } = await runCommand('check', '--help');
    expect(out).toContain('Exit codes: 0 all hold to the model, 1 one does not, 2 ');
    expect(code).toBe(0);
  });
});

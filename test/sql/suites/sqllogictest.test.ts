// SQLite's sqllogictest files, each of whose records was checked against PostgreSQL 15: all that are run must pass. A
// part of them is run here, in little time; all of them (10,003 records, a minute or two) with MERIDIAN_SLT=all.

import { execFile, execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeProcess, nodePorts, temporaryDirectory } from '../../support/node-process.ts';

const suites = process.env['MERIDIAN_SUITES'];
const runsAll = process.env['MERIDIAN_SLT'] === 'all';
/** Of the files, one in so many; and of the queries of each of these, so many. */
const EVERY_FILE = runsAll ? 1 : 16;
const QUERIES = runsAll ? 0 : 40;

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test'))
    .sort()
    .filter((name, i) => i % EVERY_FILE === 0 || name.startsWith('select'))
    .map((name) => join(folder, name));
}

describe.runIf(suites)(
  `sqllogictest${suites ? '' : ' (skipped: MERIDIAN_SUITES is not set)'}`,
  () => {
    const data = temporaryDirectory();
    const extracted = temporaryDirectory();
    let node: NodeProcess;

    beforeAll(async () => {
      const archive = `${suites}/sqllogictest/files.tgz`;
      execFileSync('tar', ['-xzf', archive, '-C', extracted.path]);
      node = new NodeProcess(data.path, await nodePorts());
      await node.ready();
    });

    afterAll(async () => {
      await node.signal('SIGTERM');
      data.remove();
      extracted.remove();
    });

    it(runsAll ? 'passes whole' : 'passes in part', { timeout: 600_000 }, async () => {
      const files = filesIn(extracted.path);
      const env = {
        ...process.env,
        SLT_URL: node.url,
        SLT_REQUIRE_FROM: fileURLToPath(new URL('../../..', import.meta.url)),
      };
      const script = `${suites}/sqllogictest/run.mjs`;
      const run = promisify(execFile)(
        process.execPath,
        [script, '--sample', String(QUERIES), ...files],
        { env },
      ).catch((failed: { stdout: string }) => failed);
      const { stdout } = await run;
      const failures = stdout.split('\n').filter((line) => !/^(ok|TOTAL)/.test(line));
      expect(failures.join('\n')).toBe('');
      const total = /^TOTAL (.*)$/m.exec(stdout)?.[1] ?? '{}';
      expect(JSON.parse(total)).toMatchObject({ files: files.length, fail: 0 });
      expect(files.length).toBeGreaterThan(5);
    });
  },
);

// Every *.slt file here against a node, and against PostgreSQL 15 where it is installed: what the files expect is what
// PostgreSQL answers, but for the records that say why they differ. MERIDIAN_REWRITE_FILES=1 writes our answers into
// the files; read what changes.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WireClient } from '../../e2e/wire-client.ts';
import { NodeProcess, nodePorts, temporaryDirectory } from '../../support/node-process.ts';
import { hasPostgres, Postgres } from './postgres.ts';
import { answer, expectation, parseRecords, type Record, render } from './runner.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const FILES = readdirSync(HERE).filter((name) => name.endsWith('.slt'));
const REASONS = readFileSync(`${HERE}differences.txt`, 'utf8');
const REWRITE = process.env['MERIDIAN_REWRITE_FILES'] === '1';

function recordsOf(file: string): Record[] {
  return parseRecords(readFileSync(HERE + file, 'utf8'));
}

/** All at once: one failure shows every record of the file that is not as expected. */
function transcript(records: readonly Record[], answers: readonly (readonly string[])[]): string {
  return records
    .map((r, i) => `line ${r.line}: ${r.sql}\n${(answers[i] as string[]).join('\n')}`)
    .join('\n\n');
}

async function answersOf(client: WireClient, records: readonly Record[]): Promise<string[][]> {
  const answers: string[][] = [];
  for (const record of records) answers.push(await answer(client, record));
  client.end();
  return answers;
}

describe('a node', () => {
  const directory = temporaryDirectory();
  let node: NodeProcess;

  beforeAll(async () => {
    node = new NodeProcess(directory.path, await nodePorts());
    await node.ready();
  });

  afterAll(async () => {
    await node.signal('SIGTERM');
    directory.remove();
  });

  it.each(FILES)('answers %s', async (file) => {
    const records = recordsOf(file);
    const answers = await answersOf(await WireClient.connect(node.ports.sql), records);
    if (REWRITE) writeFileSync(HERE + file, render(records, answers));
    else expect(transcript(records, answers)).toBe(transcript(records, records.map(expectation)));
  });
});

const postgres = hasPostgres();

describe.runIf(postgres)(
  postgres ? 'PostgreSQL 15' : 'PostgreSQL 15 (skipped: not installed)',
  () => {
    let server: Postgres;

    beforeAll(async () => {
      server = await Postgres.start();
    });

    afterAll(() => server.stop());

    it.each(FILES)('answers %s the same, but where it says why not', async (file) => {
      const records = recordsOf(file);
      const answers = await answersOf(await server.connect(file), records);
      const wanted = records.map((record, i) => {
        const ours = expectation(record);
        if (record.differs === undefined) return ours;
        const theirs = answers[i] as string[];
        return theirs.join('\n') === ours.join('\n') ? ['it does not differ'] : theirs;
      });
      expect(transcript(records, answers)).toBe(transcript(records, wanted));
    });
  },
);

describe('differences.txt', () => {
  it('has each reason that a record gives, and no other', () => {
    const given = [...REASONS.matchAll(/^([a-z-]+): ./gm)].map(([, name]) => name);
    const used = FILES.flatMap(recordsOf).flatMap(({ differs }) => differs ?? []);
    expect(new Set(used)).toEqual(new Set(given));
  });
});

// docs/protocol.md against the code: a table that nobody checks is soon wrong.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { found, readText, REPOSITORY, sourcesUnder, tableRows } from './document.ts';

const document = readText('docs/protocol.md');
const rules = tableRows(document, /^P\d+$/).map(
  ([rule = '', demands = '', kept = '', tested = '']) => ({
    rule,
    demands,
    kept,
    keptIn: found(kept, /`([^`]+)`/g),
    tested,
    /** [file, part of a test's name] */
    testedBy: [...tested.matchAll(/`([^`]+)`: "([^"]+)"/g)].map(
      (match) => [match[1] ?? '', match[2] ?? ''] as const,
    ),
  }),
);
const code = [...sourcesUnder('src'), ...sourcesUnder('bench')].map((path) => ({
  path,
  text: readText(path),
}));

function mentions(text: string, rule: string): boolean {
  return new RegExp(String.raw`\b${rule}\b`).test(text);
}

describe('docs/protocol.md', () => {
  it('lists P1 to P35, once each, in order', () => {
    expect(rules.map(({ rule }) => rule)).toEqual(
      Array.from({ length: 35 }, (_, i) => `P${i + 1}`),
    );
    expect(rules.filter(({ demands, kept }) => demands === '' || kept === '')).toEqual([]);
  });

  it('names files that exist and cite the rule', () => {
    const wrong = rules.flatMap(({ rule, keptIn }) =>
      keptIn
        .filter((path) => !existsSync(join(REPOSITORY, path)) || !mentions(readText(path), rule))
        .map((path) => `${rule}: ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  it('names tests that exist, in files that mention the rule', () => {
    const wrong = rules.flatMap(({ rule, testedBy }) =>
      testedBy
        .filter(([path, name]) => {
          if (!existsSync(join(REPOSITORY, path))) return true;
          const text = readText(path);
          return !text.includes(name) || !mentions(text, rule);
        })
        .map(([path, name]) => `${rule}: ${path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it('says of every rule that the code cites where it is kept', () => {
    const cited = new Set(code.flatMap(({ text }) => found(text, /\b(P[1-9]\d?)\b(?!\s*=)/g)));
    expect(cited.size).toBeGreaterThan(15);
    const kept = new Set(rules.filter(({ keptIn }) => keptIn.length > 0).map(({ rule }) => rule));
    expect([...cited].filter((rule) => !kept.has(rule))).toEqual([]);
  });

  it('has a test, or says that there is none, for every rule that is kept', () => {
    const untested = rules.filter(
      ({ kept, tested, testedBy }) =>
        !kept.startsWith('not yet') && testedBy.length === 0 && tested !== 'none by name',
    );
    expect(untested).toEqual([]);
  });

  it('claims nothing of rules that are not kept', () => {
    const claimed = rules.filter(({ kept, tested }) => kept.startsWith('not yet') && tested !== '');
    expect(claimed).toEqual([]);
  });

  it('has every section of the design that the code cites', () => {
    const cited = code.flatMap(({ text }) =>
      found(text.replaceAll(/\n\/\/ |\n \* /g, ' '), /DESIGN(?:\.md)?,? section (\d+(?:\.\d+)?)/g),
    );
    expect(cited.length).toBeGreaterThan(5);
    const listed = new Set(tableRows(document, /^\d+(\.\d+)?$/).map(([section]) => section));
    expect(cited.filter((section) => !listed.has(section))).toEqual([]);
  });
});

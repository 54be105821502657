// Statements with the answers that PostgreSQL 15 gave to them: results, column names and types, errors with codes,
// positions, details and hints.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sqlTypeName } from '../../../src/rows/type-names.ts';
import { FakeDatabase } from './fake-database.ts';

interface Case {
  readonly sql: string;
  readonly isSetup: boolean;
  readonly answer: string;
}

function casesOf(text: string): Case[] {
  const cases: { sql: string; isSetup: boolean; answer: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') continue;
    if (line.startsWith('~ ') || line.startsWith('> ')) {
      cases.push({ sql: line.slice(2), isSetup: line.startsWith('~ '), answer: [] });
    } else {
      cases.at(-1)?.answer.push(line);
    }
  }
  return cases.map((c) => ({ ...c, answer: c.answer.join('\n') }));
}

async function answerTo(db: FakeDatabase, sql: string): Promise<string> {
  const before = new Map(db.store.rows);
  const failure = await db.failureOrResult(sql);
  if (typeof failure === 'string') {
    db.store.rows.clear();
    for (const [key, row] of before) db.store.rows.set(key, row);
    return `! ${failure}`;
  }
  const fields = failure.fields.map((f) => `${f.name} ${sqlTypeName(f.type)}`);
  const head = fields.length === 0 ? failure.tag : `${failure.tag} | ${fields.join(', ')}`;
  return [head, ...failure.rows.map((row) => JSON.stringify(row))].join('\n');
}

const cases = casesOf(readFileSync(new URL('postgres-answers.txt', import.meta.url), 'utf8'));

describe('statements answered as PostgreSQL 15 answers them', () => {
  it('has a good many of them', () => {
    expect(cases.length).toBeGreaterThan(400);
  });

  const shapes = [
    { name: 'as they are', fold: false, isAsync: false },
    { name: 'with their literals taken out', fold: true, isAsync: false },
    { name: 'when every answer of the store is a promise', fold: false, isAsync: true },
  ];
  for (const { name, fold, isAsync } of shapes) {
    it(name, async () => {
      const db = new FakeDatabase();
      db.fold = fold;
      db.store.isAsync = isAsync;
      db.fullEvery = isAsync ? 2 : 0;
      for (const { sql, isSetup, answer } of cases) {
        if (isSetup && sql.startsWith('create')) db.create(sql);
        else if (isSetup) await db.run(sql);
        else expect(`${sql}\n${await answerTo(db, sql)}`).toBe(`${sql}\n${answer}`);
      }
    });
  }
});

// What STYLE.md asks and no other tool looks for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from './fixture.ts';

const linesMax = 700;

/** The rooms of DESIGN.md, section 2. A new one needs a row there and in .dependency-cruiser.mjs. */
const rooms = 'base runtime clock rows storage raft rpc ranges txn sql doors node cli sim'.split(
  ' ',
);

interface Source {
  readonly path: string;
  readonly text: string;
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => !path.includes('/generated/'))
    .map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));
}

/** Comments and the insides of strings blanked, lines kept. Templates stay: they may hold code. */
function codeOf(text: string): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;
  return text.replace(token, (found) => found.replace(/[^\n]/g, ' '));
}

/** Where `pattern` matches, as `path:line`. */
function places(sources: readonly Source[], pattern: RegExp, read = codeOf): string[] {
  return sources.flatMap(({ path, text }) =>
    read(text)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

const src = sourcesIn('src');
const tests = sourcesIn('test');

it('finds the sources', () => {
  expect(src.length).toBeGreaterThan(0);
  expect(tests.length).toBeGreaterThan(0);
});

it(`keeps every file of src within ${linesMax} lines`, () => {
  const long = src
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > linesMax);
  expect(long).toEqual([]);
});

it('knows every folder and file directly under src', () => {
  const known = new Set([...rooms, 'index.ts']);
  const strangers = readdirSync(join(repository, 'src')).filter((name) => !known.has(name));
  expect(strangers).toEqual([]);
});

const unfinished = new RegExp(['TO' + 'DO', 'FIX' + 'ME'].map((word) => `\\b${word}\\b`).join('|'));

it('leaves nothing unfinished', () => {
  expect(places([...src, ...tests], unfinished, (text) => text)).toEqual([]);
});

it('runs every test: none focused, none switched off (skipIf says its condition)', () => {
  expect(places(tests, /\b(it|test|describe|suite)(\.\w+)*\.(only|skip)\(/)).toEqual([]);
});

const currentInstant = /\bnew Date(?!\s*\(\s*[^)\s])|(?<!\bnew )(?<![.\w])Date\(/;

it('reads the current instant only at the edge', () => {
  const edge = /^src\/(runtime\/node|cli)\//;
  const inner = src.filter(({ path }) => !edge.test(path));
  expect(places(inner, currentInstant)).toEqual([]);
});

it('recognizes the forms of reading the current instant', () => {
  const readings = ['new Date()', 'new Date( )', 'new Date;', 'String(Date())'];
  const conversions = [
    'new Date(ms)',
    'new Date( 0 )',
    '// new Date()',
    "'new Date()'",
    'toDate()',
  ];
  const matches = (code: string): boolean =>
    places([{ path: '', text: code }], currentInstant)[0] !== undefined;
  expect(readings.filter(matches)).toEqual(readings);
  expect(conversions.filter(matches)).toEqual([]);
});

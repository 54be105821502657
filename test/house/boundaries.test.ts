// dependency-cruiser must parse the modules that it judges, and object to every kind of trespass.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FixtureTree, repository } from './fixture.ts';

interface Cruise {
  readonly modules: readonly { source: string; dependencies: readonly unknown[] }[];
  readonly summary: {
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[];
  };
}

const configuration = '.dependency-cruiser.mjs';

function cruise(root: string): Cruise {
  const depcruise = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const run = spawnSync(
    process.execPath,
    [depcruise, '--config', configuration, '--output-type', 'json', 'src'],
    { cwd: root, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
  );
  return JSON.parse(run.stdout) as Cruise;
}

/** What a file at `path` imports, and the rule that must object (undefined: none may). */
type Plant = readonly [path: string, source: string, rule: string | undefined];

const plants: readonly Plant[] = [
  ['src/base/a.ts', "export * from '../runtime/target.ts';", 'room-base'],
  ['src/raft/value.ts', "export { target } from '../storage/target.ts';", 'room-raft'],
  ['src/raft/type.ts', "export type { Target } from '../storage/target.ts';", 'room-raft'],
  [
    'src/raft/inline.ts',
    "import { type Target } from '../rows/target.ts';\nexport const a: Target = 1;",
    'room-raft',
  ],
  [
    'src/raft/dynamic.ts',
    "export const a = (): Promise<unknown> => import('../rows/target.ts');",
    'room-raft',
  ],
  [
    'src/raft/inside-a-type.ts',
    "export function f(x: import('../rows/target.ts').Target): void {\n  void x;\n}",
    'room-raft',
  ],
  [
    'src/raft/using.ts',
    `export async function f(x: Disposable[], y: AsyncDisposable): Promise<unknown> {
      await using z = y;
      for (using w of x) void [w, z];
      using v = { [Symbol.dispose]: () => void import('../rows/target.ts') };
      return v;
    }`,
    'room-raft',
  ],
  ['src/raft/clock.ts', "export { target } from '../clock/target.ts';", undefined],
  ['src/storage/rows.ts', "export { target } from '../rows/target.ts';", undefined],
  ['src/ranges/rows.ts', "export { target } from '../rows/target.ts';", undefined],
  ['src/ranges/sql.ts', "export { target } from '../sql/target.ts';", 'room-ranges'],
  ['src/txn/inside.ts', "export { target } from '../ranges/target.ts';", 'room-txn'],
  ['src/txn/api.ts', "export { target } from '../ranges/api.ts';", undefined],
  ['src/sql/inside.ts', "export { target } from '../ranges/target.ts';", 'room-sql'],
  ['src/doors/pgwire/txn.ts', "export { target } from '../../txn/target.ts';", 'room-doors'],
  ['src/doors/kv/txn.ts', "export { target } from '../../txn/target.ts';", undefined],
  ['src/doors/kv/api.ts', "export { target } from '../../ranges/api.ts';", undefined],
  ['src/doors/kv/inside.ts', "export { target } from '../../ranges/target.ts';", 'room-doors-kv'],
  ['src/node/sim.ts', "export { target } from '../sim/target.ts';", 'room-node'],
  ['src/node/doors.ts', "export { target } from '../doors/kv/txn.ts';", undefined],
  ['src/cli/sql.ts', "export { target } from '../sql/target.ts';", 'room-cli'],
  ['src/index.ts', "export { target } from './sql/target.ts';", 'room-index.ts'],
  ['src/sim/everything.ts', "export { target } from '../raft/target.ts';", undefined],
  ['src/rows/cycle.ts', "export * from './cycle.ts';\nexport const a = 1;", 'no-cycle'],
  ['src/clock/missing.ts', "export * from './missing-file.ts';", 'resolvable'],
  ['src/clock/test.ts', "export * from '../../test/target.ts';", 'src-is-self-contained'],
  ['src/clock/dev.ts', "export * from 'fast-check';", 'src-without-dev-dependencies'],
  ['src/clock/threads.ts', "export { Piscina } from 'piscina';", 'package-piscina'],
  ['src/runtime/node/threads.ts', "export { Piscina } from 'piscina';", undefined],
  ['src/clock/rocks.ts', "export type { X } from 'rocksdb-native';", 'package-rocksdb-native'],
  ['src/sql/grammar.ts', "export * from 'libpg-query';", 'package-libpg-query'],
  ['src/sql/parse/grammar.ts', "export * from 'libpg-query';", undefined],
  [
    'src/sql/bigquery.ts',
    "export * from 'node-sql-parser/build/bigquery.js';",
    'package-node-sql-parser',
  ],
];

const rooms = 'base runtime rows clock storage raft ranges txn sql sim'.split(' ');
const target = 'export const target = 1;\nexport type Target = number;\n';

it('sees the modules of src (npm run check:boundaries judges them)', () => {
  const parsed = cruise(repository).modules.filter(({ source }) => source.startsWith('src/'));
  expect(parsed.length).toBeGreaterThan(0);
  expect(parsed.some(({ dependencies }) => dependencies.length > 0)).toBe(true);
});

it('objects to every planted trespass and to nothing else', () => {
  using tree = new FixtureTree([configuration], {
    ...Object.fromEntries(rooms.map((room) => [`src/${room}/target.ts`, target])),
    'src/ranges/api.ts': target,
    'test/target.ts': target,
    ...Object.fromEntries(plants.map(([path, source]) => [path, `${source}\n`])),
  });
  const { violations } = cruise(tree.root).summary;
  for (const [path, source, rule] of plants) {
    const names = violations.filter((v) => v.from === path).map((v) => v.rule.name);
    expect([...new Set(names)], `${path}: ${source}`).toEqual(rule === undefined ? [] : [rule]);
  }
});

it('objects when a second file binds RocksDB', () => {
  const source = "export { default } from 'rocksdb-native';\n";
  using one = new FixtureTree([configuration], { 'src/storage/one.ts': source });
  expect(cruise(one.root).summary.violations).toEqual([]);
  using two = new FixtureTree([configuration], {
    'src/storage/one.ts': source,
    'src/storage/two.ts': source,
  });
  const names = cruise(two.root).summary.violations.map((v) => v.rule.name);
  expect(new Set(names)).toEqual(new Set(['rocksdb-native-in-one-file']));
});

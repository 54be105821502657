// The linter must see what a simulated run may not depend on, and let the rooms at the edge pass.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FixtureTree, repository } from './fixture.ts';

/** One line of source, where it stands, and the rule that must object (undefined: none may). */
type Plant = readonly [path: string, source: string, rule: string | undefined];

const globals = 'no-restricted-globals';
const properties = 'no-restricted-properties';
const imports = 'no-restricted-imports';

const plants: readonly Plant[] = [
  ['src/raft/now.ts', 'export const a: number = Date.now();', properties],
  ['src/raft/random.ts', 'export const a: number = Math.random();', properties],
  ['src/raft/hrtime.ts', 'export const a: bigint = process.hrtime.bigint();', properties],
  ['src/raft/timeout.ts', 'setTimeout(() => {}, 1);', globals],
  ['src/raft/interval.ts', 'setInterval(() => {}, 1);', globals],
  ['src/raft/immediate.ts', 'setImmediate(() => {});', globals],
  ['src/raft/hidden.ts', 'globalThis.setTimeout(() => {}, 1);', properties],
  ['src/raft/performance.ts', 'export const a: number = performance.now();', globals],
  ['src/raft/uuid.ts', 'export const a: string = crypto.randomUUID();', globals],
  ['src/raft/microtask.ts', 'queueMicrotask(() => {});', undefined],
  ['src/raft/convert.ts', 'export const a: Date = new Date(5);', undefined],
  ['src/raft/files.ts', "export { readFileSync } from 'node:fs';", imports],
  ['src/raft/subpath.ts', "export { setTimeout } from 'node:timers/promises';", imports],
  ['src/raft/type.ts', "export type { Stats } from 'node:fs';", imports],
  ['src/raft/dynamic.ts', "export const a: Promise<unknown> = import('node:fs');", imports],
  ['src/raft/bare.ts', "export { readFileSync } from 'fs';", 'prefer-node-protocol'],
  ['src/raft/floating.ts', 'async function f() {}\nf();', 'no-floating-promises'],
  [
    'src/raft/misused.ts',
    'export function f(g: Promise<boolean>): number {\n  if (g) return 1;\n  return 2;\n}',
    'no-misused-promises',
  ],
  [
    'src/raft/switch.ts',
    "export function f(x: 'a' | 'b'): void {\n  switch (x) {\n    case 'a':\n      return;\n  }\n}",
    'switch-exhaustiveness-check',
  ],
  ['src/rpc/socket.ts', "export { connect } from 'node:net';", undefined],
  ['src/rpc/timers.ts', "export { setTimeout } from 'node:timers/promises';", imports],
  ['src/rpc/random.ts', "export { randomBytes } from 'node:crypto';", imports],
  ['src/rpc/namespace.ts', "import * as c from 'node:crypto';\nc.randomUUID();", imports],
  ['src/rpc/default.ts', "import c from 'node:crypto';\nc.randomUUID();", imports],
  ['src/rpc/hash.ts', "export { createHash } from 'node:crypto';", undefined],
  ['src/doors/timeout.ts', 'setTimeout(() => {}, 1);', globals],
  ['src/doors/threads.ts', "export { Worker } from 'node:worker_threads';", imports],
  ['src/sim/drain.ts', 'setImmediate(() => {});', undefined],
  ['src/sim/now.ts', 'export const a: number = Date.now();', properties],
  ['src/sim/files.ts', "export { readFileSync } from 'node:fs';", imports],
  ['src/cli/now.ts', 'export const a: number = Date.now();', undefined],
  ['src/cli/child.ts', "export { spawn } from 'node:child_process';", undefined],
  ['src/cli/threads.ts', "export { Worker } from 'node:worker_threads';", imports],
  ['src/runtime/now.ts', 'export const a: number = Date.now();', properties],
  ['src/runtime/node/now.ts', 'export const a: number = Date.now();', undefined],
  ['src/runtime/node/threads.ts', "export { Worker } from 'node:worker_threads';", undefined],
  ['bench/now.ts', 'export const a: number = performance.now();', undefined],
  ['test/now.ts', 'export const a: number = Date.now();', undefined],
];

it('objects to every planted violation and to nothing else', () => {
  using tree = new FixtureTree(
    ['.oxlintrc.json', 'tsconfig.json'],
    Object.fromEntries(plants.map(([path, source]) => [path, `${source}\n`])),
  );
  const oxlint = join(repository, 'node_modules/oxlint/bin/oxlint');
  const run = spawnSync(process.execPath, [oxlint, '--format', 'json', 'src', 'bench', 'test'], {
    cwd: tree.root,
    encoding: 'utf8',
  });
  const report = JSON.parse(run.stdout) as {
    number_of_files: number;
    diagnostics: { code?: string; message: string; filename: string }[];
  };

  expect(report.number_of_files).toBe(plants.length);
  for (const [path, source, rule] of plants) {
    const codes = report.diagnostics
      .filter(({ filename }) => filename === path)
      .map(({ code, message }) => code?.replace(/^.*\((.*)\)$/, '$1') ?? message);
    expect(codes, `${path}: ${source}`).toEqual(rule === undefined ? [] : [rule]);
  }
  expect(run.status).toBe(1);
});

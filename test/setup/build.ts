// Worker threads can't be started from a .ts file under Vitest, so tests of worker code import the
// built files: build once before all tests (incremental, a few seconds when nothing changed).
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const repository: string = resolve(import.meta.dirname, '../..');

function run(
  script: string,
  ...args: string[]
): { readonly failed: boolean; readonly said: string } {
  const { error, status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(repository, script), ...args],
    { cwd: repository, encoding: 'utf8' },
  );
  if (error !== undefined) throw error;
  return { failed: status !== 0, said: `${stdout}${stderr}` };
}

export default function build(): void {
  // tsc emits in spite of type errors, and `npm run check` is what fails for them: a type error
  // in one room need not stop the tests of another.
  const compiled = run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
  if (compiled.failed) console.error(`tsc reported errors:\n${compiled.said}`);
  const bundled = run('scripts/bundle.mjs');
  if (bundled.failed) throw new Error(bundled.said);
}

// Worker threads can't be started from a .ts file under Vitest, so tests of worker code import the
// built files: build once before all tests (incremental, under a second when nothing changed).
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

export default function build(): void {
  const repository = resolve(import.meta.dirname, '../..');
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: repository,
    encoding: 'utf8',
  });
  if (run.error !== undefined) throw run.error;
  // tsc emits in spite of type errors, and `npm run check` is what fails for them: a type error
  // in one room need not stop the tests of another.
  if (run.status !== 0) console.error(`tsc reported errors:\n${run.stdout}${run.stderr}`);
}

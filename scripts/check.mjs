// `npm run check`: everything that can be judged without running the database. The steps are the
// check:* scripts of package.json, run side by side; all of them report, so that one run shows all
// that is wrong.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '..');
const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
const path = [join(repository, 'node_modules/.bin'), process.env.PATH].join(delimiter);

function run(step) {
  const start = performance.now();
  return new Promise((done) => {
    const child = spawn(scripts[step], {
      cwd: repository,
      shell: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: path },
    });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('close', (code) => {
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${step} (${seconds} s): ${scripts[step]}`);
      if (code !== 0) console.log(Buffer.concat(output).toString());
      done(code === 0);
    });
  });
}

const steps = Object.keys(scripts).filter((name) => name.startsWith('check:'));
// Until the public API exists, which is written last, most rooms are reachable only from their tests.
const premature = existsSync(join(repository, 'src/index.ts')) ? [] : ['check:unused'];
for (const step of premature) console.log(`skipped: ${step} (there is no src/index.ts yet)`);

const results = await Promise.all(steps.filter((step) => !premature.includes(step)).map(run));
process.exitCode = results.every(Boolean) ? 0 : 1;

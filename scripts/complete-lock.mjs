// Adds to package-lock.json the platform builds (`@biomejs/cli-darwin-arm64` and so on) that npm
// left out: where a registry does not serve those of other platforms, `npm install` writes a lock
// that `npm ci` then refuses. Run it after every change of the dependencies.
//
// Their versions are what the packages that want them pin. An entry has no integrity: the registry
// that could have told it has not been asked.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const file = join(resolve(import.meta.dirname, '..'), 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));

const platform =
  /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|aarch64|arm|armv7|x64|ia32|ppc64|riscv64|s390x)(?:-(\w+))?$/;

function entryFor(name, version, parent) {
  const [, os, cpu, abi] = platform.exec(name) ?? [];
  if (os === undefined) throw new Error(`which platform is ${name} for?`);
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${name}@${version} is not pinned`);
  const libc = { gnu: 'glibc', musl: 'musl' }[abi];
  return {
    version,
    cpu: [{ aarch64: 'arm64', armv7: 'arm' }[cpu] ?? cpu],
    ...(parent.dev ? { dev: true } : {}),
    ...(os === 'linux' && libc !== undefined ? { libc: [libc] } : {}),
    optional: true,
    os: [os],
  };
}

let added = 0;
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const places = [`node_modules/${name}`, `${path}/node_modules/${name}`];
    if (places.some((place) => lock.packages[place] !== undefined)) continue;
    lock.packages[places[0]] = entryFor(name, version, parent);
    added++;
  }
}

const byPath = ([a], [b]) => a.localeCompare(b, 'en');
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} platform builds added to package-lock.json`);

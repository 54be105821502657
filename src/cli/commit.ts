// Which commit of Meridian this is: so that who reads of a failure knows what it was a failure of.

import { readFileSync } from 'node:fs';

const MANIFEST: URL = new URL(import.meta.resolve('meridian/package.json'));

export function version(): string {
  return (JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }).version;
}

/** Of the checkout that it runs from; else its version. */
export function commit(): string {
  const head = gitFile('HEAD');
  if (head === undefined) return `of version ${version()}`;
  const [, ref] = /^ref: (.+)$/.exec(head) ?? [];
  if (ref === undefined) return head;
  const packed = gitFile('packed-refs')
    ?.split('\n')
    .find((line) => line.endsWith(` ${ref}`));
  return gitFile(ref) ?? packed?.split(' ')[0] ?? `the first of ${ref}`;
}

/** Undefined: there is none. */
function gitFile(name: string): string | undefined {
  try {
    return readFileSync(new URL(`.git/${name}`, MANIFEST), 'utf8').trim();
  } catch {
    return undefined;
  }
}

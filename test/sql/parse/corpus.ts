// The statements that both front ends are tried on: corpus/*.sql, one a line.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export function corpus(): string[] {
  const folder = fileURLToPath(new URL('./corpus', import.meta.url));
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter((line) => line !== '' && !line.startsWith('--'));
}

/** A tree without its offsets and without what is undefined, to compare trees of different texts or front ends. */
export function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => key !== 'at' && inner !== undefined)
      .map(([key, inner]) => [key, bare(inner)]),
  );
}

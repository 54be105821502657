// The certificates that a command is given. Apart from `meridian start`: the commands that ask nodes load no database.

import { readFileSync } from 'node:fs';
import { type ParsedOptions, UsageError } from './usage.ts';

interface Certificates {
  readonly ca: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

/** What --tls-ca, --tls-cert and --tls-key name; undefined without them. */
export function certificates(options: ParsedOptions): Certificates | undefined {
  const [ca, cert, key] = ['tls-ca', 'tls-cert', 'tls-key'].map((name) => options.text(name));
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  const read = (path: string | undefined): Uint8Array => {
    if (path === undefined) {
      throw new UsageError('--tls-ca, --tls-cert and --tls-key are wanted together');
    }
    try {
      return readFileSync(path);
    } catch (error) {
      throw new Error(`can't read ${path}: ${(error as Error).message}`);
    }
  };
  return { ca: read(ca), cert: read(cert), key: read(key) };
}

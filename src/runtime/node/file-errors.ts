// What the operating system says, in the seam's words.

import { FileError, type FileErrorKind } from '../runtime.ts';

const KINDS: Readonly<Record<string, FileErrorKind>> = {
  ENOENT: 'missing',
  ENOSPC: 'full',
  EDQUOT: 'full',
};

export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

export function fileError(path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new FileError(KINDS[codeOf(error) ?? ''] ?? 'io', path, `${path}: ${text}`);
}

/** Runs `work`; what it throws becomes a FileError about `path`. */
export async function telling<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(path, error);
  }
}

// Scan programs that were decoded before: a plan's scans bring the same bytes each time, and one for each range.

import { equalBytes, hashBytes } from '../base/bytes.ts';
import { decodeProgram, type ScanProgram } from '../rows/program.ts';

const PROGRAMS_MAX = 64;

export class DecodedPrograms {
  /** By the hash of their bytes. */
  private readonly known = new Map<
    number,
    { readonly bytes: Uint8Array; readonly program: ScanProgram }
  >();

  /** Throws when it can't be decoded. */
  get(bytes: Uint8Array): ScanProgram {
    const hash = hashBytes(bytes);
    const found = this.known.get(hash);
    if (found !== undefined && equalBytes(found.bytes, bytes)) return found.program;
    const own = bytes.slice();
    const program = decodeProgram(own);
    if (this.known.size >= PROGRAMS_MAX) this.known.clear();
    this.known.set(hash, { bytes: own, program });
    return program;
  }
}

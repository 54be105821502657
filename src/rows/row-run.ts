// Rows that lie in one buffer, one after the other: how the store hands a page of them to a scan program, so that a row
// costs neither an object nor a call.

import type { ByteWriter } from '../base/bytes.ts';

export interface RowRun {
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
  /** Row i is bytes [bounds[i], bounds[i + 1]). */
  readonly bounds: Int32Array;
  keyLength(i: number): number;
  /** Appends row i's key. */
  appendKey(i: number, writer: ByteWriter): void;
}

// What the directory says, whole: for who has to be sure that something is nowhere.

import { ByteReader, compareBytes, EMPTY_BYTES, prefixEnd } from '../../base/bytes.ts';
import { type RangeDescriptor, readDescriptor } from '../../ranges/descriptor.ts';
import { DATA_SPAN, DIRECTORY_SPAN, directoryKey } from '../../ranges/layout.ts';
import type { Span } from '../../storage/engine.ts';
import type { Transactions } from '../../txn/api.ts';
import { readRows } from '../placement/root-rows.ts';

/** An index's prefix and the tag of a key column. */
const TAGGED_PREFIX_BYTES = 5;

/** By start. Each row as it was published last (P28): a range may have changed since. */
export async function allDescriptors(
  transactions: Transactions,
): Promise<readonly RangeDescriptor[]> {
  const snapshot = transactions.snapshot();
  const first = directoryKey(DIRECTORY_SPAN.start);
  // Rows of the directory's own ranges are in the root range; what else is there begins with another tag.
  const spans: readonly Span[] = [
    { start: first, end: prefixEnd(first.subarray(0, TAGGED_PREFIX_BYTES)) },
    { start: directoryKey(EMPTY_BYTES), end: DATA_SPAN.start },
  ];
  const found = await Promise.all(spans.map((span) => readRows(snapshot, span)));
  return found
    .flat()
    .map(({ value }) => readDescriptor(new ByteReader(value)))
    .sort((a, b) => compareBytes(a.span.start, b.span.start));
}

/** They leave no key out. */
export function coverAll(descriptors: readonly RangeDescriptor[]): boolean {
  let at: Uint8Array | undefined = EMPTY_BYTES;
  for (const { span } of descriptors) {
    if (at === undefined || compareBytes(span.start, at) !== 0) return false;
    at = span.end;
  }
  return descriptors.length > 0 && at === undefined;
}

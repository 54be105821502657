// Reading entries back from a segment: for followers that lag behind the memory's tail, and for replay at start.

import { ByteReader } from '../../base/bytes.ts';
import type { Entry } from '../types.ts';
import type { GroupLog } from './group-log.ts';
import { CHANGE, emptyRecordView, readRecord, RECORD_HEADER_BYTES } from './record.ts';
import { logDamage, type Segment } from './segment.ts';

interface Place {
  readonly index: number;
  readonly offset: number;
}

/** Entries from `first` on that lie in `segment`, up to `last` and as far as one read of bytesMax goes; at least one. */
export async function readEntries(
  segment: Segment,
  group: GroupLog,
  first: number,
  last: number,
  bytesMax: number,
): Promise<readonly Entry[]> {
  // Places are fixed before the read: the log may be truncated or overwritten while it lasts.
  const start = group.offsetOf(first);
  const places: Place[] = [];
  let end = start;
  for (let index = first; index <= last; index++) {
    const offset = group.offsetOf(index);
    const recordEnd = offset + RECORD_HEADER_BYTES + group.lengthOf(index);
    const isElsewhere = group.segmentOf(index) !== segment.number || offset < end;
    if (places.length > 0 && (isElsewhere || recordEnd - start > bytesMax)) break;
    places.push({ index, offset });
    end = recordEnd;
  }
  segment.readers++;
  let bytes: Uint8Array;
  try {
    bytes = await segment.file.read(start, end - start);
  } finally {
    segment.readers--;
  }
  const { view } = new ByteReader(bytes);
  const record = emptyRecordView();
  return places.map(({ index, offset }) => {
    const at = offset - start;
    const found = readRecord(bytes, view, at, segment.number, offset, record);
    if (found !== 'record' || record.group !== group.groupId || record.index !== index) {
      throw logDamage(segment.file.path, offset, `entry ${index} is not what was written`);
    }
    return {
      index,
      term: record.term,
      kind: record.kind === CHANGE ? 'change' : 'command',
      data: bytes.subarray(record.payloadStart, record.payloadEnd),
    };
  });
}

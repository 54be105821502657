// What the node that leads a range says of it, for statements such as SHOW RANGES and for who leads its neighbour.

import { ByteReader, fromHex, toHex } from '../../base/bytes.ts';
import { encodeDescriptor, type RangeDescriptor, readDescriptor } from '../../ranges/descriptor.ts';
import type { NodeId } from '../../runtime/runtime.ts';
import type { HotRow } from '../load/split-queue-history.ts';
import type { Neighbour } from '../load/split-queue-range.ts';

export interface RangeReport extends Neighbour {
  readonly leader: NodeId;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Microseconds of work a second, of the last seconds. */
  readonly currentWork: number;
  readonly hotRow: HotRow | undefined;
  readonly descriptor: RangeDescriptor;
}

/** As it travels: JSON, keys in hex. */
export type PackedReport = Omit<RangeReport, 'descriptor' | 'hotRow'> & {
  readonly descriptor: string;
  readonly hotKey: string | undefined;
  readonly hotShare: number | undefined;
};

export function packReport(report: RangeReport): PackedReport {
  const { descriptor, hotRow, ...rest } = report;
  return {
    ...rest,
    descriptor: toHex(encodeDescriptor(descriptor)),
    hotKey: hotRow === undefined ? undefined : toHex(hotRow.key),
    hotShare: hotRow?.share,
  };
}

export function unpackReport(packed: PackedReport): RangeReport {
  const { descriptor, hotKey, hotShare, ...rest } = packed;
  return {
    ...rest,
    descriptor: readDescriptor(new ByteReader(fromHex(descriptor))),
    hotRow:
      hotKey === undefined || hotShare === undefined
        ? undefined
        : { key: fromHex(hotKey), share: hotShare },
  };
}

// What the ClockBound daemon shares in a file, layouts 1 and 2, in the byte order of the machine:
//
//   0   u32 u32   magic               16  i64 i64   as of (seconds, nanoseconds of CLOCK_MONOTONIC_COARSE)
//   8   u32       size of all         32  i64 i64   void after
//   12  u16       layout              48  i64       bound, nanoseconds
//   14  u16       generation
//
//   layout 1      56 u32 drift, 60 u32 reserved, 64 i32 status
//   layout 2      56 u64 disruption marker, 64 u32 drift, 68 i32 status, 72 u8 whether disruptions are looked for
//
// The drift is in millionths of a thousandth. The daemon makes the generation odd before it writes and even afterwards;
// 0 is a file that was made and not filled.

const MAGIC = [0x414d5a4e, 0x43420200] as const;
const GENERATION_OFFSET = 14;
const HEADER_BYTES = 16;
const LAYOUT_BYTES = [72, 80] as const;
export const SEGMENT_BYTES_MAX = 80;
const DRIFT_PPB_MAX = 1e9;

export type ClockStatus = 'unknown' | 'synchronised' | 'free running' | 'disrupted';

const STATUSES: readonly ClockStatus[] = ['unknown', 'synchronised', 'free running', 'disrupted'];

export interface Segment {
  readonly generation: number;
  /** On the machine's monotonic clock. */
  readonly asOfMicros: number;
  readonly voidAfterMicros: number;
  readonly boundMicros: number;
  readonly drift: number;
  readonly status: ClockStatus;
  /** Another one: the clock was disrupted meanwhile, as when a virtual machine moved. */
  readonly disruptions: bigint;
}

/** Throws when nothing can be read from it, now or ever. */
export function decodeSegment(bytes: Uint8Array): Segment {
  if (bytes.length < HEADER_BYTES) throw new Error('its file is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = isLittleEndian(view);
  const layout = view.getUint16(12, little);
  const generation = view.getUint16(GENERATION_OFFSET, little);
  if (layout === 0 || generation === 0) throw new Error('its file is not filled yet');
  const layoutBytes = LAYOUT_BYTES[layout - 1];
  if (layoutBytes === undefined) {
    throw new Error(`its file has layout ${layout}; this version reads 1 and 2`);
  }
  if (bytes.length < layoutBytes || view.getUint32(8, little) < layoutBytes) {
    throw new Error('its file is too short for its layout');
  }
  if (generation % 2 !== 0) throw new Error('its file is being written');
  const isFirst = layout === 1;
  const driftPpb = view.getUint32(isFirst ? 56 : 64, little);
  const status = STATUSES[view.getInt32(isFirst ? 64 : 68, little)];
  const boundMicros = Number(view.getBigInt64(48, little)) / 1000;
  if (status === undefined || driftPpb >= DRIFT_PPB_MAX || boundMicros < 0) {
    throw new Error('what its file says makes no sense');
  }
  return {
    generation,
    asOfMicros: timeAt(view, 16, little),
    voidAfterMicros: timeAt(view, 32, little),
    boundMicros,
    drift: driftPpb / 1e9,
    status,
    disruptions: isFirst ? 0n : view.getBigUint64(56, little),
  };
}

function isLittleEndian(view: DataView): boolean {
  for (const little of [true, false]) {
    if (view.getUint32(0, little) === MAGIC[0] && view.getUint32(4, little) === MAGIC[1]) {
      return little;
    }
  }
  throw new Error('the file is not one of its own');
}

function timeAt(view: DataView, offset: number, little: boolean): number {
  const seconds = Number(view.getBigInt64(offset, little));
  const nanos = Number(view.getBigInt64(offset + 8, little));
  return seconds * 1e6 + nanos / 1000;
}
